"""CLIP models through the package open_clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unison3d.errors import CheckpointError, ConfigError, MissingDependencyError
from unison3d.io.tensor_files import read_weights
from unison3d.vision.image_text import ImageTextModel


class OpenClipImageText(ImageTextModel):
    """A model of open_clip with weights from a file.

    Nothing is downloaded. Of the weights only tensors are read.

    Args:
        architecture: a name of open_clip, such as ``'ViT-L-14'``; ``'ViT-L-14-quickgelu'`` for
            weights that OpenAI released.
        weights: ``open_clip_pytorch_model.bin`` or ``open_clip_model.safetensors``.
        template: sentence around every phrase, with one ``{}``.
        device: where to compute.
        batch_size: images or phrases at a time.

    Raises:
        ConfigError: no such architecture, one whose tokenizer would have to be downloaded, or a
            template without ``{}``.
        CheckpointError: no such file, a damaged one, or one of another architecture.
        MissingDependencyError: open_clip is not installed or does not load.
    """

    def __init__(
        self,
        architecture: str,
        weights: str | Path,
        *,
        template: str = 'a {} in a room',
        device: str | torch.device = 'cpu',
        batch_size: int = 32,
    ) -> None:
        if '{}' not in template:
            raise ConfigError(f'template is {template!r}; expected {{}} where the phrase goes')
        try:
            import open_clip
        except ImportError as error:
            raise MissingDependencyError(
                'open_clip_torch', 'openclip', 'OpenClipImageText'
            ) from error
        except (AttributeError, OSError, RuntimeError) as error:
            # What a torchvision made for another torch raises when it is imported.
            raise MissingDependencyError(
                f'open_clip is installed and cannot be imported ({error}). Install the torchvision '
                'that fits this torch.'
            ) from error
        # A name with a colon is a place in a hub.
        config = None if ':' in architecture else open_clip.get_model_config(architecture)
        if config is None:
            raise ConfigError(
                f'architecture is {architecture!r}; expected one of open_clip.list_models()'
            )
        if 'hf_tokenizer_name' in config['text_cfg'] or 'hf_model_name' in config['text_cfg']:
            raise ConfigError(
                f'{architecture}: open_clip would download its tokenizer. Use a folder of the same '
                'model with TransformersImageText.'
            )
        model, _, self._transform = open_clip.create_model_and_transforms(
            architecture, device=device
        )
        _fill(model, Path(weights), architecture)
        self._model = model.eval()
        self._tokenize = open_clip.get_tokenizer(architecture)
        self._template, self._device, self._batch_size = template, device, batch_size

    @torch.no_grad()
    def encode_images(self, images: Sequence[np.ndarray]) -> Tensor:
        """See :class:`ImageTextModel`."""
        rows = []
        for start in range(0, len(images), self._batch_size):
            batch = images[start : start + self._batch_size]
            pixels = torch.stack([self._transform(Image.fromarray(image)) for image in batch])
            rows.append(self._model.encode_image(pixels.to(self._device), normalize=True).cpu())
        return torch.cat(rows) if rows else self.encode_phrases(['object'])[:0]

    @torch.no_grad()
    def encode_phrases(self, phrases: Sequence[str]) -> Tensor:
        """See :class:`ImageTextModel`."""
        rows = []
        for start in range(0, len(phrases), self._batch_size):
            sentences = [
                self._template.format(p) for p in phrases[start : start + self._batch_size]
            ]
            tokens = self._tokenize(sentences).to(self._device)
            rows.append(self._model.encode_text(tokens, normalize=True).cpu())
        return torch.cat(rows) if rows else self.encode_phrases(['object'])[:0]


def _fill(model: torch.nn.Module, path: Path, architecture: str) -> None:
    """Load the tensors of a file, name by name."""
    if not path.is_file():
        raise CheckpointError(f'{path}: does not exist. Nothing is downloaded here.')
    stored, _ = read_weights(path, skip_objects=True)
    try:
        model.load_state_dict({n.removeprefix('module.'): v for n, v in stored.items()})
    except RuntimeError as error:
        raise CheckpointError(
            f'{path}: not the weights of {architecture} ({str(error).strip()[:300]}). Name the '
            'architecture that they are for.'
        ) from error
