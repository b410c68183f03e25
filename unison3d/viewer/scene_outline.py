"""What every tab needs of the points of a scene, found once for all tabs."""

from __future__ import annotations

import threading

import numpy as np

from unison3d.viewer.detail import Block, detail_order, make_blocks
from unison3d.viewer.view_camera import Home, ceiling_cut

__all__ = ['MAX_POINTS', 'SceneOutline', 'level_counts', 'point_spacing']

#: Points on the page at most; the beginning of the order of detail stands for the rest.
MAX_POINTS = 2_000_000
#: Points up to each level of detail but the last. The first is what a browser without a graphics
#: card draws in a fraction of a second.
_LEVELS = (50_000, 200_000, 800_000)
#: Of so many times the points of the first level it is chosen, which takes less time than of all.
_CHOICE = 8


class SceneOutline:
    """How a scene is drawn and looked at to begin with.

    Args:
        points: float32, (N, 3), metres.
        max_points: points on the page at most.

    Attributes:
        num_points: points of the scene.
        counts: points on the page up to each level of detail, ascending.
        spacing: usual distance between neighbouring points of the scan, metres.
        cut: height above which a room is cut open, None where nothing needs to be.
        home: where to look from.
    """

    def __init__(self, points: np.ndarray, max_points: int = MAX_POINTS) -> None:
        self.num_points = len(points)
        self.counts = level_counts(len(points), max_points)
        self.spacing = point_spacing(points)
        self.cut = ceiling_cut(points)
        self.home = Home.of(points)
        self._points = points
        self._coarse = _coarse_rows(points, self.counts[0])
        self._levels = [_blocks(points, self._coarse)]
        self._lock = threading.Lock()

    def blocks(self, level: int) -> list[Block]:
        """What a level adds to the ones below it; each covers the whole scene evenly.

        The first is there already. The others are found at the first call, of which each million
        points takes about a second.
        """
        if level == 0:
            return self._levels[0]
        with self._lock:
            if len(self._levels) == 1:
                self._levels += self._finer()
        return self._levels[level]

    def _finer(self) -> list[list[Block]]:
        order = detail_order(self._points)
        is_left = np.ones(len(order), np.bool_)
        is_left[self._coarse] = False
        order = order[is_left[order]]
        ends = np.array(self.counts) - self.counts[0]
        return [
            _blocks(self._points, order[start:end])
            for start, end in zip(ends[:-1], ends[1:], strict=True)
        ]


def level_counts(count: int, max_points: int = MAX_POINTS) -> tuple[int, ...]:
    """Points up to each level of detail of a scene; each level at least doubles the one before."""
    most = min(count, max_points)
    return (*(level for level in _LEVELS if 2 * level <= most), most)


def _coarse_rows(points: np.ndarray, count: int) -> np.ndarray:
    some = np.arange(0, len(points), max(len(points) // (_CHOICE * count or 1), 1))
    return some[detail_order(points[some])[:count]]


def _blocks(points: np.ndarray, rows: np.ndarray) -> list[Block]:
    return make_blocks(points, rows, max_points=max(len(rows), 1)) if len(rows) else []


def point_spacing(points: np.ndarray) -> float:
    """Usual distance between neighbouring points, metres; 0.02 without neighbours."""
    if len(points) < 2:
        return 0.02
    from scipy.spatial import cKDTree

    rows = np.linspace(0, len(points) - 1, min(len(points), 300)).astype(np.int64)
    # Near the samples only: a tree of millions of points takes seconds.
    part = points[:: -(-len(points) // 500_000)]
    share = len(part) / len(points)
    distance, _ = cKDTree(part).query(points[rows], k=min(4, len(part)))
    usual = float(np.median(distance[:, -1])) * share**0.5
    return float(np.clip(usual, 0.001, 0.5))
