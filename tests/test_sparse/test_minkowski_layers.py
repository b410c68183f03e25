"""The Minkowski family against dense convolution on a lattice on both sides of zero."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.test_sparse.samples import (
    Box,
    empty_tensor,
    lattice_tensor,
    minkowski_kernel,
    pad_to,
    random_tensor,
    repeated,
    set_of_voxels,
)
from unison3d.errors import ConfigError
from unison3d.sparse import (
    AvgPool3d,
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    GlobalPool3d,
    MaxPool3d,
    SparseBatchNorm,
    SparseModule,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SumPool3d,
)

# Voxels that the largest kernel here reaches.
MARGIN = 10
tensor_strides = pytest.mark.parametrize('tensor_stride', [1, 2])


def first_cell(size: int, dilation: int) -> int:
    """Odd kernels are centred, even ones are not."""
    return -dilation * (size // 2) if size % 2 else 0


def dense_windows(dense: Tensor, size: int, dilation: int) -> Tensor:
    """Without what comes before the first cell of the kernel at the first voxel."""
    cut = MARGIN + first_cell(size, dilation)
    return dense[:, :, cut:, cut:, cut:]


def dense_conv(dense: Tensor, kernel: Tensor, stride: int, dilation: int) -> Tensor:
    """``out[o] = sum of dense[stride * o + dilation * t + start] @ kernel[t]``."""
    padded = dense_windows(F.pad(dense, [MARGIN] * 6), kernel.shape[2], dilation)
    out = F.conv3d(padded, kernel, stride=stride, dilation=dilation)
    return pad_to(out, [n // stride for n in dense.shape[2:]])


def dense_max(dense: Tensor, size: int, stride: int, dilation: int) -> Tensor:
    padded = F.pad(dense, [MARGIN] * 6, value=-torch.inf)
    out = F.max_pool3d(dense_windows(padded, size, dilation), size, stride, dilation=dilation)
    return pad_to(out, [n // stride for n in dense.shape[2:]])


def dense_transposed(dense: Tensor, kernel: Tensor, stride: int, dilation: int) -> Tensor:
    """``out[stride * o + dilation * t + start] += dense[o] @ kernel[t]``."""
    out = F.conv_transpose3d(dense, kernel.transpose(0, 1), stride=stride, dilation=dilation)
    before = -first_cell(kernel.shape[2], dilation)
    out = out[:, :, before:, before:, before:]
    return pad_to(out, [n * stride for n in dense.shape[2:]])


def at_stride(x: SparseTensor, tensor_stride: int) -> SparseTensor:
    """The voxels themselves, or their parents with features of their own."""
    return x if tensor_stride == 1 else SumPool3d(tensor_stride, tensor_stride)(x)


def parents(x: SparseTensor, stride: int) -> set[tuple[int, ...]]:
    return {(b, *(c // stride for c in cell)) for b, *cell in x.coordinates.tolist()}


@tensor_strides
@pytest.mark.parametrize('dilation', [1, 2])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('size', [1, 2, 3, 5])
@pytest.mark.parametrize('bias', [False, True])
def test_convolution_equals_dense(size, stride, dilation, bias, tensor_stride):
    x = at_stride(lattice_tensor(3, batch_size=3, empty_items=[1]), tensor_stride)
    layer = GeneralizedConv3d(3, 4, size, stride, dilation, bias).double()
    out = layer(x)
    assert set_of_voxels(out.coordinates) == parents(x, stride)
    assert out.stride == tensor_stride * stride
    box = Box.around(x, stride)
    dense = dense_conv(box.fill(x), minkowski_kernel(layer.kernel), stride, dilation)
    expected = box.coarse(stride).at_voxels(dense, out)
    torch.testing.assert_close(out.features, expected + (layer.bias if bias else 0))
    repeated(lambda: layer(x).features)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('size', [2, 3])
def test_a_tensor_that_starts_at_a_coarse_stride(size, stride):
    coordinates = lattice_tensor(3).coordinates
    x = SparseTensor(torch.randn(len(coordinates), 3), coordinates, None, 2, stride=4)
    same = SparseTensor(x.features, coordinates, None, 2)
    layer = GeneralizedConv3d(3, 4, size, stride)
    assert layer(x).stride == 4 * stride
    assert torch.equal(layer(x).features, layer(same).features)


@tensor_strides
@pytest.mark.parametrize('dilation', [1, 2])
@pytest.mark.parametrize(('size', 'stride'), [(2, 2), (3, 2), (1, 2), (5, 2), (3, 1), (4, 4)])
@pytest.mark.parametrize('bias', [False, True])
def test_transposed_convolution_equals_dense(size, stride, dilation, bias, tensor_stride):
    x = at_stride(lattice_tensor(2, batch_size=3, empty_items=[1]), tensor_stride)
    coarse = SumPool3d(stride, stride)(x)
    layer = GeneralizedConvTranspose3d(2, 4, size, stride, dilation, bias).double()
    out = layer(coarse)
    assert out.key == x.key
    assert torch.equal(out.coordinates, x.coordinates)
    box = Box.around(x, stride, margin=MARGIN)
    dense = box.coarse(stride).fill(coarse)
    dense = dense_transposed(dense, minkowski_kernel(layer.kernel), stride, dilation)
    expected = box.at_voxels(dense, x) + (layer.bias if bias else 0)
    torch.testing.assert_close(out.features, expected)
    repeated(lambda: layer(coarse).features)


@tensor_strides
@pytest.mark.parametrize('dilation', [1, 2])
@pytest.mark.parametrize(('size', 'stride'), [(2, 2), (3, 1), (3, 2), (1, 2)])
@pytest.mark.parametrize('mode', ['sum', 'avg', 'max'])
def test_pooling_equals_dense(mode, size, stride, dilation, tensor_stride):
    x = at_stride(lattice_tensor(3, batch_size=3, empty_items=[1]), tensor_stride)
    layer = {'sum': SumPool3d, 'avg': AvgPool3d, 'max': MaxPool3d}[mode](size, stride, dilation)
    box = Box.around(x, stride)
    ones = torch.ones((1, 1, size, size, size), dtype=torch.float64)
    counts = dense_conv(box.occupancy(x), ones, stride, dilation)
    if mode == 'max':
        dense = dense_max(box.fill(x, absent=-torch.inf), size, stride, dilation)
        # An output without a voxel under its kernel is zero.
        dense = torch.where(counts > 0, dense, 0)
    else:
        dense = dense_conv(box.fill(x).flatten(0, 1)[:, None], ones, stride, dilation)
        dense = dense.reshape(x.batch_size, -1, *dense.shape[2:])
    if mode == 'avg':
        dense = dense / counts.clamp(min=1)
    out = layer(x)
    assert set_of_voxels(out.coordinates) == parents(x, stride)
    torch.testing.assert_close(out.features, box.coarse(stride).at_voxels(dense, out))
    repeated(lambda: layer(x).features)


@pytest.mark.parametrize('mode', ['sum', 'avg', 'max'])
def test_global_pooling_with_an_empty_scene(mode):
    x = lattice_tensor(3, batch_size=4, empty_items=[1, 3])
    reduce = {'sum': Tensor.sum, 'avg': Tensor.mean, 'max': Tensor.amax}[mode]
    scenes = [x.features[x.coordinates[:, 0] == item] for item in range(4)]
    expected = [reduce(s, 0) if len(s) else torch.zeros(3, dtype=s.dtype) for s in scenes]
    torch.testing.assert_close(GlobalPool3d(mode)(x), torch.stack(expected))
    repeated(lambda: GlobalPool3d(mode)(x))
    assert GlobalPool3d(mode)(empty_tensor(3)).tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_mean_of_many_small_numbers(dtype):
    coordinates = torch.cartesian_prod(*map(torch.arange, (1, 20, 20, 25))).int()
    x = SparseTensor(torch.full((len(coordinates), 2), 10, dtype=dtype), coordinates)
    assert GlobalPool3d('avg')(x).tolist() == [[10, 10]]


@pytest.mark.parametrize('mode', ['sum', 'avg', 'max'])
def test_pooling_is_the_same_bits_with_any_number_of_threads(mode):
    x = lattice_tensor(33, low=(-9, -9, -9), shape=(22, 21, 20), dtype=torch.float32)
    layer = {'sum': SumPool3d, 'avg': AvgPool3d, 'max': MaxPool3d}[mode](3, 2)
    features = x.features.clone().requires_grad_()
    repeated(lambda: layer(x).features)
    repeated(lambda: GlobalPool3d(mode)(x))
    loss = layer(x.replace(features)).features.square().sum()
    repeated(lambda: torch.autograd.grad(loss, features, retain_graph=True)[0])


def test_maximum_of_negative_numbers():
    x = lattice_tensor(2)
    x = x.replace(-1 - x.features.abs())
    assert MaxPool3d(2, 2)(x).features.max() < 0
    assert GlobalPool3d('max')(x).max() < 0


def test_parents_round_down_below_zero():
    cells = torch.arange(-5, 5).int()
    x = SparseTensor(torch.ones(10, 1), F.pad(cells[:, None].repeat(1, 3), (1, 0)))
    out = SumPool3d(2, 2)(x)
    assert out.coordinates[:, 1].tolist() == [-3, -2, -1, 0, 1, 2]
    assert out.features[:, 0].tolist() == [1, 2, 2, 2, 2, 1]


@pytest.mark.parametrize('layer_type', [GeneralizedConv3d, GeneralizedConvTranspose3d])
@pytest.mark.parametrize('bias', [False, True])
def test_kernel_of_one_is_a_matrix(layer_type, bias):
    x = lattice_tensor(3)
    layer = layer_type(3, 4, 1, 1, bias=bias).double()
    assert layer.kernel.shape == (3, 4)
    out = layer(x)
    torch.testing.assert_close(
        out.features, x.features @ layer.kernel + (layer.bias if bias else 0)
    )
    assert out.key == x.key and not x.cache.maps


def test_published_parameter_shapes():
    layer = GeneralizedConv3d(3, 4, 3, bias=True)
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {
        'kernel': (27, 3, 4),
        'bias': (1, 4),
    }
    # With a stride the kernel has its one cell as an axis.
    assert GeneralizedConv3d(3, 4, 1, 2).kernel.shape == (1, 3, 4)
    assert GeneralizedConvTranspose3d(3, 4, 2, 2).kernel.shape == (8, 3, 4)
    assert list(SparseBatchNorm(4).state_dict())[0] == 'bn.weight'


@pytest.mark.parametrize('center', [(0, 0, 0), (-7, 4, -11)])
@pytest.mark.parametrize('size', [2, 3, 5])
def test_first_axis_runs_fastest(size, center):
    # Every voxel around the centre has a value of its own, every cell a channel of its own.
    steps = torch.arange(size) - (size // 2 if size % 2 else 0)
    cells = torch.cartesian_prod(steps, steps, steps)[:, [2, 1, 0]] + torch.tensor(center)
    x = SparseTensor(torch.arange(1.0, size**3 + 1)[:, None], F.pad(cells, (1, 0)).int())
    layer = GeneralizedConv3d(1, size**3, size)
    with torch.no_grad():
        layer.kernel.copy_(torch.eye(size**3)[:, None])
    row = (cells == torch.tensor(center)).all(1).nonzero().item()
    torch.testing.assert_close(layer(x).features[row], torch.arange(1.0, size**3 + 1))


def test_children_choose_their_cell():
    # One parent below zero, its eight children, x fastest.
    children = torch.tensor([(x, y, z) for z, y, x in product((0, 1), repeat=3)])
    cells = F.pad(children + 2 * torch.tensor([-3, 2, -1]), (1, 0)).int()
    down, up = GeneralizedConv3d(1, 8, 2, 2), GeneralizedConvTranspose3d(1, 1, 2, 2)
    with torch.no_grad():
        down.kernel.copy_(torch.eye(8)[:, None])
        up.kernel.copy_(torch.arange(8.0)[:, None, None])
    coarse = down(SparseTensor(torch.arange(8.0)[:, None], cells))
    assert coarse.coordinates.tolist() == [[0, -3, 2, -1]]
    assert coarse.features.tolist() == [list(range(8))]
    fine = up(coarse.replace(torch.ones(1, 1)))
    assert fine.features[:, 0].tolist() == list(range(8))


class UNet(SparseModule):
    """Down to stride 16 and back, with skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.down = torch.nn.ModuleList(GeneralizedConv3d(4, 4, 2, 2) for _ in range(4))
        self.conv = torch.nn.ModuleList(GeneralizedConv3d(4, 4, 3) for _ in range(4))
        self.up = torch.nn.ModuleList(GeneralizedConvTranspose3d(8, 4, 2, 2) for _ in range(4))

    def forward(self, x: SparseTensor) -> SparseTensor:
        skips = []
        for down, conv in zip(self.down, self.conv):
            x = down(x)
            skips.append(x)
            x = conv(x)
        for up, skip in zip(self.up, reversed(skips)):
            x = up(x.concat(skip))
        return x


