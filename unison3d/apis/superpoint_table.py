"""Size and corners of every superpoint, so that a mask costs S steps instead of N."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.structures import PointScene


@dataclass(frozen=True)
class SuperpointTable:
    """Facts about the S superpoints of a scene.

    Attributes:
        sizes: int64, (S,). Points.
        first: int64, (S,). A point of each, to read values that are equal inside a superpoint.
        low, high: float32, (S, 3). Corners, in the frame of ``scene.points``.
    """

    sizes: np.ndarray
    first: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, scene: PointScene) -> SuperpointTable:
        """The table of a scene with superpoints."""
        ids = scene.superpoints
        if not len(ids):
            nothing, corners = np.zeros(0, np.int64), np.zeros((0, 3), np.float32)
            return cls(nothing, nothing, corners, corners)
        # NumPy sorts small integers in linear time.
        narrow = ids.astype(np.uint16) if ids.max() < 2**16 else ids
        order = np.argsort(narrow, kind='stable')
        sizes = np.bincount(ids)
        starts = np.cumsum(sizes) - sizes
        points = scene.points[order]
        return cls(
            sizes,
            order[starts],
            np.minimum.reduceat(points, starts, axis=0),
            np.maximum.reduceat(points, starts, axis=0),
        )

    def count(self, mask: np.ndarray) -> int:
        """Points in a union of superpoints, bool (S,)."""
        return int(self.sizes[mask].sum())

    def corners(self, mask: np.ndarray) -> np.ndarray | None:
        """float32, (2, 3): the box around a union of superpoints, bool (S,); None if empty."""
        if not mask.any():
            return None
        return np.stack([self.low[mask].min(axis=0), self.high[mask].max(axis=0)])


def best_mask(masks: np.ndarray) -> np.ndarray:
    """int64, (S,): the first of the masks, bool (K, S), each superpoint lies in; -1 for none."""
    if not len(masks):
        return np.full(masks.shape[1], -1, np.int64)
    return np.where(masks.any(axis=0), masks.argmax(axis=0), -1)
