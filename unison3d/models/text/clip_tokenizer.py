"""Sentences to the tokens of CLIP: byte-pair encoding with 49,408 entries.

The table of merges ships with the package (``bpe/bpe_simple_vocab_16e6.txt.gz``, made by OpenAI for
CLIP, MIT licence). The vocabulary follows from it, in this order: 256 bytes, the same 256 at the
end of a word, one entry per merge, start of text, end of text.
"""

from __future__ import annotations

import gzip
import html
import re
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import torch
from torch import Tensor

from unison3d.errors import FileFormatError, MissingDependencyError, PromptError

MERGES_FILE = Path(__file__).parent / 'bpe' / 'bpe_simple_vocab_16e6.txt.gz'
VOCAB_SIZE = 49408
START_TOKEN = VOCAB_SIZE - 2
END_TOKEN = VOCAB_SIZE - 1
CONTEXT_LENGTH = 77

_NUM_MERGES = VOCAB_SIZE - 2 * 256 - 2
_MAX_MERGES_BYTES = 16 * 2**20
_MAX_WORD_BYTES = 1000
_WORD_END = '</w>'
# Split off before letters: "it's" is "it" and "'s".
_CONTRACTION = re.compile("'(?:s|t|re|ve|m|ll|d)", re.IGNORECASE)
_STRAIGHT_QUOTES = str.maketrans(
    {
        **dict.fromkeys('\u2018\u2019\u201a\u201b\u02bc', "'"),
        **dict.fromkeys('\u201c\u201d\u201e\u201f', '"'),
    }
)


