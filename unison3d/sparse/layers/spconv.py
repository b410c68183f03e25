"""The spconv family: submanifold, strided and inverse convolution on a bounded grid."""

from __future__ import annotations

import torch
from torch import nn

from unison3d.errors import ConfigError
from unison3d.sparse.functional import multiply_rows, sparse_conv
from unison3d.sparse.kernel_map import Kernel
from unison3d.sparse.layers.module import (
    SparseModule,
    check_channels,
    check_sizes,
    init_uniform,
)
from unison3d.sparse.sparse_tensor import SparseTensor


class _SparseConv3d(SparseModule):
    """Weights shared by the three kinds of layers.

    ``weight`` is (K, C_in, C_out) with kernel cells in x-major, z-fastest order, ``bias`` (C_out,)
    or None.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(kernel_size**3, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming-uniform with a = sqrt(5), the default of dense and sparse libraries alike."""
        init_uniform(self.in_channels * self.kernel_size**3, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f'{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}'


class SubmanifoldConv3d(_SparseConv3d):
    """Convolution that keeps the set of active voxels (spconv ``SubMConv3d``).

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: odd edge of the kernel.
        dilation: voxels between two cells.
        bias: add a learned vector.

    Raises:
        ConfigError: the kernel is even, or a size is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        dilation: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias)
        if kernel_size % 2 == 0:
            raise ConfigError(f'submanifold kernels are odd, got kernel_size={kernel_size}')
        self.kernel = Kernel.centered(kernel_size, dilation)

    def forward(self, x: SparseTensor) -> SparseTensor:
        check_channels(x, self)
        if self.kernel_size == 1:
            return x.replace(multiply_rows(x.features, self.weight[0], self.bias))
        return x.replace(sparse_conv(x.features, self.weight, x.kernel_map(self.kernel), self.bias))


class StridedConv3d(_SparseConv3d):
    """Convolution whose outputs are all cells that an input reaches (spconv ``SparseConv3d``).

    The output grid has ``(n + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1`` cells
    per axis. With the kernel size equal to the stride and no padding a partial last cell has no
    parent and its voxels are dropped; choose a ``spatial_shape`` divisible by the total stride to
    keep every voxel.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: edge of the kernel.
        stride: input voxels per output voxel.
        padding: cells the kernel may start before the grid.
        dilation: voxels between two cells.
        bias: add a learned vector.
        indice_key: name by which an :class:`InverseConv3d` can ask for this layer.

    Raises:
        ConfigError: a size is below 1, or the padding below 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 2,
        stride: int = 2,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = False,
        indice_key: str | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias)
        check_sizes(stride=stride, dilation=dilation)
        if padding < 0:
            raise ConfigError(f'padding is {padding}, expected 0 or more')
        self.kernel = Kernel(kernel_size, -padding, dilation)
        self.stride = stride
        self.indice_key = indice_key

    def forward(self, x: SparseTensor) -> SparseTensor:
        check_channels(x, self)
        if x.spatial_shape is None:
            raise ConfigError(
                'StridedConv3d works on a bounded grid: give the SparseTensor a spatial_shape, or '
                'use GeneralizedConv3d'
            )
        coarse = x.cache.grid_level(x.key, self.kernel, self.stride, self.indice_key)
        kernel_map = x.kernel_map(self.kernel, coarse)
        return x.at(coarse, sparse_conv(x.features, self.weight, kernel_map, self.bias))

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, stride={self.stride}, padding={-self.kernel.start}'


class InverseConv3d(_SparseConv3d):
    """Undo a :class:`StridedConv3d`: back to its input voxels through the same pairs.

    Voxels that the strided layer dropped receive zeros (plus the bias).

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: that of the strided layer.
        bias: add a learned vector.
        indice_key: name of the strided layer to undo; without it the one that led to these voxels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 2,
        bias: bool = False,
        indice_key: str | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias)
        self.indice_key = indice_key

    def forward(self, x: SparseTensor) -> SparseTensor:
        check_channels(x, self)
        fine, kernel = self._strided_layer(x)
        kernel_map = x.cache.kernel_map(fine, x.key, kernel).transposed()
        return x.at(fine, sparse_conv(x.features, self.weight, kernel_map, self.bias))

    def _strided_layer(self, x: SparseTensor) -> tuple:
        coarse = x.key if self.indice_key is None else x.cache.named.get(self.indice_key)
        if coarse not in x.cache.undo:
            name = '' if self.indice_key is None else f' "{self.indice_key}"'
            raise ValueError(
                f'level {x.stride} was not reached through a strided layer{name}: an inverse '
                'convolution needs the strided convolution it inverts to run before it'
            )
        fine, kernel = x.cache.undo[coarse]
        if coarse != x.key or kernel.size != self.kernel_size:
            raise ValueError(
                f'an inverse convolution of size {self.kernel_size} at level {x.stride} cannot '
                f'undo a strided convolution of size {kernel.size} that led to level {coarse[0]}'
            )
        return fine, kernel
