"""What a reader hands back: the arrays of one file, before anything is decided about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ['RawScene']


@dataclass
class RawScene:
    """Arrays of one scene as they stand in the file.

    Types are those of the file (double coordinates stay double), numbers are not checked for
    being finite. :class:`unison3d.structures.PointScene` makes those decisions.

    Args:
        points: float, (N, 3).
        colors: (N, 3) in the file's own range (see :mod:`unison3d.io.colors`), or None.
        normals: float, (N, 3), or None.
        faces: int64, (F, 3) vertex indices, or None. Polygons are already split into triangles.
        superpoints: integers, (N,), or None.
        semantic_ids: integers, (N,), or None.
        nyu40_ids: integers, (N,), or None. Semantic labels in the NYU40 table.
        instance_ids: int64, (N,), -1 is none; or None.
        part_ids: int64, (N,), or None.
        instance_names: name of instance id i at place i, or None.
        axis_alignment: float64, (4, 4), maps file coordinates to axis-aligned ones; not applied.
        extra: further per-point arrays, by the name they have in the file.
    """

    points: np.ndarray
    colors: np.ndarray | None = None
    normals: np.ndarray | None = None
    faces: np.ndarray | None = None
    superpoints: np.ndarray | None = None
    semantic_ids: np.ndarray | None = None
    nyu40_ids: np.ndarray | None = None
    instance_ids: np.ndarray | None = None
    part_ids: np.ndarray | None = None
    instance_names: tuple[str, ...] | None = None
    axis_alignment: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)
