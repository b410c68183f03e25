"""Instances as MMDetection3D writes them, and as we do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unison3d.errors import SceneError
from unison3d.structures import InstanceMasks

__all__ = ['dense_instances', 'drop_stuff', 'instance_masks', 'instance_semantic', 'point_ids']


def dense_instances(
    ids: NDArray[np.integer], no_instance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Instances 0..M-1 with -1 for none, and the M ids they had.

    Args:
        ids: (N,). Any numbers, one per instance.
        no_instance: the id of points without an instance.
    """
    ids = np.asarray(ids).astype(np.int64)
    kept = ids != no_instance
    names, dense = np.unique(ids[kept], return_inverse=True)
    instances = np.full(len(ids), -1, dtype=np.int64)
    instances[kept] = dense
    return instances, names


def instance_semantic(
    instances: NDArray[np.int64], semantic: NDArray[np.int64], num_instances: int, num_classes: int
) -> NDArray[np.int64]:
    """Class that most points of each instance have, (M,); ties go to the smaller number.

    Args:
        instances: (N,), -1 for none.
        semantic: (N,), 0..K, where K is no class.
        num_instances: M.
        num_classes: K.
    """
    counts = np.zeros((num_instances, num_classes + 1), dtype=np.int64)
    inside = instances >= 0
    np.add.at(counts, (instances[inside], semantic[inside]), 1)
    return counts.argmax(axis=1) if num_instances else np.zeros(0, dtype=np.int64)


def drop_stuff(
    instances: NDArray[np.int64], classes: NDArray[np.int64], stuff: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Without the instances of some classes: (N,) numbered anew, and the classes of the others."""
    kept = ~np.isin(classes, stuff)
    renumbered = np.append(np.where(kept, kept.cumsum() - 1, -1), -1)
    return renumbered[instances], classes[kept]


def instance_masks(
    masks: Tensor, labels: Tensor, scores: Tensor, superpoints: Tensor | None
) -> InstanceMasks:
    """Masks of theirs as unions of superpoints; nothing is rounded.

    Args:
        masks: int, (N,): number of the instance of each point, negative for none; or bool, (K, N).
        labels: int64, (K,).
        scores: float, (K,).
        superpoints: int64, (N,). Where the masks are not unions of them, or without any, the points
            that lie in the same masks make up a superpoint each.

    Raises:
        SceneError: sizes that do not fit together.
    """
    rows = _rows(masks, len(labels))
    if superpoints is not None:
        if len(superpoints) != rows.shape[1]:
            raise SceneError(
                f'{len(superpoints)} superpoint ids for masks of {rows.shape[1]} points'
            )
        number = int(superpoints.max()) + 1 if len(superpoints) else 0
        reduced = torch.zeros((len(rows), number), dtype=torch.bool)
        reduced[:, superpoints] = rows
        if bool((reduced[:, superpoints] == rows).all()):
            return InstanceMasks(reduced, superpoints, labels, scores.float())
    packed = np.packbits(rows.numpy(), axis=0)
    _, first, segments = np.unique(packed, axis=1, return_index=True, return_inverse=True)
    segments = torch.from_numpy(segments.reshape(-1).astype(np.int64))
    return InstanceMasks(rows[:, torch.from_numpy(first)], segments, labels, scores.float())


def _rows(masks: Tensor, count: int) -> Tensor:
    if masks.ndim == 1:
        highest = int(masks.max()) if len(masks) else -1
        if highest >= count:
            raise SceneError(f'points of instance {highest}, and labels for {count} instances')
        return masks[None] == torch.arange(count)[:, None]
    if masks.ndim != 2 or len(masks) != count:
        raise SceneError(
            f'masks have shape {tuple(masks.shape)} for {count} labels, expected (N,) or (K, N)'
        )
    return masks.bool()


def point_ids(masks: InstanceMasks) -> Tensor:
    """int64, (N,): the best scored of the masks over each point, -1 where there is none."""
    order = masks.scores.argsort(descending=True, stable=True)
    covered = masks.superpoint_masks[order]
    owner = torch.full((covered.shape[1],), -1, dtype=torch.int64)
    if len(order):
        some = covered.any(dim=0)
        owner[some] = order[covered.int().argmax(dim=0)[some]]
    return owner[masks.superpoints]
