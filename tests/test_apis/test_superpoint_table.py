from __future__ import annotations

import numpy as np
import pytest

from tests.test_apis.api_samples import room_arrays
from unison3d.apis.superpoint_table import SuperpointTable, best_mask
from unison3d.structures import PointScene


@pytest.mark.parametrize('count', [0, 1, 5, 400])
def test_the_table_against_points(count):
    ids = np.random.default_rng(1).integers(0, max(count // 4, 1), count)
    scene = PointScene.from_arrays(room_arrays(count)[0], superpoints=ids)
    table = SuperpointTable.of(scene)
    ids = scene.superpoints
    assert len(table.sizes) == (ids.max() + 1 if count else 0)
    for place in range(len(table.sizes)):
        inside = scene.points[ids == place]
        assert table.sizes[place] == len(inside)
        assert ids[table.first[place]] == place
        np.testing.assert_array_equal(table.low[place], inside.min(axis=0))
        np.testing.assert_array_equal(table.high[place], inside.max(axis=0))
    everything = np.ones(len(table.sizes), bool)
    assert table.count(everything) == count
    corners = table.corners(everything)
    assert (corners is None) == (count == 0)
    if count:
        np.testing.assert_array_equal(corners, scene.bounds)


def test_best_mask():
    masks = np.array([[0, 1, 0, 0], [1, 1, 0, 1]], bool)
    assert best_mask(masks).tolist() == [1, 0, -1, 1]
    assert best_mask(np.zeros((0, 2), bool)).tolist() == [-1, -1]
    assert best_mask(np.zeros((3, 0), bool)).tolist() == []
