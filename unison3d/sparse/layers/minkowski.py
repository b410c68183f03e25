"""The Minkowski family: generalised convolution and pooling on unbounded lattices.

Parameters have the published names and shapes: ``kernel`` (K, C_in, C_out) with the first axis
fastest, (C_in, C_out) where K is 1 and nothing is strided; ``bias`` (1, C_out); batch norm one
level down as ``bn``.

A strided layer leads to the voxels ``floor(c / stride)`` whatever its kernel, anchored at zero. Odd
kernels are centred, even ones reach from 0 to ``size - 1``.

Source:
    Generalised sparse convolution, Choy et al. (arXiv:1904.08755), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.sparse.functional import multiply_rows, sparse_conv
from unison3d.sparse.kernel_map import Kernel
from unison3d.sparse.layers.module import (
    SparseModule,
    apply_to_rows,
    check_channels,
    check_sizes,
    init_uniform,
)
from unison3d.sparse.sparse_tensor import LevelKey, SparseTensor


def lattice_kernel(kernel_size: int, dilation: int = 1) -> Kernel:
    """Cells of the family: centred if odd, from zero on if even, first axis fastest."""
    if kernel_size % 2:
        return Kernel.centered(kernel_size, dilation, x_fastest=True)
    return Kernel(kernel_size, 0, dilation, x_fastest=True)


class _GeneralizedConv3d(SparseModule):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        dilation: int,
        bias: bool,
    ) -> None:
        super().__init__()
        check_sizes(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            dilation=dilation,
        )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.cells = lattice_kernel(kernel_size, dilation)
        shape = (in_channels, out_channels)
        if not self.is_matrix:
            shape = (kernel_size**3, *shape)
        self.kernel = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(1, out_channels)) if bias else None
        self.reset_parameters()

    @property
    def is_matrix(self) -> bool:
        """Whether the layer is a plain matrix product."""
        return self.kernel_size == 1 and self.stride == 1

    def _fan(self) -> int:
        return self.in_channels * self.kernel_size**3

    def reset_parameters(self) -> None:
        """Uniform in ``1 / sqrt(n)``, n the channels a sum runs over times the kernel cells."""
        init_uniform(self._fan(), self.kernel, self.bias)

    def extra_repr(self) -> str:
        return (
            f'{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, '
            f'stride={self.stride}, dilation={self.cells.dilation}'
        )


class GeneralizedConv3d(_GeneralizedConv3d):
    """Convolution of the Minkowski family.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: edge of the kernel.
        stride: input voxels per output voxel.
        dilation: voxels between two cells.
        bias: add a learned vector.

    Raises:
        ConfigError: a size is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, bias)

    def forward(self, x: SparseTensor) -> SparseTensor:
        check_channels(x, self)
        if self.is_matrix:
            return x.replace(multiply_rows(x.features, self.kernel, self.bias))
        target = x.cache.lattice_level(x.key, self.stride)
        kernel_map = x.kernel_map(self.cells, target)
        return x.at(target, sparse_conv(x.features, self.kernel, kernel_map, self.bias))


