"""Layouts of stored sparse-convolution kernels.

========== ==================================== =============================================
layout     shape                                written by
========== ==================================== =============================================
krsc       (C_out, kx, ky, kz, C_in)            spconv 2; files saved straight by a training
rsck       (kx, ky, kz, C_in, C_out)            spconv 1, and spconv 2 files that were "fixed"
minkowski  (K, C_in, C_out), 1x1x1 (C_in, C_out) MinkowskiEngine, first axis fastest
========== ==================================== =============================================

Ours is (K, C_in, C_out): the spconv family with the last axis fastest, the Minkowski family exactly
as published.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from unison3d.errors import CheckpointError, ConfigError

LAYOUTS = ('krsc', 'rsck', 'minkowski')
_EDGES = (1, 2, 3, 5)
_LISTED = 3


def kernel_from_krsc(weight: Tensor) -> Tensor:
    """spconv 2.x layout (C_out, kx, ky, kz, C_in) to ours (K, C_in, C_out).

    A 1x1x1 kernel is the exception: spconv multiplies by the same memory read as
    (C_in, C_out), which is not the transpose, and weights were trained that way.
    """
    out_channels, *kernel, in_channels = weight.shape
    if kernel == [1, 1, 1]:
        return weight.reshape(1, in_channels, out_channels)
    # Not -1: an empty kernel, which is reported later, would not tell.
    return weight.permute(1, 2, 3, 4, 0).reshape(math.prod(kernel), in_channels, out_channels)


def kernel_to_krsc(weight: Tensor) -> Tensor:
    """Inverse of :func:`kernel_from_krsc`."""
    num_cells, in_channels, out_channels = weight.shape
    if num_cells == 1:
        return weight.reshape(out_channels, 1, 1, 1, in_channels)
    edge = round(num_cells ** (1 / 3))
    kernel = weight.reshape(edge, edge, edge, in_channels, out_channels)
    return kernel.permute(4, 0, 1, 2, 3).contiguous()


def kernel_from_rsck(weight: Tensor) -> Tensor:
    """spconv 1.x layout (kx, ky, kz, C_in, C_out) to ours (K, C_in, C_out).

    The reference moves the last axis to the front and goes on as with KRSC. For a 1x1x1 kernel
    that is not the identity: see :func:`kernel_from_krsc`.
    """
    return kernel_from_krsc(weight.permute(4, 0, 1, 2, 3))


def kernel_to_rsck(weight: Tensor) -> Tensor:
    """Inverse of :func:`kernel_from_rsck`."""
    return kernel_to_krsc(weight).permute(1, 2, 3, 4, 0).contiguous()


FROM_PUBLISHED = {'krsc': kernel_from_krsc, 'rsck': kernel_from_rsck}
TO_PUBLISHED = {'krsc': kernel_to_krsc, 'rsck': kernel_to_rsck}


def resolve_layout(layout: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The layout of a published file, asked for or found.

    Args:
        layout: one of :data:`LAYOUTS`, or ``'auto'`` to find it by shape.
        shapes: shape by published name, of all tensors.

    Returns:
        One of :data:`LAYOUTS`.

    Raises:
        ConfigError: the layout is unknown, or cannot be the one of this file.
        CheckpointError: ``'auto'``, and the shapes allow several layouts or none.
    """
    if layout not in ('auto', *LAYOUTS):
        raise ConfigError(f'Layout {layout!r} is unknown. Choose auto or {", ".join(LAYOUTS)}.')
    kernels = {name: tuple(shape) for name, shape in shapes.items() if len(shape) == 5}
    if layout == 'auto':
        return detect_layout(kernels)
    if (layout == 'minkowski') == bool(kernels):
        raise ConfigError(
            f'The layout cannot be {layout}: {len(kernels)} kernels have 5 axes, which '
            'krsc and rsck have and minkowski has not. Leave the layout at auto.'
        )
    return layout


def detect_layout(kernels: Mapping[str, tuple[int, ...]]) -> str:
    """Find the layout of kernels with 5 axes by shape; every kernel has a vote.

    Args:
        kernels: shape by name. Without any, the file is of the Minkowski family.

    Raises:
        CheckpointError: the kernels disagree, or none of them can tell.
    """
    if not kernels:
        return 'minkowski'
    votes: dict[str, list[str]] = {'krsc': [], 'rsck': [], 'either': [], 'neither': []}
    for name, shape in kernels.items():
        votes[_vote(shape)].append(f'{name} {shape}')
    if votes['neither']:
        raise CheckpointError(
            f'{len(votes["neither"])} kernels are neither (out, k, k, k, in) nor (k, k, k, in, '
            f'out) with k one of {_EDGES}: {_some(votes["neither"])}. Expected the sparse '
            'convolutions of the published system; is it another one?'
        )
    if votes['krsc'] and votes['rsck']:
        raise CheckpointError(
            f'The layout of the kernels is unclear: {len(votes["krsc"])} look like krsc '
            f'({_some(votes["krsc"])}), {len(votes["rsck"])} like rsck ({_some(votes["rsck"])}). '
            'Say which it is with --layout krsc or --layout rsck.'
        )
    if not votes['krsc'] and not votes['rsck']:
        raise CheckpointError(
            f'The layout of the kernels is unclear: all shapes read both ways '
            f'({_some(votes["either"])}). Say which it is with --layout krsc or --layout rsck.'
        )
    return 'krsc' if votes['krsc'] else 'rsck'


def _vote(shape: tuple[int, ...]) -> str:
    is_krsc = shape[1] in _EDGES and shape[1] == shape[2] == shape[3]
    is_rsck = shape[0] in _EDGES and shape[0] == shape[1] == shape[2]
    if is_krsc and is_rsck:
        return 'either'
    return 'krsc' if is_krsc else 'rsck' if is_rsck else 'neither'


def _some(texts: list[str]) -> str:
    more = len(texts) - _LISTED
    return ', '.join(texts[:_LISTED]) + (f' and {more} more' if more > 0 else '')
