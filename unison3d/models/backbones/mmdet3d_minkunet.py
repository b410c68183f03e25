"""The MinkUNet backbone of MMDetection3D, for the weights of its model zoo."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from torch import nn

from unison3d.errors import ConfigError
from unison3d.models.backbones.mmdet3d_layouts import LAYOUTS, Layout, ResidualBlock
from unison3d.models.backbones.unet_parts import run_unet
from unison3d.registry import MODELS
from unison3d.sparse import SparseSequential, SparseTensor

_NUM_STAGES = 4


@MODELS.register_module()
class MMDet3DMinkUNet(nn.Module):
    """Backbone of the nine MinkUNet models of the MMDetection3D 1.4 zoo (SemanticKITTI).

    Unlike :class:`~unison3d.models.backbones.MinkUNet` it has two 3x3x3 convolutions as a stem and
    no last layer; the linear head of the zoo, ``decode_head.conv_seg``, is not part of it. The
    ``backbone.`` part of a zoo state dict of layout ``torchsparse`` or ``minkowski`` loads as it
    is; that of ``spconv`` needs the axes of its kernels moved first, see
    :mod:`unison3d.convert.mmdet3d_minkunet`.

    Also loads the tensors of ``minkunet34v2``, which are the same. What that model does on top has
    no parameters and is not built here: it brings levels 0, 2 and 4 of :meth:`forward_levels` to
    the input voxels by trilinear interpolation, in which a coarse voxel sits at its lower corner,
    and joins their channels (480).

    Args:
        in_channels: channels of a voxel. The zoo: x, y, z in metres and intensity of one point.
        base_channels: width of the stem. The zoo: 16, 20 or 32.
        encoder_channels: widths of the four stages at strides 2 to 16. The zoo with base 32:
            ``(32, 64, 128, 256)``.
        encoder_blocks: residual blocks of those stages. ``minkunet18``: ``(2, 2, 2, 2)``,
            ``minkunet34``: ``(2, 3, 4, 6)``.
        decoder_channels: widths of the four stages at strides 8 to 1. The zoo with base 32:
            ``(256, 128, 96, 96)``.
        decoder_blocks: residual blocks of those stages; 2 each in the whole zoo.
        layout: library that the weights were trained with: ``'torchsparse'``, ``'minkowski'`` or
            ``'spconv'``. Decides the names of parameters, the order of kernel cells, and the upper
            border: with ``'spconv'`` the grid has to be bounded and partial cells at its end do not
            exist. The original takes the largest coordinate of the batch plus one as the shape of
            the grid; a shape divisible by 16 loses no voxel and equals the other two.

    Raises:
        ConfigError: the layout is unknown, or a list of sizes is not four long.

    Source:
        MMDetection3D 1.4.0 (Apache-2.0), Choy et al. (arXiv:1904.08755).
    """

    def __init__(
        self,
        in_channels: int = 4,
        base_channels: int = 32,
        encoder_channels: Sequence[int] = (32, 64, 128, 256),
        encoder_blocks: Sequence[int] = (2, 2, 2, 2),
        decoder_channels: Sequence[int] = (256, 128, 96, 96),
        decoder_blocks: Sequence[int] = (2, 2, 2, 2),
        layout: str = 'torchsparse',
    ) -> None:
        super().__init__()
        _check_sizes(
            encoder_channels=encoder_channels,
            encoder_blocks=encoder_blocks,
            decoder_channels=decoder_channels,
            decoder_blocks=decoder_blocks,
        )
        if layout not in LAYOUTS:
            raise ConfigError(f'layout is {layout!r}, expected one of {", ".join(LAYOUTS)}')
        parts = LAYOUTS[layout]
        self.layout = layout
        self.in_channels = in_channels
        self.out_channels = decoder_channels[-1]
        self.conv_input = SparseSequential(
            parts.conv_norm_relu(parts.same(in_channels, base_channels, 3), base_channels),
            parts.conv_norm_relu(parts.same(base_channels, base_channels, 3), base_channels),
        )
        widths = [base_channels, *encoder_channels]
        self.encoder = nn.ModuleList(
            SparseSequential(
                parts.conv_norm_relu(parts.down(fine, fine), fine),
                *_blocks(parts, fine, coarse, depth),
            )
            for (fine, coarse), depth in zip(pairwise(widths), encoder_blocks, strict=True)
        )
        laterals = widths[-2::-1]
        widths = [widths[-1], *decoder_channels]
        self.decoder = nn.ModuleList(
            nn.ModuleList(
                (
                    parts.conv_norm_relu(parts.up(coarse, fine), fine),
                    SparseSequential(*_blocks(parts, fine + lateral, fine, depth)),
                )
            )
            for (coarse, fine), lateral, depth in zip(
                pairwise(widths), laterals, decoder_blocks, strict=True
            )
        )

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Features of the same voxels, (V, out_channels); row i belongs to row i of ``x``."""
        return self._run(x)[0]

    def forward_levels(self, x: SparseTensor) -> list[SparseTensor]:
        """Outputs of the decoder levels, coarsest first: strides 16 (end of the encoder) to 1."""
        wanted = range(_NUM_STAGES + 1)
        levels = self._run(x, wanted)[1]
        return [levels[index] for index in wanted]

    def _run(
        self, x: SparseTensor, wanted: Collection[int] = ()
    ) -> tuple[SparseTensor, dict[int, SparseTensor]]:
        encoder = [self.conv_input, *self.encoder]
        return run_unet(x, encoder, self.decoder, wanted, in_grid=self.layout == 'spconv')


def _blocks(layout: Layout, in_channels: int, out_channels: int, depth: int) -> list[ResidualBlock]:
    widths = [in_channels] + [out_channels] * depth
    return [ResidualBlock(layout, a, b) for a, b in pairwise(widths)]


def _check_sizes(**sizes: Sequence[int]) -> None:
    for name, values in sizes.items():
        if len(values) != _NUM_STAGES or min(values) < 1:
            raise ConfigError(f'{name} is {values}, expected 4 integers of 1 or more')
