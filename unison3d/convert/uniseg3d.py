"""UniSeg3D parameter names to those of :class:`~unison3d.models.UnifiedSegmentor`.

Rules are tried in order; the first prefix that fits is replaced. The model is expected to call
its tasks ``closed_set``, ``click`` and ``text``.
"""

from __future__ import annotations

from torch import Tensor

from unison3d.convert.kernel_layouts import kernel_from_krsc

PREFIXES: tuple[tuple[str, str], ...] = (
    ('input_conv.', 'backbone.input_conv.'),
    ('unet.', 'backbone.unet.'),
    ('output_layer.', 'backbone.output_layer.'),
    ('decoder.', 'decoder.'),
    ('pred_iou_proj.', 'tasks.closed_set.quality_head.'),
    ('lang.Mlp.fc1.', 'tasks.text.text_mlp.0.'),
    ('lang.Mlp.fc2.', 'tasks.text.text_mlp.2.'),
)

# Rows of ``type_embedding.weight``.
TYPE_ROWS: tuple[str, ...] = (
    'tasks.text.type_embedding',
    'tasks.click.positive_embedding',
    'tasks.closed_set.make_queries.type_embedding',
)


def convert_state_dict(published: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Translate a published state dict with kernels in KRSC layout.

    Args:
        published: tensors by published name.

    Returns:
        Tensors by our names, and the published names that have no place here (the frozen text
        tower, the scale of the contrastive loss).
    """
    converted: dict[str, Tensor] = {}
    unused: list[str] = []
    for name, tensor in published.items():
        if name == 'type_embedding.weight':
            converted.update(zip(TYPE_ROWS, tensor.unbind(0), strict=True))
            continue
        for prefix, replacement in PREFIXES:
            if name.startswith(prefix):
                value = kernel_from_krsc(tensor) if tensor.ndim == 5 else tensor
                converted[replacement + name.removeprefix(prefix)] = value
                break
        else:
            unused.append(name)
    return converted, unused
