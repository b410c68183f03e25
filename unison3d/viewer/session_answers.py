"""What a session answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.errors import Unison3DError
from unison3d.viewer.label_edits import LabelObject

__all__ = ['MaskAnswer', 'NotReadyError', 'ObjectInfo', 'SentenceAnswer', 'VocabularyAnswer']


class NotReadyError(Unison3DError):
    """The model has not seen the scene yet; says how far it is."""


@dataclass(frozen=True, eq=False)
class MaskAnswer:
    """What a model thinks somebody clicked.

    Attributes:
        object: number of the clicked object.
        superpoint_mask: bool, (S,).
        mask: bool, (N,).
        score: 0 to 1.
    """

    object: int
    superpoint_mask: np.ndarray
    mask: np.ndarray
    score: float


@dataclass(frozen=True, eq=False)
class SentenceAnswer:
    """What a model thinks a sentence or an open phrase means.

    Attributes:
        text: the sentence.
        heat: float32, (S,), 0 to 1. Probability of every superpoint to be meant; of models that
            give none, the score inside the mask and 0 outside. Of a phrase, how well it fits.
        superpoints: int64, (N,).
        mask: bool, (N,). The answer of the model itself.
        score: 0 to 1. Of a phrase, the largest heat.
        objects: ids of the labels that lie in the answer with most of their points, the fullest
            first.
        open: it was understood as a phrase that anything may fit, not as a sentence about a
            certain object.
        threshold: heat from which on the model itself counts a superpoint in, 0 to 1.
    """

    text: str
    heat: np.ndarray
    superpoints: np.ndarray
    mask: np.ndarray
    score: float
    objects: tuple[int, ...]
    open: bool = False
    threshold: float = 0.5

    def mask_above(self, threshold: float | None) -> np.ndarray:
        """bool, (N,): points whose heat is at least the threshold, and not zero.

        Without a threshold, the answer of the model itself.
        """
        if threshold is None:
            return self.mask
        return ((self.heat >= threshold) & (self.heat > 0))[self.superpoints]


@dataclass(frozen=True, eq=False)
class VocabularyAnswer:
    """What there is of some names.

    Attributes:
        names: as asked.
        semantic: int64, (N,). Index into the names.
        ids: int32, (N,). Object of every point, 0 for none.
        objects: those that ``ids`` names.
    """

    names: tuple[str, ...]
    semantic: np.ndarray
    ids: np.ndarray
    objects: tuple[LabelObject, ...]


@dataclass(frozen=True, eq=False)
class ObjectInfo:
    """An object of the labels and where it is.

    Attributes:
        label: its row in the table.
        box: float32, (2, 3): its lowest and highest corner; None without points.
    """

    label: LabelObject
    box: np.ndarray | None
