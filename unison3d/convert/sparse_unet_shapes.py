"""Names and shapes of :class:`~unison3d.models.backbones.SparseUNet`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from unison3d.convert.shapes import Architecture, Shape, batch_norm, read_count, read_size, under

_CELLS = {1: 1, 2: 8, 3: 27}


def sparse_unet_shapes(
    in_channels: int, planes: Sequence[int], num_blocks: int = 2
) -> dict[str, Shape]:
    """Shape by name, kernels as (K, C_in, C_out).

    Args:
        in_channels: channels of a voxel.
        planes: width of every level, finest first.
        num_blocks: residual blocks per stage.

    Source:
        Table of state-dict names of UniSeg3D (arXiv:2407.03263) and OneFormer3D (arXiv:2311.14405).
    """
    table = {
        'input_conv.0.weight': (_CELLS[3], in_channels, planes[0]),
        **batch_norm('output_layer.0', planes[0]),
    }
    for index, width in enumerate(planes):
        at = 'unet.' + 'u.' * index
        table |= _blocks(f'{at}blocks', width, width, num_blocks)
        if index + 1 < len(planes):
            below = planes[index + 1]
            table |= batch_norm(f'{at}conv.0', width)
            table[f'{at}conv.2.weight'] = (_CELLS[2], width, below)
            table |= batch_norm(f'{at}deconv.0', below)
            table[f'{at}deconv.2.weight'] = (_CELLS[2], below, width)
            table |= _blocks(f'{at}blocks_tail', 2 * width, width, num_blocks)
    return table


def read_sparse_unet(shapes: Mapping[str, Shape], prefix: str) -> Architecture:
    """Read the widths off the tensors and say what all of them should be.

    Args:
        shapes: shape by our name.
        prefix: module of the backbone, ``'backbone.'``.

    Raises:
        CheckpointError: a tensor is missing from which a width is read.
    """
    found = re.compile(re.escape(prefix) + r'unet\.((?:u\.)*)')
    levels = sorted({m[1] for m in map(found.match, shapes) if m}, key=len) or ['']
    first = 'blocks.block0.conv_branch.0.weight'
    planes = [read_size(shapes, f'{prefix}unet.{level}{first}', 0) for level in levels]
    num_blocks = read_count(shapes, re.escape(prefix) + r'unet\.(?:u\.)*blocks\.block(\d+)\.')
    in_channels = read_size(shapes, f'{prefix}input_conv.0.weight', 1)
    table = under(prefix, sparse_unet_shapes(in_channels, planes, num_blocks))
    widths = '-'.join(map(str, planes))
    return Architecture(
        f'SparseUNet {widths}, {num_blocks} blocks per stage, {in_channels} channels in',
        table,
        frozenset(name for name, shape in table.items() if len(shape) == 3),
    )


def _blocks(name: str, in_channels: int, out_channels: int, num_blocks: int) -> dict[str, Shape]:
    table: dict[str, Shape] = {}
    for index in range(num_blocks):
        width = in_channels if index == 0 else out_channels
        block = f'{name}.block{index}'
        if width != out_channels:
            table[f'{block}.i_branch.0.weight'] = (_CELLS[1], width, out_channels)
        table |= batch_norm(f'{block}.conv_branch.0', width)
        table[f'{block}.conv_branch.2.weight'] = (_CELLS[3], width, out_channels)
        table |= batch_norm(f'{block}.conv_branch.3', out_channels)
        table[f'{block}.conv_branch.5.weight'] = (_CELLS[3], out_channels, out_channels)
    return table
