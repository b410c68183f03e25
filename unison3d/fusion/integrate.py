"""Compiled loops that add one depth image to a volume."""

from __future__ import annotations

import numpy as np

from unison3d.fusion.blocks import AXIS_LIMIT, EDGE, VOXELS, axis_of, pack
from unison3d.native import kernel

# Slots that remember the blocks met last: neighbouring pixels meet the same ones.
_RECENT = 4096
# Weight of a pixel at the rim of a thing, where it may show what lies behind.
_RIM_TRUST = 0.1


@kernel
def blocks_near_surface(depth, intrinsics, pose, voxel_size, truncation, keys):
    """List the blocks along the rays within the truncation distance of the measured depth.

    Args:
        depth: float32, (H, W), metres; not above 0 or not finite is no measurement.
        intrinsics: float64, (3, 3).
        pose: float64, (4, 4), camera to world.
        voxel_size: metres.
        truncation: metres.
        keys: int64, room for every sample of every pixel; filled with keys, some more than once.

    Returns:
        Number of keys written, or -1 where a block lies outside the range of keys.
    """
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    skew = intrinsics[0, 1]
    block_size = voxel_size * EDGE
    steps = samples_per_ray(voxel_size, truncation)
    recent = np.full(_RECENT, -1, np.int64)
    count = 0
    for v in range(depth.shape[0]):
        for u in range(depth.shape[1]):
            d = depth[v, u]
            if not (d > 0 and np.isfinite(d)):
                continue
            y = (v - cy) / fy
            x = (u - cx - skew * y) / fx
            # Direction in the world of a step of one metre in depth.
            rx = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]
            ry = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
            rz = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2]
            for k in range(steps):
                z = d + truncation * (2.0 * k / (steps - 1) - 1.0)
                if z <= 0:
                    continue
                bx = np.floor((pose[0, 3] + z * rx) / block_size)
                by = np.floor((pose[1, 3] + z * ry) / block_size)
                bz = np.floor((pose[2, 3] + z * rz) / block_size)
                # One block of margin: extraction asks for the neighbours of a block.
                if max(abs(bx), abs(by), abs(bz)) >= AXIS_LIMIT - 2:
                    return -1
                key = pack(bx, by, bz)
                slot = (np.int64(bx) * 73 + np.int64(by) * 179 + np.int64(bz) * 283) & (_RECENT - 1)
                if recent[slot] != key:
                    recent[slot] = key
                    keys[count] = key
                    count += 1
    return count


@kernel
def samples_per_ray(voxel_size, truncation):
    """Samples along a ray, at most two voxels apart."""
    return np.int64(np.ceil(truncation / voxel_size)) + 1


@kernel
def _surface_at(depth, fu, fv, nearest, truncation, fx, fy, x, y):
    """Depth between four pixels, and how much nearer the surface is than along the optical axis.

    Where the pixels see different things or nothing, the nearest one stands alone.

    Args:
        depth: float32, (H, W), metres.
        fu, fv: pixel coordinates inside the image.
        nearest: depth of the nearest pixel.
        truncation: metres between pixels that see different things.
        fx, fy: focal lengths in pixels.
        x, y: the direction ``(x, y, 1)`` of the pixel.

    Returns:
        The depth, the distance to the tangent plane per metre of depth, and the weight of the
        measurement: the squared cosine between the ray and the normal.
    """
    u, v = np.int64(np.floor(fu)), np.int64(np.floor(fv))
    if u < 0 or v < 0 or u + 1 >= depth.shape[1] or v + 1 >= depth.shape[0]:
        return np.float64(nearest), 1.0, _RIM_TRUST
    a, b, c, d = depth[v, u], depth[v, u + 1], depth[v + 1, u], depth[v + 1, u + 1]
    low, high = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
    if not (low > 0 and high - low < truncation):
        return np.float64(nearest), 1.0, _RIM_TRUST
    s, t = fu - u, fv - v
    across = fx * ((1 - t) * (b - a) + t * (d - c))
    down = fy * ((1 - s) * (c - a) + s * (d - b))
    middle = (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * c + s * d)
    # The cross product of the steps to the next pixel, divided by what it shares with the ray.
    along = middle + across * x + down * y
    slant = middle / np.sqrt(across * across + down * down + along * along)
    return middle, slant, slant * slant * (1 + x * x + y * y)


@kernel
def update_blocks(
    rows, block_keys, depth, color, intrinsics, pose, voxel_size, truncation, distance, weight, tint
):
    """Average the signed distances, and the colours if there are any, into blocks.

    Args:
        rows: int64, (R,) blocks to update.
        block_keys: int64, (B,).
        depth: float32, (H, W), metres.
        color: uint8, (H, W, 3); (0, 0, 3) for none.
        intrinsics: float64, (3, 3).
        pose: float64, (4, 4), camera to world.
        voxel_size: metres.
        truncation: metres.
        distance: float32, (B, 512), in units of the truncation, positive in front of the surface.
        weight: float32, (B, 512), sum of the weights of the measurements.
        tint: float32, (B, 512, 4), mean colour and its weight; (0, 512, 4) for
            none.
    """
    height, width = depth.shape
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    skew = intrinsics[0, 1]
    r = np.ascontiguousarray(pose[:3, :3].T) * voxel_size
    start = -(np.ascontiguousarray(pose[:3, :3].T) @ np.ascontiguousarray(pose[:3, 3]))
    with_color = color.shape[0] > 0
    for row in rows:
        key = block_keys[row]
        ox, oy, oz = axis_of(key, 0) * EDGE, axis_of(key, 1) * EDGE, axis_of(key, 2) * EDGE
        for i in range(VOXELS):
            gx, gy, gz = ox + (i >> 6), oy + ((i >> 3) & 7), oz + (i & 7)
            z = start[2] + r[2, 0] * gx + r[2, 1] * gy + r[2, 2] * gz
            if z <= 1e-6:
                continue
            x = (start[0] + r[0, 0] * gx + r[0, 1] * gy + r[0, 2] * gz) / z
            y = (start[1] + r[1, 0] * gx + r[1, 1] * gy + r[1, 2] * gz) / z
            fu = fx * x + skew * y + cx
            fv = fy * y + cy
            if not (fu >= -0.5 and fv >= -0.5 and fu < width - 0.5 and fv < height - 0.5):
                continue
            u, v = np.int64(fu + 0.5), np.int64(fv + 0.5)
            d = depth[v, u]
            if not (d > 0 and np.isfinite(d)) or d - z < -2 * truncation:
                continue
            slant, trust = 1.0, 1.0
            if d - z < 2 * truncation:
                d, slant, trust = _surface_at(depth, fu, fv, d, truncation, fx, fy, x, y)
            if d - z < -truncation:
                continue
            signed = (d - z) * slant
            w = weight[row, i]
            value = min(1.0, signed / truncation)
            distance[row, i] += (value - distance[row, i]) * (trust / (w + trust))
            weight[row, i] = w + trust
            # Far in front of the surface the pixel shows something else.
            if with_color and signed < truncation:
                n = tint[row, i, 3] + trust
                for c in range(3):
                    tint[row, i, c] += (color[v, u, c] - tint[row, i, c]) * (trust / n)
                tint[row, i, 3] = n
