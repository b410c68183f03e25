"""What learned queries are taught: masks over the cells that the decoder looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unison3d.errors import SceneError
from unison3d.structures import SceneSample

CellRule = Literal['majority', 'all']


@dataclass
class CellTargets:
    """Ground truth of one scene over S superpoints or voxels.

    Attributes:
        masks: bool, (M, S).
        semantic: int64, (S,), 0..K; K where no class has more than half of the points.
        instance_semantic: int64, (M,).
    """

    masks: Tensor
    semantic: Tensor
    instance_semantic: Tensor


def cell_targets(
    sample: SceneSample,
    superpoints: Tensor,
    num_superpoints: int,
    num_classes: int,
    rule: CellRule = 'majority',
) -> CellTargets:
    """Labels of points to labels of cells.

    Unlike the targets that a data set brings along, these follow the voxels of the network, which
    exist only after augmentation.

    Args:
        sample: with ``gt_semantic``, ``gt_instances`` and ``gt_instance_semantic``.
        superpoints: int64, (N,), 0..S-1.
        num_superpoints: S.
        num_classes: K.
        rule: which cells belong to an instance: ``'majority'``, more than half of their points do;
            ``'all'``, all of their points do, which is what the integer mean of the published code
            amounts to.

    Raises:
        SceneError: the sample has no labels, or not one per point.
    """
    fields = ('gt_semantic', 'gt_instances', 'gt_instance_semantic')
    missing = [name for name in fields if sample.get(name) is None]
    if missing:
        raise SceneError(
            f'{sample.get("name", "scene")}: has no {", ".join(missing)}, expected labels of '
            'points to train on. Leave scans without labels out of training.'
        )
    if len(sample.gt_instances) != len(superpoints):
        raise SceneError(
            f'{sample.get("name", "scene")}: {len(sample.gt_instances)} labels for '
            f'{len(superpoints)} points, expected one per point.'
        )
    owners = sample.gt_instance_semantic
    total = torch.bincount(superpoints, minlength=num_superpoints)
    counts = _votes(sample.gt_instances, superpoints, len(owners), num_superpoints)
    masks = 2 * counts > total if rule == 'majority' else (counts == total) & (total > 0)
    votes = _votes(sample.gt_semantic, superpoints, num_classes, num_superpoints)
    best, winner = votes.max(dim=0)
    return CellTargets(masks, torch.where(2 * best > total, winner, num_classes), owners)


def _votes(ids: Tensor, superpoints: Tensor, num_ids: int, num_superpoints: int) -> Tensor:
    """Points of every cell that carry every id in 0..num_ids-1: int64, (num_ids, S)."""
    named = (ids >= 0) & (ids < num_ids)
    pairs = ids[named] * num_superpoints + superpoints[named]
    counts = torch.bincount(pairs, minlength=num_ids * num_superpoints)
    return counts.view(num_ids, num_superpoints)
