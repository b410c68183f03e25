"""Layers of the spconv family: submanifold, strided and inverse convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unison3d.sparse.functional import sparse_conv
from unison3d.sparse.sparse_tensor import SparseTensor


class SparseModule(nn.Module):
    """Base of layers that take and return a :class:`SparseTensor`."""


class _SparseConv3d(SparseModule):
    """Weights shared by the three kinds of layers.

    ``weight`` is (K, C_in, C_out) with kernel cells in x-major, z-fastest order.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(kernel_size**3, in_channels, out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming-uniform with a = sqrt(5), the default of dense and sparse libraries alike."""
        bound = 1.0 / math.sqrt(self.in_channels * self.kernel_size**3)
        nn.init.uniform_(self.weight, -bound, bound)

    def extra_repr(self) -> str:
        return f'{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}'


class SubmanifoldConv3d(_SparseConv3d):
    """Convolution that keeps the set of active voxels (spconv ``SubMConv3d``, no bias)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__(in_channels, out_channels, kernel_size)

    def forward(self, x: SparseTensor) -> SparseTensor:
        if self.kernel_size == 1:
            return x.replace(x.features @ self.weight[0])
        return x.replace(sparse_conv(x.features, self.weight, x.submanifold_map(self.kernel_size)))


class StridedConv3d(_SparseConv3d):
    """Convolution with kernel size equal to its stride (spconv ``SparseConv3d``, no bias)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 2) -> None:
        super().__init__(in_channels, out_channels, stride)

    def forward(self, x: SparseTensor) -> SparseTensor:
        kernel_map = x.strided_map(self.kernel_size)
        features = sparse_conv(x.features, self.weight, kernel_map)
        return x.at_level(features, x.stride * self.kernel_size)


class InverseConv3d(_SparseConv3d):
    """Undo a :class:`StridedConv3d`: back to its input voxels through the same pairs.

    Voxels that the strided layer dropped receive zeros.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 2) -> None:
        super().__init__(in_channels, out_channels, stride)

    def forward(self, x: SparseTensor) -> SparseTensor:
        target_stride = x.stride // self.kernel_size
        kernel_map = x.strided_map_from(target_stride).transposed()
        return x.at_level(sparse_conv(x.features, self.weight, kernel_map), target_stride)


class SparseSequential(nn.Sequential, SparseModule):
    """``nn.Sequential`` in which ordinary layers act on the features of a sparse tensor."""

    def forward(self, x: SparseTensor) -> SparseTensor:
        for layer in self:
            if isinstance(layer, SparseModule):
                x = layer(x)
            else:
                x = x.replace(_apply_to_rows(layer, x.features))
        return x


def _apply_to_rows(layer: nn.Module, features: Tensor) -> Tensor:
    """Apply a dense layer to rows, also where there are none or just one.

    Batch statistics of fewer than two rows do not exist: the running ones are used there.
    """
    if isinstance(layer, nn.BatchNorm1d) and layer.training and len(features) < 2:
        return nn.functional.batch_norm(
            features,
            layer.running_mean,
            layer.running_var,
            layer.weight,
            layer.bias,
            training=False,
            eps=layer.eps,
        )
    return layer(features)
