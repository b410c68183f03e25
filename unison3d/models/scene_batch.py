"""A batch of scenes on its way into the network, and what comes back per scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unison3d.models.decoders import SceneMemory
from unison3d.sparse import SparseTensor

if TYPE_CHECKING:
    from unison3d.models.heads.sentence_reader import SeenObjects
    from unison3d.models.scene_objects import SceneObjects


@dataclass
class SceneBatch:
    """Voxels of B scenes and the way back to their points.

    Attributes:
        voxels: features and coordinates of all scenes.
        point_to_voxel: int64, (sum N,). Voxel row of every point.
        point_to_superpoint: int64, (sum N,). Superpoint of every point, numbered through the
            batch.
        superpoints: per scene, int64 (N,), numbered ``0..S-1``.
        num_superpoints: S of every scene.
        positions: per scene, float32 (S, 3). Centre of each superpoint in metres, relative to
            the middle of the scene's floor.
        points: per scene, float32 (N, 3), metres, in the coordinates of the inputs; what boxes and
            simulated clicks refer to.
    """

    voxels: SparseTensor
    point_to_voxel: Tensor
    point_to_superpoint: Tensor
    superpoints: list[Tensor]
    num_superpoints: list[int]
    positions: list[Tensor]
    points: list[Tensor]

    def __len__(self) -> int:
        return len(self.superpoints)


@dataclass
class SceneFeatures:
    """One encoded scene: everything a prompt needs, so that a prompt costs only its own rows.

    Attributes:
        superpoint_features: (S, C) backbone features.
        positions: float32, (S, 3), see :class:`SceneBatch`.
        superpoints: int64, (N,).
        memory: keys, values and mask features of the decoder.
        points: float32, (N, 3), see :class:`SceneBatch`.
        superpoint_inputs: (S, C_in). Mean of what the backbone was given.
        objects: what :class:`~unison3d.models.ReferringTask` found for an earlier sentence: the
            settings it was found with, the objects, and what its reader made of them; None before
            the first, and in training.
    """

    superpoint_features: Tensor
    positions: Tensor
    superpoints: Tensor
    memory: SceneMemory
    points: Tensor
    superpoint_inputs: Tensor
    objects: tuple[tuple, SceneObjects, SeenObjects] | None = field(default=None, repr=False)

    @property
    def num_superpoints(self) -> int:
        """Number of superpoints, S."""
        return len(self.superpoint_features)

    @property
    def device(self) -> torch.device:
        """Where the scene lives."""
        return self.superpoint_features.device

    @cached_property
    def superpoint_sizes(self) -> Tensor:
        """int64, (S,): points of each superpoint."""
        return torch.bincount(self.superpoints, minlength=self.num_superpoints)

    def extents(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest corner of the box of each superpoint, float32 (S, 3) each.

        In the coordinates of ``positions``; NaN-free also for a superpoint without points, whose
        box is its position.
        """
        index = self.superpoints[:, None].expand(-1, 3)
        filled = (self.superpoint_sizes > 0)[:, None]
        corners = []
        for reduce, start in (('amin', torch.inf), ('amax', -torch.inf)):
            corner = self.points.new_full((self.num_superpoints, 3), start)
            corners.append(corner.scatter_reduce(0, index, self.points, reduce))
        # Points and positions differ by where zero is.
        shift = torch.zeros(3, device=self.device)
        if len(self.points):
            first = self.superpoints[0]
            mean = self.points[self.superpoints == first].mean(dim=0)
            shift = self.positions[first] - mean
        low, high = (torch.where(filled, c + shift, self.positions) for c in corners)
        return low, high
