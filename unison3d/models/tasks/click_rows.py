"""Rows of the click task: one per click and per box."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unison3d.errors import PromptError
from unison3d.models.scene_batch import SceneFeatures
from unison3d.models.text import TextEncoder
from unison3d.registry import TEXT_ENCODERS
from unison3d.structures import Prompts, points_in_boxes

# Edges of boxes are at least this long in metres where their logarithm is taken.
_MIN_EDGE = 0.01


@dataclass(frozen=True)
class RowLayout:
    """What the rows of one scene stand for: P clicks, then B boxes.

    Attributes:
        objects: int64, (R,). Object of each row.
        positive: bool, (R,). Row says "this"; True for boxes.
        superpoints: int64, (R,). Superpoint clicked, -1 for boxes.
    """

    objects: Tensor
    positive: Tensor
    superpoints: Tensor

    @classmethod
    def of(cls, prompts: Prompts) -> RowLayout:
        """The layout for some prompts."""
        boxed = prompts.box_objects
        return cls(
            torch.cat([prompts.click_objects, boxed]),
            torch.cat([prompts.click_positive, torch.ones_like(boxed, dtype=torch.bool)]),
            torch.cat([prompts.click_superpoints, torch.full_like(boxed, -1)]),
        )

    def allowed(self) -> Tensor:
        """bool, (R, R): the rows of an object see each other."""
        return self.objects[:, None] == self.objects[None]


def box_shares(features: SceneFeatures, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Points of each superpoint inside each box.

    Args:
        features: S superpoints.
        boxes: float32, (B, 7), see :class:`Prompts`.
        margin: metres, added on every side.

    Returns:
        float32, (B, S), counts.
    """
    inside = points_in_boxes(features.points, boxes, margin).float()
    counts = inside.new_zeros(len(boxes), features.num_superpoints)
    return counts.index_add_(1, features.superpoints, inside)


def box_content(features: SceneFeatures, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean feature and place of what lies in each box.

    Args:
        features: one scene.
        boxes: float32, (B, 7).

    Returns:
        (B, C), zero for a box without points, and float32 (B, 3), NaN for one.
    """
    counts = box_shares(features, boxes)
    total = counts.sum(dim=1, keepdim=True)
    share = (counts / total.clamp(min=1)).to(features.superpoint_features.dtype)
    places = torch.where(total > 0, counts @ features.positions / total, float('nan'))
    return share @ features.superpoint_features, places


class BoxEmbedding(nn.Module):
    """Size and direction of a box as an offset of its query; zero before training.

    Args:
        d_model: width of the decoder.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(8, d_model), nn.ReLU(), nn.Linear(d_model, d_model))
        nn.init.zeros_(self.mlp[2].weight)
        nn.init.zeros_(self.mlp[2].bias)

    def forward(self, boxes: Tensor) -> Tensor:
        """float32 (B, 7) to (B, d_model)."""
        size = boxes[:, 3:6]
        # Half a turn gives the same box.
        turn = 2 * boxes[:, 6:]
        numbers = [size, size.clamp(min=_MIN_EDGE).log(), turn.cos(), turn.sin()]
        return self.mlp(torch.cat(numbers, dim=1))


class SentenceOffset(nn.Module):
    """A sentence about an object as an offset of its queries; zero before training.

    Args:
        d_model: width of the decoder.
        embedding_dim: width of a sentence embedding, E.
        text_encoder: config of the encoder for sentences that come without an embedding.
    """

    def __init__(self, d_model: int, embedding_dim: int, text_encoder: dict | None = None) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.text_encoder_config = text_encoder
        self._text_encoder: TextEncoder | None = None
        self.projection = nn.Linear(embedding_dim, d_model)
        nn.init.zeros_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def forward(self, prompts: Prompts) -> Tensor:
        """(O, d_model), zero for objects without a sentence."""
        chosen = prompts.click_texts
        offsets = self.projection.weight.new_zeros(prompts.num_objects, len(self.projection.weight))
        if chosen is None or not bool((chosen >= 0).any()):
            return offsets
        described = torch.nonzero(chosen >= 0)[:, 0]
        embeddings = self._embeddings(prompts).to(offsets)
        return offsets.index_copy(0, described, self.projection(embeddings[chosen[described]]))

    def _embeddings(self, prompts: Prompts) -> Tensor:
        if prompts.text_embeddings is not None:
            return prompts.text_embeddings
        if self._text_encoder is None:
            if self.text_encoder_config is None:
                raise PromptError(
                    'the click task has no text encoder, so a sentence at a click needs '
                    f'prompts.text_embeddings of width {self.embedding_dim}'
                )
            # Built on first use: a language model is only loaded when somebody asks a sentence.
            self._text_encoder = TEXT_ENCODERS.build(self.text_encoder_config)
        return self._text_encoder.encode(prompts.texts)
