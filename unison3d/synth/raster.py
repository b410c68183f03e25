"""Compiled loops that draw triangles into a depth buffer.

The homogeneous form of Olano and Greer (1997): for camera points A, B, C and the ray r = (x, y, 1)
of a pixel, the products r . (B x C), r . (C x A), r . (A x B) are the barycentric coordinates up to
a common factor. That holds for triangles that reach behind the camera too, so nothing is clipped,
and two triangles that share an edge leave no gap.
"""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

_NEAR = 0.05  # metres


@kernel
def _edges(a, b, c):
    """Products of two corners each, and the volume that all three span."""
    bc = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0])
    ca = (c[1] * a[2] - c[2] * a[1], c[2] * a[0] - c[0] * a[2], c[0] * a[1] - c[1] * a[0])
    ab = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return bc, ca, ab, a[0] * bc[0] + a[1] * bc[1] + a[2] * bc[2]


@kernel
def _in_camera(corner, camera):
    """A point of the room in camera axes; ``camera`` is float64, (3, 4), room to camera."""
    x, y, z = corner[0], corner[1], corner[2]
    return (
        camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z + camera[0, 3],
        camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z + camera[1, 3],
        camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z + camera[2, 3],
    )


@kernel
def _span(low, high, focal, middle, size):
    """First pixel and one past the last between two tangents."""
    first = np.int64(np.ceil(min(max(focal * low + middle, 0.0), size)))
    last = np.int64(np.floor(min(max(focal * high + middle, -1.0), size - 1.0)))
    return first, last + 1


@kernel
def draw(corners, two_sided, skip, camera, intrinsics, depth, ids):
    """Draw triangles; of those in a pixel the nearest stays.

    Args:
        corners: float32, (T, 3, 3), metres, counter-clockwise seen from outside.
        two_sided: bool, (T,). Others are not seen from behind.
        skip: bool, (T,), left out.
        camera: float64, (3, 4), room to camera (x right, y down, z forward).
        intrinsics: float64, (4,), fx, fy, cx, cy.
        depth: float32, (H, W), filled with infinity; receives metres along the optical axis.
        ids: int32, (H, W), filled with -1; receives the triangle.
    """
    height, width = depth.shape
    fx, fy, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2], intrinsics[3]
    left, right = (-0.5 - cx) / fx, (width - 0.5 - cx) / fx
    top, bottom = (-0.5 - cy) / fy, (height - 0.5 - cy) / fy
    for t in range(len(corners)):
        if skip[t]:
            continue
        a = _in_camera(corners[t, 0], camera)
        b = _in_camera(corners[t, 1], camera)
        c = _in_camera(corners[t, 2], camera)
        if max(a[2], b[2], c[2]) <= _NEAR:
            continue
        if (
            (a[0] < left * a[2] and b[0] < left * b[2] and c[0] < left * c[2])
            or (a[0] > right * a[2] and b[0] > right * b[2] and c[0] > right * c[2])
            or (a[1] < top * a[2] and b[1] < top * b[2] and c[1] < top * c[2])
            or (a[1] > bottom * a[2] and b[1] > bottom * b[2] and c[1] > bottom * c[2])
        ):
            continue
        bc, ca, ab, volume = _edges(a, b, c)
        # Counter-clockwise seen from the camera has a negative volume in these axes.
        if volume == 0 or (volume > 0 and not two_sided[t]):
            continue
        u0, u1, v0, v1 = 0, width, 0, height
        if min(a[2], b[2], c[2]) > _NEAR:
            xa, xb, xc = a[0] / a[2], b[0] / b[2], c[0] / c[2]
            ya, yb, yc = a[1] / a[2], b[1] / b[2], c[1] / c[2]
            u0, u1 = _span(min(xa, xb, xc), max(xa, xb, xc), fx, cx, width)
            v0, v1 = _span(min(ya, yb, yc), max(ya, yb, yc), fy, cy, height)
        sign = 1.0 if volume > 0 else -1.0
        for v in range(v0, v1):
            y = (v - cy) / fy
            for u in range(u0, u1):
                x = (u - cx) / fx
                ea = sign * (x * bc[0] + y * bc[1] + bc[2])
                eb = sign * (x * ca[0] + y * ca[1] + ca[2])
                ec = sign * (x * ab[0] + y * ab[1] + ab[2])
                total = ea + eb + ec
                if ea >= 0 and eb >= 0 and ec >= 0 and total > 0:
                    z = sign * volume / total
                    if z > _NEAR and z < depth[v, u]:
                        depth[v, u] = z
                        ids[v, u] = t


@kernel
def surfaces(corners, st, camera, intrinsics, width, pixels, ids, place, normals, along, cosine):
    """Where and how the pixels of an image meet their triangles.

    Args:
        corners: float32, (T, 3, 3).
        st: float32, (T, 3, 2).
        camera: float64, (3, 4), room to camera.
        intrinsics: float64, (4,).
        width: of the image in pixels.
        pixels: int64, (M,), numbered along the rows.
        ids: int32, (M,), triangles.
        place: float32, (M, 3), receives the points in the frame of the room.
        normals: float32, (M, 3), receives unit normals, towards the camera.
        along: float32, (M, 2), receives pattern coordinates.
        cosine: float32, (M,), receives the cosine between ray and normal.
    """
    for i in range(len(pixels)):
        t = ids[i]
        a = _in_camera(corners[t, 0], camera)
        b = _in_camera(corners[t, 1], camera)
        c = _in_camera(corners[t, 2], camera)
        bc, ca, ab, volume = _edges(a, b, c)
        x = (pixels[i] % width - intrinsics[2]) / intrinsics[0]
        y = (pixels[i] // width - intrinsics[3]) / intrinsics[1]
        ea = x * bc[0] + y * bc[1] + bc[2]
        eb = x * ca[0] + y * ca[1] + ca[2]
        ec = x * ab[0] + y * ab[1] + ab[2]
        total = ea + eb + ec
        ea, eb, ec = ea / total, eb / total, ec / total
        for k in range(3):
            place[i, k] = ea * corners[t, 0, k] + eb * corners[t, 1, k] + ec * corners[t, 2, k]
        for k in range(2):
            along[i, k] = ea * st[t, 0, k] + eb * st[t, 1, k] + ec * st[t, 2, k]
        p, q, r = corners[t, 0], corners[t, 1], corners[t, 2]
        side = -1.0 if volume > 0 else 1.0
        nx = side * ((q[1] - p[1]) * (r[2] - p[2]) - (q[2] - p[2]) * (r[1] - p[1]))
        ny = side * ((q[2] - p[2]) * (r[0] - p[0]) - (q[0] - p[0]) * (r[2] - p[2]))
        nz = side * ((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))
        length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-20)
        normals[i, 0], normals[i, 1], normals[i, 2] = nx / length, ny / length, nz / length
        # The volume of the corners is the distance of the camera from their plane, times the area.
        ray = abs(total) * np.sqrt(x * x + y * y + 1)
        cosine[i] = ray / length
