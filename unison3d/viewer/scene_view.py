"""The points of a scene on the page of one tab."""

from __future__ import annotations

from typing import Any

import numpy as np

from unison3d.viewer.detail import Block

__all__ = ['PointsOnPage']


class PointsOnPage:
    """Draws points in blocks, and sends what has changed.

    Args:
        api: the scene of one viser client.
        blocks: the points, of :class:`~unison3d.viewer.scene_outline.SceneOutline`.
        size: metres across one dot.
    """

    def __init__(self, api: Any, blocks: list[Block], size: float) -> None:
        self._api, self._blocks, self._size = api, blocks, size
        self._handles: list[Any] = [None] * len(blocks)
        self._colors: list[np.ndarray | None] = [None] * len(blocks)
        self._shown: list[np.ndarray | None] = [None] * len(blocks)

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
