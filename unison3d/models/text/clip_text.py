"""The sentence encoder of the published system: the text half of a CLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison3d.errors import ConfigError, MissingDependencyError, PromptError
from unison3d.models.text.base import TextEncoder
from unison3d.models.text.clip_tokenizer import VOCAB_SIZE, ClipTokenizer
from unison3d.models.text.clip_tower import ACTIVATIONS, ClipTextSizes, ClipTextTower
from unison3d.models.text.clip_weights import (
    WHERE_TO_GET,
    digest_weights,
    read_clip_text_weights,
)
from unison3d.registry import TEXT_ENCODERS


@TEXT_ENCODERS.register_module()
class ClipTextEncoder(TextEncoder):
    """Sentence vectors of a CLIP text tower, in UniSeg3D that of ``convnext_large_d_320``.

        >>> encoder = ClipTextEncoder('open_clip_pytorch_model.bin')
        >>> encoder.encode(['the chair next to the table']).shape
        torch.Size([1, 768])

    The file is read when the first sentence arrives or its name or width is asked for; reading and
    hashing the published one (600 MB of text tower) takes seconds, and a sentence tenths of a
    second on a CPU core. Wrap it in :class:`CachedTextEncoder`: the tower never changes.

    Args:
        weights: a UniSeg3D checkpoint or an OpenCLIP file, see
            :func:`~unison3d.models.text.clip_weights.read_clip_text_weights`. Sizes come from it.
        normalize: give vectors of length one. The published model compares class names that way,
            and reads sentences as they come out of the tower.
        use_open_clip: let the installed ``open_clip`` build the tower. Same vectors, up to
            rounding.
        num_heads: attention heads; None is one per 64 channels, as in every released CLIP.
        activation: ``'gelu'``, or ``'quick_gelu'`` for the weights that OpenAI released.
        repair_text: as ``repair`` of :class:`ClipTokenizer`.
        batch_size: sentences per forward pass.
        device: where the tower runs. Vectors come back on the CPU.

    Raises:
        ConfigError: no weights are given, or an option has no such value.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        normalize: bool = False,
        use_open_clip: bool = False,
        num_heads: int | None = None,
        activation: str = 'gelu',
        repair_text: bool = False,
        batch_size: int = 64,
        device: str = 'cpu',
    ) -> None:
        if not weights:
            raise ConfigError(f'ClipTextEncoder: weights={weights!r}. {WHERE_TO_GET}')
        if activation not in ACTIVATIONS:
            raise ConfigError(
                f'ClipTextEncoder: activation={activation!r}, expected one of '
                f'{", ".join(ACTIVATIONS)}.'
            )
        if batch_size < 1:
            raise ConfigError(f'ClipTextEncoder: batch_size={batch_size}, expected 1 or more.')
        self._weights = Path(weights)
        self._normalize = normalize
        self._use_open_clip = use_open_clip
        self._num_heads = num_heads
        self._activation = activation
        self._batch_size = batch_size
        self._device = device
        self._tokenizer = ClipTokenizer(repair=repair_text)
        self._sizes: ClipTextSizes | None = None
        self._tower: nn.Module | None = None
        self._name = ''

    @property
    def name(self) -> str:
        """Hash of the weights, and the options that change a vector."""
        self._load()
        return self._name

    @property
    def dim(self) -> int:
        return self._load().dim

    @property
    def unit_rows(self) -> bool:
        return self._normalize

    @property
    def reads_tokens(self) -> bool:
        return True

    @property
    def tokenizer(self) -> ClipTokenizer:
        """The tokenizer, also for making token files."""
        return self._tokenizer

    def canonical(self, phrase: str) -> str:
        """What the tokenizer makes of the phrase before it looks for words."""
        return self._tokenizer.clean(phrase)

    def encode_tokens(self, tokens: Tensor | np.ndarray) -> Tensor:
        """Encode sentences that are tokens already, as in published info files.

        Args:
            tokens: whole numbers, (T, L). L is at most the context length of the tower, 77. The
                end of a sentence is its highest token.

        Returns:
            float32, (T, E), on the CPU; rows of length one only where ``normalize`` is set.

        Raises:
            PromptError: the array has another shape or type, a row is empty, or a token does not
                exist.
        """
        sizes = self._load()
        tokens = _checked_tokens(tokens, sizes)
        features = torch.empty(len(tokens), sizes.dim)
        # Sentences of similar length share a batch: what follows the end has no effect.
        lengths = tokens.argmax(dim=1) + 1
        order = lengths.argsort(stable=True)
        for rows in order.split(self._batch_size) if len(order) else ():
            # open_clip takes full rows only.
            length = sizes.context_length if self._use_open_clip else int(lengths[rows].max())
            batch = F.pad(tokens[rows], (0, max(length - tokens.shape[1], 0)))[:, :length]
            features[rows] = self._run(batch)
        return features

    def _encode(self, phrases: list[str]) -> Tensor:
        sizes = self._load()
        if sizes.vocab_size != VOCAB_SIZE:
            raise ConfigError(
                f'{self._weights}: the tower knows {sizes.vocab_size:,} tokens, the tokenizer of '
                f'CLIP makes {VOCAB_SIZE:,}. Give tokens of your own to encode_tokens.'
            )
        return self.encode_tokens(self._tokenizer(phrases, sizes.context_length))

    @torch.inference_mode()
    def _run(self, tokens: Tensor) -> Tensor:
        # Full precision also inside of a training in half: what is cached has to be the same.
        with torch.autocast(torch.device(self._device).type, enabled=False):
            features = self._tower(tokens.to(self._device)).cpu()
        return F.normalize(features, dim=1) if self._normalize else features

    def _load(self) -> ClipTextSizes:
        if self._sizes is not None:
            return self._sizes
        device = _usable(self._device)
        sizes, tensors = read_clip_text_weights(self._weights)
        heads = sizes.heads(self._num_heads)
        build = _open_clip_tower if self._use_open_clip else _own_tower
        tower = build(sizes, heads, self._activation)
        # Assigned, not copied: the tower would be in memory twice.
        tower.load_state_dict(tensors, assign=True)
        options = [f'heads{heads}', self._activation]
        options += ['repair'] * self._tokenizer.repair + ['unit'] * self._normalize
        self._name = '-'.join(['clip-text', digest_weights(tensors), *options])
        self._tower = tower.to(device).eval().requires_grad_(False)
        self._sizes = sizes
        return sizes


