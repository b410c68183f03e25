"""The text half of CLIP as a network, with the parameter names of OpenCLIP.

Source:
    arXiv:2103.00020 (CLIP); the sizes of ``convnext_large_d_320`` are the defaults.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison3d.errors import ConfigError

_HEAD_WIDTH = 64


class QuickGELU(nn.Module):
    """``x * sigmoid(1.702 x)``, the activation of the models that OpenAI released."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to every number."""
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, type[nn.Module]] = {'gelu': nn.GELU, 'quick_gelu': QuickGELU}


@dataclass(frozen=True)
class ClipTextSizes:
    """Sizes of a tower.

    Args:
        vocab_size: tokens, V.
        context_length: positions, L.
        width: numbers per token, W.
        num_layers: blocks.
        hidden: width of the MLP inside a block.
        dim: numbers per sentence, E.
    """

    vocab_size: int = 49408
    context_length: int = 77
    width: int = 768
    num_layers: int = 16
    hidden: int = 3072
    dim: int = 768

    def heads(self, num_heads: int | None) -> int:
        """Attention heads; weights do not tell their number, and CLIP has one per 64 channels.

        Raises:
            ConfigError: the width is no multiple of the heads, or of 64 where none are given.
        """
        heads = self.width // _HEAD_WIDTH if num_heads is None else num_heads
        if heads < 1 or self.width % heads or (num_heads is None and self.width % _HEAD_WIDTH):
            raise ConfigError(
                f'The text tower has width {self.width} and num_heads={num_heads}. Expected a '
                f'divisor of the width; None means one head per {_HEAD_WIDTH} channels. Set '
                'num_heads to what the tower was trained with.'
            )
        return heads


class ClipTextTower(nn.Module):
    """Tokens to one vector per sentence. To be loaded, not trained: embeddings start as zeros.

    Args:
        sizes: sizes of the tower.
        num_heads: attention heads, see :meth:`ClipTextSizes.heads`.
        activation: key of :data:`ACTIVATIONS`. The published tower has the exact GELU.
    """

    def __init__(
        self, sizes: ClipTextSizes, num_heads: int | None = None, activation: str = 'gelu'
    ) -> None:
        super().__init__()
        heads = sizes.heads(num_heads)
        # Zeros, not random: on the meta device, where towers are built, drawing normal numbers
        # imports torch's compiler, which takes seconds.
        table = torch.zeros(sizes.vocab_size, sizes.width)
        self.token_embedding = nn.Embedding.from_pretrained(table, freeze=False)
        self.positional_embedding = nn.Parameter(torch.zeros(sizes.context_length, sizes.width))
        blocks = (
            _Block(sizes.width, heads, sizes.hidden, ACTIVATIONS[activation]())
            for _ in range(sizes.num_layers)
        )
        self.transformer = nn.ModuleDict({'resblocks': nn.ModuleList(blocks)})
        self.ln_final = nn.LayerNorm(sizes.width)
        self.text_projection = nn.Parameter(torch.zeros(sizes.width, sizes.dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode.

        Args:
            tokens: int64, (T, L'), L' at most the context length. The end token is the highest;
                what follows it is never looked at.

        Returns:
            float32, (T, E), of any length.
        """
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        for block in self.transformer['resblocks']:
            x = block(x)
        ends = tokens.argmax(dim=1)
        rows = torch.arange(len(tokens), device=tokens.device)
        return self.ln_final(x[rows, ends]) @ self.text_projection


class _Block(nn.Module):
    """``x + attention(LN(x))``, then ``x + MLP(LN(x))``; a token sees itself and those before."""

    def __init__(self, width: int, num_heads: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = nn.LayerNorm(width)
        # Holds the parameters under their published names; its forward is not used.
        self.attn = nn.MultiheadAttention(width, num_heads)
        self.ln_2 = nn.LayerNorm(width)
        layers = (nn.Linear(width, hidden), activation, nn.Linear(hidden, width))
        self.mlp = nn.Sequential(OrderedDict(zip(('c_fc', 'gelu', 'c_proj'), layers)))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))

    def _attend(self, x: Tensor) -> Tensor:
        projected = F.linear(x, self.attn.in_proj_weight, self.attn.in_proj_bias)
        # (T, L, 3 W) to three of (T, heads, L, W / heads).
        queries, keys, values = projected.unflatten(2, (3, self.num_heads, -1)).permute(
            2, 0, 3, 1, 4
        )
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.attn.out_proj(attended.transpose(1, 2).flatten(2))
