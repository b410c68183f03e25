"""Masks that follow clicks."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unison3d.errors import SceneError
from unison3d.evaluation.functional import nan_mean, prompt_summary
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy, instance_counts, union_iou
from unison3d.registry import METRICS

__all__ = ['InteractiveMetric']


@METRICS.register_module()
class InteractiveMetric(SceneMetric):
    """Interactive segmentation: ``IoU@k`` per number of clicks, ``AP``, ``AP50``, ``AP25``.

    AP ranks all clicked objects of the data set by the score of their mask (thresholds
    0.50 .. 0.95), so it is not the AP of instance segmentation. The published AP ranks by the
    probability of the true class, which nobody knows at test time; here the model's own score
    is used.

    Args:
        ground_truth: ``'points'`` compares with the annotated points. ``'superpoints'`` compares
            with the annotation rounded to superpoints (``sp_masks``), as published numbers do,
            which flatters.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``interactive``.
    """

    default_prefix = 'interactive'
    required = ('gt_instances', 'prompts', 'pred_clicks')

    def __init__(
        self,
        *,
        ground_truth: Literal['points', 'superpoints'] = 'points',
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if ground_truth not in ('points', 'superpoints'):
            raise ValueError(f"ground_truth is {ground_truth!r}: 'points' or 'superpoints'")
        self.ground_truth = ground_truth

    def score(self, sample: dict) -> dict[str, np.ndarray]:
        """IoU, score and number of clicks of each object with a known target."""
        predicted = sample['pred_clicks']
        targets = as_numpy(sample['prompts'].click_targets).astype(np.int64)
        if len(targets) != len(predicted):
            raise SceneError(
                f'{len(predicted)} predicted masks for {len(targets)} clicked objects: '
                'pred_clicks needs one row per object, empty masks included.'
            )
        clicks = np.bincount(
            as_numpy(sample['prompts'].click_objects).astype(np.int64), minlength=len(targets)
        )
        ids = as_numpy(sample['gt_instances'])
        if self.ground_truth == 'superpoints':
            ids = _rounded(as_numpy(sample['sp_masks']), as_numpy(predicted.superpoints))
        size = int(max(ids.max(initial=-1), targets.max(initial=-1))) + 1
        counts, sizes = instance_counts(predicted, ids, size)
        known = np.flatnonzero(targets >= 0)
        chosen = targets[known, None] == np.arange(size)[None, :]
        ious = union_iou(counts[known], sizes, chosen)
        # An object without a single point cannot be clicked right.
        ious = np.where(sizes[targets[known]] > 0, ious, 0.0)
        scores = as_numpy(predicted.scores).astype(np.float64)[known]
        return {'ious': ious, 'scores': scores, 'clicks': clicks[known]}

    def reduce(self, results: list) -> dict[str, float]:
        """Means over all objects of all scenes."""
        ious, scores, clicks = (
            np.concatenate([np.zeros(0), *(result[name] for result in results)])
            for name in ('ious', 'scores', 'clicks')
        )
        summary = prompt_summary(ious, scores)
        numbers = [int(k) for k in np.unique(clicks)] or [1]
        values = {f'IoU@{k}': nan_mean(ious[clicks == k]) for k in numbers}
        values |= {'AP': summary['ap'], 'AP50': summary['ap50'], 'AP25': summary['ap25']}
        return values


def _rounded(sp_masks: np.ndarray, superpoints: np.ndarray) -> np.ndarray:
    """Instance of every point after rounding to superpoints; -1 for none."""
    if not len(sp_masks):
        return np.full(len(superpoints), -1, dtype=np.int64)
    owner = np.where(sp_masks.any(axis=0), sp_masks.argmax(axis=0), -1)
    return owner[superpoints]