def _usable(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f'ClipTextEncoder: device={name!r} cannot be used ({str(error).splitlines()[0]}). '
            'Expected "cpu", or a device that this torch has.'
        ) from error
    return device


def _own_tower(sizes: ClipTextSizes, num_heads: int, activation: str) -> nn.Module:
    with torch.device('meta'):
        return ClipTextTower(sizes, num_heads, activation)


def _open_clip_tower(sizes: ClipTextSizes, num_heads: int, activation: str) -> nn.Module:
    try:
        from open_clip.transformer import QuickGELU, TextTransformer
    except ImportError as error:
        raise MissingDependencyError('open_clip_torch', 'openclip', 'use_open_clip=True') from error
    except RuntimeError as error:
        # What a torchvision made for another torch raises when it is imported.
        raise ConfigError(
            f'ClipTextEncoder: open_clip is installed and cannot be imported ({error}). Install '
            'the torchvision that fits this torch, or leave use_open_clip out: the vectors are '
            'the same.'
        ) from error
    return TextTransformer(
        context_length=sizes.context_length,
        vocab_size=sizes.vocab_size,
        width=sizes.width,
        heads=num_heads,
        layers=sizes.num_layers,
        # open_clip cuts the product with the width to a whole number.
        mlp_ratio=(sizes.hidden + 0.5) / sizes.width,
        output_dim=sizes.dim,
        act_layer={'gelu': nn.GELU, 'quick_gelu': QuickGELU}[activation],
    )


def _checked_tokens(tokens: Tensor | np.ndarray, sizes: ClipTextSizes) -> Tensor:
    tokens = torch.as_tensor(tokens)
    whole = not (tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool)
    if tokens.ndim != 2 or not whole or not 1 <= tokens.shape[1] <= sizes.context_length:
        raise PromptError(
            f'Text tokens: shape {[*tokens.shape]} of {tokens.dtype}, expected whole numbers, '
            f'(T, L) with L at most {sizes.context_length}.'
        )
    tokens = tokens.to('cpu', torch.int64)
    bad = (tokens < 0) | (tokens >= sizes.vocab_size)
    if bad.any():
        raise PromptError(
            f'Text tokens: {int(tokens[bad][0])} is no token, expected 0 to '
            f'{sizes.vocab_size - 1}. Were they made for another tower?'
        )
    empty = (tokens == 0).all(dim=1).nonzero()
    if len(empty):
        raise PromptError(
            f'Text tokens: row {int(empty[0])} of {len(tokens)} holds zeros only, expected a start '
            'token, a sentence and an end token. Leave it out.'
        )
    return tokens
