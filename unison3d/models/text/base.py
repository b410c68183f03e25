"""The interface of everything that turns phrases into vectors."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import ConfigError, PromptError


def canonical_phrase(phrase: str) -> str:
    """Lower case, single spaces, no space at the ends: the key of banks and caches."""
    return ' '.join(phrase.lower().split())


def check_phrases(phrases: Sequence[str]) -> list[str]:
    """Refuse what has no meaning before any model sees it.

    Args:
        phrases: L phrases.

    Returns:
        The phrases as a list, unchanged.

    Raises:
        PromptError: a single string instead of a list, an item that is not a string, or an empty
            phrase.
    """
    if isinstance(phrases, str):
        raise PromptError(
            f'Text: got the single string {phrases!r}, expected a list of phrases. '
            f'Write [{phrases!r}].'
        )
    phrases = list(phrases)
    for row, phrase in enumerate(phrases):
        if not isinstance(phrase, str):
            raise PromptError(
                f'Text: item {row} of {len(phrases)} is a {type(phrase).__name__}, expected a '
                'string. Give one phrase or sentence per item.'
            )
        if not phrase.strip():
            raise PromptError(
                f'Text: sentence {row} of {len(phrases)} is empty, expected at least one word. '
                'Leave it out, or describe the object, for example "the chair next to the table".'
            )
    return phrases


@dataclass(frozen=True)
class WordStates:
    """What a language model says about every word of some sentences, seen in its sentence.

    Attributes:
        states: float32, (L, W, D), padded with zeros. W is the number of tokens of the longest.
        valid: bool, (L, W). False where there is only padding.
    """

    states: Tensor
    valid: Tensor

    def to(self, device: torch.device) -> WordStates:
        """The same on another device."""
        return WordStates(self.states.to(device), self.valid.to(device))

    @classmethod
    def padded(cls, rows: Sequence[Tensor], dim: int) -> WordStates:
        """From the states of each sentence, float (W_i, D)."""
        length = max((len(row) for row in rows), default=0)
        states = torch.zeros(len(rows), length, dim)
        valid = torch.zeros(len(rows), length, dtype=torch.bool)
        for place, row in enumerate(rows):
            states[place, : len(row)] = row
            valid[place, : len(row)] = True
        return cls(states, valid)


class TextEncoder(abc.ABC):
    """Turns phrases into vectors, of length one unless :attr:`unit_rows` says otherwise.

        >>> encoder.encode(['chair', 'the lamp on the desk']).shape
        torch.Size([2, 384])

    Implementations give the same vector for the same phrase, whatever else is in the list.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Identity of the encoder. Vectors of different names must not be compared."""

    @property
    @abc.abstractmethod
    def dim(self) -> int:
        """D, the numbers of a vector."""

    @property
    def unit_rows(self) -> bool:
        """Whether :meth:`encode` gives vectors of length one."""
        return True

    @property
    def reads_tokens(self) -> bool:
        """Whether there is ``encode_tokens``, for sentences that are token ids already."""
        return False

    @property
    def reads_words(self) -> bool:
        """Whether there is :meth:`encode_words`."""
        return False

    def canonical(self, phrase: str) -> str:
        """The key of caches: phrases with the same key have the same vector."""
        return canonical_phrase(phrase)

    def encode(self, phrases: Sequence[str]) -> Tensor:
        """Encode phrases or sentences.

        Args:
            phrases: L strings, none empty. An empty list is allowed.

        Returns:
            float32, (L, D), on the CPU, every row of length one where :attr:`unit_rows` is set.

        Raises:
            PromptError: a phrase is empty or not a string.
            MissingDependencyError: the encoder needs a package that is not installed.
        """
        phrases = check_phrases(phrases)
        if not phrases:
            return torch.zeros(0, self.dim)
        return self._encode(phrases)

    def encode_unit(self, phrases: Sequence[str]) -> Tensor:
        """As :meth:`encode`, always of length one: for comparing by cosine."""
        vectors = self.encode(phrases)
        return vectors if self.unit_rows else F.normalize(vectors, dim=-1)

    def encode_words(self, phrases: Sequence[str]) -> WordStates:
        """Encode every word of phrases or sentences.

        Args:
            phrases: L strings, none empty. An empty list is allowed.

        Raises:
            PromptError: a phrase is empty or not a string.
            ConfigError: the encoder knows whole sentences only.
            MissingDependencyError: the encoder needs a package that is not installed.
        """
        phrases = check_phrases(phrases)
        if not self.reads_words:
            raise ConfigError(
                f'the text encoder {self.name!r} gives one vector per sentence, and this model '
                'reads words. Use one with words, such as MiniLMTextEncoder.'
            )
        return WordStates.padded(self._encode_words(phrases) if phrases else [], self.dim)

    def _encode_words(self, phrases: list[str]) -> list[Tensor]:
        """The states of at least one checked phrase, each float32 (W_i, D)."""
        raise NotImplementedError

    @abc.abstractmethod
    def _encode(self, phrases: list[str]) -> Tensor:
        """Encode at least one checked phrase: float32, (L, D), rows as :attr:`unit_rows` says."""
