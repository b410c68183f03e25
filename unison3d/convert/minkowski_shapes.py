"""Names and shapes of the Minkowski residual U-Nets, ``MinkUNet`` and ``Res16UNet``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from unison3d.convert.shapes import Architecture, Shape, batch_norm, read_count, read_size, under

_DOWN = ('conv1p1s2', 'conv2p2s2', 'conv3p4s2', 'conv4p8s2')
_UP = ('convtr4p16s2', 'convtr5p8s2', 'convtr6p4s2', 'convtr7p2s2')
_PUBLISHED_DEPTHS = {(1,) * 8: '14', (2,) * 8: '18', (2, 3, 4, 6, 2, 2, 2, 2): '34'}


def minkowski_shapes(
    *,
    in_channels: int,
    out_channels: int,
    planes: Sequence[int],
    blocks: Sequence[int],
    init_dim: int = 32,
    stem_edge: int = 5,
    final_bias: bool = True,
) -> dict[str, Shape]:
    """Shape by name; kernels as published, (K, C_in, C_out) or (C_in, C_out).

    Args:
        in_channels: channels of a voxel.
        out_channels: width of the last layer, ``final``.
        planes: width of the eight stages, four down and four up.
        blocks: residual blocks of the eight stages.
        init_dim: width of the stem.
        stem_edge: edge of the first kernel, 3 or 5.
        final_bias: whether ``final`` has a bias.

    Source:
        Minkowski U-Nets (arXiv:1904.08755) as used by OpenScene (arXiv:2211.15654) and Mask3D
        (arXiv:2210.03105).
    """
    table = {'conv0p1s1.kernel': (stem_edge**3, in_channels, init_dim), **_norm('bn0', init_dim)}
    width = init_dim
    for index, name in enumerate(_DOWN):
        table[f'{name}.kernel'] = (8, width, width)
        table |= _norm(f'bn{index + 1}', width)
        table |= _stage(f'block{index + 1}', width, planes[index], blocks[index])
        width = planes[index]
    skips = (planes[2], planes[1], planes[0], init_dim)
    for index, (name, skip) in enumerate(zip(_UP, skips, strict=True), start=4):
        table[f'{name}.kernel'] = (8, width, planes[index])
        width = planes[index]
        table |= _norm(f'bntr{index}', width)
        table |= _stage(f'block{index + 1}', width + skip, width, blocks[index])
    table['final.kernel'] = (width, out_channels)
    if final_bias:
        table['final.bias'] = (1, out_channels)
    return table


def read_minkowski(
    shapes: Mapping[str, Shape], prefix: str = '', *, final_bias: bool = True
) -> Architecture:
    """Read the widths off the tensors and say what all of them should be.

    Args:
        shapes: shape by our name.
        prefix: module of the backbone, such as ``'backbone.'``.
        final_bias: whether ``final`` has a bias in this system.

    Raises:
        CheckpointError: a tensor is missing from which a width is read.
    """
    stages = range(1, 9)
    planes = [read_size(shapes, f'{prefix}block{i}.0.conv2.kernel', -1) for i in stages]
    blocks = [read_count(shapes, re.escape(prefix) + rf'block{i}\.(\d+)\.') for i in stages]
    stem = f'{prefix}conv0p1s1.kernel'
    # The nearer of the two: another number of cells is then reported as a wrong shape.
    stem_edge = 5 if read_size(shapes, stem, 0) > 64 else 3
    in_channels = read_size(shapes, stem, 1)
    out_channels = read_size(shapes, f'{prefix}final.kernel', -1, default=20)
    table = minkowski_shapes(
        in_channels=in_channels,
        out_channels=out_channels,
        planes=planes,
        blocks=blocks,
        init_dim=read_size(shapes, stem, -1),
        stem_edge=stem_edge,
        final_bias=final_bias,
    )
    depth = _PUBLISHED_DEPTHS.get(tuple(blocks), f'of no published depth {tuple(blocks)}')
    widths = '-'.join(map(str, planes))
    summary = f'Minkowski U-Net {depth}, {widths}, stem {stem_edge}x{stem_edge}x{stem_edge}'
    return Architecture(
        f'{summary}, {in_channels} channels in, {out_channels} out', under(prefix, table)
    )


def _norm(name: str, channels: int) -> dict[str, Shape]:
    # MinkowskiBatchNorm keeps the ordinary one as its child.
    return batch_norm(f'{name}.bn', channels)


def _stage(name: str, in_channels: int, out_channels: int, num_blocks: int) -> dict[str, Shape]:
    table: dict[str, Shape] = {}
    for index in range(num_blocks):
        width = in_channels if index == 0 else out_channels
        block = f'{name}.{index}'
        table[f'{block}.conv1.kernel'] = (27, width, out_channels)
        table |= _norm(f'{block}.norm1', out_channels)
        table[f'{block}.conv2.kernel'] = (27, out_channels, out_channels)
        table |= _norm(f'{block}.norm2', out_channels)
        if width != out_channels:
            table[f'{block}.downsample.0.kernel'] = (width, out_channels)
            table |= _norm(f'{block}.downsample.1', out_channels)
    return table
