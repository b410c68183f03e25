"""The drawing itself: a z-buffer of point indices, gap closing, and depth shading."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from unison3d.viewer._camera import Camera

#: Marks pixels without a point.
EMPTY = -1
#: pixels. Splats are drawn in these sizes; larger ones cost time and look like tiles.
_RADII = np.array([0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22])
#: A neighbour this much nearer (relative) belongs to another surface.
_SURFACE_STEP = 0.03


def splat_sizes(points: np.ndarray) -> np.ndarray:
    """float32, (N,), metres: splat diameters that close the surface around each point.

    Mesh vertices lie far apart on flat walls and close together on details, so each point asks its
    own neighbours; strays are kept from growing.
    """
    if len(points) < 2:
        return np.full(len(points), 0.05, dtype=np.float32)
    # The 5th neighbour rather than the 1st: merged scans come in clumps.
    k = min(6, len(points))
    distances, neighbours = cKDTree(points).query(points, k=range(1, k + 1))
    distance = distances[:, -1]
    # A stray is far from a dense surface; a point of a sparse surface has sparse neighbours.
    distance = np.minimum(distance, 1.5 * np.median(distance[neighbours], axis=1))
    extent = float((points.max(axis=0) - points.min(axis=0)).max())
    usual = float(np.median(distance)) or 0.01 * extent or 0.05
    return (1.15 * np.clip(distance, 0.6 * usual, 4 * usual)).astype(np.float32)


def rasterise(
    points: np.ndarray, camera: Camera, shape: tuple[int, int], sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw every point as a round splat; each pixel keeps the nearest.

    A splat is a flat cone with its tip at the point, so that on one surface every pixel goes to
    the point whose centre is closest to it, whatever the order in depth.

    Args:
        points: float32, (N, 3).
        camera: the view.
        shape: rows and columns of pixels.
        sizes: float32, (N,), metres across each splat.

    Returns:
        int64, shape: index of the point in each pixel or :data:`EMPTY`; and float32, shape: its
        depth in metres, infinite where empty.
    """
    rows, columns = shape
    column, row, depth, focal = camera.project(points, shape)
    margin = float(_RADII[-1])
    usable = (depth > 1e-3) & (column > -margin) & (column < columns + margin)
    usable &= (row > -margin) & (row < rows + margin)
    index = np.flatnonzero(usable)
    x, y = np.floor(column[index]).astype(np.int64), np.floor(row[index]).astype(np.int64)
    radius = focal * sizes[index] / 2 / depth[index]
    # The next size up: a gap is worse than an overlap.
    reach = _RADII[np.searchsorted(_RADII, radius - 0.35).clip(0, len(_RADII) - 1)]
    nothing = np.uint64(0xFFFFFFFFFFFFFFFF)
    buffer = np.full(rows * columns, nothing, dtype=np.uint64)
    for r in np.unique(reach):
        group = reach == r
        gx, gy, gindex, gdepth = x[group], y[group], index[group], depth[index[group]]
        for dy in range(-r, r + 1):
            for dx in range(-r, r + 1):
                away = np.hypot(dx, dy)
                if away > r + 0.4:
                    continue
                px, py = gx + dx, gy + dy
                inside = np.flatnonzero((px >= 0) & (px < columns) & (py >= 0) & (py < rows))
                slanted = gdepth[inside] * np.float32(1 + 0.8 * away / focal)
                # Depth bits in front, index behind: the smallest key is the nearest, ties by
                # index. Bits of positive floats sort like the floats.
                keys = slanted.view(np.uint32).astype(np.uint64) << np.uint64(32)
                keys |= gindex[inside].astype(np.uint64)
                np.minimum.at(buffer, py[inside] * columns + px[inside], keys)
    hit = buffer != nothing
    place = np.full(rows * columns, EMPTY, dtype=np.int64)
    place[hit] = (buffer[hit] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    distance = np.full(rows * columns, np.inf, dtype=np.float32)
    distance[hit] = depth[place[hit]]
    return place.reshape(shape), distance.reshape(shape)


def _shifted(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """The image with each pixel replaced by the one (dy, dx) away; borders repeat."""
    reach = max(abs(dy), abs(dx))
    padded = np.pad(image, reach, mode='edge')
    rows, columns = image.shape
    return padded[reach + dy : reach + dy + rows, reach + dx : reach + dx + columns]


def close_gaps(
    place: np.ndarray, depth: np.ndarray, rounds: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Fill pixels that are empty, or show something far behind, between near neighbours.

    A pixel takes the point of a neighbour when neighbours on opposite sides, in at least three of
    the four directions, are all nearer by more than a step between surfaces.
    """
    for reach in range(1, rounds + 1):
        threshold = depth * (1 - _SURFACE_STEP)
        votes = np.zeros(depth.shape, dtype=np.int8)
        best = np.full_like(depth, np.inf)
        donor = np.full_like(place, EMPTY)
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            dy, dx = dy * reach, dx * reach
            first, second = _shifted(depth, dy, dx), _shifted(depth, -dy, -dx)
            farther = np.maximum(first, second)
            both = farther < threshold
            votes += both
            better = both & (farther < best)
            best = np.where(better, farther, best)
            take = np.where(first >= second, _shifted(place, dy, dx), _shifted(place, -dy, -dx))
            donor = np.where(better, take, donor)
        gap = (votes >= 3) & (donor != EMPTY)
        place, depth = np.where(gap, donor, place), np.where(gap, best, depth)
    return place, depth


def shade(depth: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """float32 in 0..1, same shape: eye-dome lighting at three distances.

    Each pixel is darkened by how much nearer its neighbours are, on a logarithmic depth scale, so
    that the result does not depend on the size of the scene.

    Source:
        C. Boucheny, Interactive scientific visualization of large datasets, 2009 (eye-dome
        lighting).
    """
    filled = np.isfinite(depth)
    if not filled.any():
        return np.ones_like(depth)
    log_depth = np.where(filled, np.log2(np.where(filled, depth, 1.0)), np.inf).astype(np.float32)
    dark = np.zeros(depth.shape, dtype=np.float32)
    # (pixels, weight, largest step): fine lines, edges, and soft darkness in corners.
    unit = max(1, round(depth.shape[0] / 720))
    for reach, weight, cap in ((unit, 8.0, 0.03), (3 * unit, 4.0, 0.05), (10 * unit, 1.6, 0.08)):
        total = np.zeros(depth.shape, dtype=np.float32)
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            with np.errstate(invalid='ignore'):
                step = log_depth - _shifted(log_depth, dy * reach, dx * reach)
            total += np.clip(np.nan_to_num(step, nan=0.0, neginf=0.0, posinf=0.0), 0.0, cap)
        dark += weight * total / 8
    return np.where(filled, np.exp(-strength * dark), 1.0).astype(np.float32)