def shifted(x: SparseTensor, by: tuple[int, int, int]) -> SparseTensor:
    moved = x.coordinates + torch.tensor([0, *by], dtype=torch.int32)
    return SparseTensor(x.features, moved, None, x.batch_size)


@pytest.mark.parametrize('by', [(16, 0, 0), (-16, 32, -48), (0, 0, 65536)])
def test_shift_by_the_coarsest_stride_changes_nothing(by):
    x, net = lattice_tensor(4), UNet().double()
    assert torch.equal(net(shifted(x, by)).features, net(x).features)


@pytest.mark.parametrize('by', [(8, 0, 0), (0, 1, 0), (0, 0, -2)])
def test_another_shift_changes_the_lattice(by):
    x, net = lattice_tensor(4), UNet().double()
    assert not torch.allclose(net(shifted(x, by)).features, net(x).features)


@pytest.mark.parametrize('stride', [2, 4])
def test_no_voxels_to_go_back_to(stride):
    coordinates = lattice_tensor(3).coordinates
    x = SparseTensor(torch.randn(len(coordinates), 3), coordinates, None, 2, stride=4)
    SumPool3d(2, 2)(x)
    layer = GeneralizedConvTranspose3d(3, 2, stride, stride)
    with pytest.raises(ValueError, match=rf'stride {stride} leads from level 4 .*\[4, 8\]'):
        layer(x)


