from __future__ import annotations

import numpy as np
import pytest

from unison3d.datasets.instance_ids import first_points, number_instances
from unison3d.datasets.transforms.clicks import voxel_representatives
from unison3d.datasets.transforms.sample_edit import bounds, rows_by_id


@pytest.mark.parametrize('largest', [5, 300, 10**12])
@pytest.mark.parametrize('seed', range(3))
def test_numbering_follows_the_ids(largest, seed):
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.append(rng.integers(0, largest, 6), -1), 200)
    ids[ids == -1] = rng.choice([-1, -7], (ids == -1).sum())
    object_ids, instances = number_instances(ids)
    np.testing.assert_array_equal(object_ids, np.unique(ids[ids >= 0]))
    np.testing.assert_array_equal(object_ids[instances[ids >= 0]], ids[ids >= 0])
    assert (instances[ids < 0] == -1).all()
    first = first_points(instances, len(object_ids))
    for instance in range(len(object_ids)):
        assert first[instance] == np.flatnonzero(instances == instance)[0]
    for instance, rows in enumerate(rows_by_id(instances, len(object_ids))):
        np.testing.assert_array_equal(rows, np.flatnonzero(instances == instance))


def test_nothing_to_number():
    for ids in (np.zeros(0, np.int64), np.full(3, -1)):
        object_ids, instances = number_instances(ids)
        assert len(object_ids) == 0 and (instances == -1).all() and len(instances) == len(ids)
        assert len(first_points(instances, 0)) == 0
        assert rows_by_id(instances, 0) == []


def test_bounds_are_those_of_the_columns():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    low, high = bounds(points)
    np.testing.assert_array_equal(low, points.min(0))
    np.testing.assert_array_equal(high, points.max(0))


@pytest.mark.parametrize('extent', [1, 10_000])  # a table of cells, and too many cells for one
def test_first_point_of_every_voxel(extent):
    points = np.random.default_rng(0).uniform(-extent, extent, (500, 3)).astype(np.float32)
    voxel = extent / 5
    seen, first = set(), []
    for row, point in enumerate(points):
        cell = tuple(np.floor(point / np.float32(voxel)).astype(int))
        if cell not in seen:
            seen.add(cell)
            first.append(row)
    np.testing.assert_array_equal(voxel_representatives(points, voxel), first)
    np.testing.assert_array_equal(voxel_representatives(points, voxel / 200), np.arange(500))
