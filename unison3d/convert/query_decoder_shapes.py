"""Names and shapes that the query decoders of OneFormer3D and UniSeg3D share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from unison3d.convert.shapes import Shape, attention, layer_norm, linear, read_count, read_size


class DecoderWidths(NamedTuple):
    """Numbers of a query decoder: width inside, width of its feed-forward layers, layers."""

    d_model: int
    hidden_dim: int
    num_layers: int

    @property
    def summary(self) -> str:
        """One line for a report."""
        return f'decoder of {self.num_layers} layers, width {self.d_model}'


def read_decoder(shapes: Mapping[str, Shape], prefix: str = 'decoder.') -> DecoderWidths:
    """Read the numbers off the tensors; the published ones where these are missing."""
    return DecoderWidths(
        read_size(shapes, f'{prefix}input_proj.0.weight', 0, default=256),
        read_size(shapes, f'{prefix}ffn_layers.0.net.0.weight', 0, default=1024),
        read_count(shapes, re.escape(prefix) + r'ffn_layers\.(\d+)\.') or 6,
    )


def mlp(name: str, *channels: int) -> dict[str, Shape]:
    """Linear layers with an activation between each two, which takes an index of its own."""
    table: dict[str, Shape] = {}
    for index, (width, following) in enumerate(zip(channels, channels[1:])):
        table |= linear(f'{name}.{2 * index}', width, following)
    return table


def query_decoder_shapes(in_channels: int, widths: DecoderWidths) -> dict[str, Shape]:
    """Shape by name below the decoder, without queries and heads.

    Args:
        in_channels: channels of a superpoint.
        widths: numbers of the decoder.
    """
    d_model, hidden_dim, num_layers = widths
    table = {
        **linear('input_proj.0', in_channels, d_model),
        **layer_norm('input_proj.1', d_model),
        **mlp('x_mask', in_channels, d_model, d_model),
        **layer_norm('out_norm', d_model),
    }
    for index in range(num_layers):
        for kind in ('cross_attn_layers', 'self_attn_layers'):
            table |= attention(f'{kind}.{index}.attn', d_model)
            table |= layer_norm(f'{kind}.{index}.norm', d_model)
        layer = f'ffn_layers.{index}'
        table |= linear(f'{layer}.net.0', d_model, hidden_dim)
        table |= linear(f'{layer}.net.3', hidden_dim, d_model)
        table |= layer_norm(f'{layer}.norm', d_model)
    return table