def test_a_stride_that_does_not_divide_is_refused():
    x = lattice_tensor(3)
    coarse = SumPool3d(2, 2)(x)
    with pytest.raises(ValueError, match=r'stride 3 leads from level 2 .*\[1, 2\]'):
        GeneralizedConvTranspose3d(3, 2, 3, 3).double()(coarse)
    # Not even if voxels of the rounded stride are known.
    with pytest.raises(ValueError, match=r'stride 2 leads from level 5 .*\[1, 2, 5\]'):
        GeneralizedConvTranspose3d(3, 2, 2, 2).double()(SumPool3d(5, 5)(x))


@pytest.mark.parametrize(
    'layer',
    [
        GeneralizedConv3d(3, 4),
        GeneralizedConv3d(3, 4, 1),
        GeneralizedConvTranspose3d(3, 4, 1, 1),
        GeneralizedConvTranspose3d(3, 4),
    ],
)
def test_wrong_channels_are_refused(layer):
    with pytest.raises(ConfigError, match='expects 3 channels, got 2'):
        layer(lattice_tensor(2))


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: GeneralizedConv3d(0, 1), 'in_channels is 0'),
        (lambda: GeneralizedConv3d(1, 0), 'out_channels is 0'),
        (lambda: GeneralizedConv3d(1, 1, 0), 'kernel_size is 0'),
        (lambda: GeneralizedConv3d(1, 1, 3, 0), 'stride is 0'),
        (lambda: GeneralizedConv3d(1, 1, 3, 1, 0), 'dilation is 0'),
        (lambda: GeneralizedConv3d(1, 1, 3, 1, 65), 'no cell is over 64 voxels away'),
        (lambda: GeneralizedConvTranspose3d(1, 1, 2, 0), 'stride is 0'),
        (lambda: MaxPool3d(0), 'kernel_size is 0'),
        (lambda: AvgPool3d(2, 0), 'stride is 0'),
        (lambda: SumPool3d(2, 2, 0), 'dilation is 0'),
        (lambda: GlobalPool3d('mean'), r"mode is 'mean', expected one of \['avg', 'max', 'sum'\]"),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize('training', [True, False])
