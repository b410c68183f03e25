"""The spconv family against dense convolution: values, active outputs, and the way back."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.test_sparse.samples import (
    GRID,
    empty_tensor,
    grid_of,
    pad_to,
    random_tensor,
    repeated,
    set_of_voxels,
    spconv_kernel,
)
from unison3d.errors import ConfigError, SceneError
from unison3d.sparse import (
    GeneralizedConv3d,
    InverseConv3d,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
)

# kernel size, stride, padding, dilation
SETTINGS = list(product((1, 2, 3, 5), (1, 2), (0, 1, 2), (1, 2)))
# Batches of one and of three, the middle item without voxels.
BATCHES = {'one': dict(batch_size=1), 'three': dict(batch_size=3, empty_items=[1])}
batches = pytest.mark.parametrize('batch', list(BATCHES.values()), ids=BATCHES)
# Bias does not meet the geometry: off with one kind of batch, on with the other.
batches_and_bias = pytest.mark.parametrize(
    ('batch', 'bias'), list(zip(BATCHES.values(), (False, True))), ids=BATCHES
)
settings = pytest.mark.parametrize(
    ('size', 'stride', 'padding', 'dilation'),
    SETTINGS,
    ids=['k{}s{}p{}d{}'.format(*setting) for setting in SETTINGS],
)


def strided_shape(shape, size, stride, padding, dilation) -> tuple[int, ...]:
    reach = dilation * (size - 1) + 1
    return tuple(max((n + 2 * padding - reach) // stride + 1, 0) for n in shape)


def dense_strided(dense: Tensor, kernel: Tensor, stride, padding, dilation) -> Tensor:
    """``conv3d``, also where the kernel is larger than the padded grid."""
    shape = strided_shape(dense.shape[2:], kernel.shape[2], stride, padding, dilation)
    if 0 in shape:
        return dense.new_zeros((len(dense), len(kernel), *shape))
    return F.conv3d(dense, kernel, None, stride, padding, dilation)


def dense_inverse(coarse: Tensor, kernel: Tensor, shape, stride, padding, dilation) -> Tensor:
    """``conv_transpose3d`` on a grid of a given shape.

    Its own padding and output padding cannot say every size, so they are cut and added by hand.
    """
    if 0 in coarse.shape[2:]:
        return coarse.new_zeros((len(coarse), kernel.shape[0], *shape))
    full = F.conv_transpose3d(coarse, kernel.transpose(0, 1), stride=stride, dilation=dilation)
    return pad_to(full[:, :, padding:, padding:, padding:], shape)


def bias_of(layer: torch.nn.Module) -> Tensor | float:
    return 0.0 if layer.bias is None else layer.bias


@pytest.mark.parametrize('dilation', [1, 2])
@pytest.mark.parametrize('size', [1, 3, 5])
@pytest.mark.parametrize('bias', [False, True])
@batches
def test_submanifold_equals_dense(size, dilation, bias, batch):
    x = random_tensor(4, **batch)
    layer = SubmanifoldConv3d(4, 5, size, dilation, bias).double()
    kernel, padding = spconv_kernel(layer.weight), dilation * (size // 2)
    dense = F.conv3d(grid_of(x).fill(x), kernel, layer.bias, 1, padding, dilation)
    out = layer(x)
    assert out.key == x.key
    torch.testing.assert_close(out.features, grid_of(x).at_voxels(dense, x))
    repeated(lambda: layer(x).features)


@settings
@batches_and_bias
def test_strided_equals_dense(size, stride, padding, dilation, bias, batch):
    x = random_tensor(3, share=0.1, **batch)
    layer = StridedConv3d(3, 4, size, stride, padding, dilation, bias).double()
    kernel, grid = spconv_kernel(layer.weight), grid_of(x)
    out = layer(x)
    expected = dense_strided(grid.fill(x), kernel, stride, padding, dilation)
    assert out.spatial_shape == tuple(expected.shape[2:])
    torch.testing.assert_close(out.features, grid_of(out).at_voxels(expected, out) + bias_of(layer))
    repeated(lambda: layer(x).features)
    # Active are exactly the outputs that an active input reaches.
    ones = torch.ones((1, 1, size, size, size), dtype=torch.float64)
    reached = dense_strided(grid.occupancy(x), ones, stride, padding, dilation)
    assert set_of_voxels(out.coordinates) == set_of_voxels((reached[:, 0] > 0).nonzero())


@settings
@batches_and_bias
def test_inverse_equals_dense_transposed(size, stride, padding, dilation, bias, batch):
    x = random_tensor(2, share=0.1, **batch)
    down = StridedConv3d(2, 3, size, stride, padding, dilation).double()
    up = InverseConv3d(3, 4, size, bias).double()
    coarse = down(x)
    coarse_dense = grid_of(coarse).fill(coarse)
    kernel = spconv_kernel(up.weight)
    expected = dense_inverse(coarse_dense, kernel, GRID, stride, padding, dilation)
    out = up(coarse)
    assert out.key == x.key
    assert torch.equal(out.coordinates, x.coordinates)
    torch.testing.assert_close(out.features, grid_of(x).at_voxels(expected, x) + bias_of(up))
    repeated(lambda: up(coarse).features)


@pytest.mark.parametrize('shape', [(8, 6, 4), (7, 6, 9), (3, 2, 5), (1, 1, 1)])
def test_halving_of_odd_grids(shape):
    x = random_tensor(3, shape=shape, share=0.6)
    out = StridedConv3d(3, 6).double()(x)
    assert out.spatial_shape == tuple(n // 2 for n in shape)
    assert set_of_voxels(out.coordinates) == {
        (b, i // 2, j // 2, k // 2)
        for b, i, j, k in x.coordinates.tolist()
        if all(c // 2 < n // 2 for c, n in zip((i, j, k), shape))
    }


def test_last_odd_plane_has_no_parent():
    coordinates = torch.tensor([[0, 0, 0, 0], [0, 4, 0, 0]]).int()
    x = SparseTensor(torch.ones(2, 1), coordinates, (5, 2, 2), 1)
    coarse = StridedConv3d(1, 1)(x)
    assert len(coarse) == 1
    up = InverseConv3d(1, 1, bias=True)
    assert up(coarse).features[1].item() == up.bias.item()


def test_all_voxels_without_a_parent():
    x = SparseTensor(torch.ones(1, 1), torch.tensor([[0, 2, 2, 2]]).int(), (3, 3, 3))
    coarse = StridedConv3d(1, 2)(x)
    assert coarse.features.shape == (0, 2)
    up = InverseConv3d(2, 3, bias=True)
    torch.testing.assert_close(up(coarse).features, up.bias[None])


def test_down_and_up_over_two_levels():
    x = random_tensor(2, shape=(9, 6, 11))
    down = [StridedConv3d(2, 3).double(), StridedConv3d(3, 4, 3, 2, 1).double()]
    up = [InverseConv3d(4, 3, 3).double(), InverseConv3d(3, 2, 2).double()]
    middle = down[0](x)
    coarsest = down[1](middle)
    assert coarsest.stride == 4
    dense = grid_of(coarsest).fill(coarsest)
    kernel = spconv_kernel(up[0].weight)
    dense = dense_inverse(dense, kernel, middle.spatial_shape, 2, 1, 1)
    back = up[0](coarsest)
    torch.testing.assert_close(back.features, grid_of(middle).at_voxels(dense, middle))
    assert back.concat(middle).features.shape[1] == 6
    dense = dense_inverse(
        grid_of(back).fill(back), spconv_kernel(up[1].weight), x.spatial_shape, 2, 0, 1
    )
    finest = up[1](back)
    torch.testing.assert_close(finest.features, grid_of(x).at_voxels(dense, x))
    assert finest.key == x.key


def test_a_strided_layer_on_a_coarse_level():
    x = StridedConv3d(2, 3).double()(random_tensor(2))
    layer = StridedConv3d(3, 4, 3, 1, 1).double()
    out = layer(x)
    expected = F.conv3d(grid_of(x).fill(x), spconv_kernel(layer.weight), padding=1)
    assert (out.stride, out.spatial_shape) == (2, x.spatial_shape)
    torch.testing.assert_close(out.features, grid_of(out).at_voxels(expected, out))


def test_inverse_by_name():
    x = random_tensor(2)
    wide = StridedConv3d(2, 3, 3, 2, 1, indice_key='wide').double()
    narrow = StridedConv3d(2, 3, 2, 2, indice_key='narrow').double()
    outputs = {'wide': wide(x), 'narrow': narrow(x)}
    for name, size in (('wide', 3), ('narrow', 2)):
        named = InverseConv3d(3, 2, size, indice_key=name).double()
        unnamed = InverseConv3d(3, 2, size).double()
        unnamed.load_state_dict(named.state_dict())
        assert torch.equal(named(outputs[name]).features, unnamed(outputs[name]).features)


def test_inverse_of_another_layer_is_refused():
    x = random_tensor(2)
    StridedConv3d(2, 3, 3, 2, 1, indice_key='wide').double()(x)
    narrow = StridedConv3d(2, 3, 2, 2).double()(x)
    with pytest.raises(ValueError, match='cannot undo a strided convolution of size 3'):
        InverseConv3d(3, 2, 3, indice_key='wide').double()(narrow)
    with pytest.raises(ValueError, match='of size 5 at level 2 cannot undo .* of size 2'):
        InverseConv3d(3, 2, 5).double()(narrow)


def test_inverse_needs_its_strided_layer():
    x = random_tensor(2)
    x = SparseTensor(x.features, x.coordinates, (16, 16, 16), 2, stride=2)
    with pytest.raises(ValueError, match='level 2 was not reached through a strided layer:'):
        InverseConv3d(2, 2).double()(x)
    with pytest.raises(ValueError, match='strided layer "down"'):
        InverseConv3d(2, 2, indice_key='down').double()(x)


def test_two_strided_layers_of_one_name_are_refused():
    x = random_tensor(2)
    StridedConv3d(2, 3, indice_key='down').double()(x)
    # The same geometry is the same level, whoever asks for it.
    StridedConv3d(2, 3, indice_key='down').double()(x)
    with pytest.raises(ValueError, match='two different strided layers are called "down"'):
        StridedConv3d(2, 3, 3, indice_key='down').double()(x)


def test_a_bounded_grid_is_needed():
    x = random_tensor(2)
    with pytest.raises(ConfigError, match='bounded grid.*GeneralizedConv3d'):
        StridedConv3d(2, 3).double()(SparseTensor(x.features, x.coordinates, batch_size=2))


@pytest.mark.parametrize('size', [2, 4])
def test_even_submanifold_kernel_is_refused(size):
    with pytest.raises(ConfigError, match=f'odd, got kernel_size={size}'):
        SubmanifoldConv3d(1, 1, size)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: SubmanifoldConv3d(0, 1), 'in_channels is 0'),
        (lambda: SubmanifoldConv3d(1, -2), 'out_channels is -2'),
        (lambda: SubmanifoldConv3d(1, 1, 0), 'kernel_size is 0'),
        (lambda: SubmanifoldConv3d(1, 1, 3, 0), 'dilation'),
        (lambda: SubmanifoldConv3d(1, 1, 3.0), 'kernel_size is 3.0'),
        (lambda: StridedConv3d(1, 1, 0), 'kernel_size is 0'),
        (lambda: StridedConv3d(1, 1, 2, 0), 'stride is 0'),
        (lambda: StridedConv3d(1, 1, 2, 2, -1), 'padding is -1, expected 0 or more'),
        (lambda: StridedConv3d(1, 1, 2, 2, 0, 0), 'dilation is 0'),
        (lambda: StridedConv3d(1, 1, 2, 2, 65), 'no cell is over 64 voxels away'),
        (lambda: InverseConv3d(1, 1, 0), 'kernel_size is 0'),
    ],
)
def test_sizes_are_checked(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    'layer', [SubmanifoldConv3d(3, 4), SubmanifoldConv3d(3, 4, 1), StridedConv3d(3, 4)]
)
def test_wrong_channels_are_refused(layer):
    with pytest.raises(ConfigError, match=r'Conv3d expects 3 channels, got 2'):
        layer(random_tensor(2, dtype=torch.float32))


def test_inverse_refuses_wrong_channels():
    coarse = StridedConv3d(2, 3).double()(random_tensor(2))
    with pytest.raises(ConfigError, match='InverseConv3d expects 4 channels, got 3'):
        InverseConv3d(4, 2).double()(coarse)


@pytest.mark.parametrize('training', [True, False])
def test_empty_batch_passes_through(training):
    net = SparseSequential(
        SubmanifoldConv3d(3, 4, bias=True),
        torch.nn.BatchNorm1d(4),
        torch.nn.ReLU(),
        StridedConv3d(4, 5),
        SubmanifoldConv3d(5, 5, 1),
        InverseConv3d(5, 2),
    )
    net.train(training)
    out = net(empty_tensor(3))
    assert out.features.shape == (0, 2)
    out.features.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in net.parameters())


def test_one_voxel_passes_through_in_training():
    x = SparseTensor(torch.randn(1, 3), torch.zeros((1, 4), dtype=torch.int32), (2, 2, 2))
    net = SparseSequential(SubmanifoldConv3d(3, 4), torch.nn.BatchNorm1d(4), StridedConv3d(4, 5))
    out = net(x).features
    assert out.shape == (1, 5) and out.isfinite().all()


def test_bfloat16_stays_close_to_float32():
    x = random_tensor(16, dtype=torch.float32)
    layer = SubmanifoldConv3d(16, 16)
    exact = layer(x).features
    with torch.autocast('cpu', dtype=torch.bfloat16):
        rounded = layer(x).features
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.05, rtol=0.05)


def test_bfloat16_backward_stays_close_to_float32():
    x = random_tensor(16, dtype=torch.float32)
    layer = SubmanifoldConv3d(16, 16)
    cotangent = torch.randn(len(x), 16, generator=torch.Generator().manual_seed(1))

    def gradients(dtype: torch.dtype) -> tuple[Tensor, ...]:
        features = x.features.clone().requires_grad_()
        with torch.autocast('cpu', dtype=dtype, enabled=dtype != torch.float32):
            out = layer(x.replace(features)).features
        return torch.autograd.grad(out, (features, layer.weight), cotangent.to(out.dtype))

    for exact, rounded in zip(gradients(torch.float32), gradients(torch.bfloat16), strict=True):
        # Leaves are float32, so are their gradients, whatever happened on the way.
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.01 * exact.norm()


@pytest.mark.parametrize('layer_type', [SubmanifoldConv3d, GeneralizedConv3d])
@pytest.mark.parametrize('size', [1, 3])
def test_autocast_decides_the_type_also_with_a_bias(layer_type, size):
    x = random_tensor(4, dtype=torch.float32)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert layer_type(4, 5, size, bias=True)(x).features.dtype == torch.bfloat16


@pytest.mark.parametrize('layer_type', [SubmanifoldConv3d, GeneralizedConv3d])
@pytest.mark.parametrize('size', [1, 3])
def test_types_have_to_match(layer_type, size):
    x = random_tensor(4, dtype=torch.float64)
    with pytest.raises(SceneError, match='features are torch.float64, weight torch.float32'):
        layer_type(4, 5, size)(x)


def test_every_cell_of_the_kernel_is_where_it_belongs():
    # z runs fastest: cell (tx, ty, tz) has index 9 tx + 3 ty + tz.
    neighbours = torch.cartesian_prod(*[torch.arange(3)] * 3).int()
    coordinates = F.pad(neighbours, (1, 0))
    x = SparseTensor(torch.arange(1.0, 28)[:, None], coordinates, (3, 3, 3))
    layer = SubmanifoldConv3d(1, 27)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(27)[:, None])
    torch.testing.assert_close(layer(x).features[13], torch.arange(1.0, 28))


def test_order_of_voxels_does_not_matter():
    x = random_tensor(3)
    net = SparseSequential(
        SubmanifoldConv3d(3, 3), StridedConv3d(3, 4, 3, 2, 1), InverseConv3d(4, 2, 3)
    ).double()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    shuffled = SparseTensor(x.features[order], x.coordinates[order], x.spatial_shape, 2)
    torch.testing.assert_close(net(x).features[order], net(shuffled).features)


def test_descriptions_name_the_sizes():
    assert 'kernel_size=3' in repr(SubmanifoldConv3d(1, 2))
    assert 'stride=2, padding=1' in repr(StridedConv3d(1, 2, 3, 2, 1))
