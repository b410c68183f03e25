"""The sparse residual U-Net of the SSTNet, SPFormer, OneFormer3D and UniSeg3D family."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from unison3d.errors import ConfigError
from unison3d.registry import MODELS
from unison3d.sparse import (
    InverseConv3d,
    SparseModule,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
)

BN_EPS = 1e-4


def _batch_norm(channels: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(channels, eps=BN_EPS, momentum=0.1)


class ResidualBlock(SparseModule):
    """Pre-activation block: BN-ReLU-conv-BN-ReLU-conv plus a shortcut of the raw input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if in_channels == out_channels:
            self.i_branch = SparseSequential(nn.Identity())
        else:
            self.i_branch = SparseSequential(
                SubmanifoldConv3d(in_channels, out_channels, kernel_size=1)
            )
        self.conv_branch = SparseSequential(
            _batch_norm(in_channels),
            nn.ReLU(inplace=True),
            SubmanifoldConv3d(in_channels, out_channels),
            _batch_norm(out_channels),
            nn.ReLU(inplace=True),
            SubmanifoldConv3d(out_channels, out_channels),
        )

    def forward(self, x: SparseTensor) -> SparseTensor:
        out = self.conv_branch(x)
        return out.replace(out.features + self.i_branch(x).features)


def _blocks(in_channels: int, out_channels: int, num_blocks: int) -> SparseSequential:
    widths = [in_channels] + [out_channels] * num_blocks
    return SparseSequential(
        OrderedDict(
            (f'block{i}', ResidualBlock(widths[i], widths[i + 1])) for i in range(num_blocks)
        )
    )


class UNetLevel(nn.Module):
    """One level of the U-Net; the level below is its child ``u``."""

    def __init__(self, planes: Sequence[int], num_blocks: int) -> None:
        super().__init__()
        width = planes[0]
        self.blocks = _blocks(width, width, num_blocks)
        self.is_deepest = len(planes) == 1
        if self.is_deepest:
            return
        self.conv = SparseSequential(
            _batch_norm(width), nn.ReLU(inplace=True), StridedConv3d(width, planes[1])
        )
        self.u = UNetLevel(planes[1:], num_blocks)
        self.deconv = SparseSequential(
            _batch_norm(planes[1]), nn.ReLU(inplace=True), InverseConv3d(planes[1], width)
        )
        self.blocks_tail = _blocks(2 * width, width, num_blocks)

    def forward(self, x: SparseTensor) -> tuple[SparseTensor, list[SparseTensor]]:
        """Return the output of this level and those of all levels, deepest first."""
        x = self.blocks(x)
        if self.is_deepest:
            return x, [x]
        below, levels = self.u(self.conv(x))
        upsampled = self.deconv(below)
        x = self.blocks_tail(x.replace(torch.cat([x.features, upsampled.features], dim=1)))
        return x, [*levels, x]


@MODELS.register_module()
class SparseUNet(nn.Module):
    """Sparse U-Net from voxel features to features at the same voxels.

    Parameter names are those of the published checkpoints (``input_conv``, ``unet``,
    ``output_layer``); kernels are stored as (K, C_in, C_out).

    Args:
        in_channels: channels of a voxel.
        planes: width of every level, finest first. The published model has
            ``(32, 64, 96, 128, 160)``.
        num_blocks: residual blocks per stage.
        num_output_levels: levels whose features are given out. 1 is the published model; with
            more, a voxel also gets the features of the coarser voxels it lies in, which costs
            next to nothing and carries classes better than the few channels of the finest level.

    Source:
        Engineering facts of UniSeg3D (arXiv:2407.03263) and OneFormer3D (arXiv:2311.14405).
    """

    def __init__(
        self,
        in_channels: int = 6,
        planes: Sequence[int] = (32, 64, 96, 128, 160),
        num_blocks: int = 2,
        num_output_levels: int = 1,
    ) -> None:
        super().__init__()
        if not 1 <= num_output_levels <= len(planes):
            raise ConfigError(
                f'num_output_levels is {num_output_levels}, expected 1 to {len(planes)} (levels)'
            )
        self.in_channels = in_channels
        self.out_channels = sum(planes[:num_output_levels])
        self.num_levels = len(planes)
        self.input_conv = SparseSequential(SubmanifoldConv3d(in_channels, planes[0]))
        self.unet = UNetLevel(tuple(planes), num_blocks)
        self.output_layer = SparseSequential(_batch_norm(planes[0]), nn.ReLU(inplace=True))
        self.coarse_output_layers = nn.ModuleList(
            SparseSequential(_batch_norm(width), nn.ReLU(inplace=True))
            for width in planes[1:num_output_levels]
        )

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Features of the same voxels, (V, out_channels)."""
        finest, levels = self.forward_levels(x)
        features = [finest.features]
        for layer, level in zip(self.coarse_output_layers, levels[-2::-1], strict=False):
            features.append(layer(level).spread_to_finest())
        return x.replace(torch.cat(features, dim=1))

    def forward_levels(self, x: SparseTensor) -> tuple[SparseTensor, list[SparseTensor]]:
        """As :meth:`forward`, plus the output of every level, deepest first."""
        x.prepare(self.num_levels, in_grid=True)
        x, levels = self.unet(self.input_conv(x))
        return self.output_layer(x), levels
