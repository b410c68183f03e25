"""The query decoder that every task shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unison3d.errors import ConfigError
from unison3d.models.decoders.attention import AttentionLayer, FeedForwardLayer
from unison3d.models.decoders.query_selection import answering_queries, select_queries
from unison3d.registry import MODELS


@dataclass
class SceneMemory:
    """What the decoder keeps of a scene: computed once, read by every query.

    Attributes:
        mask_features: (S, D). A mask logit is the product of a query with one of these.
        keys_values: per layer, keys and values, each (heads, S, D / heads).
    """

    mask_features: Tensor
    keys_values: list[tuple[Tensor, Tensor]]

    @property
    def num_superpoints(self) -> int:
        """Number of superpoints, S."""
        return len(self.mask_features)


@dataclass
class LayerOutput:
    """What the decoder says after one of its layers (or before the first).

    Attributes:
        embeddings: (Q, D) normalised queries.
        mask_logits: (Q, S).
        class_embeddings: (Q, E) in the space of the text embeddings, not normalised; None where
            it was not asked for.
        semantic_embeddings: (Q, E), last layer only; (S, E) of rows with ``max_rows``, whose other
            fields are those of the Q rows that stayed.
    """

    embeddings: Tensor
    mask_logits: Tensor
    class_embeddings: Tensor | None = None
    semantic_embeddings: Tensor | None = None

    def float(self) -> LayerOutput:
        """The same output in float32."""
        return LayerOutput(
            self.embeddings.float(),
            self.mask_logits.float(),
            None if self.class_embeddings is None else self.class_embeddings.float(),
            None if self.semantic_embeddings is None else self.semantic_embeddings.float(),
        )

    def rows(self, index: slice) -> LayerOutput:
        """The same output for some of the queries."""

        def take(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[index]

        return LayerOutput(
            self.embeddings[index],
            self.mask_logits[index],
            take(self.class_embeddings),
            take(self.semantic_embeddings),
        )


@dataclass
class QueryBlock:
    """Rows of one task.

    Attributes:
        features: (R, C_in), or (R, D) for a decoder that does not project them.
        allowed: bool, (R, R). True where a row may attend to another row of the block; None
            allows all. Rows of different blocks never see each other.
        positions: (R, 3) metres relative to the scene's centre, NaN rows where a query has no
            place (a sentence). Used by decoders with a position encoding.
        offset: (R, D) added after the projection to the decoder's width, for what does not fit
            through ``C_in`` channels; None adds nothing.
        max_rows: the rows stand for the superpoints of the scene in order, and at most this many
            are decoded where only the last layer is asked for; see :func:`select_queries`. The
            semantic embedding of a superpoint whose row left is that of the most similar one.
            None decodes all.
    """

    features: Tensor
    allowed: Tensor | None = None
    positions: Tensor | None = None
    offset: Tensor | None = None
    max_rows: int | None = None


def pool_mask_features(mask_logits: Tensor, mask_features: Tensor) -> Tensor:
    """Mean mask feature of the superpoints a query claims.

    The choice ``logit > 0`` carries no gradient; gradients flow through the features.

    Args:
        mask_logits: (Q, S).
        mask_features: (S, D).

    Returns:
        (Q, D), zero for a query that claims nothing.
    """
    claimed = (mask_logits.detach() > 0).to(mask_features.dtype)
    return claimed @ mask_features / (claimed.sum(dim=1, keepdim=True) + 1e-8)


class FourierPositionEncoding(nn.Module):
    """Positions in metres to vectors: sines of log-spaced wavelengths and a small MLP.

    Args:
        d_model: width of the result.
        num_frequencies: wavelengths per axis, from 16 m halving down.
    """

    def __init__(self, d_model: int, num_frequencies: int = 7) -> None:
        super().__init__()
        wavelengths = 16.0 / 2.0 ** torch.arange(num_frequencies)
        self.register_buffer('angular', 2 * math.pi / wavelengths, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(6 * num_frequencies, d_model), nn.ReLU(), nn.Linear(d_model, d_model)
        )

    def forward(self, positions: Tensor) -> Tensor:
        """(R, 3) to (R, d_model); rows that are NaN give zeros."""
        placed = positions.isfinite().all(dim=1, keepdim=True)
        phase = torch.where(placed, positions, 0.0)[:, :, None] * self.angular
        waves = torch.cat([phase.sin(), phase.cos()], dim=2).flatten(1)
        return torch.where(placed, self.mlp(waves), 0.0)


@MODELS.register_module()
class UnifiedDecoder(nn.Module):
    """Masked-attention decoder from query features to masks and text-space embeddings.

    Each layer: masked cross-attention to the superpoints, self-attention inside each block of
    rows, feed-forward; post-norm. A query may look at the superpoints its current mask gives at
    least probability 0.5, or everywhere if there are none.

    Args:
        in_channels: width of superpoint and query features.
        d_model: width inside.
        num_heads: attention heads.
        num_layers: layers, L.
        hidden_dim: width of the feed-forward layers.
        embedding_dim: width of the text embeddings, E. None leaves out the layers that lead there,
            for tasks that classify otherwise (OneFormer3D).
        project_queries: project queries from ``in_channels`` to ``d_model``. False takes rows that
            have ``d_model`` already (learned queries).
        position_encoding: add encoded positions to keys, queries and mask features. False is
            the published model, whose positions come only from its xyz input channels.

    Source:
        UniSeg3D (arXiv:2407.03263), Sec. 3; masks as in Mask2Former (arXiv:2112.01527).
    """

    def __init__(
        self,
        in_channels: int = 32,
        d_model: int = 256,
        num_heads: int = 8,
        num_layers: int = 6,
        hidden_dim: int = 1024,
        embedding_dim: int | None = 768,
        project_queries: bool = True,
        position_encoding: bool = False,
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.num_layers = num_layers
        self.input_proj = nn.Sequential(
            nn.Linear(in_channels, d_model), nn.LayerNorm(d_model), nn.ReLU()
        )
        self.query_proj = _mlp(in_channels, d_model, d_model) if project_queries else None
        self.x_mask = _mlp(in_channels, d_model, d_model)
        self.cross_attn_layers = nn.ModuleList(
            AttentionLayer(d_model, num_heads) for _ in range(num_layers)
        )
        self.self_attn_layers = nn.ModuleList(
            AttentionLayer(d_model, num_heads) for _ in range(num_layers)
        )
        self.ffn_layers = nn.ModuleList(
            FeedForwardLayer(d_model, hidden_dim) for _ in range(num_layers)
        )
        self.out_norm = nn.LayerNorm(d_model)
        self.has_text_space = embedding_dim is not None
        if self.has_text_space:
            self.cls_proj = _mlp(d_model, d_model, d_model, embedding_dim)
            self.cls_proj_sem = _mlp(d_model, d_model, d_model, embedding_dim)
            self.mask_pooling_proj = nn.Sequential(
                nn.LayerNorm(d_model), nn.Linear(d_model, d_model)
            )
            self.mask_pooling_proj_sem = nn.Sequential(
                nn.LayerNorm(d_model), nn.Linear(d_model, d_model)
            )
        self.position_encoding = (
            nn.ModuleDict(
                {name: FourierPositionEncoding(d_model) for name in ('key', 'query', 'mask')}
            )
            if position_encoding
            else None
        )
        for layer in self.cross_attn_layers:
            for parameter in layer.attn.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)

    def encode(self, superpoint_features: Tensor, positions: Tensor | None = None) -> SceneMemory:
        """Project the superpoints of one scene.

        Args:
            superpoint_features: (S, C_in).
            positions: (S, 3) metres relative to the scene's centre; needed by a decoder with a
                position encoding.
        """
        keys = self.input_proj(superpoint_features)
        mask_features = self.x_mask(superpoint_features)
        if self.position_encoding is not None:
            keys = keys + self.position_encoding['key'](positions)
            mask_features = mask_features + self.position_encoding['mask'](positions)
        keys_values = []
        for layer in self.cross_attn_layers:
            projected = layer.project(keys)
            # Head by head in memory: a few queries then read them at twice the rate.
            keys_values.append(tuple(part.contiguous() for part in projected))
        return SceneMemory(mask_features, keys_values)

    def forward(
        self, memory: SceneMemory, blocks: list[QueryBlock], *, all_layers: bool = True
    ) -> list[list[LayerOutput]]:
        """Decode the rows of all blocks together.

        Args:
            memory: from :meth:`encode`.
            blocks: rows by task; a block may be empty.
            all_layers: also predict classes before the last layer (training).

        Returns:
            For every block the outputs before layer 1 and after each layer, L + 1 in all
            (with ``all_layers=False`` only the last).
        """
        queries = torch.cat([self._project(block) for block in blocks])
        if self.position_encoding is not None:
            positions = torch.cat([block.positions for block in blocks])
            queries = queries + self.position_encoding['query'](positions)
        slices = _slices([len(block.features) for block in blocks])
        # By block, the row that gives each superpoint its semantic embedding.
        answering: dict[int, Tensor] = {}
        if not all_layers:
            parts = [queries[rows] for rows in slices]
            for place, block in enumerate(blocks):
                if block.max_rows is not None and len(parts[place]) > block.max_rows:
                    kept, answering[place] = self._select(parts[place], block.max_rows, memory)
                    parts[place] = parts[place][kept]
            if answering:
                queries, slices = torch.cat(parts), _slices([len(part) for part in parts])
        output = self._predict(queries, memory, with_classes=all_layers, last=False)
        outputs = [output] if all_layers else []
        for index in range(self.num_layers):
            queries = self.cross_attn_layers[index](
                queries, memory.keys_values[index], attention_mask(output.mask_logits)
            )
            queries = torch.cat(
                [
                    self._attend_inside(index, queries[rows], block.allowed)
                    for rows, block in zip(slices, blocks, strict=True)
                ]
            )
            queries = self.ffn_layers[index](queries)
            last = index == self.num_layers - 1
            output = self._predict(queries, memory, with_classes=all_layers or last, last=last)
            if all_layers or last:
                outputs.append(output)
        by_block = [[output.rows(rows) for output in outputs] for rows in slices]
        for place, rows in answering.items():
            final = by_block[place][-1]
            final.semantic_embeddings = final.semantic_embeddings[rows]
        return by_block

    def _project(self, block: QueryBlock) -> Tensor:
        queries = block.features
        if self.query_proj is not None:
            queries = self.query_proj(queries)
        return queries if block.offset is None else queries + block.offset

    def _select(self, queries: Tensor, max_rows: int, memory: SceneMemory) -> tuple[Tensor, Tensor]:
        """Rows that are decoded, int64 (Q,), and which of them answers for each row, int64 (S,)."""
        if not self.has_text_space:
            raise ConfigError(
                'max_rows needs the semantic embeddings of a decoder with embedding_dim. Leave out '
                'max_queries_test.'
            )
        embeddings = self.out_norm(queries)
        kept = select_queries(embeddings @ memory.mask_features.t(), max_rows)
        return kept, answering_queries(embeddings, kept)

    def _attend_inside(self, index: int, rows: Tensor, allowed: Tensor | None) -> Tensor:
        if len(rows) == 0:
            return rows
        return self.self_attn_layers[index].attend_inside(rows, allowed)

    def _predict(
        self, queries: Tensor, memory: SceneMemory, *, with_classes: bool, last: bool
    ) -> LayerOutput:
        embeddings = self.out_norm(queries)
        mask_logits = embeddings @ memory.mask_features.t()
        output = LayerOutput(embeddings, mask_logits)
        if with_classes and self.has_text_space:
            pooled = pool_mask_features(mask_logits, memory.mask_features)
            output.class_embeddings = self.cls_proj(self.mask_pooling_proj(pooled) + embeddings)
            if last:
                output.semantic_embeddings = self.cls_proj_sem(
                    self.mask_pooling_proj_sem(pooled) + embeddings
                )
        return output


def attention_mask(mask_logits: Tensor) -> Tensor:
    """Superpoints each query may look at next: bool, (Q, S), no row without any.

    The test is ``sigmoid(logit) >= 0.5`` in float32, which keeps logits of exactly zero open.
    """
    allowed = mask_logits.detach().float().sigmoid() >= 0.5
    return allowed | ~allowed.any(dim=1, keepdim=True)


def _slices(sizes: list[int]) -> list[slice]:
    """Where parts of these sizes lie when they follow each other."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for in_width, out_width in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(in_width, out_width), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
