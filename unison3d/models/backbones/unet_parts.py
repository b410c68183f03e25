"""What the post-activation residual U-Nets share: the way down and up, and sums in place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch.nn.functional as F

from unison3d.sparse import SparseTensor

Step = Callable[[SparseTensor], SparseTensor]


def run_unet(
    x: SparseTensor,
    encoder: Sequence[Step],
    decoder: Sequence[tuple[Step, Step]],
    wanted: Collection[int] = (),
    *,
    in_grid: bool = False,
) -> tuple[SparseTensor, dict[int, SparseTensor]]:
    """Go down through the encoder and up through the decoder, joined by skip connections.

    A skip connection is let go of as soon as it is joined, and a coarse level as soon as it has
    been brought up, unless it is wanted: at inference nothing is held longer than needed.

    Args:
        x: the input voxels.
        encoder: the stem and one step per coarser level, finest first.
        decoder: per level (the way up, what follows the skip connection), coarsest first. The way
            up has to lead to the voxels of the encoder step it meets.
        wanted: levels to give out; 0 is the output of the encoder, i that of decoder step i.
        in_grid: the strided layers are of the spconv family.

    Returns:
        The last level, and the wanted ones by number. Joined channels are those from below first,
        the skip connection second.

    Raises:
        SceneError: a way up leads to other voxels than those of its skip connection.
    """
    x.prepare(len(encoder), in_grid=in_grid)
    skips = []
    for step in encoder:
        x = step(x)
        skips.append(x)
    skips.pop()
    levels = {0: x} if 0 in wanted else {}
    for index, (up, blocks) in enumerate(decoder, start=1):
        # Three statements, because one would hold the coarse level until the blocks are done.
        x = up(x)
        x = x.concat(skips.pop())
        x = blocks(x)
        if index in wanted:
            levels[index] = x
    return x, levels


def relu_(x: SparseTensor) -> SparseTensor:
    """ReLU that overwrites the features.

    For outputs of a batch norm: its backward pass reads its input only, and nobody else holds the
    output, so neither gradients nor other layers notice.
    """
    return x.replace(F.relu(x.features, inplace=True))


def add_relu_(x: SparseTensor, shortcut: SparseTensor) -> SparseTensor:
    """``relu(x + shortcut)``, written over the features of ``x``; see :func:`relu_`.

    Raises:
        SceneError: not the same voxels.
    """
    x.check_same_voxels(shortcut, 'residual sum')
    return x.replace(F.relu(x.features.add_(shortcut.features), inplace=True))
