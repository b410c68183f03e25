"""The weights of a CLIP text tower by one set of names, whichever program wrote the file.

===============================  ================================================================
file                             names of the text tower
===============================  ================================================================
OpenCLIP                         ``transformer.resblocks...``, beside ``visual...``
OpenCLIP, text as a part         ``text.transformer.resblocks...``
UniSeg3D                         ``lang.text_encoder.text_transformer.resblocks...``
UniSeg3D, translated by us       ``published.lang.text_encoder....`` (``convert --keep-unused``)
===============================  ================================================================

All may have ``module.`` in front and lie under the entry ``state_dict``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unison3d.errors import CheckpointError
from unison3d.io.tensor_files import read_weights
from unison3d.models.text.clip_tower import ClipTextSizes, ClipTextTower

WHERE_TO_GET = (
    'The published tower is in every UniSeg3D checkpoint, and in open_clip_pytorch_model.bin or '
    'open_clip_model.safetensors of laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup on '
    'Hugging Face; download one and give its path. Nothing is downloaded here.'
)
_LISTED = 8
_BLOCKS = 'transformer.resblocks.'
_MASK = 'attn_mask'


@dataclass(frozen=True)
class _Layout:
    """How a program names the tower.

    Args:
        name: for messages.
        prefix: before every name.
        renames: (their prefix, ours).
        beside: prefixes of tensors at the same level that are not of the tower.
    """

    name: str
    prefix: str = ''
    renames: tuple[tuple[str, str], ...] = ()
    beside: tuple[str, ...] = ()

    def ours(self, name: str) -> str | None:
        """Our name of a tensor; None where it is not of the tower."""
        bare = name.removeprefix(self.prefix)
        if not name.startswith(self.prefix) or bare.startswith(self.beside):
            return None
        for old, new in self.renames:
            if bare.startswith(old):
                return new + bare.removeprefix(old)
        # Our own names are theirs in no layout that has renames: they would be another tensor.
        return f'{self.prefix}{bare}' if self.renames else bare


_LAYOUTS = (
    _Layout(
        'UniSeg3D',
        'lang.text_encoder.',
        (
            ('text_token_embedding.', 'token_embedding.'),
            ('text_pe', 'positional_embedding'),
            ('text_transformer.', 'transformer.'),
            ('text_ln_final.', 'ln_final.'),
            ('text_proj', 'text_projection'),
            ('text_attn_mask', _MASK),
        ),
    ),
    _Layout('OpenCLIP with the text as a part', 'text.'),
    _Layout('OpenCLIP', beside=('visual.', 'logit_scale', 'logit_bias')),
)
_WRAPPERS = ('', 'module.', 'published.', 'published.module.')


def read_clip_text_weights(path: str | Path) -> tuple[ClipTextSizes, dict[str, Tensor]]:
    """Read the text tower out of a checkpoint.

    Args:
        path: ``.safetensors``, or what :func:`torch.save` wrote. Only tensors are read.

    Returns:
        The sizes, and float32 tensors by the names of :class:`ClipTextTower`.

    Raises:
        CheckpointError: the file is missing, damaged or holds no text tower; a tensor is missing,
            unexpected, of another shape or not finite; the attention mask is not causal.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f'{path}: does not exist. {WHERE_TO_GET}')
    stored, _ = read_weights(path, skip_objects=True)
    found = _tower_tensors(stored, path)
    _check_mask(found.pop(_MASK, None), path)
    sizes = _sizes(found, path)
    _check_names(sizes, found, path)
    tensors = {}
    for name, value in found.items():
        value = value.to(torch.float32).contiguous()
        # The sum of finite numbers is finite here, and takes no memory.
        if not torch.isfinite(value.sum(dtype=torch.float64)):
            raise CheckpointError(
                f'{path}: {name} of the text tower holds values that are not finite. The file is '
                'damaged; download it again.'
            )
        tensors[name] = value
    return sizes, tensors


