"""Small CLIP text towers with random weights, in the files of several programs."""

from __future__ import annotations

import torch
from torch import Tensor

from unison3d.models.text.clip_tower import ClipTextSizes, ClipTextTower

SIZES = ClipTextSizes(width=32, num_layers=3, hidden=48, dim=24)
HEADS = 2
SENTENCES = [
    'lamp',
    "There is the chair next to the table, isn't it?",
    'the second cabinet from the window ' * 20,
]
_TO_UNISEG3D = {
    'token_embedding': 'text_token_embedding',
    'positional_embedding': 'text_pe',
    'transformer': 'text_transformer',
    'ln_final': 'text_ln_final',
    'text_projection': 'text_proj',
}


def random_tower(sizes: ClipTextSizes = SIZES, seed: int = 0) -> dict[str, Tensor]:
    """Tensors by OpenCLIP's names. Norms and biases are random too, so that none can be lost."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {n: v.shape for n, v in ClipTextTower(sizes, num_heads=1).state_dict().items()}
    tensors = {n: 0.3 * torch.randn(shape, generator=generator) for n, shape in shapes.items()}
    return {n: v + 1 if n.rpartition('.')[0][-4:-1] == 'ln_' else v for n, v in tensors.items()}


def as_uniseg3d(tensors: dict[str, Tensor], context_length: int = 77) -> dict[str, Tensor]:
    """As in a UniSeg3D checkpoint, with the mask that it keeps."""
    renamed = {}
    for name, value in tensors.items():
        first, dot, rest = name.partition('.')
        renamed[f'lang.text_encoder.{_TO_UNISEG3D[first]}{dot}{rest}'] = value
    mask = torch.full((context_length, context_length), -torch.inf).triu(1)
    return {**renamed, 'lang.text_encoder.text_attn_mask': mask}


def as_open_clip(tensors: dict[str, Tensor], prefix: str = '') -> dict[str, Tensor]:
    """As in an OpenCLIP file; ``prefix='text.'`` for the models with a text part of its own."""
    beside = {'logit_scale': torch.tensor(4.6), 'visual.trunk.stem.weight': torch.ones(2, 3)}
    return {**beside, **{prefix + name: value for name, value in tensors.items()}}
