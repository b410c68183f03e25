"""MinkUNet of the MMDetection3D zoo, trained with torchsparse, MinkowskiEngine or spconv.

The three libraries name the same parameters differently; our backbone is built for one of them
(``layout``) and keeps its names. Kernels of torchsparse and MinkowskiEngine stay as they are, those
of spconv have their axes moved:

>>> translation = translate(MMDET3D_MINKUNET, tensors)
>>> model = MMDet3DMinkUNet(layout=find_layout(translation.tensors))
>>> model.load_state_dict(translation.tensors)

:func:`~unison3d.convert.translate_back` undoes it bit by bit. The head, ``decode_head.conv_seg``,
is one linear layer that no model of ours has yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unison3d.convert.shapes import Architecture, Shape, batch_norm, read_count, read_size
from unison3d.convert.system import System

_STAGES = range(4)


@dataclass(frozen=True)
class _Names:
    """Where a layout keeps kernel and norm of a conv module, of a block and of its shortcut."""

    conv_module: tuple[str, str]
    block: tuple[str, str, str, str]
    shortcut: tuple[str, str]


_NAMES = {
    'torchsparse': _Names(
        ('net.0.kernel', 'net.1'),
        ('net.0.kernel', 'net.1', 'net.3.kernel', 'net.4'),
        ('downsample.0.kernel', 'downsample.1'),
    ),
    'minkowski': _Names(
        ('net.0.kernel', 'net.1.bn'),
        ('conv1.kernel', 'norm1.bn', 'conv2.kernel', 'norm2.bn'),
        ('downsample.net.0.kernel', 'downsample.net.1.bn'),
    ),
    'spconv': _Names(
        ('0.weight', '1'),
        ('conv1.weight', 'bn1', 'conv2.weight', 'bn2'),
        ('downsample.0.weight', 'downsample.1'),
    ),
}


def find_layout(names: Iterable[str]) -> str:
    """The library behind a state dict, told by its names.

    Returns:
        ``layout`` of :class:`~unison3d.models.backbones.MMDet3DMinkUNet`.
    """
    names = list(names)
    if any(name.endswith('.bn.running_mean') for name in names):
        return 'minkowski'
    return 'torchsparse' if any(name.endswith('.kernel') for name in names) else 'spconv'


def mmdet3d_minkunet_shapes(
    layout: str,
    *,
    in_channels: int,
    base_channels: int,
    encoder_channels: Sequence[int],
    encoder_blocks: Sequence[int],
    decoder_channels: Sequence[int],
    decoder_blocks: Sequence[int],
) -> dict[str, Shape]:
    """Shape by our name, kernels as (K, C_in, C_out); for the arguments see the backbone.

    Source:
        State dicts that the constructors of MMDetection3D 1.4.0 make (Apache-2.0).
    """
    table = _conv_module(layout, 'conv_input.0', 27, in_channels, base_channels)
    table |= _conv_module(layout, 'conv_input.1', 27, base_channels, base_channels)
    widths = [base_channels, *encoder_channels]
    for i in _STAGES:
        table |= _conv_module(layout, f'encoder.{i}.0', 8, widths[i], widths[i])
        blocks = (f'encoder.{i}.{j + 1}' for j in range(encoder_blocks[i]))
        table |= _blocks(layout, blocks, widths[i], widths[i + 1])
    width = widths[-1]
    for i in _STAGES:
        table |= _conv_module(layout, f'decoder.{i}.0', 8, width, decoder_channels[i])
        width = decoder_channels[i]
        blocks = (f'decoder.{i}.1.{j}' for j in range(decoder_blocks[i]))
        table |= _blocks(layout, blocks, width + widths[-2 - i], width)
    return table


def read_mmdet3d_minkunet(shapes: Mapping[str, Shape]) -> Architecture:
    """Read the widths off the tensors and say what all of them should be.

    Raises:
        CheckpointError: a tensor is missing from which a width is read.
    """
    layout = find_layout(shapes)
    stem, second_conv = _NAMES[layout].conv_module[0], _NAMES[layout].block[2]
    sizes = {
        'in_channels': read_size(shapes, f'conv_input.0.{stem}', -2),
        'base_channels': read_size(shapes, f'conv_input.0.{stem}', -1),
        'encoder_channels': [
            read_size(shapes, f'encoder.{i}.1.{second_conv}', -1) for i in _STAGES
        ],
        'encoder_blocks': [read_count(shapes, rf'encoder\.{i}\.(\d+)\.') - 1 for i in _STAGES],
        'decoder_channels': [
            read_size(shapes, f'decoder.{i}.1.0.{second_conv}', -1) for i in _STAGES
        ],
        'decoder_blocks': [read_count(shapes, rf'decoder\.{i}\.1\.(\d+)\.') for i in _STAGES],
    }
    table = mmdet3d_minkunet_shapes(layout, **sizes)
    is_spconv = layout == 'spconv'
    return Architecture(
        f'MinkUNet of MMDetection3D with {layout}, '
        + ', '.join(f'{name} {value}' for name, value in sizes.items()),
        table,
        frozenset(name for name, shape in table.items() if is_spconv and len(shape) == 3),
    )


MMDET3D_MINKUNET = System(
    name='mmdet3d-minkunet',
    summary='MinkUNet of the MMDetection3D 1.4 zoo, SemanticKITTI (arXiv:1904.08755)',
    target='MMDet3DMinkUNet',
    architecture=read_mmdet3d_minkunet,
    rules=(('backbone.', ''),),
    dropped=(('decode_head.', 'linear head; the backbone ends before it'),),
)


def _conv_module(
    layout: str, name: str, cells: int, in_channels: int, out_channels: int
) -> dict[str, Shape]:
    kernel, norm = (f'{name}.{part}' for part in _NAMES[layout].conv_module)
    return {kernel: (cells, in_channels, out_channels), **batch_norm(norm, out_channels)}


def _blocks(
    layout: str, names: Iterable[str], in_channels: int, out_channels: int
) -> dict[str, Shape]:
    table: dict[str, Shape] = {}
    for name in names:
        conv1, norm1, conv2, norm2 = (f'{name}.{part}' for part in _NAMES[layout].block)
        table[conv1] = (27, in_channels, out_channels)
        table |= batch_norm(norm1, out_channels)
        table[conv2] = (27, out_channels, out_channels)
        table |= batch_norm(norm2, out_channels)
        if in_channels != out_channels:
            kernel, norm = (f'{name}.{part}' for part in _NAMES[layout].shortcut)
            matrix = (in_channels, out_channels)
            table[kernel] = (1, *matrix) if layout == 'spconv' else matrix
            table |= batch_norm(norm, out_channels)
        in_channels = out_channels
    return table
