"""Classification by cosine similarity to text embeddings."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

# The fixed factor on the cosine in the released models.
PUBLISHED_SCALE = math.exp(4.6052)


def cosine_logits(embeddings: Tensor, prototypes: Tensor, scale: float) -> Tensor:
    """Similarity of every query to every class.

    Args:
        embeddings: (Q, E), any length.
        prototypes: (K, P, E), used as stored (unit vectors, unless a class should be damped or,
            with a zero vector, have logit 0). The best of the P prototypes of a class counts.
        scale: factor on the cosine.

    Returns:
        (Q, K).

    Source:
        The open-vocabulary class head of OMG-Seg (arXiv:2401.10229) as used by UniSeg3D.
    """
    num_classes, num_prototypes, dim = prototypes.shape
    unit = F.normalize(embeddings, dim=1)
    similarity = unit @ prototypes.reshape(-1, dim).t()
    return scale * similarity.view(-1, num_classes, num_prototypes).amax(dim=2)


def with_background(logits: Tensor) -> Tensor:
    """Append a column of zeros: the logit of a background whose prototype is the zero vector."""
    return F.pad(logits, (0, 1))
