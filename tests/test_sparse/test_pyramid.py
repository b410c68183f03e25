"""A pyramid at once against one level after another."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unison3d.errors import ConfigError
from unison3d.sparse import voxelize
from unison3d.sparse.coordinates import Level, coarsen, coarsen_in_grid
from unison3d.sparse.keys import AXIS_LIMIT
from unison3d.sparse.pyramid import build_pyramid


def level_of(rows, shape=None, device='cpu') -> Level:
    coordinates = torch.tensor(rows, dtype=torch.int32).reshape(-1, 4).to(device)
    return Level.from_user(coordinates, 512, 3, shape)


def random_rows(low, high, count=200, seed=0) -> list:
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.randint(a, b, (count,), generator=generator) for a, b in zip(low, high)]
    batch = torch.randint(0, 4, (count,), generator=generator)
    rows = torch.unique(torch.stack([batch, *axes], dim=1), dim=0)
    return rows[torch.randperm(len(rows), generator=generator)].tolist()


def one_after_another(level: Level, strides, in_grid) -> list[Level]:
    levels = []
    for stride in strides:
        level = coarsen_in_grid(level, stride, stride, 0, 1) if in_grid else coarsen(level, stride)
        levels.append(level)
    return levels


def check(level: Level, strides, in_grid: bool) -> list[Level]:
    levels = build_pyramid(level, strides, in_grid)
    for got, expected in zip(levels, one_after_another(level, strides, in_grid), strict=True):
        assert (got.stride, got.spatial_shape) == (expected.stride, expected.spatial_shape)
        assert got.coordinates.dtype == torch.int32
        assert torch.equal(got.coordinates, expected.coordinates)
        assert torch.equal(got.sorted_keys.keys, expected.sorted_keys.keys)
        assert got.sorted_keys.order is None and got.sorted_keys.ranks is None
    return levels


@pytest.mark.parametrize('strides', [[2, 2, 2, 2], [4, 1, 2], [2], []])
def test_lattice_equals_repeated_coarsening_also_below_zero(strides):
    check(level_of(random_rows((-9, -7, -5), (8, 3, 10))), strides, in_grid=False)


@pytest.mark.parametrize('shape', [(8, 6, 4), (7, 6, 9), (15, 31, 5), (1, 3, 40)])
def test_grid_drops_the_planes_of_odd_axes(shape):
    check(level_of(random_rows((0, 0, 0), shape), shape), [2, 2, 2], in_grid=True)


def test_a_grid_may_be_larger_than_coordinates_reach():
    check(level_of(random_rows((0, 0, 0), (9, 9, 9)), (2**18, 9, 2**17)), [2, 2], in_grid=True)


def test_a_level_can_be_empty():
    level = level_of([[0, 4, 0, 0], [2, 4, 1, 1]], (5, 2, 2))
    assert [len(coarse) for coarse in check(level, [2, 2], in_grid=True)] == [0, 0]


@pytest.mark.parametrize('in_grid', [False, True])
def test_no_voxels(in_grid):
    assert len(check(level_of([], (9, 9, 9)), [2, 2], in_grid)) == 2


def test_a_batch_item_without_voxels_and_the_last_one_there_can_be():
    check(level_of([[511, 1, 2, 3], [0, 1, 2, 3], [511, 0, 2, 3]]), [2, 2], in_grid=False)


axis = st.integers(-AXIS_LIMIT, AXIS_LIMIT)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 511), axis, axis, axis), max_size=12, unique=True))
def test_any_coordinates(rows):
    check(level_of(rows), [2, 2, 8, 64], in_grid=False)


@settings(deadline=None)
@given(st.data())
def test_any_grid(data):
    shape = tuple(data.draw(st.integers(1, AXIS_LIMIT + 1)) for _ in range(3))
    cell = st.tuples(st.integers(0, 511), *(st.integers(0, cells - 1) for cells in shape))
    rows = data.draw(st.lists(cell, max_size=12, unique=True))
    check(level_of(rows, shape), [2, 2, 4, 32], in_grid=True)


@pytest.mark.parametrize('strides', [[3], [2, 0], [2, -2], [2**9, 2**9]])
def test_strides_that_cannot_be_shifted_are_refused(strides):
    with pytest.raises(ConfigError, match='powers of two'):
        build_pyramid(level_of([[0, 1, 1, 1]]), strides, in_grid=False)


def test_a_grid_is_needed_to_stay_on_it():
    with pytest.raises(ConfigError, match='spatial shape'):
        build_pyramid(level_of([[0, 1, 1, 1]]), [2], in_grid=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_on_a_gpu():
    rows = random_rows((0, 0, 0), (31, 17, 9), count=2000)
    for in_grid in (False, True):
        levels = check(level_of(rows, (31, 17, 9), 'cuda'), [2, 2, 2], in_grid)
        expected = build_pyramid(level_of(rows, (31, 17, 9)), [2, 2, 2], in_grid)
        for got, reference in zip(levels, expected, strict=True):
            assert torch.equal(got.coordinates.cpu(), reference.coordinates)
    points = torch.randint(-9, 9, (500, 3))
    scenes = torch.randint(0, 3, (500,))
    got, reference = voxelize(points.to('cuda'), scenes.to('cuda')), voxelize(points, scenes)
    assert torch.equal(got.coordinates.cpu(), reference.coordinates)
    assert torch.equal(got.point_to_voxel.cpu(), reference.point_to_voxel)
