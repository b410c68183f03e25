"""Residual block, norms and initialisation of the Minkowski U-Nets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from unison3d.errors import ConfigError
from unison3d.models.backbones.unet_parts import add_relu_, relu_
from unison3d.sparse import (
    GeneralizedConv3d,
    SparseBatchNorm,
    SparseModule,
    SparseSequential,
    SparseTensor,
)


@dataclass(frozen=True)
class NormSettings:
    """Batch norms of a network.

    Attributes:
        eps: added to every variance.
        momentum: of norms outside residual blocks and in their shortcuts.
        block_momentum: of the two norms inside a block.
    """

    eps: float
    momentum: float
    block_momentum: float

    def outside(self, channels: int) -> SparseBatchNorm:
        """A norm of the stem, of a strided or transposed layer or of a shortcut."""
        return SparseBatchNorm(channels, self.eps, self.momentum)

    def inside(self, channels: int) -> SparseBatchNorm:
        """A norm of a residual block."""
        return SparseBatchNorm(channels, self.eps, self.block_momentum)


class BasicBlock(SparseModule):
    """Post-activation block: conv-BN-ReLU-conv-BN, plus the input, ReLU.

    Args:
        in_channels: C_in; where it differs from C_out the input passes through a 1x1x1 convolution
            and a norm.
        out_channels: C_out.
        norm: the norms.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: NormSettings) -> None:
        super().__init__()
        self.conv1 = GeneralizedConv3d(in_channels, out_channels)
        self.norm1 = norm.inside(out_channels)
        self.conv2 = GeneralizedConv3d(out_channels, out_channels)
        self.norm2 = norm.inside(out_channels)
        self.downsample = None
        if in_channels != out_channels:
            self.downsample = SparseSequential(
                GeneralizedConv3d(in_channels, out_channels, kernel_size=1),
                norm.outside(out_channels),
            )

    def forward(self, x: SparseTensor) -> SparseTensor:
        out = relu_(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        return add_relu_(out, x if self.downsample is None else self.downsample(x))


def init_kernels(model: nn.Module, how: str) -> None:
    """Initialise convolution kernels.

    Args:
        model: network of Minkowski layers.
        how: ``'uniform'`` keeps what the layers drew, U(-1/sqrt(n), 1/sqrt(n)) with n = C_in * K
            (transposed: C_out * K). ``'kaiming_normal'`` is the rule of OpenScene: normal with
            variance 2 / fan_out, where fan_out is K * C_out for a (K, C_in, C_out) kernel but C_in
            for a 1x1x1 matrix; transposed convolutions keep their uniform kernels.

    Raises:
        ConfigError: another word.
    """
    if how not in ('uniform', 'kaiming_normal'):
        raise ConfigError(f'kernel_init is {how!r}, expected "uniform" or "kaiming_normal"')
    if how == 'uniform':
        return
    for layer in model.modules():
        if isinstance(layer, GeneralizedConv3d):
            # (C_in, C_out) or (K, C_in, C_out): the published helper multiplies the first axis
            # with what follows the second.
            fan_out = layer.kernel.shape[0] * math.prod(layer.kernel.shape[2:])
            nn.init.normal_(layer.kernel, std=math.sqrt(2 / fan_out))
