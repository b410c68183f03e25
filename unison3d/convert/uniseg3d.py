"""UniSeg3D parameter names to those of :class:`~unison3d.models.UnifiedSegmentor`.

Rules are tried in order; the first prefix that fits is replaced. The model is expected to call
its tasks ``closed_set``, ``click`` and ``text``, and the contrastive link ``contrastive``, as
``configs/_base_/models/uniseg3d.py`` does.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from unison3d.convert.query_decoder_shapes import mlp, query_decoder_shapes, read_decoder
from unison3d.convert.shapes import (
    Architecture,
    Shape,
    layer_norm,
    linear,
    read_size,
    under,
)
from unison3d.convert.sparse_unet_shapes import read_sparse_unet
from unison3d.convert.system import FROZEN_TEXT, System
from unison3d.convert.translate import translate

PREFIXES: tuple[tuple[str, str], ...] = (
    ('input_conv.', 'backbone.input_conv.'),
    ('unet.', 'backbone.unet.'),
    ('output_layer.', 'backbone.output_layer.'),
    ('decoder.', 'decoder.'),
    ('pred_iou_proj.', 'tasks.closed_set.quality_head.'),
    ('lang.Mlp.fc1.', 'tasks.text.text_mlp.0.'),
    ('lang.Mlp.fc2.', 'tasks.text.text_mlp.2.'),
    ('criterion.contrastive_criterion.', 'links.contrastive.'),
)

# Rows of ``type_embedding.weight``.
TYPE_ROWS: tuple[str, ...] = (
    'tasks.text.type_embedding',
    'tasks.click.positive_embedding',
    'tasks.closed_set.make_queries.type_embedding',
)


def read_uniseg3d(shapes: Mapping[str, Shape]) -> Architecture:
    """Backbone, decoder with its heads for text embeddings, and the small parts of the tasks.

    Raises:
        CheckpointError: a tensor of the backbone is missing from which a width is read.
    """
    backbone = read_sparse_unet(shapes, 'backbone.')
    channels = read_size(shapes, 'backbone.unet.blocks.block0.conv_branch.0.weight', 0)
    widths = read_decoder(shapes)
    d_model = widths.d_model
    embedding_dim = read_size(shapes, 'decoder.cls_proj.4.weight', 0, default=768)
    text_dim = read_size(shapes, 'tasks.text.text_mlp.0.weight', 1, default=768)
    decoder = {
        **query_decoder_shapes(channels, widths),
        **mlp('query_proj', channels, d_model, d_model),
    }
    for kind in ('', '_sem'):
        decoder |= mlp(f'cls_proj{kind}', d_model, d_model, d_model, embedding_dim)
        decoder |= layer_norm(f'mask_pooling_proj{kind}.0', d_model)
        decoder |= linear(f'mask_pooling_proj{kind}.1', d_model, d_model)
    tasks = {
        **mlp('tasks.closed_set.quality_head', d_model, d_model, d_model, 1),
        **mlp('tasks.text.text_mlp', text_dim, text_dim, channels),
        **dict.fromkeys(TYPE_ROWS, (channels,)),
    }
    # Only training needs it, so a file may come without.
    links = {name: () for name in shapes if name == 'links.contrastive.logit_scale'}
    return Architecture(
        f'{backbone.summary}; {widths.summary}, text embeddings of {embedding_dim}',
        {**backbone.shapes, **under('decoder.', decoder), **tasks, **links},
        backbone.kernels,
    )


UNISEG3D = System(
    name='uniseg3d',
    summary='UniSeg3D, six tasks on ScanNet (arXiv:2407.03263)',
    target='UnifiedSegmentor',
    architecture=read_uniseg3d,
    rules=PREFIXES,
    dropped=(('lang.text_encoder.', FROZEN_TEXT),),
    rows=(('type_embedding.weight', TYPE_ROWS),),
    ours_only=(
        ('tasks.closed_set.class_embeddings', 'made from class names, not stored there'),
        ('tasks.click.negative_embedding', 'negative clicks do not exist there'),
        ('tasks.click.quality_head.', 'quality of clicked masks does not exist there'),
        ('tasks.text.quality_head.', 'quality of referred masks does not exist there'),
        ('tasks.open_vocabulary.', 'made from names; not part of its weights'),
    ),
)


def convert_state_dict(published: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Translate a published state dict with kernels in KRSC layout, without insisting on all of it.

    Args:
        published: tensors by published name.

    Returns:
        Tensors by our names, and the published names that have no place here (the frozen text
        tower).
    """
    translation = translate(UNISEG3D, published, 'krsc', strict=False)
    report = translation.report
    return translation.tensors, [*(name for name, _ in report.dropped), *report.unexpected]
