"""What the metrics share: reading a sample, and scoring masks against instances by counting."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from unison3d.errors import SceneError
from unison3d.evaluation.functional import mask_overlaps
from unison3d.structures import InstanceMasks

__all__ = ['SceneMetric', 'as_numpy', 'instance_counts', 'union_iou']


class SceneMetric(BaseMetric):
    """A metric that keeps one small result per scene, never masks.

    MMEngine gathers the results of all processes, restores the order of the data set and cuts what
    a sampler has added to fill the last batch. That works only with exactly one result per scene,
    so a scene without the ground truth in question leaves None behind.
    """

    #: Fields without which a scene is not scored.
    required: tuple[str, ...] = ()

    def process(self, data_batch: Any, data_samples: list) -> None:
        """Score each scene of a batch; samples are SceneSample or their dict form."""
        for sample in data_samples:
            fields = sample if isinstance(sample, dict) else sample.to_dict()
            complete = all(fields.get(name) is not None for name in self.required)
            self.results.append(self.score(fields) if complete else None)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Reduce the results of all scenes to numbers."""
        return self.reduce([result for result in results if result is not None])

    def score(self, sample: dict) -> Any:
        """The small result of one scene."""
        raise NotImplementedError

    def reduce(self, results: list) -> dict[str, float]:
        """Numbers of all scenes; ``results`` can be empty."""
        raise NotImplementedError


def as_numpy(value: Any) -> NDArray:
    """A tensor from any device, or anything array-like, as numpy."""
    if hasattr(value, 'detach'):
        value = value.detach().cpu()
    return np.asarray(value)


def instance_counts(
    predicted: InstanceMasks, gt_instances: Any, num_instances: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Points shared by each mask and instance, and points per instance.

    Returns:
        int64 (K, M + 1), the last column for points without instance, and int64 (M,).
    """
    ids = as_numpy(gt_instances).astype(np.int64)
    if ids.size and ids.max() >= num_instances:
        raise SceneError(
            f'Instance id {ids.max()} in a scene of {num_instances} instances: gt_instances must '
            'lie in 0..M-1, or be -1.'
        )
    counts = mask_overlaps(
        as_numpy(predicted.superpoint_masks),
        ids,
        num_instances,
        as_numpy(predicted.superpoints),
    )
    return counts, np.bincount(ids[ids >= 0], minlength=num_instances)


def union_iou(
    counts: NDArray[np.int64], sizes: NDArray[np.int64], targets: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """IoU of each mask with the union of its target instances; 1 where both are empty.

    Args:
        counts: int64, (K, M + 1), from :func:`instance_counts`.
        sizes: int64, (M,). Points per instance.
        targets: bool, (K, M).
    """
    shared = (counts[:, :-1] * targets).sum(axis=1)
    union = counts.sum(axis=1) + targets @ sizes - shared
    return np.where(union > 0, shared / np.maximum(union, 1), 1.0)
