"""The interface of models that put images and phrases into one space."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
from torch import Tensor


class ImageTextModel(abc.ABC):
    """Images and phrases as unit vectors of one space; a high cosine says that they belong
    together."""

    @abc.abstractmethod
    def encode_images(self, images: Sequence[np.ndarray]) -> Tensor:
        """Encode images of any sizes.

        Args:
            images: B images, uint8 (H, W, 3) unless the model says otherwise.

        Returns:
            float32, (B, D), on the CPU; rows of length one, or zero where nothing is to be seen.
        """

    @abc.abstractmethod
    def encode_phrases(self, phrases: Sequence[str]) -> Tensor:
        """Encode phrases.

        Args:
            phrases: K phrases.

        Returns:
            float32, (K, D), on the CPU, rows of length one.
        """