class GeneralizedConvTranspose3d(_GeneralizedConv3d):
    """Transposed convolution back to the voxels of a finer level that exists already.

    A fine voxel ``f`` receives ``x[c] @ kernel[k]`` from every coarse voxel with
    ``f = stride * c + offset(k)``; with kernel and stride 2 that is its one parent.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: edge of the kernel.
        stride: fine voxels per coarse voxel.
        dilation: voxels between two cells.
        bias: add a learned vector.

    Raises:
        ConfigError: a size is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 2,
        stride: int = 2,
        dilation: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, bias)

    def _fan(self) -> int:
        return self.out_channels * self.kernel_size**3

    def forward(self, x: SparseTensor) -> SparseTensor:
        check_channels(x, self)
        if self.is_matrix:
            return x.replace(multiply_rows(x.features, self.kernel, self.bias))
        fine = _finer_level(x, self.stride)
        kernel_map = x.cache.kernel_map(fine, x.key, self.cells).transposed()
        return x.at(fine, sparse_conv(x.features, self.kernel, kernel_map, self.bias))


def _finer_level(x: SparseTensor, stride: int) -> LevelKey:
    key = (x.stride // stride, x.key[1])
    if x.stride % stride or key not in x.cache.levels:
        known = sorted(k[0] for k in x.cache.levels if k[1] == x.key[1])
        raise ValueError(
            f'a transposed convolution of stride {stride} leads from level {x.stride} to voxels '
            f'nobody has seen; levels of this scene: {known}'
        )
    return key


class _Pool3d(SparseModule):
    def __init__(self, kernel_size: int = 2, stride: int = 2, dilation: int = 1) -> None:
        super().__init__()
        check_sizes(kernel_size=kernel_size, stride=stride, dilation=dilation)
        self.cells = lattice_kernel(kernel_size, dilation)
        self.stride = stride

    def forward(self, x: SparseTensor) -> SparseTensor:
        target = x.cache.lattice_level(x.key, self.stride)
        pairs = x.kernel_map(self.cells, target).pairs
        rows = x.features.index_select(0, pairs.inputs)
        num_outputs = len(x.cache.levels[target])
        return x.at(target, self.pool(rows, pairs.outputs.long(), num_outputs))

    def pool(self, rows: Tensor, outputs: Tensor, num_outputs: int) -> Tensor:
        """Reduce the rows of every output."""
        raise TypeError(f'{type(self).__name__} does not say how to pool')

    def extra_repr(self) -> str:
        return f'kernel_size={self.cells.size}, stride={self.stride}'


class SumPool3d(_Pool3d):
    """Sum over the active voxels under the kernel."""

    def pool(self, rows: Tensor, outputs: Tensor, num_outputs: int) -> Tensor:
        return _sum(rows, outputs, num_outputs)


class AvgPool3d(_Pool3d):
    """Mean over the active voxels under the kernel; absent ones do not count."""

    def pool(self, rows: Tensor, outputs: Tensor, num_outputs: int) -> Tensor:
        return _mean(rows, outputs, num_outputs)


class MaxPool3d(_Pool3d):
    """Maximum over the active voxels under the kernel."""

    def pool(self, rows: Tensor, outputs: Tensor, num_outputs: int) -> Tensor:
        return _max(rows, outputs, num_outputs)


class GlobalPool3d(nn.Module):
    """One vector per scene, (B, C); zeros for a scene without voxels.

    Args:
        mode: ``'sum'``, ``'avg'`` or ``'max'``.

    Raises:
        ConfigError: another mode.
    """

    def __init__(self, mode: str = 'avg') -> None:
        super().__init__()
        modes = {'sum': _sum, 'avg': _mean, 'max': _max}
        if mode not in modes:
            raise ConfigError(f'mode is {mode!r}, expected one of {sorted(modes)}')
        self.reduce = modes[mode]

    def forward(self, x: SparseTensor) -> Tensor:
        return self.reduce(x.features, x.coordinates[:, 0].long(), x.batch_size)


def _sum(rows: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    return rows.new_zeros((num_groups, rows.shape[1])).index_add(0, groups, rows)


def _mean(rows: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    counts = torch.bincount(groups, minlength=num_groups).clamp_(min=1)
    # The sum of many rows leaves the range of float16 although their mean does not.
    total = _sum(rows.to(torch.promote_types(rows.dtype, torch.float32)), groups, num_groups)
    return (total / counts[:, None]).to(rows.dtype)


def _max(rows: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    out = rows.new_zeros((num_groups, rows.shape[1]))
    index = groups[:, None].expand_as(rows)
    return out.scatter_reduce(0, index, rows, 'amax', include_self=False)


class SparseBatchNorm(SparseModule):
    """Batch norm over rows, one level down as in the published names (``bn0.bn.weight``).

    Args:
        channels: C.
        eps: added to the variance.
        momentum: share of the new statistics.
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(channels, eps=eps, momentum=momentum)

    def forward(self, x: SparseTensor) -> SparseTensor:
        return x.replace(apply_to_rows(self.bn, x.features))
