"""The surface around bare points: who touches whom, and which way it faces."""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel
from unison3d.superpoints.chunks import run_in_chunks

# Points that a thread takes at a time.
_CHUNK = 8192


@kernel
def _fill_rings(points, normals, indices, first, last, rings, better):
    count = indices.shape[1]
    # The Voronoi cell of a point in its tangent plane: corners, and who cut the side after each.
    x, y = np.empty(count + 4), np.empty(count + 4)
    new_x, new_y = np.empty(count + 4), np.empty(count + 4)
    cutter, new_cutter = np.empty(count + 4, np.int32), np.empty(count + 4, np.int32)
    offset, one, two = np.empty(3), np.empty(3), np.empty(3)
    for i in range(first, last):
        known = count
        while known > 1 and indices[i, known - 1] >= len(points):
            known -= 1
        last = indices[i, known - 1]
        reach = 0.0
        for axis in range(3):
            reach += (np.float64(points[last, axis]) - points[i, axis]) ** 2
        # Points beyond the last neighbour cut farther out than half its distance.
        reach = np.sqrt(reach) / 2
        if not reach > 0:
            continue
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        if abs(nx) < 0.6:
            ux, uy, uz = 0.0, np.float64(nz), -np.float64(ny)
        else:
            ux, uy, uz = -np.float64(nz), 0.0, np.float64(nx)
        length = np.sqrt(ux * ux + uy * uy + uz * uz)
        ux, uy, uz = ux / length, uy / length, uz / length
        vx, vy, vz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
        x[0], y[0], x[1], y[1] = -reach, -reach, reach, -reach
        x[2], y[2], x[3], y[3] = reach, reach, -reach, reach
        corners = 4
        cutter[:4] = -1
        for j in indices[i, :known]:
            if j == i:
                continue
            for axis in range(3):
                offset[axis] = np.float64(points[j, axis]) - points[i, axis]
            squared = offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2
            a = offset[0] * ux + offset[1] * uy + offset[2] * uz
            b = offset[0] * vx + offset[1] * vy + offset[2] * vz
            flat = a * a + b * b
            # Steeper than 60 degrees: the other side of a sheet rather than its next point.
            if flat < 0.25 * squared or flat == 0:
                continue
            # Unrolled into the plane at its true distance, so that folds do not draw points near.
            stretch = np.sqrt(squared / flat)
            a, b, half = a * stretch, b * stretch, squared / 2
            kept = 0
            before = a * x[corners - 1] + b * y[corners - 1] - half
            for c in range(corners):
                p = corners - 1 if c == 0 else c - 1
                here = a * x[c] + b * y[c] - half
                if (before <= 0) != (here <= 0):
                    share = before / (before - here)
                    new_x[kept] = x[p] + share * (x[c] - x[p])
                    new_y[kept] = y[p] + share * (y[c] - y[p])
                    new_cutter[kept] = j if here > 0 else cutter[p]
                    kept += 1
                if here <= 0:
                    new_x[kept], new_y[kept], new_cutter[kept] = x[c], y[c], cutter[c]
                    kept += 1
                before = here
            corners = kept
            x, new_x = new_x, x
            y, new_y = new_y, y
            cutter, new_cutter = new_cutter, cutter
        size = 0
        sx = sy = sz = 0.0
        for c in range(corners):
            j, k = cutter[c], cutter[c + 1 if c + 1 < corners else 0]
            if j < 0:
                continue
            rings[i, size] = j
            size += 1
            if k < 0 or k == j:
                continue
            # Two neighbours in a row that meet in a corner make a triangle with the point.
            for axis in range(3):
                one[axis] = np.float64(points[j, axis]) - points[i, axis]
                two[axis] = np.float64(points[k, axis]) - points[i, axis]
            cx = one[1] * two[2] - one[2] * two[1]
            cy = one[2] * two[0] - one[0] * two[2]
            cz = one[0] * two[1] - one[1] * two[0]
            length = np.sqrt(cx * cx + cy * cy + cz * cz)
            if not length > 0:
                continue
            if cx * nx + cy * ny + cz * nz < 0:
                length = -length
            sx, sy, sz = sx + cx / length, sy + cy / length, sz + cz / length
        length = np.sqrt(sx * sx + sy * sy + sz * sz)
        if length > 1e-6:
            better[i, 0], better[i, 1], better[i, 2] = sx / length, sy / length, sz / length


@kernel
def _ring_edges(rings):
    edges = np.empty((rings.size, 2), np.int32)
    total = 0
    for i in range(len(rings)):
        for j in rings[i]:
            if j < 0:
                break
            # A pair that both sides see is listed by the lower one.
            listed = False
            if j < i:
                for other in rings[j]:
                    listed |= other == i
            if not listed:
                edges[total, 0] = i
                edges[total, 1] = j
                total += 1
    return edges[:total].copy()


def surface_graph(
    points: np.ndarray, normals: np.ndarray, indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Join every point with its Delaunay neighbours in the tangent plane, and sharpen normals.

    The nearest points of a scan lie where it is dense, often all to one side; Delaunay neighbours
    lie all around, as the corners of a mesh would. The unit normals of the triangles between them
    follow a crease more closely than a plane fit, which blurs it.

    Args:
        points: float32, (N, 3), metres.
        normals: float32, (N, 3), unit length, any sign.
        indices: int32, (N, J), nearest points, nearest first, padded with N.

    Returns:
        int32 (E, 2) edges, each pair once, and float32 (N, 3) unit normals with the signs of
        ``normals``. Points without a triangle keep their normal.
    """
    points = np.ascontiguousarray(points, np.float32)
    normals = np.ascontiguousarray(normals, np.float32)
    indices = np.ascontiguousarray(indices, np.int32)
    rings = np.full(indices.shape, -1, np.int32)
    sharper = normals.copy()
    run_in_chunks(
        lambda first, last: _fill_rings(points, normals, indices, first, last, rings, sharper),
        len(points),
        _CHUNK,
    )
    return _ring_edges(rings), sharper


@kernel
def _unsigned_weights(normals, colors, edges, color_weight):
    weights = np.empty(len(edges), np.float32)
    for e in range(len(edges)):
        a, b = edges[e, 0], edges[e, 1]
        cosine = np.float32(0)
        for axis in range(3):
            cosine += normals[a, axis] * normals[b, axis]
        weight = np.float32(1) - abs(cosine)
        if len(colors):
            change = np.float32(0)
            for axis in range(3):
                change += (colors[a, axis] - colors[b, axis]) ** 2
            weight += color_weight * change
        weights[e] = weight
    return weights


def unsigned_weights(
    normals: np.ndarray, edges: np.ndarray, colors: np.ndarray | None, color_weight: float
) -> np.ndarray:
    """``1 - |n_a.n_b| + color_weight * |c_a - c_b|^2`` of every edge.

    Args:
        normals: float32, (N, 3), unit length, any sign.
        edges: int32, (E, 2).
        colors: float32, (N, 3), 0 to 1, or None.
        color_weight: 0 leaves colour out.

    Returns:
        float32, (E,).
    """
    used = colors is not None and color_weight != 0
    table = np.ascontiguousarray(colors, np.float32) if used else np.zeros((0, 3), np.float32)
    return _unsigned_weights(normals, table, edges, np.float32(color_weight))
