"""OneFormer3D: ScanNet, ScanNet200, S3DIS, and the instance-only model it starts from."""

from __future__ import annotations

from collections.abc import Mapping

from unison3d.convert.minkowski_shapes import read_minkowski
from unison3d.convert.query_decoder_shapes import mlp, query_decoder_shapes, read_decoder
from unison3d.convert.shapes import Architecture, Shape, linear, read_size, under
from unison3d.convert.sparse_unet_shapes import read_sparse_unet
from unison3d.convert.system import TRAINING_ONLY, System

# Learned queries tell the variants apart: S3DIS, instance-only, and none of them (ScanNet).
_LEARNED = ('query', 'queries_1dataset', 'queries_2dataset')
_HEADS = {
    (): {'out_cls': 19, 'out_sem': 21},
    _LEARNED[:1]: {'out_cls': 14, 'out_score': 1},
    _LEARNED[1:]: {'out_cls_1dataset': 29, 'out_cls_2dataset': 19, 'out_score': 1},
}
_PREFIX = 'decoder.'


def read_oneformer3d(shapes: Mapping[str, Shape]) -> Architecture:
    """Either backbone under ``backbone.``, the decoder of one of the variants under ``decoder.``.

    Raises:
        CheckpointError: a tensor of the backbone is missing from which a width is read.
    """
    if 'backbone.conv0p1s1.kernel' in shapes:
        backbone = read_minkowski(shapes, 'backbone.')
        in_channels = read_size(shapes, 'backbone.block8.0.conv2.kernel', -1)
    else:
        backbone = read_sparse_unet(shapes, 'backbone.')
        in_channels = read_size(shapes, 'backbone.unet.blocks.block0.conv_branch.0.weight', 0)
    widths = read_decoder(shapes, _PREFIX)
    decoder = {
        **query_decoder_shapes(in_channels, widths),
        **_queries_and_heads(shapes, in_channels, widths.d_model),
    }
    return Architecture(
        f'{backbone.summary}; {widths.summary}',
        {**backbone.shapes, **under(_PREFIX, decoder)},
        backbone.kernels,
    )


def _queries_and_heads(
    shapes: Mapping[str, Shape], in_channels: int, d_model: int
) -> dict[str, Shape]:
    variant = next(
        (v for v in _HEADS if any(f'{_PREFIX}{name}.weight' in shapes for name in v)), ()
    )
    table = {} if variant else mlp('query_proj', in_channels, d_model, d_model)
    for name in variant:
        num_queries = read_size(shapes, f'{_PREFIX}{name}.weight', 0, default=400)
        table[f'{name}.weight'] = (num_queries, d_model)
    for head, published in _HEADS[variant].items():
        # One layer for the semantic head, two for the others.
        last = head if head == 'out_sem' else f'{head}.2'
        num_outputs = read_size(shapes, f'{_PREFIX}{last}.weight', 0, default=published)
        if last == head:
            table |= linear(head, d_model, num_outputs)
        else:
            table |= mlp(head, d_model, d_model, num_outputs)
    return table


ONEFORMER3D = System(
    name='oneformer3d',
    summary='OneFormer3D on ScanNet, ScanNet200, S3DIS, instance-only (arXiv:2311.14405)',
    target='SparseUNet or Res16UNet under backbone.',
    architecture=read_oneformer3d,
    rules=(
        ('input_conv.', 'backbone.input_conv.'),
        ('unet.', 'backbone.unet.'),
        ('output_layer.', 'backbone.output_layer.'),
        ('backbone.', 'backbone.'),
        ('decoder.', 'decoder.'),
    ),
    dropped=(('criterion.', TRAINING_ONLY),),
    modelled=('backbone.',),
)
