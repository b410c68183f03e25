"""Keys, levels and their parents, and coordinates that cannot be used."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.test_sparse.samples import lattice_tensor, random_coordinates, set_of_voxels
from unison3d.errors import SceneError
from unison3d.sparse.coordinates import Level, SortedKeys, coarsen, coarsen_in_grid
from unison3d.sparse.keys import (
    AXIS_LIMIT,
    MARGIN,
    MAX_BATCH,
    check_coordinate_range,
    key_offset,
    pack_coordinates,
    unpack_coordinates,
)

INT32 = torch.int32


def voxels(*rows, dtype=INT32) -> torch.Tensor:
    return torch.tensor(rows, dtype=dtype).reshape(-1, 4)


def level_of(coordinates, batch_size=MAX_BATCH, stride=1, shape=None) -> Level:
    return Level.from_user(coordinates, batch_size, stride, shape)


class TestKeys:
    corners = voxels(
        *product((0, MAX_BATCH - 1), *[(-AXIS_LIMIT - MARGIN, -1, 0, AXIS_LIMIT + MARGIN - 1)] * 3)
    )

    def test_round_trip_at_the_corners_of_the_range(self):
        assert torch.equal(unpack_coordinates(pack_coordinates(self.corners)), self.corners)

    def test_order_is_that_of_coordinates(self):
        keys = pack_coordinates(self.corners)
        by_row = sorted(range(len(keys)), key=lambda i: self.corners[i].tolist())
        assert torch.argsort(keys).tolist() == by_row

    @pytest.mark.parametrize('step', [(0, 0, 1), (0, -1, 0), (1, 0, 0), (-3, 5, -64)])
    def test_a_step_is_a_number_added(self, step):
        inside = self.corners.clone()
        inside[:, 1:] = inside[:, 1:].clamp(-AXIS_LIMIT, AXIS_LIMIT - 1)
        moved = inside + torch.tensor([0, *step], dtype=INT32)
        assert torch.equal(pack_coordinates(moved), pack_coordinates(inside) + key_offset(*step))

    def test_no_coordinates(self):
        assert pack_coordinates(voxels()).shape == (0,)
        assert unpack_coordinates(torch.zeros(0, dtype=torch.int64)).shape == (0, 4)
        check_coordinate_range(voxels())


class TestSortedKeys:
    def test_sorted_rows_need_no_order(self):
        keys = SortedKeys.of(voxels([0, 0, 0, 1], [0, 1, 0, 0], [1, -5, 0, 0]))
        assert keys.order is None and keys.ranks is None
        assert keys.all_rows().tolist() == [0, 1, 2] and keys.all_rows().dtype == INT32
        assert keys.rows(torch.tensor([2, 0])).tolist() == [2, 0]

    def test_ranks_undo_the_order(self):
        coordinates = random_coordinates((7, 6, 9), 3, 0.3, seed=1)
        keys = SortedKeys.of(coordinates)
        assert torch.equal(pack_coordinates(coordinates)[keys.order.long()], keys.keys)
        places = torch.arange(len(keys), dtype=INT32)
        assert torch.equal(keys.order[keys.ranks.long()], places)
        assert torch.equal(keys.all_rows(), keys.order)
        assert torch.equal(keys.rows(places), keys.order)

    @pytest.mark.parametrize('stride', [1, 2, 5])
    def test_scaled(self, stride):
        coordinates = lattice_tensor(1).coordinates
        keys = SortedKeys.of(coordinates)
        scaled = unpack_coordinates(keys.scaled_keys(stride))
        assert torch.equal(scaled[:, 0], unpack_coordinates(keys.keys)[:, 0])
        assert torch.equal(scaled[:, 1:], unpack_coordinates(keys.keys)[:, 1:] * stride)

    def test_one_and_none(self):
        assert len(SortedKeys.of(voxels())) == 0
        assert SortedKeys.of(voxels([3, 1, 2, 3])).all_rows().tolist() == [0]


class TestBadInput:
    @pytest.mark.parametrize(
        ('rows', 'seen'),
        [
            ([[0, 1, 2, 3], [0, 1, 2, 3]], r'\[0, 1, 2, 3\]'),
            ([[0, 1, 2, 3], [0, -1, 2, 3], [1, 1, 2, 3], [0, -1, 2, 3]], r'\[0, -1, 2, 3\]'),
            ([[2, 0, 0, 0], [1, 9, 9, 9], [0, 5, 5, 5], [1, 9, 9, 9]], r'\[1, 9, 9, 9\]'),
        ],
    )
    def test_duplicates_in_any_order(self, rows, seen):
        with pytest.raises(SceneError, match=rf'voxel {seen} .* more than once.*voxelize'):
            level_of(voxels(*rows))

    def test_duplicates_in_a_large_shuffled_list(self):
        coordinates = random_coordinates((16, 16, 16), 2, 0.5, seed=0)
        coordinates[-1] = coordinates[0]
        with pytest.raises(SceneError, match='more than once'):
            level_of(coordinates)

    @pytest.mark.parametrize('axis', [1, 2, 3])
    @pytest.mark.parametrize('dtype', [torch.int32, torch.int64])
    @pytest.mark.parametrize('value', [AXIS_LIMIT + 1, -AXIS_LIMIT - 1, 2**31 - 1, -(2**31)])
    def test_beyond_the_range(self, axis, dtype, value):
        coordinates = voxels([0, 0, 0, 0], [0, 1, 1, 1], dtype=dtype)
        coordinates[1, axis] = value
        message = rf'{value}.*, at most ±{AXIS_LIMIT} can be handled.*unit'
        with pytest.raises(SceneError, match=message):
            level_of(coordinates)

    def test_int64_is_not_cut_to_int32_first(self):
        with pytest.raises(SceneError, match='at most'):
            level_of(voxels([0, 2**32 + 5, 0, 0], dtype=torch.int64))

    def test_the_ends_of_the_range_are_inside(self):
        coordinates = voxels([0, AXIS_LIMIT, -AXIS_LIMIT, 0], [MAX_BATCH - 1, 0, 0, AXIS_LIMIT])
        assert torch.equal(level_of(coordinates).coordinates, coordinates)

    @pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bool, torch.int16])
    def test_type(self, dtype):
        with pytest.raises(SceneError, match=rf'{dtype}, expected int32 .*floor'):
            level_of(torch.zeros((1, 4), dtype=dtype))

    @pytest.mark.parametrize('shape', [(5, 3), (4,), (0,), (2, 4, 1), (5, 5)])
    def test_shape(self, shape):
        seen = str(tuple(shape)).replace('(', r'\(').replace(')', r'\)')
        with pytest.raises(SceneError, match=rf'shape {seen}, expected \(V, 4\)'):
            level_of(torch.zeros(shape, dtype=INT32))

    def test_negative_batch(self):
        with pytest.raises(SceneError, match='batch column .* holds -1, expected 0 or more'):
            level_of(voxels([0, 0, 0, 0], [-1, 0, 0, 0]))

    def test_batch_item_that_does_not_exist(self):
        with pytest.raises(SceneError, match='batch item 2, expected 0 to 1'):
            level_of(voxels([0, 0, 0, 0], [2, 0, 0, 0]), batch_size=2)

    def test_too_many_scenes(self):
        with pytest.raises(SceneError, match=f'more than {MAX_BATCH} scenes'):
            level_of(voxels([MAX_BATCH, 0, 0, 0]), batch_size=10_000)

    @pytest.mark.parametrize('cell', [(4, 0, 0), (0, 3, 0), (0, 0, 5), (-1, 0, 0), (0, 0, -2)])
    def test_outside_the_grid(self, cell):
        message = r'voxels run from .*, expected 0 up to below the spatial shape \(4, 3, 5\)'
        with pytest.raises(SceneError, match=message):
            level_of(voxels([0, 0, 0, 0], [0, *cell]), shape=(4, 3, 5))

    def test_the_last_cell_is_inside_the_grid(self):
        assert len(level_of(voxels([0, 3, 2, 4]), shape=(4, 3, 5))) == 1


class TestLevel:
    def test_int64_becomes_int32_and_the_order_stays(self):
        rows = voxels([1, 5, 0, 0], [0, 0, 0, 2], dtype=torch.int64)
        level = level_of(rows)
        assert level.coordinates.dtype == INT32
        assert level.coordinates.tolist() == rows.tolist()

    def test_the_callers_array_is_left_alone(self):
        coordinates = lattice_tensor(1).coordinates
        before = coordinates.clone()
        coarsen(level_of(coordinates), 2)
        assert torch.equal(coordinates, before)

    def test_coordinates_that_are_not_contiguous(self):
        rows = random_coordinates((7, 6, 9), 2, 0.3, seed=0)
        level = level_of(rows.t().contiguous().t())
        assert torch.equal(level.sorted_keys.keys, level_of(rows).sorted_keys.keys)


@pytest.mark.parametrize('stride', [1, 2, 3, 16])
def test_parents_on_the_lattice(stride):
    level = level_of(lattice_tensor(1, low=(-20, -1, 7)).coordinates, stride=5)
    parents = coarsen(level, stride)
    assert set_of_voxels(parents.coordinates) == {
        (b, *(c // stride for c in cell)) for b, *cell in level.coordinates.tolist()
    }
    assert (parents.stride, parents.spatial_shape) == (5 * stride, None)
    assert torch.equal(parents.sorted_keys.keys, pack_coordinates(parents.coordinates))


@pytest.mark.parametrize('dilation', [1, 2, 3])
@pytest.mark.parametrize('padding', [0, 1, 4])
@pytest.mark.parametrize(('size', 'stride'), [(1, 1), (2, 2), (3, 1), (3, 2), (3, 3), (2, 5)])
def test_outputs_on_the_grid(size, stride, padding, dilation):
    shape = (7, 6, 9)
    level = level_of(random_coordinates(shape, 2, 0.05, seed=3), shape=shape)
    out = coarsen_in_grid(level, size, stride, padding, dilation)
    reach = dilation * (size - 1) + 1
    cells = [range(max((n + 2 * padding - reach) // stride + 1, 0)) for n in shape]
    assert out.spatial_shape == tuple(len(axis) for axis in cells)
    active = set_of_voxels(level.coordinates)
    steps = list(product(range(0, reach, dilation), repeat=3))
    expected = {
        (b, *o)
        for b, o in product(range(2), product(*cells))
        if any(
            (b, *(stride * c - padding + t for c, t in zip(o, step))) in active for step in steps
        )
    }
    assert set_of_voxels(out.coordinates) == expected


def test_no_voxels_have_no_parents():
    level = level_of(voxels(), shape=(4, 4, 4))
    assert len(coarsen(level, 2)) == 0
    assert coarsen_in_grid(level, 2, 2, 0, 1).coordinates.shape == (0, 4)
