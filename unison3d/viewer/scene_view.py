"""The points of a scene on the page of one tab."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from unison3d.viewer.detail import Block, detail_order, make_blocks

__all__ = ['PointsOnPage', 'point_spacing']

#: Points on the page at most; the beginning of the order of detail stands for the rest.
MAX_POINTS = 2_000_000


def point_spacing(points: np.ndarray) -> float:
    """Usual distance between neighbouring points, metres; 0.02 without neighbours."""
    if len(points) < 2:
        return 0.02
    rows = np.linspace(0, len(points) - 1, min(len(points), 300)).astype(np.int64)
    # Near the samples only: a tree of millions of points takes seconds.
    part = points[:: -(-len(points) // 500_000)]
    share = len(part) / len(points)
    distance, _ = cKDTree(part).query(points[rows], k=min(4, len(part)))
    usual = float(np.median(distance[:, -1])) * share**0.5
    return float(np.clip(usual, 0.001, 0.5))


class PointsOnPage:
    """Draws points in blocks, and sends what has changed.

    Args:
        api: the scene of one viser client.
        points: float32, (N, 3), metres.
        size: metres across one dot.
        max_points: points on the page at most.
    """

    def __init__(
        self, api: Any, points: np.ndarray, size: float, max_points: int = MAX_POINTS
    ) -> None:
        self._api, self._size = api, size
        self.num_points = len(points)
        self._blocks: list[Block] = make_blocks(points, detail_order(points), max_points=max_points)
        self._handles: list[Any] = [None] * len(self._blocks)
        self._colors: list[np.ndarray | None] = [None] * len(self._blocks)
        self._shown: list[np.ndarray | None] = [None] * len(self._blocks)

    @property
    def num_shown(self) -> int:
        """Points on the page when nothing is hidden."""
        return sum(len(block.rows) for block in self._blocks)

    def show(self, colors: np.ndarray, visible: np.ndarray | None = None) -> None:
        """Draw.

        Args:
            colors: uint8, (N, 3).
            visible: bool, (N,), points that are shown; None for all.
        """
        for number, block in enumerate(self._blocks):
            shown = None if visible is None else visible[block.rows]
            if shown is not None and shown.all():
                shown = None
            rows = block.rows if shown is None else block.rows[shown]
            here = np.ascontiguousarray(colors[rows])
            same_points = self._handles[number] is not None and _same(shown, self._shown[number])
            if same_points and np.array_equal(here, self._colors[number]):
                continue
            if same_points:
                self._handles[number].colors = here
            else:
                points = block.points if shown is None else block.points[shown]
                # A node of the same name takes the place of the old one.
                self._handles[number] = self._api.add_point_cloud(
                    f'/scan/{number}',
                    points,
                    here,
                    point_size=self._size,
                    point_shape='rounded',
                    point_shading='flat',
                    precision='float32',
                    position=tuple(block.origin),
                )
            self._colors[number], self._shown[number] = here, shown

    def set_size(self, size: float) -> None:
        """Metres across one dot."""
        self._size = size
        for handle in self._handles:
            if handle is not None:
                handle.point_size = size

    def remove(self) -> None:
        """Take the points off the page."""
        for handle in self._handles:
            if handle is not None:
                handle.remove()
        self._handles = [None] * len(self._blocks)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
