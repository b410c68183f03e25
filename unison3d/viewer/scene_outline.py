"""What every tab needs of the points of a scene, found once for all tabs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.viewer.detail import Block, detail_order, make_blocks
from unison3d.viewer.view_camera import Home, ceiling_cut

__all__ = ['MAX_POINTS', 'SceneOutline', 'point_spacing']

#: Points on the page at most; the beginning of the order of detail stands for the rest.
MAX_POINTS = 2_000_000


@dataclass(frozen=True, eq=False)
class SceneOutline:
    """How a scene is drawn and looked at to begin with.

    Attributes:
        blocks: the points on the page.
        spacing: usual distance between neighbouring points of the scan, metres.
        cut: height above which a room is cut open, None where nothing needs to be.
        home: where to look from.
    """

    blocks: list[Block]
    spacing: float
    cut: float | None
    home: Home

    @classmethod
    def of(cls, points: np.ndarray, max_points: int = MAX_POINTS) -> SceneOutline:
        """The outline of points, float32 (N, 3), metres."""
        return cls(
            make_blocks(points, detail_order(points), max_points=max_points),
            point_spacing(points),
            ceiling_cut(points),
            Home.of(points),
        )


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
