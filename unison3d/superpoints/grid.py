"""Points sorted into the cells of a regular grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.native import kernel
from unison3d.superpoints.ordering import key_order

# Cells along an axis: three axes and a margin fit 63 bits.
_MAX_CELLS = 2**20


@dataclass(frozen=True)
class CellGrid:
    """Occupied cells in x, y, z order.

    Attributes:
        order: int32, (N,). Points, cell after cell; within a cell in input order.
        starts: int64, (U + 1,). Where each cell begins in ``order``.
        keys: int64, (U,). Ascending. A step along z adds 1, along y and x ``strides``.
        strides: int64, (2,), of y and x.
        low: float64, (3,). Corner where cell 0 begins.
        size: metres along an edge.
    """

    order: np.ndarray
    starts: np.ndarray
    keys: np.ndarray
    strides: np.ndarray
    low: np.ndarray
    size: float


@kernel
def _cell_keys(points, low, size, stride_y, stride_x, margin):
    keys = np.empty(len(points), np.int64)
    for i in range(len(points)):
        x = np.int64((points[i, 0] - low[0]) / size) + margin
        y = np.int64((points[i, 1] - low[1]) / size) + margin
        z = np.int64((points[i, 2] - low[2]) / size) + margin
        keys[i] = x * stride_x + y * stride_y + z
    return keys


@kernel
def _runs(keys, order):
    starts = np.empty(len(order) + 1, np.int64)
    distinct = np.empty(len(order), np.int64)
    count = 0
    for i in range(len(order)):
        key = keys[order[i]]
        if count == 0 or distinct[count - 1] != key:
            distinct[count] = key
            starts[count] = i
            count += 1
    starts[count] = len(order)
    return starts[: count + 1].copy(), distinct[:count].copy()


def sort_into_cells(
    points: np.ndarray, size: float, margin: int = 0, origin: np.ndarray | None = None
) -> CellGrid:
    """Sort points by cell.

    Args:
        points: float32, (N, 3), N >= 1, finite.
        size: metres along the edge of a cell. Grown where the scene would need more than a million
            cells along an axis.
        margin: empty cells around the scene, so that steps of up to as many cells end in no other
            row.
        origin: float, (3,), a corner of some cell, at or below all points; their lowest corner by
            default. With one origin the parts of a scene get the cells of the whole.
    """
    low = points.min(axis=0).astype(np.float64)
    if origin is not None:
        low = origin + np.floor((low - origin) / size) * size
    extent = points.max(axis=0) - low
    size = max(float(size), float(extent.max()) / (_MAX_CELLS - 2))
    _, height, depth = (extent / size).astype(np.int64) + 1 + 2 * margin
    strides = np.array([depth, depth * height])
    keys = _cell_keys(points, low, size, strides[0], strides[1], margin)
    if keys.max() < 2**32:
        order = key_order(keys.astype(np.uint32))
    else:
        order = np.argsort(keys, kind='stable').astype(np.int32)
    return CellGrid(order, *_runs(keys, order), strides, low, size)


@kernel
def _cell_of_points(order, starts):
    cells = np.empty(len(order), np.int64)
    for cell in range(len(starts) - 1):
        for i in order[starts[cell] : starts[cell + 1]]:
            cells[i] = cell
    return cells


def voxel_cells(
    points: np.ndarray, voxel: float, origin: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Number the occupied voxels and give every point its voxel.

    Args:
        points: float32, (N, 3), N >= 1.
        voxel: edge length in metres, 0 makes every point its own cell. Grown where the scene
            would need more than 2^20 voxels along an axis.
        origin: see :func:`sort_into_cells`.

    Returns:
        int64 (N,) cell of each point, in x, y, z order of the cells, and the number of cells.
    """
    if voxel <= 0:
        return np.arange(len(points)), len(points)
    grid = sort_into_cells(points, voxel, origin=origin)
    return _cell_of_points(grid.order, grid.starts), len(grid.keys)


@kernel
def _cell_means(cells, num_cells, values):
    sums = np.zeros((num_cells, values.shape[1]))
    counts = np.zeros(num_cells, np.int64)
    for i in range(len(cells)):
        counts[cells[i]] += 1
        for axis in range(values.shape[1]):
            sums[cells[i], axis] += values[i, axis]
    means = np.empty(sums.shape, np.float32)
    for cell in range(num_cells):
        for axis in range(values.shape[1]):
            means[cell, axis] = sums[cell, axis] / counts[cell]
    return means


def cell_means(cells: np.ndarray, num_cells: int, values: np.ndarray) -> np.ndarray:
    """Mean of the rows of each cell.

    Sums run in float64, so the order of the points does not reach the result.

    Args:
        cells: int64, (N,), every cell occurring.
        num_cells: U.
        values: float, (N, C).

    Returns:
        float32, (U, C).
    """
    return _cell_means(cells, num_cells, np.ascontiguousarray(values, np.float32))
