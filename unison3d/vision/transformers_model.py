"""CLIP, SigLIP and their relatives through the package transformers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.errors import ConfigError, MissingDependencyError
from unison3d.vision.image_text import ImageTextModel


class TransformersImageText(ImageTextModel):
    """A model of transformers with ``get_image_features`` and ``get_text_features``.

    Nothing is downloaded: the folder is one that ``save_pretrained`` wrote or that was fetched
    from a model hub before, with model, tokenizer and image processor.

    Args:
        folder: the folder.
        template: sentence around every phrase, with one ``{}``.
        device: where to compute.
        batch_size: images or phrases at a time.

    Raises:
        ConfigError: no such folder, a damaged one, another kind of model, or a template without
            ``{}``.
        MissingDependencyError: transformers is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        template: str = 'a {} in a room',
        device: str | torch.device = 'cpu',
        batch_size: int = 32,
    ) -> None:
        if '{}' not in template:
            raise ConfigError(f'template is {template!r}; expected {{}} where the phrase goes')
        if not Path(folder).is_dir():
            raise ConfigError(f'{folder}: no such folder; expected one with an image-text model')
        try:
            from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingDependencyError(
                'transformers', 'transformers', 'image-text models'
            ) from error
        try:
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            self._model = model.to(device).eval()
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            # Of the two kinds the one that needs no torchvision.
            self._processor = AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, backend='pil'
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f'{folder}: cannot be loaded by transformers ({error}). Expected config.json, '
                'model.safetensors and the files of tokenizer and image processor.'
            ) from error
        if not hasattr(self._model, 'get_image_features'):
            raise ConfigError(
                f'{folder}: a {type(self._model).__name__}; expected a model of images and text '
                'such as CLIPModel or SiglipModel'
            )
        self._template, self._device, self._batch_size = template, device, batch_size
        # SigLIP was trained on sentences padded to their full length, and reads others differently.
        full = self._model.config.model_type.startswith('siglip')
        self._padding = 'max_length' if full else True

    @torch.no_grad()
    def encode_images(self, images: Sequence[np.ndarray]) -> Tensor:
        """See :class:`ImageTextModel`."""
        rows = []
        for start in range(0, len(images), self._batch_size):
            batch = list(images[start : start + self._batch_size])
            inputs = self._processor(batch, return_tensors='pt', input_data_format='channels_last')
            inputs = inputs.to(self._device)
            rows.append(_unit(self._model.get_image_features(**inputs)))
        return torch.cat(rows) if rows else self.encode_phrases(['object'])[:0]

    @torch.no_grad()
    def encode_phrases(self, phrases: Sequence[str]) -> Tensor:
        """See :class:`ImageTextModel`."""
        rows = []
        for start in range(0, len(phrases), self._batch_size):
            batch = phrases[start : start + self._batch_size]
            inputs = self._tokenizer(
                [self._template.format(phrase) for phrase in batch],
                padding=self._padding,
                truncation=True,
                return_tensors='pt',
            ).to(self._device)
            rows.append(_unit(self._model.get_text_features(**inputs)))
        return torch.cat(rows) if rows else self.encode_phrases(['object'])[:0]


def _unit(features: object) -> Tensor:
    """Rows of length one on the CPU."""
    # Since transformers 5 the features come inside an output object.
    features = getattr(features, 'pooler_output', features)
    return F.normalize(features.float(), dim=-1).cpu()
