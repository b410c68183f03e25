"""Which objects of a scene does a sentence mean? Words and objects attend to each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison3d.models.scene_objects import SceneObjects
from unison3d.models.text import WordStates

#: Numbers that :func:`pair_relations` gives for a pair.
NUM_RELATIONS = 10
#: Longer sentences are read up to here.
MAX_WORDS = 48
# Edges of boxes count as at least this long, in metres.
_MIN_EDGE = 0.05
_HEIGHT_WAVES = 7
_CLASS_SCALE = 8.0


def pair_relations(centers: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """How each object lies to each other one: nearness, above and below, larger, overlap.

    All of it is the same for a scene that is turned about z, apart from the boxes that follow
    the axes.

    Args:
        centers: float, (N, 3), metres.
        low: float, (N, 3). Lowest corners of the boxes.
        high: float, (N, 3). Highest corners.

    Returns:
        float, (N, N, NUM_RELATIONS). Entry ``[i, j]`` describes ``j`` as seen from ``i``: distance
        of the centres (in 3 m), its exponential fall, the same on the floor plan with half the
        reach, height of the centre, gap between the boxes on the floor plan (in 2 m), its fall,
        height of the bottom over the other's top, ratio of the volumes (logarithm over 3), share
        of the floor plan of ``i`` that ``j`` covers, and 1 for an object and itself.
    """
    shift = centers[None] - centers[:, None]
    distance = shift.norm(dim=-1)
    on_plan = shift[..., :2].norm(dim=-1)
    size = (high - low).clamp(min=_MIN_EDGE)
    gap = torch.maximum(low[None] - high[:, None], low[:, None] - high[None])[..., :2]
    gap_on_plan = gap.clamp(min=0).norm(dim=-1)
    volume = size.log().sum(dim=-1)
    ends = torch.minimum(high[None], high[:, None]) - torch.maximum(low[None], low[:, None])
    shared = ends[..., :2].clamp(min=0).prod(dim=-1) / size[:, None, :2].prod(dim=-1)
    return torch.stack(
        [
            distance / 3,
            (-distance).exp(),
            (-2 * on_plan).exp(),
            shift[..., 2],
            gap_on_plan.clamp(max=4) / 2,
            (-3 * gap_on_plan).exp(),
            (low[None, :, 2] - high[:, None, 2]).clamp(-2, 2),
            (volume[None] - volume[:, None]) / 3,
            shared.clamp(max=1),
            torch.eye(len(centers), device=centers.device),
        ],
        dim=-1,
    )


class _WordAttention(nn.Module):
    """Objects look at words; post-norm."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, words: Tensor, valid: Tensor) -> Tensor:
        """(T, N, D), (T, W, D) and bool (T, W) to (T, N, D)."""
        query = self.query(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        pairs = self.key_value(words).unflatten(-1, (2, self.num_heads, -1))
        key, value = pairs.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=valid[:, None, None])
        return self.norm(x + self.out(seen.transpose(1, 2).flatten(2)))


