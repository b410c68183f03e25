from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from unison3d.superpoints.neighbours import nearest_neighbours


def _clouds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    floor = np.pad(rng.uniform(0, 3, (3000, 2)), ((0, 0), (0, 1)))
    lidar = rng.normal(size=(2000, 3)) * rng.exponential(5, (2000, 1))
    return {
        'surface': floor,
        'volume': rng.uniform(0, 1, (2000, 3)),
        'uneven': np.concatenate([lidar, rng.normal(0, 1e-3, (1500, 3))]),
        'line': np.outer(np.linspace(0, 9, 900), [1, 2, 0]) + rng.normal(0, 1e-4, (900, 3)),
        'outliers': np.concatenate([floor, [[900, 0, 0], [0, -1e6, 50]]]),
    }


@pytest.mark.parametrize('spacing', [None, 0.01, 0.5])
@pytest.mark.parametrize('name', _clouds())
def test_as_a_tree_finds_them(name, spacing):
    points = _clouds()[name].astype(np.float32)
    indices = nearest_neighbours(points, 9, spacing)
    wanted, places = cKDTree(points).query(points, 9)
    found = np.linalg.norm(points[indices].astype(np.float64) - points[:, None], axis=2)
    np.testing.assert_array_equal(found, wanted)
    # Far from zero two points can be equally near in single precision.
    assert (indices == places).mean() > 0.999


def test_equal_distances_are_ordered_by_index():
    corner = np.stack(np.meshgrid(*[np.arange(20)] * 2, [0], indexing='ij'), -1).reshape(-1, 3)
    points = corner.astype(np.float32) / 16
    indices = nearest_neighbours(points, 5, 1 / 16)
    inner = ((corner[:, :2] > 0) & (corner[:, :2] < 19)).all(axis=1)
    steps = indices[inner] - np.flatnonzero(inner)[:, None]
    np.testing.assert_array_equal(steps, np.tile([0, -20, -1, 1, 20], (inner.sum(), 1)))


@pytest.mark.parametrize('count', [0, 1, 2, 5])
def test_rows_of_few_points_are_filled_up(count):
    points = np.random.default_rng(1).normal(size=(count, 3)).astype(np.float32)
    indices = nearest_neighbours(points, 4)
    assert indices.shape == (count, 4)
    assert indices.dtype == np.int32
    assert (indices[:, count:] == count).all()
    np.testing.assert_array_equal(indices[:, :1].ravel(), np.arange(count))


def test_equal_points():
    indices = nearest_neighbours(np.ones((500, 3), np.float32), 4)
    assert (indices < 500).all()


def test_threads_play_no_role():
    rng = np.random.default_rng(2)
    points = np.round(rng.uniform(0, 2, (20000, 3)) * [64, 64, 8]).astype(np.float32) / 64
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            results.append(nearest_neighbours(points, 6, 0.02))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
