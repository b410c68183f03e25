"""How well points and objects of a scene fit phrases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison3d.errors import ConfigError
from unison3d.io.npy import write_npz
from unison3d.io.ply import write_ply
from unison3d.structures import InstanceMasks, PointScene

#: Cold to hot: dark blue, teal, yellow, red; the colours between are mixed.
_HEAT = np.array([[0.10, 0.10, 0.35], [0.10, 0.55, 0.60], [0.95, 0.85, 0.25], [0.85, 0.15, 0.10]])


#: The chance from which on something fits, see benchmarks/phrases.py.
FITS = 0.3


@dataclass(frozen=True, eq=False)
class PhraseScores:
    """How well superpoints and objects fit K phrases.

    By default chances in [0, 1]; :data:`FITS` and more is what matches a phrase best. With
    ``direct`` cosines in [-1, 1]: 1 is the meaning of the phrase itself, 0 is unrelated, and what
    counts as high depends on model and phrase, so set no fixed threshold there.

    Attributes:
        scene: the scene in metres, N points.
        phrases: K phrases.
        superpoint_scores: float32, (S, K).
        masks: M objects of no class; ``masks.scores`` is the predicted mask IoU, in [0, 1].
        instance_scores: float32, (M, K), of the objects.
        scale: metres per unit of the file the scene came from.
        direct: the scores are cosines.
    """

    scene: PointScene
    phrases: tuple[str, ...]
    superpoint_scores: np.ndarray
    masks: InstanceMasks
    instance_scores: np.ndarray
    scale: float = 1.0
    direct: bool = False

    @property
    def points(self) -> np.ndarray:
        """float32, (N, K): made when asked for, which takes N * K * 4 bytes."""
        return self.superpoint_scores[self.scene.superpoints]

    def of(self, phrase: str) -> np.ndarray:
        """float32, (N,): scores of the points under one phrase.

        Raises:
            ConfigError: the phrase was not asked.
        """
        if phrase not in self.phrases:
            raise ConfigError(f'{phrase!r} was not asked; these scores have {self.phrases}')
        column = self.superpoint_scores[:, self.phrases.index(phrase)]
        return column[self.scene.superpoints]

    def save_npz(self, path: str | os.PathLike[str]) -> Path:
        """Write all scores and the masks.

        Arrays: ``phrases`` (K,) text, ``kind`` () text, 'chance' or 'cosine' (``direct``), what the
        scores are, ``points`` (N, 3) metres, ``superpoints`` (N,), ``superpoint_scores`` (S, K),
        ``instance_masks`` (M, S) bool, ``instance_quality`` (M,), ``instance_scores`` (M, K).
        ``superpoint_scores[superpoints]`` is one score per point.
        """
        return write_npz(
            path,
            {
                'phrases': np.array(self.phrases, dtype=np.str_),
                'kind': np.array('cosine' if self.direct else 'chance'),
                'points': self.scene.points,
                'superpoints': self.scene.superpoints,
                'superpoint_scores': self.superpoint_scores,
                'instance_masks': self.masks.superpoint_masks.numpy(),
                'instance_quality': self.masks.scores.numpy(),
                'instance_scores': self.instance_scores,
            },
        )

    def save_heat_map(self, path: str | os.PathLike[str], phrase: str) -> Path:
        """Write a PLY, blue where the phrase fits least and red where most.

        Colours run from 0 to 1; those of cosines (``direct``) from the lowest of the scene to the
        highest. In the coordinates of the file. The numbers are in :meth:`save_npz`.
        """
        points, values = self.scene.world_points / self.scale, self.of(phrase)
        colors = heat_colors(values) if self.direct else heat_colors(values, 0.0, 1.0)
        return write_ply(path, points, colors=colors, faces=self.scene.faces)


def heat_colors(
    values: np.ndarray, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """float32 (N, 3) colours in [0, 1] of N numbers, from the lowest to the highest."""
    if not len(values):
        return np.zeros((0, 3), np.float32)
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    place = (values - low) / (high - low) if high > low else np.zeros(len(values))
    stops = np.linspace(0, 1, len(_HEAT))
    channels = [np.interp(place, stops, _HEAT[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)
