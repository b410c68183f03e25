"""Mask3D, and Segment3D, which is the same network without classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from unison3d.convert.minkowski_shapes import read_minkowski
from unison3d.convert.query_decoder_shapes import mlp
from unison3d.convert.shapes import (
    Architecture,
    Shape,
    attention,
    layer_norm,
    linear,
    read_count,
    read_size,
)
from unison3d.convert.system import TRAINING_ONLY, System

_LEVELS = 4


def read_mask3d(shapes: Mapping[str, Shape]) -> Architecture:
    """The backbone under ``backbone.``, the decoder beside it.

    Raises:
        CheckpointError: a tensor of the backbone is missing from which a width is read.
    """
    backbone = read_minkowski(shapes, 'backbone.')
    level_channels = [
        read_size(shapes, f'backbone.block{stage}.0.conv2.kernel', -1) for stage in (4, 5, 6, 7)
    ]
    d_model = read_size(shapes, 'mask_embed_head.0.weight', 0, default=128)
    decoder = mask3d_decoder_shapes(
        d_model=d_model,
        hidden_dim=read_size(shapes, 'ffn_attention.0.0.linear1.weight', 0, default=1024),
        num_classes=read_size(shapes, 'class_embed_head.weight', 0, default=2),
        num_decoders=read_count(shapes, r'cross_attention\.(\d+)\.') or 1,
        level_channels=level_channels,
        mask_channels=read_size(shapes, 'backbone.block8.0.conv2.kernel', -1),
    )
    return Architecture(
        f'{backbone.summary}; decoder of width {d_model}', {**backbone.shapes, **decoder}
    )


def mask3d_decoder_shapes(
    *,
    d_model: int,
    hidden_dim: int,
    num_classes: int,
    num_decoders: int,
    level_channels: list[int],
    mask_channels: int,
) -> dict[str, Shape]:
    """Shape by published name.

    Args:
        d_model: width of the decoder.
        hidden_dim: width of its feed-forward layers.
        num_classes: outputs of the class head, with the one for no object.
        num_decoders: sets of layers; the released models use one for all their passes.
        level_channels: width of the four feature levels, coarsest first.
        mask_channels: width of the finest feature map.

    Source:
        Mask3D (arXiv:2210.03105), Segment3D (arXiv:2312.17232).
    """
    table = {
        'mask_features_head.kernel': (mask_channels, d_model),
        'mask_features_head.bias': (1, d_model),
        **mlp('mask_embed_head', d_model, d_model, d_model),
        **linear('class_embed_head', d_model, num_classes),
        # Drawn once when the model was made: without it the weights are worth nothing.
        'pos_enc.gauss_B': (3, d_model // 2),
        **layer_norm('decoder_norm', d_model),
    }
    for index in (0, 2):
        table[f'query_projection.layers.{index}.weight'] = (d_model, d_model, 1)
        table[f'query_projection.layers.{index}.bias'] = (d_model,)
    for decoder in range(num_decoders):
        for level in range(_LEVELS):
            at = f'{decoder}.{level}'
            table |= attention(f'cross_attention.{at}.multihead_attn', d_model)
            table |= layer_norm(f'cross_attention.{at}.norm', d_model)
            table |= attention(f'self_attention.{at}.self_attn', d_model)
            table |= layer_norm(f'self_attention.{at}.norm', d_model)
            table |= linear(f'ffn_attention.{at}.linear1', d_model, hidden_dim)
            table |= linear(f'ffn_attention.{at}.linear2', hidden_dim, d_model)
            table |= layer_norm(f'ffn_attention.{at}.norm', d_model)
            table |= linear(f'lin_squeeze.{at}', level_channels[level], d_model)
    return table


MASK3D = System(
    name='mask3d',
    summary='Mask3D, instances of ScanNet and ScanNet200 (arXiv:2210.03105)',
    target='Res16UNet under backbone.',
    architecture=read_mask3d,
    wrappers=('module.', 'model.'),
    published_prefix='model.',
    dropped=(('criterion.', TRAINING_ONLY),),
    modelled=('backbone.',),
)
SEGMENT3D = dataclasses.replace(
    MASK3D,
    name='segment3d',
    summary='Segment3D, class-agnostic masks (arXiv:2312.17232)',
)