def test_empty_batch_passes_through(training):
    net = SparseSequential(
        GeneralizedConv3d(3, 4, 5, bias=True),
        SparseBatchNorm(4),
        torch.nn.ReLU(),
        GeneralizedConv3d(4, 4, 2, 2),
        MaxPool3d(3, 2),
        GeneralizedConvTranspose3d(4, 4, 3, 2),
        GeneralizedConvTranspose3d(4, 2, 2, 2),
    )
    net.train(training)
    out = net(empty_tensor(3, None))
    assert out.features.shape == (0, 2) and out.batch_size == 2
    out.features.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in net.parameters())


def test_one_voxel_uses_the_running_statistics():
    norm = SparseBatchNorm(2).train()
    x = SparseTensor(torch.tensor([[3.0, -4.0]]), torch.zeros((1, 4), dtype=torch.int32))
    expected = x.features / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(norm(x).features, expected)
    assert norm.bn.running_mean.tolist() == [0, 0]


def test_batch_norm_counts_voxels_of_all_scenes():
    x = lattice_tensor(3)
    norm = SparseBatchNorm(3).double()
    out = norm(x).features
    torch.testing.assert_close(out.mean(0), torch.zeros(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(norm.bn.running_mean, 0.1 * x.features.mean(0))


def test_both_families_on_one_grid():
    # A lattice level is no grid level, though both may have the same voxels.
    x = random_tensor(2, shape=(8, 6, 4))
    grid, lattice = StridedConv3d(2, 3).double()(x), GeneralizedConv3d(2, 3, 2, 2).double()(x)
    assert grid.key != lattice.key and lattice.spatial_shape is None
    assert set_of_voxels(grid.coordinates) == set_of_voxels(lattice.coordinates)
    with pytest.raises(ConfigError, match='bounded grid'):
        StridedConv3d(3, 2).double()(lattice)


def test_descriptions_name_the_sizes():
    assert 'kernel_size=2, stride=2' in repr(GeneralizedConv3d(1, 2, 2, 2))
    assert 'kernel_size=3, stride=2' in repr(MaxPool3d(3, 2))
