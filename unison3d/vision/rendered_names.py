"""A stand-in for an image-text model that reads the answer from rendered labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.vision.image_text import ImageTextModel

#: Width of the window that weighs pixels, as a share of the image: what stands in the middle
#: decides, as in the photographs that image-text models learn from.
_WINDOW = 0.25


class RenderedNamesModel(ImageTextModel):
    """Embeds an image by the names of the things that its pixels show.

    For simulated rooms, whose camera knows what it sees: no picture is recognised, so numbers made
    with it are a ceiling of what masks and views allow, not the quality of a model.

    Its images are int (H, W): row of ``names`` per pixel, -1 for nothing.

    Args:
        names: name of every number; '' for what has none.
        encode_text: phrases to unit vectors, float32 (K, D), such as ``TextEncoder.encode_unit``.
    """

    def __init__(self, names: Sequence[str], encode_text: Callable[[list[str]], Tensor]) -> None:
        self._encode_text = encode_text
        kinds = sorted({name for name in names if name})
        place = {name: row for row, name in enumerate(kinds)}
        # The last row is for pixels of nothing, and the place that -1 picks.
        self._kinds = np.array([place.get(name, len(kinds)) for name in (*names, '')])
        self._vectors = torch.cat([encode_text(kinds), torch.zeros(1, encode_text(kinds).shape[1])])

    def encode_images(self, images: Sequence[np.ndarray]) -> Tensor:
        """See :class:`ImageTextModel`; images are int (H, W)."""
        rows = [self._shares(image) @ self._vectors for image in images]
        empty = torch.zeros(0, self._vectors.shape[1])
        return F.normalize(torch.stack(rows), dim=1) if rows else empty

    def encode_phrases(self, phrases: Sequence[str]) -> Tensor:
        """See :class:`ImageTextModel`."""
        return self._encode_text(list(phrases))

    def _shares(self, image: np.ndarray) -> Tensor:
        """float32, (names + 1,): weight of every name in the image."""
        down, across = (_window(size) for size in image.shape)
        weights = np.outer(down, across).ravel()
        shares = np.bincount(self._kinds[image.ravel()], weights, minlength=len(self._vectors))
        return torch.from_numpy(shares.astype(np.float32))


def _window(size: int) -> np.ndarray:
    place = (np.arange(size) + 0.5) / size - 0.5
    return np.exp(-0.5 * (place / _WINDOW) ** 2)
