"""Post-norm attention and feed-forward layers with published parameter names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison3d.native.memory import with_smaller_chunks


def _split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(R, D) to (heads, R, D / heads)."""
    return x.unflatten(1, (num_heads, -1)).transpose(0, 1)


class AttentionLayer(nn.Module):
    """``LN(q + attention(q, keys, values))``.

    The projections of keys and values are separate calls, so that those of a scene are computed
    once and serve every later query (:meth:`project`).

    Args:
        d_model: width.
        num_heads: heads; divides ``d_model``.
    """

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        # Holds the parameters under their published names; its forward is not used because it
        # would project keys and values on every call.
        self.attn = nn.MultiheadAttention(d_model, num_heads)
        self.norm = nn.LayerNorm(d_model)

    def project(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of ``source`` (R, D), each (heads, R, D / heads)."""
        d_model = source.shape[1]
        weight, bias = self.attn.in_proj_weight[d_model:], self.attn.in_proj_bias[d_model:]
        keys, values = F.linear(source, weight, bias).split(d_model, dim=1)
        return _split_heads(keys, self.num_heads), _split_heads(values, self.num_heads)

    def forward(
        self, queries: Tensor, keys_values: tuple[Tensor, Tensor], allowed: Tensor | None = None
    ) -> Tensor:
        """Attend.

        Args:
            queries: (Q, D).
            keys_values: from :meth:`project`.
            allowed: bool, (Q, R). True where a query may look; None allows everything.

        Returns:
            (Q, D).
        """
        d_model = queries.shape[1]
        projected = F.linear(
            queries, self.attn.in_proj_weight[:d_model], self.attn.in_proj_bias[:d_model]
        )
        return self._attend(queries, projected, *keys_values, allowed)

    def attend_inside(self, rows: Tensor, allowed: Tensor | None = None) -> Tensor:
        """The rows (R, D) attend to each other: ``self(rows, self.project(rows), allowed)``."""
        projected = F.linear(rows, self.attn.in_proj_weight, self.attn.in_proj_bias)
        queries, keys, values = projected.chunk(3, dim=1)
        keys, values = (_split_heads(part, self.num_heads) for part in (keys, values))
        return self._attend(rows, queries, keys, values, allowed)

    def _attend(
        self, rows: Tensor, queries: Tensor, keys: Tensor, values: Tensor, allowed: Tensor | None
    ) -> Tensor:
        """Attention and what follows; ``queries`` are the projected ``rows``, each (Q, D)."""
        heads = _split_heads(queries, self.num_heads)

        def attend(chunk: int) -> Tensor:
            parts = [
                F.scaled_dot_product_attention(
                    heads[None, :, first : first + chunk],
                    keys[None],
                    values[None],
                    attn_mask=None if allowed is None else allowed[first : first + chunk],
                )[0]
                for first in range(0, max(len(queries), 1), max(chunk, 1))
            ]
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

        attended = with_smaller_chunks(attend, len(queries), 'attention')
        attended = attended.transpose(0, 1).reshape(rows.shape)
        return self.norm(rows + self.attn.out_proj(attended))


class FeedForwardLayer(nn.Module):
    """``LN(x + W2 gelu(W1 x))``."""

    def __init__(self, d_model: int, hidden_dim: int) -> None:
        super().__init__()
        # Indices 0 and 3 are the published names; dropout is zero in every released model.
        self.net = nn.Sequential(
            nn.Linear(d_model, hidden_dim),
            nn.GELU(),
            nn.Dropout(0.0),
            nn.Linear(hidden_dim, d_model),
            nn.Dropout(0.0),
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.net(x))
