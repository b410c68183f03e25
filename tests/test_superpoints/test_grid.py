from __future__ import annotations

import numpy as np
import pytest

from unison3d.superpoints.grid import cell_means, sort_into_cells, voxel_cells


@pytest.mark.parametrize('extent', [1.0, 1e3, 1e9])
def test_cells_hold_their_points(extent):
    points = np.random.default_rng(0).uniform(-extent, extent, (5000, 3)).astype(np.float32)
    points[::3] = points[1]
    grid = sort_into_cells(points, 0.25, margin=2)
    assert (np.diff(grid.keys) > 0).all()
    np.testing.assert_array_equal(np.sort(grid.order), np.arange(5000))
    place = np.floor((points - grid.low) / grid.size).astype(np.int64) + 2
    keys = place[:, 0] * grid.strides[1] + place[:, 1] * grid.strides[0] + place[:, 2]
    np.testing.assert_array_equal(np.repeat(grid.keys, np.diff(grid.starts)), keys[grid.order])
    # Within a cell the points keep their order.
    same = np.diff(keys[grid.order]) == 0
    assert (np.diff(grid.order)[same] > 0).all()


def test_margin_keeps_rows_apart():
    points = np.array([[0, 0, 0], [0, 0, 3], [0, 1, 0], [1, 0, 0]], np.float32)
    grid = sort_into_cells(points, 1.0, margin=1)
    depth, area = grid.strides
    # One step beyond the last cell of a row is no cell of the next row.
    assert not np.isin(grid.keys + 1, grid.keys[grid.keys >= grid.keys[1]]).any()
    np.testing.assert_array_equal(grid.keys - grid.keys[0], [0, 3, depth, area])


def test_voxels_are_numbered_in_order():
    points = np.random.default_rng(1).uniform(0, 1, (3000, 3)).astype(np.float32)
    cells, count = voxel_cells(points, 0.1)
    place = np.floor((points - points.min(0).astype(np.float64)) / 0.1).astype(np.int64)
    rows, wanted = np.unique(place, axis=0, return_inverse=True)
    assert count == len(rows)
    np.testing.assert_array_equal(cells, wanted.reshape(-1))


def test_no_voxel_keeps_every_point():
    cells, count = voxel_cells(np.zeros((4, 3), np.float32), 0)
    np.testing.assert_array_equal(cells, np.arange(4))
    assert count == 4


def test_means():
    cells = np.array([1, 0, 1, 1])
    values = np.array([[1, 2], [3, 4], [5, 6], [9, 1]], np.float32)
    np.testing.assert_array_equal(cell_means(cells, 2, values), [[3, 4], [5, 3]])
