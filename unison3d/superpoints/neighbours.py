"""Nearest neighbours, exact, on a grid where points are evenly spread."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from unison3d.native import kernel
from unison3d.superpoints.chunks import run_in_chunks
from unison3d.superpoints.grid import sort_into_cells

# Cells searched to each side, one attempt after the other.
_REACHES = (1, 2, 4)
# More candidates than this in a block of cells: the points are crowded there, and a tree is faster.
_MAX_CANDIDATES = 1024
# Cells that a thread takes at a time.
_CHUNK = 2048


@kernel
def _insert(best, best_ids, distance, index):
    """Keep the nearest, equal distances by index; both lists are sorted."""
    place = len(best) - 1
    if distance == best[place] and index > best_ids[place]:
        return
    while place > 0 and (
        distance < best[place - 1] or (distance == best[place - 1] and index < best_ids[place - 1])
    ):
        best[place] = best[place - 1]
        best_ids[place] = best_ids[place - 1]
        place -= 1
    best[place] = distance
    best_ids[place] = index


@kernel
def _search_cells(
    points, order, starts, keys, shifts, cursors, reach, low, size, first, last, indices, open_
):
    """Answer the open queries of some cells whose neighbours all lie within ``reach`` cells.

    ``cursors`` are the places where the columns of the first cell begin in ``keys``. Cells come in
    ascending order, so they only move forward.
    """
    count = indices.shape[1]
    x, y, z = np.empty(_MAX_CANDIDATES), np.empty(_MAX_CANDIDATES), np.empty(_MAX_CANDIDATES)
    distances, ids = np.empty(_MAX_CANDIDATES), np.empty(_MAX_CANDIDATES, np.int32)
    best, best_ids = np.empty(count), np.empty(count, np.int32)
    for cell in range(first, last):
        waiting = False
        for i in order[starts[cell] : starts[cell + 1]]:
            waiting |= open_[i]
        if not waiting:
            continue
        total = 0
        for s in range(len(shifts)):
            lowest = keys[cell] + shifts[s] - reach
            cursor = cursors[s]
            while cursor < len(keys) and keys[cursor] < lowest:
                cursor += 1
            cursors[s] = cursor
            while cursor < len(keys) and keys[cursor] <= lowest + 2 * reach:
                for i in order[starts[cursor] : starts[cursor + 1]]:
                    if total < _MAX_CANDIDATES:
                        ids[total] = i
                        x[total], y[total], z[total] = points[i, 0], points[i, 1], points[i, 2]
                    total += 1
                cursor += 1
        if total < count or total > _MAX_CANDIDATES:
            continue
        for i in order[starts[cell] : starts[cell + 1]]:
            if not open_[i]:
                continue
            px, py, pz = points[i, 0], points[i, 1], points[i, 2]
            for c in range(total):
                dx, dy, dz = x[c] - px, y[c] - py, z[c] - pz
                distances[c] = dx * dx + dy * dy + dz * dz
            # Beyond the faces of the searched block a nearer point could hide.
            safe = np.inf
            for axis in range(3):
                inside = (points[i, axis] - low[axis]) / size
                inside -= np.floor(inside)
                safe = min(safe, (reach + min(inside, 1 - inside)) * size)
            for place in range(count):
                best[place] = safe * safe * (1 - 1e-9)
                best_ids[place] = -1
            for c in range(total):
                if distances[c] <= best[count - 1]:
                    _insert(best, best_ids, distances[c], ids[c])
            if best_ids[count - 1] >= 0:
                for place in range(count):
                    indices[i, place] = best_ids[place]
                open_[i] = False


def _shifts(strides: np.ndarray, reach: int) -> np.ndarray:
    """Steps to the columns of cells within ``reach``, nearest first: fewer points change places."""
    step = np.arange(-reach, reach + 1)
    x, y = (axis.ravel() for axis in np.meshgrid(step, step, indexing='ij'))
    nearest = np.argsort(x * x + y * y, kind='stable')
    return (x * strides[1] + y * strides[0])[nearest]


def nearest_neighbours(points: np.ndarray, count: int, spacing: float | None = None) -> np.ndarray:
    """Find the nearest points of every point, itself included.

    Cells of a grid answer where points are spread about evenly, a tree the rest; both are exact,
    and equal distances are ordered by index where the grid answers.

    Args:
        points: float32, (N, 3), finite.
        count: neighbours per point.
        spacing: metres between neighbouring points, about. Estimated where not known; it decides
            how fast the answer comes, not what it is.

    Returns:
        int32, (N, count), nearest first. Where fewer points exist, the row is filled up with N.
    """
    num_points = len(points)
    indices = np.full((num_points, count), num_points, np.int32)
    if num_points == 0:
        return indices
    points = np.ascontiguousarray(points, np.float32)
    waiting = np.ones(num_points, np.bool_)
    spacing = _surface_spacing(points) if spacing is None else spacing
    # On a surface, a block of 3 x 3 cells then holds some ten times the neighbours asked for.
    size = spacing * np.sqrt(1.2 * count)
    if num_points > 8 * count and size > 0:
        grid = sort_into_cells(points, size, margin=max(_REACHES))
        for reach in _REACHES:
            shifts = _shifts(grid.strides, reach)

            def search(first: int, last: int, reach: int = reach, shifts: np.ndarray = shifts):
                _search_cells(
                    points,
                    grid.order,
                    grid.starts,
                    grid.keys,
                    shifts,
                    np.searchsorted(grid.keys, grid.keys[first] + shifts - reach),
                    reach,
                    grid.low,
                    grid.size,
                    first,
                    last,
                    indices,
                    waiting,
                )

            run_in_chunks(search, len(grid.keys), _CHUNK)
            if not waiting.any():
                return indices
    tree = cKDTree(points)
    found = tree.query(points[waiting], count, workers=-1)[1]
    indices[waiting] = found.reshape(-1, count)
    return indices


def _surface_spacing(points: np.ndarray) -> float:
    """Distance of neighbours if they covered the occupied part of space evenly, as a surface."""
    a, b, c = np.float64(points.max(axis=0)) - points.min(axis=0)
    box = np.sqrt(2 * (a * b + b * c + c * a) / len(points))
    if not box > 0:
        return 0.0
    grid = sort_into_cells(points, 4 * box)
    return float(grid.size * np.sqrt(len(grid.keys) / len(points)))
