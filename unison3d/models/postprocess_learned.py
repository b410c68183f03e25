"""Panoptic maps of models in which every semantic class has a query of its own.

Source:
    OneFormer3D (arXiv:2311.14405) on S3DIS as released.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unison3d.models.postprocess import paint_instances
from unison3d.structures import InstanceMasks

__all__ = ['merge_class_queries']


def merge_class_queries(
    class_masks: Tensor,
    instances: InstanceMasks,
    stuff: Sequence[int],
    min_points: int,
    *,
    published_ids: bool = False,
) -> tuple[Tensor, Tensor]:
    """Paint instances over the best stuff class, the best on top.

    Args:
        class_masks: float, (K, S). Mask logits of the queries of the K classes.
        instances: candidates of thing classes; labels are classes.
        stuff: classes without instances.
        min_points: instances of which no more points are seen are left out.
        published_ids: number as released: segments of stuff by rank in ``stuff``, things from
            ``len(stuff)`` on, and the instance with the lowest score lost, because its id 0 means
            no instance there.

    Returns:
        Semantic class int64 (N,), and segment id int64 (N,): the class for stuff; for instances ids
        from K on, in ascending order of score.
    """
    num_classes = len(class_masks)
    classes = torch.tensor(list(stuff), device=class_masks.device)
    rank = class_masks[classes].argmax(dim=0)
    semantic = classes[rank]
    top, labels = paint_instances(instances, min_points)
    painted = top > (1 if published_ids else 0)
    if published_ids:
        segment, first = rank.clone(), len(classes) - 2
    else:
        segment, first = semantic.clone(), num_classes - 1
    segment[painted] = top[painted] + first
    semantic[painted] = labels[top[painted] - 1]
    return semantic[instances.superpoints], segment[instances.superpoints]
