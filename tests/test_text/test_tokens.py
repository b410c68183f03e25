"""Sentences that are tokens already."""

from __future__ import annotations

import pytest
import torch

from unison3d.models.tasks import TextTask
from unison3d.models.text import CachedTextEncoder, TextEncoder
from unison3d.structures import Prompts, SceneSample


class Counting(TextEncoder):
    """One number per sentence, and how many were asked for."""

    name, dim, reads_tokens = 'counting', 1, True

    def __init__(self, reads_tokens: bool = True) -> None:
        self.asked = 0
        self.reads_tokens = reads_tokens

    def _encode(self, phrases: list[str]) -> torch.Tensor:
        self.asked += len(phrases)
        return torch.tensor([[float(len(phrase))] for phrase in phrases])

    def encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        self.asked += len(tokens)
        return tokens.sum(dim=1, keepdim=True).float()


def test_each_row_is_read_once():
    inner = Counting()
    encoder = CachedTextEncoder(inner)
    tokens = torch.tensor([[5, 1, 0], [7, 7, 1], [5, 1, 0]])
    assert encoder.reads_tokens
    assert encoder.encode_tokens(tokens).tolist() == [[6], [15], [6]]
    assert encoder.encode_tokens(tokens[1:]).tolist() == [[15], [6]]
    assert inner.asked == 2
    # A sentence that looks like tokens is a sentence.
    assert encoder.encode(['5 1 0']).tolist() == [[5]]
    assert encoder.encode_tokens(tokens[:0]).shape == (0, 1)


@pytest.mark.parametrize(('reads', 'expected'), [(True, [[6.0]]), (False, [[9.0]])])
def test_the_text_task_prefers_tokens_where_they_are_read(reads, expected):
    task = TextTask(2, 2, embedding_dim=1)
    task._text_encoder = CachedTextEncoder(Counting(reads))
    prompts = Prompts(texts=['the chair'], text_tokens=torch.tensor([[5, 1, 0]]))
    assert task._embeddings(SceneSample(prompts=prompts)).tolist() == expected


def test_as_many_rows_as_sentences():
    with pytest.raises(ValueError, match='2 rows of tokens for 1 sentences'):
        Prompts(texts=['the chair'], text_tokens=torch.zeros(2, 3, dtype=torch.int64))
