"""OneFormer3D: ScanNet, ScanNet200, S3DIS, and the instance-only model it starts from.

All four become a :class:`~unison3d.models.UnifiedSegmentor` with one task called ``closed_set``.
The heads belong to that task here and to the decoder there.
"""

from __future__ import annotations

from collections.abc import Mapping

from unison3d.convert.minkowski_shapes import read_minkowski
from unison3d.convert.query_decoder_shapes import mlp, query_decoder_shapes, read_decoder
from unison3d.convert.shapes import Architecture, Shape, linear, read_size, under
from unison3d.convert.sparse_unet_shapes import read_sparse_unet
from unison3d.convert.system import TRAINING_ONLY, System

_TASK = 'tasks.closed_set.'
# Learned queries tell the variants apart: S3DIS, instance-only, and none of them (ScanNet).
_SINGLE = f'{_TASK}query.weight'
_MIXED = {'structured3d': 29, 'scannet20': 19}

PREFIXES: tuple[tuple[str, str], ...] = (
    ('input_conv.', 'backbone.input_conv.'),
    ('unet.', 'backbone.unet.'),
    ('output_layer.', 'backbone.output_layer.'),
    ('backbone.', 'backbone.'),
    ('decoder.out_cls.', f'{_TASK}head.out_cls.'),
    ('decoder.out_sem.', f'{_TASK}head.out_sem.'),
    ('decoder.out_score.', f'{_TASK}score_head.'),
    ('decoder.query.', f'{_TASK}query.'),
    ('decoder.queries_1dataset.', f'{_TASK}queries_of.structured3d.'),
    ('decoder.queries_2dataset.', f'{_TASK}queries_of.scannet20.'),
    ('decoder.out_cls_1dataset.', f'{_TASK}heads.structured3d.out_cls.'),
    ('decoder.out_cls_2dataset.', f'{_TASK}heads.scannet20.out_cls.'),
    ('decoder.', 'decoder.'),
)


def read_oneformer3d(shapes: Mapping[str, Shape]) -> Architecture:
    """Either backbone, the decoder, and the heads of one of the variants.

    Raises:
        CheckpointError: a tensor of the backbone is missing from which a width is read.
    """
    if 'backbone.conv0p1s1.kernel' in shapes:
        backbone = read_minkowski(shapes, 'backbone.')
        in_channels = read_size(shapes, 'backbone.block8.0.conv2.kernel', -1)
    else:
        backbone = read_sparse_unet(shapes, 'backbone.')
        in_channels = read_size(shapes, 'backbone.unet.blocks.block0.conv_branch.0.weight', 0)
    widths = read_decoder(shapes)
    decoder = query_decoder_shapes(in_channels, widths)
    name, task = _variant(shapes, widths.d_model)
    if name == 'superpoint queries':
        decoder |= mlp('query_proj', in_channels, widths.d_model, widths.d_model)
    return Architecture(
        f'{backbone.summary}; {widths.summary}; {name}',
        {**backbone.shapes, **under('decoder.', decoder), **under(_TASK, task)},
        backbone.kernels,
    )


def _variant(shapes: Mapping[str, Shape], d_model: int) -> tuple[str, dict[str, Shape]]:
    """Name of the variant, and the tensors of its task."""

    def head(name: str, published: int) -> dict[str, Shape]:
        outputs = read_size(shapes, f'{_TASK}{name}.2.weight', 0, default=published)
        return mlp(name, d_model, d_model, outputs)

    def rows(name: str, published: int) -> dict[str, Shape]:
        return {name: (read_size(shapes, _TASK + name, 0, default=published), d_model)}

    if any(name.startswith(f'{_TASK}queries_of.') for name in shapes):
        table = head('score_head', 1)
        for label_space, num_outputs in _MIXED.items():
            table |= rows(f'queries_of.{label_space}.weight', 400)
            table |= head(f'heads.{label_space}.out_cls', num_outputs)
        return 'learned queries of two label spaces', table
    if _SINGLE in shapes:
        table = {**rows('query.weight', 413), **head('head.out_cls', 14), **head('score_head', 1)}
        return 'learned queries', table
    if f'{_TASK}head.out_sem.0.weight' in shapes:
        semantic = head('head.out_sem', 21)
    else:
        outputs = read_size(shapes, f'{_TASK}head.out_sem.weight', 0, default=21)
        semantic = linear('head.out_sem', d_model, outputs)
    return 'superpoint queries', {**head('head.out_cls', 19), **semantic}


ONEFORMER3D = System(
    name='oneformer3d',
    summary='OneFormer3D on ScanNet, ScanNet200, S3DIS, instance-only (arXiv:2311.14405)',
    target='UnifiedSegmentor of configs/oneformer3d',
    architecture=read_oneformer3d,
    rules=PREFIXES,
    dropped=(('criterion.', TRAINING_ONLY),),
)
