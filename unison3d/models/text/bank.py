"""Vectors computed beforehand: a small file, no language model.

File format (``.npz``, no pickles):

==================  =======================  ==================================================
field               type                     meaning
==================  =======================  ==================================================
``schema_version``  int64, ()                1: unit vectors; 2: vectors of any length
``model``           str, ()                  :attr:`TextEncoder.name` of the encoder
``template``        str, ()                  how a name became a sentence; ``{}`` is the name
``names``           str, (L,)                phrases, canonical and unique
``embeddings``      float16 or 32, (L, D)    one vector per name; of schema 1 made unit length
                                             when read
==================  =======================  ==================================================
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import FileFormatError, VocabularyError, install_line
from unison3d.io.npy import read_npz_arrays
from unison3d.models.text.base import TextEncoder, canonical_phrase
from unison3d.registry import TEXT_ENCODERS

DEFAULT_BANK = Path(__file__).parent / 'banks' / 'minilm_l6.npz'
_UNIT_ROWS, _ANY_ROWS = 1, 2
#: Number of axes and kind of type of the fields that a bank must have.
_FIELD_KINDS = {
    'schema_version': (0, 'i'),
    'model': (0, 'U'),
    'names': (1, 'U'),
    'embeddings': (2, 'f'),
}


@dataclass(frozen=True)
class TextBank:
    """The content of a bank file.

    Args:
        names: L canonical phrases.
        embeddings: float32, (L, D).
        model: name of the encoder that made the vectors.
        template: the sentence around a name; ``'{}'`` is the bare name.
        unit_rows: whether the vectors have length one. Written as float16 they lose nothing that
            a cosine would show; vectors of any length are written as float32.
    """

    names: tuple[str, ...]
    embeddings: Tensor
    model: str
    template: str = '{}'
    unit_rows: bool = True

    @classmethod
    def read(cls, path: str | Path) -> TextBank:
        """Read a bank file.

        Raises:
            FileFormatError: the file is missing, is no bank, or contradicts itself.
        """
        path = Path(path)
        if not path.exists():
            raise FileFormatError(
                f'{path}: this text bank does not exist. Give the path of an .npz file made by '
                'tools/make_text_bank.py, or leave it out to use the one that ships.'
            )
        try:
            fields = read_npz_arrays(path)
        except FileFormatError as error:
            raise FileFormatError(f'{path}: not a text bank ({error})') from error
        missing = set(_FIELD_KINDS) - set(fields)
        if missing:
            raise FileFormatError(
                f'{path}: not a text bank, the fields {sorted(missing)} are missing. '
                'Make it with tools/make_text_bank.py.'
            )
        kinds = {key: (fields[key].ndim, fields[key].dtype.kind) for key in _FIELD_KINDS}
        if kinds != _FIELD_KINDS:
            raise FileFormatError(
                f'{path}: not a text bank, its fields have axes and types {kinds}, expected '
                f'{_FIELD_KINDS}. Make it with tools/make_text_bank.py.'
            )
        version = int(fields['schema_version'])
        if version not in (_UNIT_ROWS, _ANY_ROWS):
            raise FileFormatError(
                f'{path}: text bank of schema version {version}, expected {_UNIT_ROWS} or '
                f'{_ANY_ROWS}. '
                'Make it again with tools/make_text_bank.py.'
            )
        names = tuple(str(name) for name in fields['names'])
        with np.errstate(over='ignore'):
            embeddings = fields['embeddings'].astype(np.float32)
        if len(embeddings) != len(names) or not np.isfinite(embeddings).all():
            raise FileFormatError(
                f'{path}: {len(names)} names and embeddings of shape {embeddings.shape}, expected '
                'one row of finite numbers per name.'
            )
        if len(set(names)) != len(names):
            raise FileFormatError(f'{path}: a name occurs twice, expected unique names.')
        vectors = torch.from_numpy(embeddings)
        return cls(
            names=names,
            embeddings=F.normalize(vectors, dim=-1) if version == _UNIT_ROWS else vectors,
            model=str(fields['model']),
            template=str(fields.get('template', '{}')),
            unit_rows=version == _UNIT_ROWS,
        )

    def to_bytes(self) -> bytes:
        """The file as bytes; the same bank gives the same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            schema_version=np.int64(_UNIT_ROWS if self.unit_rows else _ANY_ROWS),
            model=np.array(self.model),
            template=np.array(self.template),
            names=np.array(self.names, dtype=np.str_),
            embeddings=self.embeddings.numpy().astype(np.float16 if self.unit_rows else np.float32),
        )
        return buffer.getvalue()


@TEXT_ENCODERS.register_module()
class EmbeddingBankEncoder(TextEncoder):
    """Answers from a bank and asks another encoder for the rest.

    Args:
        path: bank file. Defaults to the shipped bank of class names.
        fallback: encoder for phrases that the bank does not hold, or its config. Its name must be
            the one in the bank, otherwise the two kinds of vectors could not be compared.
    """

    def __init__(
        self, path: str | Path = DEFAULT_BANK, *, fallback: TextEncoder | dict | None = None
    ) -> None:
        self._bank = TextBank.read(path)
        self._rows = {name: row for row, name in enumerate(self._bank.names)}
        self._fallback = TEXT_ENCODERS.build(fallback) if isinstance(fallback, dict) else fallback
        if self._fallback is not None and self._fallback.name != self._bank.model:
            raise VocabularyError(
                f'{path}: vectors of {self._bank.model!r}, while the fallback encoder is '
                f'{self._fallback.name!r}. Expected the same model for both.'
            )

    @property
    def name(self) -> str:
        return self._bank.model

    @property
    def dim(self) -> int:
        return self._bank.embeddings.shape[1]

    @property
    def unit_rows(self) -> bool:
        return self._bank.unit_rows

    @property
    def reads_words(self) -> bool:
        return self._fallback is not None and self._fallback.reads_words

    def _encode_words(self, phrases: list[str]) -> list[Tensor]:
        return self._fallback._encode_words(phrases)

    @property
    def names(self) -> tuple[str, ...]:
        """The phrases that the bank itself holds."""
        return self._bank.names

    def __contains__(self, phrase: str) -> bool:
        return canonical_phrase(phrase) in self._rows

    def _encode(self, phrases: list[str]) -> Tensor:
        keys = [canonical_phrase(phrase) for phrase in phrases]
        unknown = [row for row, key in enumerate(keys) if key not in self._rows]
        if unknown and self._fallback is None:
            raise self._unknown_name(phrases[unknown[0]])
        vectors = torch.empty(len(phrases), self.dim)
        for row, key in enumerate(keys):
            if key in self._rows:
                vectors[row] = self._bank.embeddings[self._rows[key]]
        if unknown:
            vectors[unknown] = self._fallback.encode([phrases[row] for row in unknown])
        return vectors

    def _unknown_name(self, phrase: str) -> VocabularyError:
        close: Sequence[str] = difflib.get_close_matches(canonical_phrase(phrase), self._rows)
        hint = f' Close names: {", ".join(close)}.' if close else ''
        return VocabularyError(
            f'Text bank: {phrase!r} is not among its {len(self._rows)} names.{hint} '
            f'Use a known name, or an encoder for free text: {install_line("text")}'
        )
