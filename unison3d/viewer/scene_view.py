"""The points of a scene on the page of one tab, in levels of detail."""

from __future__ import annotations

from typing import Any

import numpy as np

from unison3d.viewer.detail import Block
from unison3d.viewer.scene_outline import SceneOutline

__all__ = ['PointsOnPage']

_EVENLY = 0.9


class PointsOnPage:
    """Draws points in blocks, and sends what has changed.

    Only the first level of detail is on the page to begin with; :meth:`load` sends the others.

    Args:
        client: handle of viser.
        outline: the points.
        size: metres across one dot when all points of the scene are drawn. Fewer points get larger
            dots, so that surfaces stay closed.
    """

    def __init__(self, client: Any, outline: SceneOutline, size: float) -> None:
        self._client, self._outline, self._size = client, outline, size
        self._level = 0
        self._nodes: list[list[_Node]] = []
        self._colors: np.ndarray | None = None
        self._visible: np.ndarray | None = None
        self._load_level()

    @property
    def num_shown(self) -> int:
        """Points on the page when all levels are drawn and nothing is hidden."""
        return self._outline.counts[-1]

    @property
    def level(self) -> int:
        """The level of detail that is drawn."""
        return self._level

    @property
    def num_loaded(self) -> int:
        """Levels that were sent to the page."""
        return len(self._nodes)

    def show(self, colors: np.ndarray, visible: np.ndarray | None = None) -> None:
        """Draw.

        Args:
            colors: uint8, (N, 3).
            visible: bool, (N,), points that are shown; None for all.
        """
        self._colors, self._visible = colors, visible
        for node in self._all_nodes():
            node.show(self._client, colors, visible)

    def load(self) -> None:
        """Send one more level to the page, with the colours of the others."""
        self._load_level()
        if self._colors is not None:
            for node in self._nodes[-1]:
                node.show(self._client, self._colors, self._visible)

    def set_level(self, level: int) -> None:
        """Draw this level of detail and those below, as far as they were sent."""
        self._level = min(level, len(self._nodes) - 1)
        with self._client.atomic():
            for number, nodes in enumerate(self._nodes):
                for node in nodes:
                    node.set_drawn(number <= self._level)
            self.set_size(self._size)

    def set_size(self, size: float) -> None:
        """Metres across one dot when all points of the scene are drawn."""
        self._size = size
        for node in self._all_nodes():
            node.set_size(self._dot())

    def remove(self) -> None:
        """Take the points off the page."""
        for node in self._all_nodes():
            node.remove()
        self._nodes = []

    def _load_level(self) -> None:
        number = len(self._nodes)
        self._nodes.append(
            [
                _Node(f'/scan/{number}/{place}', block, self._dot(), number <= self._level)
                for place, block in enumerate(self._outline.blocks(number))
            ]
        )

    def _dot(self) -> float:
        shown = max(self._outline.counts[self._level], 1)
        # Points of a level lie more evenly than those of a scan.
        return self._size * max(1.0, _EVENLY * (self._outline.num_points / shown) ** 0.5)

    def _all_nodes(self) -> list[_Node]:
        return [node for nodes in self._nodes for node in nodes]


class _Node:
    """One block on the page: a point cloud of viser, changed in place so that it never flashes."""

    def __init__(self, name: str, block: Block, size: float, is_drawn: bool) -> None:
        self._name, self._block, self._size, self._is_drawn = name, block, size, is_drawn
        self._handle: Any = None
        self._colors: np.ndarray | None = None
        self._shown: np.ndarray | None = None

    def show(self, client: Any, colors: np.ndarray, visible: np.ndarray | None) -> None:
        """Send what has changed."""
        block = self._block
        shown = None if visible is None else visible[block.rows]
        if shown is not None and shown.all():
            shown = None
        rows = block.rows if shown is None else block.rows[shown]
        here = np.ascontiguousarray(colors[rows])
        same_points = self._handle is not None and _same(shown, self._shown)
        if same_points and np.array_equal(here, self._colors):
            return
        points = block.points if shown is None else block.points[shown]
        self._colors, self._shown = here, shown
        # Viser cannot draw a cloud of no points, so that it keeps those it had, out of sight.
        if not len(rows):
            if self._handle is not None:
                self._handle.visible = False
        elif self._handle is None:
            self._handle = client.scene.add_point_cloud(
                self._name,
                points,
                here,
                point_size=self._size,
                point_shape='rounded',
                point_shading='flat',
                precision='float32',
                position=tuple(block.origin),
                visible=self._is_drawn,
            )
        else:
            # Together, since a page cannot draw points with the colours of others.
            with client.atomic():
                if not same_points:
                    self._handle.points = points
                self._handle.colors = here
                self._handle.visible = self._is_drawn

    def set_drawn(self, is_drawn: bool) -> None:
        """Whether the level of the block is drawn."""
        self._is_drawn = is_drawn
        if self._handle is not None:
            self._handle.visible = is_drawn and len(self._colors) > 0

    def set_size(self, size: float) -> None:
        """Metres across one dot."""
        self._size = size
        if self._handle is not None:
            self._handle.point_size = size

    def remove(self) -> None:
        """Take it off the page."""
        if self._handle is not None:
            self._handle.remove()
        self._handle = None


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