class _RelationAttention(nn.Module):
    """Objects look at each other, where the words of the sentence send them; post-norm.

    The logit of a pair is the usual product plus its relations weighted by numbers that the
    looking object makes of what it has read ("next to the table" weighs nearness).
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.weights = nn.Linear(width, num_heads * NUM_RELATIONS)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, relations: Tensor) -> Tensor:
        """(T, N, D) and (N, N, NUM_RELATIONS) to (T, N, D)."""
        triples = self.query_key_value(x).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = triples.permute(2, 0, 3, 1, 4)
        weights = self.weights(x).unflatten(-1, (self.num_heads, NUM_RELATIONS))
        bias = torch.einsum('tnhr,nmr->thnm', weights, relations)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.norm(x + self.out(seen.transpose(1, 2).flatten(2)))


class _FeedForward(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.net(x))


@dataclass
class SeenObjects:
    """What a reader makes of the objects of a scene, whatever the sentence.

    Attributes:
        tokens: (N, D), D the width of the reader.
        relations: (N, N, NUM_RELATIONS), from :func:`pair_relations`.
    """

    tokens: Tensor
    relations: Tensor


class SentenceReader(nn.Module):
    """Score every object of a scene for every sentence.

    An object is one token: its decoder embedding, the name the decoder would give it, backbone
    features, colour and height, size, and mask quality. Each layer lets the objects read the words
    and then compare themselves with each other, see :class:`_RelationAttention`. Sentences do not
    see each other, and the order of the objects does not matter.

    Args:
        in_channels: width of superpoint features, C.
        d_model: width of the decoder, D.
        embedding_dim: width of the class embeddings and of the word states, E.
        input_channels: channels of the backbone's input, C_in.
        width: of the reader.
        num_heads: attention heads.
        num_layers: layers.
        dropout: in training, on object tokens and inside the feed-forward layers.
        word_dropout: in training, share of the words that are not read, against learning the
            sentences by heart.

    Source:
        Pairwise spatial attention as in ViL3DRel (arXiv:2211.09646), with more relations.
    """

    def __init__(
        self,
        in_channels: int,
        d_model: int,
        embedding_dim: int,
        input_channels: int,
        width: int = 128,
        num_heads: int = 8,
        num_layers: int = 3,
        dropout: float = 0.1,
        word_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        self.embedding_norm = nn.LayerNorm(d_model)
        numbers = d_model + embedding_dim + in_channels + 2 * input_channels
        numbers += 1 + 6 + 2 * _HEIGHT_WAVES
        self.object_proj = nn.Sequential(
            nn.Linear(numbers, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
            nn.LayerNorm(width),
        )
        self.word_proj = nn.Sequential(nn.Linear(embedding_dim, width), nn.LayerNorm(width))
        self.word_position = nn.Embedding(MAX_WORDS, width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    'words': _WordAttention(width, num_heads),
                    'relations': _RelationAttention(width, num_heads),
                    'feed_forward': _FeedForward(width, dropout),
                }
            )
            for _ in range(num_layers)
        )
        self.score = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def look(self, objects: SceneObjects) -> SeenObjects:
        """What every sentence about these objects needs; to be kept between sentences."""
        return SeenObjects(
            self.object_proj(self._numbers(objects)),
            pair_relations(objects.centers, objects.low, objects.high),
        )

    def forward(self, seen: SeenObjects, words: WordStates) -> list[Tensor]:
        """Logits that a sentence means an object, (T, N), after every layer.

        Args:
            seen: from :meth:`look`.
            words: T sentences.
        """
        states, valid = words.states[:, :MAX_WORDS], words.valid[:, :MAX_WORDS]
        if self.training:
            read_at_all = torch.rand(valid.shape, device=valid.device) >= self.word_dropout
            # The first token stands for the whole sentence in language models, and stays.
            read_at_all[:, :1] = True
            valid = valid & read_at_all
        read = self.word_proj(states) + self.word_position.weight[: states.shape[1]]
        tokens = self.dropout(seen.tokens.expand(len(read), -1, -1))
        logits = []
        for layer in self.layers:
            tokens = layer['words'](tokens, read, valid)
            tokens = layer['relations'](tokens, seen.relations)
            tokens = layer['feed_forward'](tokens)
            logits.append(self.score(tokens)[..., 0])
        return logits

    def _numbers(self, objects: SceneObjects) -> Tensor:
        size = objects.high - objects.low
        waves = 2.0 ** torch.arange(_HEIGHT_WAVES, device=size.device) * (math.pi / 4)
        height = objects.centers[:, 2:] * waves
        return torch.cat(
            [
                self.embedding_norm(objects.embeddings),
                _CLASS_SCALE * objects.class_embeddings,
                objects.features,
                objects.input_mean,
                objects.input_std,
                objects.scores[:, None],
                size,
                (size + _MIN_EDGE).log(),
                height.sin(),
                height.cos(),
            ],
            dim=1,
        )
