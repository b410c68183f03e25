"""What holds for sparse layers on any scene: order of voxels, distance, batches, emptiness."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from unison3d.sparse import (
    AvgPool3d,
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    InverseConv3d,
    MaxPool3d,
    SparseBatchNorm,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    SumPool3d,
)

GRID = (7, 6, 9)
CHANNELS = 3

# Every net leads back to the voxels of its input, so that rows can be compared.
NETS = {
    'submanifold': lambda: SubmanifoldConv3d(CHANNELS, 2, 3, bias=True),
    'submanifold dilated': lambda: SubmanifoldConv3d(CHANNELS, 2, 3, 2),
    'strided and inverse': lambda: SparseSequential(
        StridedConv3d(CHANNELS, 4, 2, 2), SubmanifoldConv3d(4, 4), InverseConv3d(4, 2, 2, bias=True)
    ),
    'padded and inverse': lambda: SparseSequential(
        StridedConv3d(CHANNELS, 4, 3, 2, 1), InverseConv3d(4, 2, 3)
    ),
    'generalised': lambda: SparseSequential(
        GeneralizedConv3d(CHANNELS, 4, 5, bias=True), nn.ReLU(), GeneralizedConv3d(4, 2, 2)
    ),
    'down and up': lambda: SparseSequential(
        GeneralizedConv3d(CHANNELS, 4, 2, 2),
        MaxPool3d(3, 2),
        GeneralizedConvTranspose3d(4, 4, 3, 2),
        GeneralizedConvTranspose3d(4, 2, 2, 2, bias=True),
    ),
    'pools': lambda: SparseSequential(
        SumPool3d(3, 1), AvgPool3d(2, 2), GeneralizedConvTranspose3d(CHANNELS, 2, 2, 2)
    ),
}
ON_LATTICES = [name for name in NETS if 'inverse' not in name]
LINEAR = [name for name in NETS if name not in ('generalised', 'down and up')]
nets = pytest.mark.parametrize('name', NETS)
few = settings(max_examples=15, deadline=None)


def net_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETS[name]().double().eval()


@st.composite
def scenes(draw, max_batch: int = 1):
    """Coordinates of voxels in any order, inside the grid, and the number of scenes."""
    batch_size = draw(st.integers(1, max_batch))
    cell = st.tuples(st.integers(0, batch_size - 1), *(st.integers(0, n - 1) for n in GRID))
    rows = draw(st.lists(cell, max_size=30, unique=True))
    return torch.tensor(rows, dtype=torch.int32).reshape(-1, 4), batch_size


def features_of(coordinates: Tensor) -> Tensor:
    """Numbers that depend on the cell alone, not on the row or the scene."""
    cells = coordinates[:, 1:].double()
    return torch.sin(cells @ torch.tensor([[1.0, 5, 9], [2, 6, 1], [3, 7, 2]]).double() + 1)


def sparse(coordinates: Tensor, batch_size: int, grid=GRID) -> SparseTensor:
    return SparseTensor(features_of(coordinates), coordinates, grid, batch_size)


@nets
@few
@given(scene=scenes(max_batch=3), seed=st.integers(0, 1000))
def test_permuted_voxels_permute_rows(name, scene, seed):
    coordinates, batch_size = scene
    order = torch.randperm(len(coordinates), generator=torch.Generator().manual_seed(seed))
    net = net_of(name)
    expected = net(sparse(coordinates, batch_size)).features[order]
    torch.testing.assert_close(net(sparse(coordinates[order], batch_size)).features, expected)


@nets
@few
@given(scene=scenes(max_batch=2), far=st.tuples(*[st.integers(40, 60)] * 3))
def test_a_voxel_far_away_changes_nothing_here(name, scene, far):
    coordinates, batch_size = scene
    more = torch.cat([torch.tensor([[0, *far]], dtype=torch.int32), coordinates])
    net, grid = net_of(name), (64, 64, 64)
    alone = net(sparse(coordinates, batch_size, grid)).features
    torch.testing.assert_close(net(sparse(more, batch_size, grid)).features[1:], alone)


@nets
@few
@given(scene=scenes(max_batch=4))
def test_a_batch_is_its_scenes_one_by_one(name, scene):
    coordinates, batch_size = scene
    net = net_of(name)
    together = net(sparse(coordinates, batch_size)).split_by_scene()
    for item, features in enumerate(together):
        rows = coordinates[coordinates[:, 0] == item].clone()
        rows[:, 0] = 0
        torch.testing.assert_close(features, net(sparse(rows, 1)).features)


@nets
@pytest.mark.parametrize('batch_size', [1, 3])
def test_nothing_in_nothing_out(name, batch_size):
    net = net_of(name).train()
    features = torch.zeros((0, CHANNELS), dtype=torch.float64, requires_grad=True)
    coordinates = torch.zeros((0, 4), dtype=torch.int32)
    out = net(SparseTensor(features, coordinates, GRID, batch_size))
    assert out.features.shape == (0, 2)
    assert [len(scene) for scene in out.split_by_scene()] == [0] * batch_size
    out.features.sum().backward()
    assert features.grad.shape == (0, CHANNELS)


@few
@given(scene=scenes(max_batch=2))
def test_any_scene_can_be_trained_on(scene):
    net = SparseSequential(
        SubmanifoldConv3d(CHANNELS, 4),
        SparseBatchNorm(4),
        nn.ReLU(),
        StridedConv3d(4, 4),
        nn.BatchNorm1d(4),
        InverseConv3d(4, 2),
    ).double()
    x = sparse(*scene)
    out = net(x.replace(x.features.requires_grad_())).features
    out.square().sum().backward()
    assert out.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize('name', ON_LATTICES)
@few
@given(scene=scenes(max_batch=2), shift=st.tuples(*[st.integers(-20, 20)] * 3))
def test_a_shift_by_the_coarsest_cell_changes_nothing(name, scene, shift):
    coordinates, batch_size = scene
    moved = coordinates + 4 * torch.tensor([0, *shift], dtype=torch.int32)
    features, net = features_of(coordinates), net_of(name)
    here = net(SparseTensor(features, coordinates, None, batch_size)).features
    there = net(SparseTensor(features, moved, None, batch_size)).features
    torch.testing.assert_close(there, here)


@nets
@few
@given(scene=scenes(max_batch=2))
def test_a_second_call_finds_all_maps(name, scene):
    x, net = sparse(*scene), net_of(name)
    first = net(x).features
    maps = dict(x.cache.maps)
    assert torch.equal(net(x.replace(x.features)).features, first)
    assert len(x.cache.maps) == len(maps)
    assert all(x.cache.maps[key] is kept for key, kept in maps.items())


@pytest.mark.parametrize('name', LINEAR)
@few
@given(scene=scenes(max_batch=2))
def test_linear_layers_are_linear(name, scene):
    x, net = sparse(*scene), net_of(name)
    other = torch.cos(x.features)
    zero = net(x.replace(torch.zeros_like(x.features))).features
    both = net(x.replace(2 * x.features - other)).features - zero
    parts = [net(x.replace(part)).features - zero for part in (x.features, other)]
    torch.testing.assert_close(both, 2 * parts[0] - parts[1])
