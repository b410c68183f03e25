"""Points to voxels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unison3d.errors import SceneError
from unison3d.sparse import scatter_mean, voxelize
from unison3d.sparse.keys import pack_coordinates, unpack_coordinates

axis = st.integers(-(2**17), 2**17 - 1)


@given(st.lists(st.tuples(st.integers(0, 511), axis, axis, axis), max_size=20))
def test_keys_round_trip_and_keep_order(rows):
    coordinates = torch.tensor(rows, dtype=torch.int32).reshape(-1, 4)
    keys = pack_coordinates(coordinates)
    assert torch.equal(unpack_coordinates(keys), coordinates)
    assert torch.argsort(keys, stable=True).tolist() == sorted(
        range(len(rows)), key=lambda i: rows[i]
    )


def test_points_find_their_voxel():
    indices = torch.tensor([[2, 0, 0], [0, 0, 1], [2, 0, 0], [0, 0, 1]])
    voxels = voxelize(indices, torch.tensor([0, 0, 0, 1]))
    assert voxels.coordinates.tolist() == [[0, 0, 0, 1], [0, 2, 0, 0], [1, 0, 0, 1]]
    assert voxels.point_to_voxel.tolist() == [1, 0, 1, 2]
    assert voxels.spatial_shape() == (3, 1, 2)
    assert voxels.spatial_shape(minimum=2, multiple=4) == (4, 4, 4)


def test_no_points():
    voxels = voxelize(torch.zeros((0, 3), dtype=torch.int64))
    assert voxels.num_voxels == 0
    assert voxels.spatial_shape(minimum=8) == (8, 8, 8)


@pytest.mark.parametrize('value', [2**17 - 1, -(2**17)])
def test_too_large_a_scene_is_refused(value):
    with pytest.raises(SceneError, match='unit'):
        voxelize(torch.tensor([[value, 0, 0]]))


def test_mean_of_groups():
    values = torch.tensor([[1.0], [3.0], [5.0]])
    mean = scatter_mean(values, torch.tensor([0, 0, 2]), 4)
    assert mean[:, 0].tolist() == [2.0, 0.0, 5.0, 0.0]


@pytest.mark.parametrize('num_scenes', [0, 3])
def test_scenes_keep_their_points_apart(num_scenes):
    indices = torch.zeros((num_scenes, 3), dtype=torch.int32)
    voxels = voxelize(indices, torch.arange(num_scenes))
    assert voxels.coordinates[:, 0].tolist() == list(range(num_scenes))


@pytest.mark.parametrize(('batch', 'message'), [(-1, 'holds -1'), (512, 'more than 512 scenes')])
def test_a_scene_number_that_does_not_fit_is_refused(batch, message):
    with pytest.raises(SceneError, match=message):
        voxelize(torch.zeros((1, 3), dtype=torch.int64), torch.tensor([batch]))


def test_indices_that_are_no_integers_are_refused():
    with pytest.raises(SceneError):
        voxelize(torch.tensor([[0.5, 0, 0], [-0.5, 0, 0]]))


def test_mismatched_lengths_are_refused():
    with pytest.raises(SceneError):
        voxelize(torch.zeros((3, 3), dtype=torch.int64), torch.zeros(2, dtype=torch.int64))


def test_indices_of_a_wrong_shape_are_refused():
    with pytest.raises(SceneError):
        voxelize(torch.zeros((3, 2), dtype=torch.int64))
