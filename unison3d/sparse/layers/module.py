"""What every sparse layer shares."""

from __future__ import annotations

import math

from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.sparse.sparse_tensor import SparseTensor


class SparseModule(nn.Module):
    """Base of layers that take and return a :class:`SparseTensor`."""


class SparseSequential(nn.Sequential, SparseModule):
    """``nn.Sequential`` in which ordinary layers act on the features of a sparse tensor."""

    def forward(self, x: SparseTensor) -> SparseTensor:
        for layer in self:
            if isinstance(layer, SparseModule):
                x = layer(x)
            else:
                x = x.replace(apply_to_rows(layer, x.features))
        return x


def apply_to_rows(layer: nn.Module, features: Tensor) -> Tensor:
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


def check_sizes(**sizes: int) -> None:
    """Refuse sizes of a layer below 1.

    Raises:
        ConfigError: names the size.
    """
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ConfigError(f'{name} is {size!r}, expected an integer of 1 or more')


def init_uniform(fan_in: int, *parameters: Tensor | None) -> None:
    """Uniform in ``1 / sqrt(fan_in)`` either way, the default of dense and sparse libraries."""
    bound = 1.0 / math.sqrt(fan_in)
    for parameter in parameters:
        if parameter is not None:
            nn.init.uniform_(parameter, -bound, bound)


def check_channels(x: SparseTensor, layer: nn.Module) -> None:
    """Refuse features of another width than a layer was made for.

    Raises:
        ConfigError: names both widths.
    """
    if x.features.shape[1] != layer.in_channels:
        raise ConfigError(
            f'{type(layer).__name__} expects {layer.in_channels} channels, '
            f'got {x.features.shape[1]}'
        )
