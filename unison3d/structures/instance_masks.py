"""Masks over the points of one scene, kept at superpoint level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class InstanceMasks:
    """A set of scored masks of one scene.

    Every mask is a union of superpoints, so a set of ``K`` masks costs ``K * S`` booleans
    instead of ``K * N``; :attr:`masks` expands to points on demand.

    Attributes:
        superpoint_masks: bool, (K, S).
        superpoints: int64, (N,). Superpoint of every point, in ``0..S-1``.
        labels: int64, (K,). Meaning depends on the task (thing class, vocabulary index, ...);
            -1 where a mask has no class.
        scores: float32, (K,). Higher is more confident.
    """

    superpoint_masks: Tensor
    superpoints: Tensor
    labels: Tensor
    scores: Tensor

    def __post_init__(self) -> None:
        num_masks = self.superpoint_masks.shape[0]
        if self.superpoint_masks.ndim != 2:
            raise ValueError(
                f'superpoint_masks must be (K, S), got {tuple(self.superpoint_masks.shape)}'
            )
        for name in ('labels', 'scores'):
            shape = tuple(getattr(self, name).shape)
            if shape != (num_masks,):
                raise ValueError(f'{name} must be ({num_masks},) like the masks, got {shape}')

    @classmethod
    def empty(cls, superpoints: Tensor, num_superpoints: int) -> InstanceMasks:
        """Zero masks over a scene of ``num_superpoints`` superpoints."""
        device = superpoints.device
        return cls(
            torch.zeros((0, num_superpoints), dtype=torch.bool, device=device),
            superpoints,
            torch.zeros(0, dtype=torch.int64, device=device),
            torch.zeros(0, device=device),
        )

    def __len__(self) -> int:
        return self.superpoint_masks.shape[0]

    def __getitem__(self, index: Tensor | slice | list[int]) -> InstanceMasks:
        return InstanceMasks(
            self.superpoint_masks[index], self.superpoints, self.labels[index], self.scores[index]
        )

    @property
    def masks(self) -> Tensor:
        """bool, (K, N): the masks expanded to points."""
        return self.superpoint_masks[:, self.superpoints]

    def sizes(self) -> Tensor:
        """int64, (K,): number of points of each mask."""
        num_superpoints = self.superpoint_masks.shape[1]
        counts = torch.bincount(self.superpoints, minlength=num_superpoints)
        return (self.superpoint_masks * counts).sum(dim=1)

    def to(self, device: str | torch.device, non_blocking: bool = False) -> InstanceMasks:
        """The same masks on another device."""
        fields = (self.superpoint_masks, self.superpoints, self.labels, self.scores)
        return InstanceMasks(*(x.to(device, non_blocking=non_blocking) for x in fields))
