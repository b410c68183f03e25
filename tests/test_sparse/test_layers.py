"""Sparse layers against dense convolution, gradients, batches and empty input."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unison3d.errors import ConfigError
from unison3d.sparse import (
    InverseConv3d,
    Kernel,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    sparse_conv,
)


def random_tensor(
    channels: int,
    shape=(7, 6, 9),
    batch_size: int = 2,
    share: float = 0.25,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> SparseTensor:
    generator = torch.Generator().manual_seed(seed)
    active = torch.rand((batch_size, *shape), generator=generator) < share
    coordinates = active.nonzero().to(torch.int32)
    coordinates = coordinates[torch.randperm(len(coordinates), generator=generator)]
    features = torch.randn(len(coordinates), channels, generator=generator, dtype=dtype)
    return SparseTensor(features, coordinates, shape, batch_size)


def to_dense(x: SparseTensor) -> torch.Tensor:
    """(B, C, X, Y, Z), zeros where no voxel is."""
    dense = x.features.new_zeros((x.batch_size, x.features.shape[1], *x.spatial_shape))
    b, i, j, k = x.coordinates.long().unbind(1)
    dense[b, :, i, j, k] = x.features
    return dense


def at_voxels(dense: torch.Tensor, x: SparseTensor) -> torch.Tensor:
    b, i, j, k = x.coordinates.long().unbind(1)
    return dense[b, :, i, j, k]


def dense_kernel(weight: torch.Tensor) -> torch.Tensor:
    """(K, C_in, C_out) to the layout of ``conv3d``."""
    edge = round(weight.shape[0] ** (1 / 3))
    return weight.reshape(edge, edge, edge, *weight.shape[1:]).permute(4, 3, 0, 1, 2)


@pytest.mark.parametrize('kernel_size', [1, 3, 5])
@pytest.mark.parametrize('batch_size', [1, 3])
def test_submanifold_equals_dense(kernel_size, batch_size):
    x = random_tensor(4, batch_size=batch_size)
    layer = SubmanifoldConv3d(4, 5, kernel_size).double()
    expected = F.conv3d(to_dense(x), dense_kernel(layer.weight), padding=kernel_size // 2)
    torch.testing.assert_close(layer(x).features, at_voxels(expected, x))


@pytest.mark.parametrize('shape', [(8, 6, 4), (7, 6, 9), (3, 2, 5)])
def test_strided_equals_dense_also_on_odd_grids(shape):
    x = random_tensor(3, shape=shape)
    layer = StridedConv3d(3, 6).double()
    expected = F.conv3d(to_dense(x), dense_kernel(layer.weight), stride=2)
    out = layer(x)
    assert out.spatial_shape == tuple(expected.shape[2:])
    torch.testing.assert_close(out.features, at_voxels(expected, out))
    occupied = F.max_pool3d((to_dense(x) != 0).any(1, keepdim=True).double(), 2, 2)
    assert len(out) == int(occupied.sum())


@pytest.mark.parametrize('shape', [(8, 6, 4), (7, 6, 9)])
def test_inverse_equals_dense_transposed(shape):
    x = random_tensor(3, shape=shape)
    down, up = StridedConv3d(3, 4).double(), InverseConv3d(4, 2).double()
    coarse = down(x)
    out = up(coarse)
    kernel = dense_kernel(up.weight).transpose(0, 1)
    expected = F.conv_transpose3d(to_dense(coarse), kernel, stride=2)
    padding = [n for axis in (2, 1, 0) for n in (0, shape[axis] - expected.shape[2 + axis])]
    torch.testing.assert_close(out.features, at_voxels(F.pad(expected, padding), x))
    torch.testing.assert_close(out.coordinates, x.coordinates)


def test_last_odd_plane_has_no_parent():
    x = SparseTensor(
        torch.ones(2, 1), torch.tensor([[0, 0, 0, 0], [0, 4, 0, 0]]).int(), (5, 2, 2), 1
    )
    down, up = StridedConv3d(1, 1), InverseConv3d(1, 1)
    coarse = down(x)
    assert len(coarse) == 1
    assert up(coarse).features[1].item() == 0


def test_inverse_needs_its_strided_layer():
    x = random_tensor(2)
    with pytest.raises(ValueError, match='needs the strided convolution'):
        InverseConv3d(2, 2).double()(SparseTensor(x.features, x.coordinates, (16, 16, 16), 2, 2))


@pytest.mark.parametrize('layers', ['submanifold', 'down-up'])
def test_gradcheck(layers):
    x = random_tensor(2, shape=(4, 3, 5), batch_size=1, share=0.4)
    if layers == 'submanifold':
        net = SubmanifoldConv3d(2, 3).double()
    else:
        net = SparseSequential(StridedConv3d(2, 3), InverseConv3d(3, 2)).double()
    weights = list(net.parameters())

    def run(features, *_):
        return net(x.replace(features)).features

    assert torch.autograd.gradcheck(run, (x.features.requires_grad_(), *weights))


def test_order_of_voxels_does_not_matter():
    x = random_tensor(3)
    layer = SubmanifoldConv3d(3, 3).double()
    order = torch.randperm(len(x))
    shuffled = SparseTensor(x.features[order], x.coordinates[order], x.spatial_shape, 2)
    torch.testing.assert_close(layer(x).features[order], layer(shuffled).features)


def test_empty_tensor_passes_through():
    x = SparseTensor(torch.zeros(0, 3), torch.zeros((0, 4), dtype=torch.int32), (16, 16, 16), 1)
    net = SparseSequential(
        SubmanifoldConv3d(3, 4), torch.nn.BatchNorm1d(4), StridedConv3d(4, 5), InverseConv3d(5, 2)
    )
    out = net(x)
    assert out.features.shape == (0, 2)
    out.features.sum().backward()


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

    def gradients(dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        features = x.features.clone().requires_grad_()
        with torch.autocast('cpu', dtype=dtype, enabled=dtype != torch.float32):
            out = layer(x.replace(features)).features
        return torch.autograd.grad(out, (features, layer.weight), cotangent.to(out.dtype))

    for exact, rounded in zip(gradients(torch.float32), gradients(torch.bfloat16), strict=True):
        # Leaves are float32, so are their gradients, whatever happened on the way.
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.01 * exact.norm()


def test_same_input_same_bits():
    x = random_tensor(8, dtype=torch.float32)
    weight = torch.randn(27, 8, 8)
    kernel_map = x.kernel_map(Kernel.centered(3))
    first = sparse_conv(x.features, weight, kernel_map)
    assert torch.equal(first, sparse_conv(x.features, weight, kernel_map))


def test_even_submanifold_kernel_is_refused():
    with pytest.raises(ConfigError, match='odd'):
        SubmanifoldConv3d(1, 1, 2)
