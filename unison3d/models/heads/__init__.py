"""From query embeddings to class logits."""

from unison3d.models.heads.cosine_classifier import (
    PUBLISHED_SCALE,
    cosine_logits,
    with_background,
)

__all__ = ['PUBLISHED_SCALE', 'cosine_logits', 'with_background']
