"""Compute every phrase once: a memory, and a file next to it when asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write
from unison3d.models.text.bank import TextBank
from unison3d.models.text.base import TextEncoder
from unison3d.registry import TEXT_ENCODERS


@TEXT_ENCODERS.register_module()
class CachedTextEncoder(TextEncoder):
    """Wraps an encoder with a memory and, optionally, a folder of files.

    A call looks in the memory, then for a file named by the hash of the encoder and of the phrases
    still missing, and only then encodes. A training run that asks for the same vocabulary again
    starts without loading a language model.

    Args:
        encoder: the encoder to ask, or its config.
        cache_dir: folder for the files. None keeps the vectors in memory only.
        max_phrases: phrases kept in memory; the oldest is forgotten first. 16384 phrases of 384
            numbers take 25 MB.
    """

    def __init__(
        self,
        encoder: TextEncoder | dict,
        cache_dir: str | Path | None = None,
        *,
        max_phrases: int = 16384,
    ) -> None:
        self._encoder = TEXT_ENCODERS.build(encoder) if isinstance(encoder, dict) else encoder
        self._cache_dir = Path(cache_dir) if cache_dir is not None else None
        self._max_phrases = max_phrases
        self._memory: dict[str, Tensor] = {}

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def dim(self) -> int:
        return self._encoder.dim

    @property
    def unit_rows(self) -> bool:
        return self._encoder.unit_rows

    @property
    def reads_tokens(self) -> bool:
        return self._encoder.reads_tokens

    @property
    def reads_words(self) -> bool:
        return self._encoder.reads_words

    def canonical(self, phrase: str) -> str:
        return self._encoder.canonical(phrase)

    @property
    def encoder(self) -> TextEncoder:
        """The wrapped encoder."""
        return self._encoder

    def _encode(self, phrases: list[str]) -> Tensor:
        return torch.stack(
            self._recall([self.canonical(phrase) for phrase in phrases], self._fetch)
        )

    def _encode_words(self, phrases: list[str]) -> list[Tensor]:
        """Memory only, in half precision: the words of a sentence take as much as ten sentences."""
        # Capital letters: no canonical phrase can be the same.
        keys = [f'WORDS {self.canonical(phrase)}' for phrase in phrases]

        def fetch(missing: list[str]) -> list[Tensor]:
            words = self._encoder._encode_words([key.removeprefix('WORDS ') for key in missing])
            return [states.half() for states in words]

        return [states.float() for states in self._recall(keys, fetch)]

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """Rows of token ids, int64 (T, L), where the wrapped encoder reads them; memory only."""
        if len(tokens) == 0:
            return torch.zeros(0, self.dim)
        # Capital letters: no canonical phrase can be the same.
        keys = [' '.join(['TOKENS', *map(str, row)]) for row in tokens.tolist()]
        return torch.stack(
            self._recall(
                keys,
                lambda missing: self._encoder.encode_tokens(
                    torch.tensor([[int(token) for token in key.split()[1:]] for key in missing])
                ),
            )
        )

    def _recall(
        self, keys: list[str], fetch: Callable[[list[str]], Iterable[Tensor]]
    ) -> list[Tensor]:
        found = {key: self._memory[key] for key in keys if key in self._memory}
        missing = sorted(set(keys) - set(found))
        if missing:
            found.update(zip(missing, fetch(missing), strict=True))
        self._remember(found)
        return [found[key] for key in keys]

    def _fetch(self, phrases: list[str]) -> Tensor:
        if self._cache_dir is None:
            return self._encoder.encode(phrases)
        path = self._cache_dir / f'{self._key(phrases)}.npz'
        if path.exists():
            try:
                bank = TextBank.read(path)
            except FileFormatError:
                # A cache may be thrown away at any time; a damaged file is simply made again.
                bank = None
            if bank is not None and self._answers(bank, phrases):
                return bank.embeddings
        bank = TextBank(
            tuple(phrases), self._encoder.encode(phrases), self.name, unit_rows=self.unit_rows
        )
        with atomic_write(path) as file:
            file.write(bank.to_bytes())
        # Read back, so that the first run and the second see the same rounded numbers.
        return TextBank.read(path).embeddings

    def _answers(self, bank: TextBank, phrases: list[str]) -> bool:
        return (
            bank.model == self.name
            and bank.unit_rows == self.unit_rows
            and list(bank.names) == phrases
            and bank.embeddings.shape[1] == self.dim
        )

    def _key(self, phrases: list[str]) -> str:
        content = json.dumps([self.name, phrases], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def _remember(self, vectors: dict[str, Tensor]) -> None:
        for key, vector in vectors.items():
            # Taking it out first moves the phrase to the young end.
            self._memory.pop(key, None)
            self._memory[key] = vector
        while len(self._memory) > self._max_phrases:
            del self._memory[next(iter(self._memory))]
