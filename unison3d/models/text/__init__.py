"""Phrases to vectors, offline.

A *bank* holds the vectors of known phrases (the class names that ship) and needs nothing but numpy;
free text needs a sentence encoder, the extra ``text``. :func:`default_text_encoder` joins the two:
the bank answers what it knows, and the sentence encoder is loaded when the first other phrase
arrives. The published system reads sentences with the text tower of a CLIP instead:
:class:`ClipTextEncoder`, which needs a weight file.
"""

from __future__ import annotations

from unison3d.models.text.bank import DEFAULT_BANK, EmbeddingBankEncoder, TextBank
from unison3d.models.text.base import TextEncoder, WordStates, canonical_phrase
from unison3d.models.text.cached import CachedTextEncoder
from unison3d.models.text.clip_text import ClipTextEncoder
from unison3d.models.text.clip_tokenizer import ClipTokenizer
from unison3d.models.text.minilm import MiniLMTextEncoder
from unison3d.models.text.prototypes import (
    PUBLISHED_TEMPLATES,
    class_prototypes,
    read_class_prototypes,
)

__all__ = [
    'DEFAULT_BANK',
    'PUBLISHED_TEMPLATES',
    'CachedTextEncoder',
    'ClipTextEncoder',
    'ClipTokenizer',
    'EmbeddingBankEncoder',
    'MiniLMTextEncoder',
    'TextBank',
    'TextEncoder',
    'WordStates',
    'canonical_phrase',
    'class_prototypes',
    'default_text_encoder',
    'read_class_prototypes',
]


def default_text_encoder() -> CachedTextEncoder:
    """The shipped bank first, MiniLM for everything else, each phrase computed once.

    Returns:
        An encoder with ``dim`` 384. Making it reads one small file; MiniLM is loaded only when a
        phrase is asked for that the bank does not hold.
    """
    bank = EmbeddingBankEncoder(DEFAULT_BANK, fallback=MiniLMTextEncoder())
    return CachedTextEncoder(bank)