class ClipTokenizer:
    """Turns sentences into token arrays as the published models were trained with.

    Text is lower-cased and split into words; a word into the bytes of UTF-8; then the pair of
    neighbours that comes first in the table is joined, again and again. The names of the two
    special tokens have no meaning inside of a sentence.

    Args:
        repair: repair text that went through wrong encodings, with the package ``ftfy``, as CLIP
            does. Otherwise only curly quotes are made straight and accents are composed, which is
            all that happens to text that was never damaged.
        merges_file: the table of merges; read when the first sentence arrives.
    """

    def __init__(self, *, repair: bool = False, merges_file: str | Path = MERGES_FILE) -> None:
        self.repair = repair
        self._merges_file = Path(merges_file)

    def __call__(self, sentences: Sequence[str], context_length: int = CONTEXT_LENGTH) -> Tensor:
        """Tokens of sentences.

        Args:
            sentences: T strings.
            context_length: L. A longer sentence is cut, and its last token is the end.

        Returns:
            int64, (T, L): start, the sentence, end, zeros.

        Raises:
            PromptError: a word is longer than any word.
            MissingDependencyError: ``repair``, and ftfy is not installed.
        """
        tokens = torch.zeros(len(sentences), context_length, dtype=torch.int64)
        for row, sentence in enumerate(sentences):
            found = [START_TOKEN, *self.encode(sentence), END_TOKEN][:context_length]
            found[-1] = END_TOKEN
            tokens[row, : len(found)] = torch.tensor(found)
        return tokens

    def encode(self, sentence: str) -> list[int]:
        """Tokens of a sentence without start and end, however many there are."""
        return [token for word in _words(self.clean(sentence)) for token in self._encode_word(word)]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, for people; special tokens and zeros after the end are left out."""
        parts = []
        for token in tokens:
            if token == END_TOKEN:
                break
            if token != START_TOKEN:
                parts.append(self._entries[token])
        joined = ''.join(parts).replace(_WORD_END, ' ')
        content = bytes(ord(c) if c == ' ' else _BYTE_OF[c] for c in joined)
        return content.decode('utf-8', errors='replace').strip()

    def clean(self, sentence: str) -> str:
        """Lower case, single spaces, HTML entities resolved: what two equal sentences share."""
        if self.repair:
            sentence = _fix_text()(sentence)
        else:
            sentence = unicodedata.normalize('NFC', sentence.translate(_STRAIGHT_QUOTES))
        # Twice: scraped captions have entities of entities.
        sentence = html.unescape(html.unescape(sentence))
        return ' '.join(sentence.split()).lower()

    def _encode_word(self, word: str) -> list[int]:
        content = word.encode('utf-8')
        if len(content) > _MAX_WORD_BYTES:
            raise PromptError(
                f'Text: the word "{word[:20]}..." has {len(word):,} letters, expected at most '
                f'{_MAX_WORD_BYTES:,} bytes. Give a sentence with spaces between words.'
            )
        return self._merge(''.join(_SYMBOLS[byte] for byte in content))

    @cached_property
    def _merge(self) -> Callable[[str], list[int]]:
        """Symbols of one word to tokens, remembering words."""
        ranks, ids = self._ranks, {entry: i for i, entry in enumerate(self._entries)}
        last = len(ranks)

        @lru_cache(maxsize=2**16)
        def merge(word: str) -> list[int]:
            parts = [*word[:-1], word[-1] + _WORD_END]
            while len(parts) > 1:
                best = min(zip(parts, parts[1:]), key=lambda pair: ranks.get(pair, last))
                if best not in ranks:
                    break
                parts = _join(parts, best)
            return [ids[part] for part in parts]

        return merge

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {pair: rank for rank, pair in enumerate(_read_merges(self._merges_file))}

    @cached_property
    def _entries(self) -> list[str]:
        """What every token means, the two special ones excepted."""
        ends = [symbol + _WORD_END for symbol in _SYMBOL_ORDER]
        return [*_SYMBOL_ORDER, *ends, *(first + second for first, second in self._ranks)]


def _join(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """Every occurrence of the pair as one part, from the left."""
    joined: list[str] = []
    place = 0
    while place < len(parts):
        length = 2 if tuple(parts[place : place + 2]) == pair else 1
        joined.append(''.join(parts[place : place + length]))
        place += length
    return joined


def _words(text: str) -> list[str]:
    """Runs of letters, single digits, runs of other signs, and the endings of contractions."""
    words = []
    place = 0
    while place < len(text):
        found = _CONTRACTION.match(text, place)
        if found:
            words.append(found.group())
        else:
            kind, end = _kind(text[place]), place + 1
            while kind != 'N' and end < len(text) and _kind(text[end]) == kind:
                end += 1
            if kind != ' ':
                words.append(text[place:end])
        place = found.end() if found else end
    return words


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """``L`` letter, ``N`` number, `` `` space, ``?`` anything else."""
    if character.isspace():
        return ' '
    group = unicodedata.category(character)[0]
    return group if group in 'LN' else '?'


def _byte_symbols() -> dict[int, str]:
    """A printable character for every byte, in the order of the vocabulary.

    Bytes that are printable in Latin-1 stand for themselves; the others become the characters
    from 256 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable}
    return symbols | {byte: chr(256 + index) for index, byte in enumerate(others)}


_SYMBOLS = _byte_symbols()
_SYMBOL_ORDER = list(_SYMBOLS.values())
_BYTE_OF = {symbol: byte for byte, symbol in _SYMBOLS.items()}


def _read_merges(path: Path) -> list[tuple[str, str]]:
    """The pairs of the table; the first line is its version, lines after the last are unused."""
    try:
        with gzip.open(path) as file:
            lines = file.read(_MAX_MERGES_BYTES).decode('utf-8').split('\n')
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise FileFormatError(
            f'{path}: the table of CLIP tokens cannot be read ({error}). Reinstall unison3d.'
        ) from error
    pairs = [tuple(line.split()) for line in lines[1 : 1 + _NUM_MERGES]]
    if len(set(pairs)) != _NUM_MERGES or any(len(pair) != 2 for pair in pairs):
        raise FileFormatError(
            f'{path}: not a table of CLIP tokens, expected {_NUM_MERGES:,} different lines of two '
            'parts after the first. Reinstall unison3d.'
        )
    return pairs


def _fix_text() -> Callable[[str], str]:
    try:
        import ftfy
    except ImportError as error:
        raise MissingDependencyError('ftfy', 'openclip', 'repairing text') from error
    return ftfy.fix_text
