"""What the views of a scan see: the depth-buffer test as one compiled pass per view.

The rules are those of the first world's numpy version in ``scan``, whose exact arrays are kept
there because numbers are published on them; this one is several times faster.
"""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

from .rows import bounds, take

PINHOLE = 0.12  # share of the views on a surface that have to see it
_CELL = 0.5  # metres; a view skips the cells that it cannot see, which are most of a scene


@kernel
def _sort_by_cell(points, rank, low, cell, shape, order, starts):
    """Counting sort of the samples with a rank: ``order`` gets those of one cell after another,
    ``starts`` (cells + 1,) where each cell begins in it."""
    cells = np.empty(len(points), np.int32)
    for i in range(len(points)):
        if rank[i] >= 0:
            a = int((points[i, 0] - low[0]) / cell)
            b = int((points[i, 1] - low[1]) / cell)
            c = int((points[i, 2] - low[2]) / cell)
            cells[i] = (a * shape[1] + b) * shape[2] + c
            starts[cells[i] + 1] += 1
    for k in range(1, len(starts)):
        starts[k] += starts[k - 1]
    place = starts[:-1].copy()
    for i in range(len(points)):
        if rank[i] >= 0:
            order[place[cells[i]]] = i
            place[cells[i]] += 1


@kernel
def _cell_in_view(eye, a, reach, low, cell, shape, index):
    """Whether a view can reach into the sphere around a cell."""
    radius = 0.9 * cell  # half of its diagonal, and a margin
    x = low[0] + (index // (shape[1] * shape[2]) + 0.5) * cell - eye[0]
    y = low[1] + (index // shape[2] % shape[1] + 0.5) * cell - eye[1]
    w = low[2] + (index % shape[2] + 0.5) * cell - eye[2]
    z = a[2, 0] * x + a[2, 1] * y + a[2, 2] * w
    u = abs(a[0, 0] * x + a[0, 1] * y + a[0, 2] * w)
    v = abs(a[1, 0] * x + a[1, 1] * y + a[1, 2] * w)
    ahead = 0.35 - radius < z < reach + radius
    return ahead and u - 0.78 * z < 1.27 * radius and v - 0.62 * z < 1.18 * radius


@kernel
def _see(points, normals, two_sided, opaque, rank, grid, eyes, axes, reach, grazing, spacing, out):
    seen, asked, best, depth, view, flip = out
    low, cell_size, shape, starts = grid
    n = len(points)
    width, height = int(2 * 0.78 / 0.012) + 2, int(2 * 0.62 / 0.012) + 2
    rows, cell = np.empty(n, np.int32), np.empty(n, np.int32)
    far, face = np.empty(n, np.float32), np.empty(n, np.float32)
    buffer = np.empty((4, width * height), np.float32)
    front = np.empty((4, width * height), np.int32)
    for c in range(len(eyes)):
        buffer[:] = 1e9
        count = 0
        a = axes[c]
        for k in range(len(starts) - 1):
            first, last = starts[k], starts[k + 1]
            if first == last or not _cell_in_view(eyes[c], a, reach, low, cell_size, shape, k):
                continue
            for i in range(first, last):
                x, y, w = (
                    points[i, 0] - eyes[c, 0],
                    points[i, 1] - eyes[c, 1],
                    points[i, 2] - eyes[c, 2],
                )
                z = a[2, 0] * x + a[2, 1] * y + a[2, 2] * w
                if z <= 0.35 or z >= reach:
                    continue
                u = (a[0, 0] * x + a[0, 1] * y + a[0, 2] * w) / z
                v = (a[1, 0] * x + a[1, 1] * y + a[1, 2] * w) / z
                if abs(u) >= 0.78 or abs(v) >= 0.62:
                    continue
                facing = -(x * normals[i, 0] + y * normals[i, 1] + w * normals[i, 2])
                facing /= np.sqrt(x * x + y * y + w * w)
                if abs(facing) <= 0.02 or (facing < 0 and not two_sided[i]):
                    continue
                # Near samples are far apart in the image, so they are splatted into coarser levels.
                level = 0
                while level < 3 and 2.4 * spacing > z * 0.012 * (1 << level):
                    level += 1
                px, py = int((u + 0.78) / 0.012), int((v + 0.62) / 0.012)
                at = (py << 16) | px
                rows[count], cell[count], far[count], face[count] = i, at, z, facing
                count += 1
                if opaque[i]:
                    at = (py >> level) * ((width >> level) + 1) + (px >> level)
                    # Of two at the same depth the lower rank counts, wherever its cell is.
                    nearest = buffer[level, at]
                    if z < nearest or (z == nearest and rank[i] < rank[front[level, at]]):
                        buffer[level, at], front[level, at] = z, i
        for k in range(count):
            facing = abs(face[k])
            if facing <= grazing:
                continue
            i, z = rows[k], far[k]
            asked[i] += 1
            sign = 1.0 if face[k] > 0 else -1.0
            px, py = cell[k] & 0xFFFF, cell[k] >> 16
            slack = 0.025 + 0.01 * z
            hidden = False
            for level in range(4):
                at = (py >> level) * ((width >> level) + 1) + (px >> level)
                behind = z - buffer[level, at]
                if behind <= 0.006:
                    continue
                # What hides a point stands in front of its tangent plane. That tells another
                # layer, even a close one, from the same surface going on within one pixel.
                j = front[level, at]
                above, along = 0.0, 0.0
                for d in range(3):
                    above += (points[j, d] - points[i, d]) * normals[i, d]
                    along += normals[j, d] * normals[i, d]
                flat = abs(along) > 0.8
                if sign * above > 0.008 and (flat or behind > slack):
                    hidden = True
                    break
            if hidden:
                continue
            seen[i] += 1
            cost = z / (0.3 + facing)
            if cost < best[i]:
                best[i], depth[i], view[i], flip[i] = cost, z, c, face[k] < 0


def see(
    points: np.ndarray,
    normals: np.ndarray,
    two_sided: np.ndarray,
    opaque: np.ndarray,
    chosen: np.ndarray,
    cameras: list[tuple[np.ndarray, np.ndarray]],
    spacing: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Test samples in every view.

    Args:
        points: float32 (N, 3) metres; likewise ``normals``, unit.
        normals: see above.
        two_sided: bool (N,).
        opaque: bool (N,), False for glass, which hides nothing.
        chosen: int64 (K,), the samples to test; the others are not there. Of two at the same depth
            in one pixel the one that comes first here is in front.
        cameras: places (3,) and axes (3, 3) with rows right, up, forward.
        spacing: metres between samples.
        rng: draws the reach and the steepest angle of the sensor.

    Returns:
        Per chosen sample: seen int16 (K,) number of views, depth float32 (K,) of the best view in
        metres, view int16 (K,) its index, flip bool (K,): the best view looks at the back of a
        two-sided sheet.
    """
    rank = np.full(len(points), -1, np.int32)
    rank[chosen] = np.arange(len(chosen), dtype=np.int32)
    low, high = bounds(points)
    shape = ((high - low) / np.float32(_CELL)).astype(np.int64) + 1
    order, starts = np.empty(len(chosen), np.int64), np.zeros(int(shape.prod()) + 1, np.int64)
    _sort_by_cell(points, rank, low, np.float32(_CELL), shape, order, starts)
    n = len(chosen)
    seen, asked, view = (np.zeros(n, np.int16) for _ in range(3))
    best, depth = np.full(n, np.inf, np.float32), np.full(n, 9.0, np.float32)
    flip = np.zeros(n, np.bool_)
    eyes = np.array([c[0] for c in cameras], np.float32)
    axes = np.array([c[1] for c in cameras], np.float32)
    reach, grazing = np.float32(rng.uniform(4.0, 5.5)), np.float32(rng.uniform(0.08, 0.2))
    rank = rank[order]
    _see(
        take(points, order),
        take(normals, order),
        two_sided[order],
        opaque[order],
        rank,
        (low, np.float32(_CELL), shape, starts),
        eyes,
        axes,
        reach,
        grazing,
        np.float32(spacing),
        (seen, asked, best, depth, view, flip),
    )
    # The buffer has pinholes. What only one view in many sees is seen through one of them.
    seen[seen < PINHOLE * asked] = 0
    flip &= two_sided[order]
    back = np.empty(n, np.int64)
    back[rank] = np.arange(n)
    return seen[back], depth[back], view[back], flip[back]