def digest_weights(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, shapes and numbers, the same whichever file they came from: 16 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f'{name} {tuple(value.shape)} {value.dtype}\n'.encode())
        digest.update(value.view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _tower_tensors(stored: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of the tower by our names, in the layout that knows most of them."""
    expected = set(_expected_shapes(ClipTextSizes(num_layers=1)))
    best: dict[str, Tensor] = {}
    most = 0
    for layout in _LAYOUTS:
        for wrapper in _WRAPPERS:
            names = {
                ours: name
                for name in stored
                if name.startswith(wrapper)
                and (ours := layout.ours(name.removeprefix(wrapper))) is not None
            }
            known = len(expected & names.keys())
            if known > most:
                most, best = known, {ours: stored[name] for ours, name in names.items()}
    if not most:
        raise CheckpointError(
            f'{path}: holds no CLIP text tower. Its {len(stored)} tensors are '
            f'{_some(list(stored))}; expected names as in '
            f'{", ".join(layout.name for layout in _LAYOUTS)}. {WHERE_TO_GET}'
        )
    return best


def _sizes(tensors: Mapping[str, Tensor], path: Path) -> ClipTextSizes:
    def shape(name: str) -> tuple[int, int]:
        if name not in tensors or tensors[name].ndim != 2:
            seen = 'is missing' if name not in tensors else f'has shape {[*tensors[name].shape]}'
            raise CheckpointError(
                f'{path}: {name} of the text tower {seen}, expected a matrix. {WHERE_TO_GET}'
            )
        return tuple(tensors[name].shape)

    vocab_size, width = shape('token_embedding.weight')
    blocks = {
        name.removeprefix(_BLOCKS).split('.')[0] for name in tensors if name.startswith(_BLOCKS)
    }
    return ClipTextSizes(
        vocab_size=vocab_size,
        context_length=shape('positional_embedding')[0],
        width=width,
        num_layers=len(blocks),
        hidden=shape(f'{_BLOCKS}0.mlp.c_fc.weight')[0],
        dim=shape('text_projection')[1],
    )


def _expected_shapes(sizes: ClipTextSizes) -> dict[str, tuple[int, ...]]:
    # On the meta device nothing is allocated. The heads have no part in shapes.
    with torch.device('meta'):
        tower = ClipTextTower(sizes, num_heads=1)
    return {name: tuple(value.shape) for name, value in tower.state_dict().items()}


def _check_names(sizes: ClipTextSizes, tensors: Mapping[str, Tensor], path: Path) -> None:
    expected = _expected_shapes(sizes)
    seen = {name: tuple(value.shape) for name, value in tensors.items()}
    mismatched = [
        f'{name} {seen[name]}, expected {shape}'
        for name, shape in expected.items()
        if seen.get(name, shape) != shape
    ]
    problems = (
        ('missing', [name for name in expected if name not in seen]),
        ('unexpected', [name for name in seen if name not in expected]),
        ('of another shape', mismatched),
        ('not numbers', [n for n, value in tensors.items() if not value.is_floating_point()]),
    )
    lines = [f'{len(names)} {title}: {_some(names)}' for title, names in problems if names]
    if lines:
        raise CheckpointError(
            f'{path}: is not a CLIP text tower of {sizes.num_layers} blocks and width '
            f'{sizes.width}, tensors are {"; ".join(lines)}. {WHERE_TO_GET}'
        )


def _check_mask(mask: Tensor | None, path: Path) -> None:
    """A stored mask must be the one that is built in: a token sees itself and those before."""
    if mask is None:
        return
    causal = mask.ndim == 2 and torch.equal(mask == 0, torch.ones_like(mask).tril() > 0)
    if not causal or not bool((mask <= 0).all()):
        raise CheckpointError(
            f'{path}: the attention mask of the text tower, shape {[*mask.shape]}, is not causal '
            '(zeros up to the diagonal, minus infinity above). Expected a text tower of CLIP.'
        )


def _some(names: list[str]) -> str:
    more = f', ... ({len(names)} in all)' if len(names) > _LISTED else ''
    return ', '.join(names[:_LISTED]) + more
