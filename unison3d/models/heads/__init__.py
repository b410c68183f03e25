"""From query embeddings to class logits."""

from unison3d.models.heads.cosine_classifier import cosine_logits, with_background

__all__ = ['cosine_logits', 'with_background']
