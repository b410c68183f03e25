"""The network of BERT for reading only, from the files that transformers writes.

Six layers on ten tokens are a few milliseconds of products. A general implementation adds as much
again around them, and the import of one adds seconds; this one adds little, with the same numbers.

Source:
    arXiv:1810.04805 (BERT), post-norm layers with the exact GELU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import CheckpointError
from unison3d.io.json_files import read_json
from unison3d.io.tensor_files import read_weights

# What this network is; files without an entry mean the same.
_KIND = {'model_type': 'bert', 'hidden_act': 'gelu', 'position_embedding_type': 'absolute'}
_COUNTS = ('num_hidden_layers', 'num_attention_heads', 'hidden_size', 'intermediate_size')


def read_bert(folder: Path) -> BertTower:
    """Read ``config.json`` and ``model.safetensors``.

    Raises:
        FileFormatError: the config is missing or no JSON.
        CheckpointError: the weights are missing or damaged, another kind of network, or a tensor
            is missing or of another shape than the config says.
    """
    path = folder / 'config.json'
    config = read_json(path)
    if not isinstance(config, dict):
        raise CheckpointError(f'{path}: holds a {type(config).__name__}, expected an object')
    for name, ours in _KIND.items():
        if config.get(name, ours) != ours:
            raise CheckpointError(f'{path}: {name} is {config[name]!r}, expected {ours!r}')
    for name in _COUNTS:
        if type(config.get(name)) is not int or config[name] < 1:
            raise CheckpointError(f'{path}: {name} is {config.get(name)!r}, expected 1 or more')
    eps = config.get('layer_norm_eps', 1e-12)
    if type(eps) is not float or not 0 < eps < 1:
        raise CheckpointError(f'{path}: layer_norm_eps is {eps!r}, expected 0 to 1')
    if config['hidden_size'] % config['num_attention_heads']:
        raise CheckpointError(
            f'{path}: hidden_size {config["hidden_size"]} is no multiple of num_attention_heads '
            f'{config["num_attention_heads"]}'
        )
    weights = folder / 'model.safetensors'
    return BertTower(_Tensors(read_weights(weights)[0], weights), config)


class BertTower:
    """Tokens to one vector each.

    Args:
        tensors: weights by their names in the file.
        config: sizes, as in ``config.json``.
    """

    def __init__(self, tensors: _Tensors, config: Mapping[str, Any]) -> None:
        width, eps = config['hidden_size'], config.get('layer_norm_eps', 1e-12)
        self._words = tensors.take('embeddings.word_embeddings.weight', (-1, width))
        kinds = tensors.take('embeddings.token_type_embeddings.weight', (-1, width))
        # All tokens are of the first kind: there is no second sentence.
        positions = tensors.take('embeddings.position_embeddings.weight', (-1, width))
        self._positions = positions + kinds[0]
        self._norm = tensors.norm('embeddings.LayerNorm', width, eps)
        self._layers = [
            _Layer.read(tensors, f'encoder.layer.{number}.', config, eps)
            for number in range(config['num_hidden_layers'])
        ]

    @property
    def vocab_size(self) -> int:
        """Tokens it knows."""
        return len(self._words)

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest sentence it can read."""
        return len(self._positions)

    @property
    def width(self) -> int:
        """Numbers per token, W."""
        return self._words.shape[1]

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """Encode.

        Args:
            tokens: int64, (T, L), L at most :attr:`max_tokens`.
            valid: bool, (T, L). False where a row is only padded; None if nothing is.

        Returns:
            float32, (T, L, W), the last states; meaningless where there is padding.
        """
        x = F.embedding(tokens, self._words) + self._positions[: tokens.shape[1]]
        x = self._norm(x).flatten(0, 1)
        allowed = None if valid is None else valid[:, None, None]
        for layer in self._layers:
            x = layer(x, tokens.shape, allowed)
        return x.unflatten(0, tokens.shape)


@dataclass(frozen=True)
class _Norm:
    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class _Linear:
    """Weights as (inputs, outputs): for a few rows, products with these are 15 % faster on CPUs."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)


@dataclass(frozen=True)
class _Layer:
    """``LN(x + attention(x))``, then ``LN(x + MLP(x))``."""

    num_heads: int
    query_key_value: _Linear
    attended: _Linear
    attended_norm: _Norm
    up: _Linear
    down: _Linear
    norm: _Norm

    @classmethod
    def read(cls, tensors: _Tensors, prefix: str, config: Mapping[str, Any], eps: float) -> _Layer:
        width, hidden = config['hidden_size'], config['intermediate_size']
        parts = [f'{prefix}attention.self.{part}' for part in ('query', 'key', 'value')]
        return cls(
            config['num_attention_heads'],
            tensors.linear(parts, width, width),
            tensors.linear([f'{prefix}attention.output.dense'], width, width),
            tensors.norm(f'{prefix}attention.output.LayerNorm', width, eps),
            tensors.linear([f'{prefix}intermediate.dense'], width, hidden),
            tensors.linear([f'{prefix}output.dense'], hidden, width),
            tensors.norm(f'{prefix}output.LayerNorm', width, eps),
        )

    def __call__(self, x: Tensor, shape: torch.Size, allowed: Tensor | None) -> Tensor:
        """(T * L, W) to the same; ``shape`` is T, L."""
        parts = self.query_key_value(x).view(*shape, 3, self.num_heads, -1)
        attended = F.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4), attn_mask=allowed)
        attended = attended.transpose(1, 2).reshape(x.shape)
        x = self.attended_norm(self.attended(attended).add_(x))
        return self.norm(self.down(F.gelu(self.up(x))).add_(x))


@dataclass(frozen=True)
class _Tensors:
    """Weights of a file, taken one by one."""

    by_name: dict[str, Tensor]
    path: Path

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A float32 tensor; -1 in the shape stands for any size but 0."""
        tensor = self.by_name.get(name)
        if tensor is None:
            raise CheckpointError(f'{self.path}: has no tensor {name}')
        fits = len(tensor.shape) == len(shape) and all(
            seen == size or (size == -1 and seen > 0) for seen, size in zip(tensor.shape, shape)
        )
        if not fits:
            raise CheckpointError(
                f'{self.path}: {name} has the shape {tuple(tensor.shape)}, expected {shape}'
            )
        return tensor.float()

    def norm(self, name: str, width: int, eps: float) -> _Norm:
        return _Norm(
            self.take(f'{name}.weight', (width,)), self.take(f'{name}.bias', (width,)), eps
        )

    def linear(self, names: list[str], inputs: int, outputs: int) -> _Linear:
        """Several layers with the same input as one."""
        weights = [self.take(f'{name}.weight', (outputs, inputs)) for name in names]
        biases = [self.take(f'{name}.bias', (outputs,)) for name in names]
        return _Linear(torch.cat(weights).t().contiguous(), torch.cat(biases))
