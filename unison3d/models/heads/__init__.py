"""From query embeddings to class logits."""

from unison3d.models.heads.cosine_classifier import (
    PUBLISHED_SCALE,
    cosine_logits,
    with_background,
)
from unison3d.models.heads.linear_classifier import LinearClassifier

__all__ = ['PUBLISHED_SCALE', 'LinearClassifier', 'cosine_logits', 'with_background']
