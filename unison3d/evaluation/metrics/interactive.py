"""Masks that follow clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from unison3d.errors import SceneError
from unison3d.evaluation.functional import (
    clicks_to_reach,
    iou_at_click,
    nan_mean,
    prompt_summary,
)
from unison3d.evaluation.metrics.common import (
    GroundTruth,
    SceneMetric,
    Table,
    as_numpy,
    check_ground_truth,
    instance_counts,
    instance_of_points,
    union_iou,
)
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['InteractiveMetric']


@METRICS.register_module()
class InteractiveMetric(SceneMetric):
    """Interactive segmentation: ``IoU@k`` per number of clicks, ``AP``, ``AP50``, ``AP25``.

    AP ranks all clicked objects of the data set by the score of their mask (thresholds
    0.50 .. 0.95), so it is not the AP of instance segmentation.

    Scenes with ``pred_click_curves`` (a simulated user clicked on until done) add ``IoU@k`` for
    ``counts`` and ``NoC@q`` for ``targets``, over the objects of these curves.

    Args:
        ground_truth: ``'points'`` compares with the annotated points. ``'superpoints'`` compares
            with the annotation rounded to superpoints (``sp_masks``), as published numbers do,
            which flatters.
        confidence: what AP ranks by. ``'predicted'`` is the model's own score. ``'true_class'`` is
            the probability of the true class (``pred_click_probabilities``), as in published
            numbers, which nobody knows at test time.
        counts: k of ``IoU@k`` of curves.
        targets: q of ``NoC@q``, per cent.
        limit: clicks after which an object counts as never reached.
        label_space: names the classes of the table.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``interactive``.
    """

    default_prefix = 'interactive'
    required = ('gt_instances', 'prompts', 'pred_clicks')

    def __init__(
        self,
        *,
        ground_truth: GroundTruth = 'points',
        confidence: Literal['predicted', 'true_class'] = 'predicted',
        counts: Sequence[int] = (1, 2, 3, 5, 10, 15),
        targets: Sequence[int] = (50, 65, 80, 85, 90),
        limit: int = 20,
        label_space: str | Mapping[str, Any] | LabelSpace = 'scannet20',
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ground_truth = check_ground_truth(ground_truth)
        if confidence not in ('predicted', 'true_class'):
            raise ValueError(f"confidence is {confidence!r}: 'predicted' or 'true_class'")
        self.confidence = confidence
        self.counts, self.targets, self.limit = tuple(counts), tuple(targets), limit
        self.label_space = get_label_space(label_space)

    def score(self, sample: dict) -> dict[str, np.ndarray]:
        """IoU, score, class and number of clicks of each object with a known target."""
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
        ids = instance_of_points(self.ground_truth, sample, as_numpy(predicted.superpoints))
        size = int(max(ids.max(initial=-1), targets.max(initial=-1))) + 1
        counts, sizes = instance_counts(predicted, ids, size)
        known = np.flatnonzero(targets >= 0)
        chosen = targets[known, None] == np.arange(size)[None, :]
        ious = union_iou(counts[known], sizes, chosen)
        # An object without a single point cannot be clicked right.
        ious = np.where(sizes[targets[known]] > 0, ious, 0.0)
        classes = self._classes(sample, targets[known])
        return {
            'ious': ious,
            'scores': self._scores(sample, known, classes),
            'clicks': clicks[known],
            'classes': classes,
            'curves': _curves(sample, len(targets), known),
        }

    def _classes(self, sample: dict, targets: np.ndarray) -> np.ndarray:
        """Semantic id of each target, the ignore index where classes are not annotated."""
        if sample.get('gt_instance_semantic') is None:
            return np.full(len(targets), self.label_space.ignore_index)
        return as_numpy(sample['gt_instance_semantic']).astype(np.int64)[targets]

    def _scores(self, sample: dict, known: np.ndarray, classes: np.ndarray) -> np.ndarray:
        if self.confidence == 'predicted':
            return as_numpy(sample['pred_clicks'].scores).astype(np.float64)[known]
        if sample.get('pred_click_probabilities') is None:
            raise SceneError(
                "confidence='true_class' needs pred_click_probabilities, one row per object, which "
                "this model does not write. Use confidence='predicted'."
            )
        rows = as_numpy(sample['pred_click_probabilities']).astype(np.float64)[known]
        labels = classes - len(self.label_space.stuff)
        inside = (labels >= 0) & (labels < rows.shape[1])
        return np.where(inside, rows[np.arange(len(rows)), np.where(inside, labels, 0)], 0.0)

    def reduce(self, results: list) -> dict[str, float]:
        """Means over all objects of all scenes."""
        ious, scores, clicks = (_join(results, name) for name in ('ious', 'scores', 'clicks'))
        summary = prompt_summary(ious, scores)
        numbers = [int(k) for k in np.unique(clicks)] or [1]
        values = {f'IoU@{k}': nan_mean(ious[clicks == k]) for k in numbers}
        values |= {'AP': summary['ap'], 'AP50': summary['ap50'], 'AP25': summary['ap25']}
        curves = [result['curves'] for result in results if result['curves'] is not None]
        if curves:
            width = max(curve.shape[1] for curve in curves)
            table = np.concatenate([_widened(curve, width) for curve in curves])
            for k in self.counts:
                if k <= width:
                    values[f'IoU@{k}'] = nan_mean(iou_at_click(table, k))
            for q in self.targets:
                values[f'NoC@{q}'] = nan_mean(clicks_to_reach(table, q / 100, self.limit))
        return values

    def tables(self, results: list) -> list[Table]:
        """IoU of every class."""
        ious, classes = _join(results, 'ious'), _join(results, 'classes')
        names = (*self.label_space.classes, 'other')
        values = []
        for index in range(len(names)):
            own = ious[classes == index]
            values.append([len(own), nan_mean(own), nan_mean(own > 0.5)])
        columns = ('objects', 'mIoU', 'IoU > 0.5')
        return [Table.make('interactive, by class', columns, names, values)]

    def scene_score(self, result: dict[str, np.ndarray]) -> float:
        """Mean IoU of the clicked objects."""
        return nan_mean(result['ious'])


def _join(results: list, name: str) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(result[name] for result in results)])


def _curves(sample: dict, num_objects: int, known: np.ndarray) -> np.ndarray | None:
    """Rows of ``pred_click_curves`` of objects with a known target."""
    if sample.get('pred_click_curves') is None:
        return None
    curves = as_numpy(sample['pred_click_curves'])
    if curves.ndim != 2 or len(curves) != num_objects:
        raise SceneError(
            f'pred_click_curves has shape {curves.shape} for {num_objects} clicked objects, '
            'expected one row per object and one column per click.'
        )
    return curves[known].astype(np.float64)


def _widened(curves: np.ndarray, width: int) -> np.ndarray:
    """The same curves with columns of nan (no further click) up to a width."""
    return np.pad(curves, [(0, 0), (0, width - curves.shape[1])], constant_values=np.nan)
