"""Instance segmentation: average precision by the rules of the ScanNet benchmark.

Numbers equal the official script; :mod:`.instance_matching` says how predictions meet objects.

- AP averages the nine thresholds 0.50 .. 0.90; 0.95 is not among them. AP25 and AP50 are single.
- The area under the curve is a trapezoid-like rule over the distinct scores, closed by (1, 0).
- A class without ground truth is nan and left out of means.

One deviation: where every prediction of a class is ignored, the official script stops with an
error; here that class gets 0, which is what its repaired copies give.

Memory is constant per prediction: a scene leaves a few numbers behind, never its masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.evaluation.functional.instance_matching import (
    SCANNET_THRESHOLDS,
    SceneMatches,
    match_instances,
)
from unison3d.evaluation.functional.semantic import nan_mean
from unison3d.native import kernel

__all__ = ['InstanceEvaluator', 'InstanceResult', 'constant_scores', 'instance_result']


@dataclass(frozen=True)
class InstanceResult:
    """AP of every class and threshold.

    Attributes:
        ap: float64, (K, T). nan for classes without ground truth.
        precision, recall: float64, (K, T), at the score with the best F1.
        thresholds: T IoU thresholds.
    """

    ap: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: tuple[float, ...]

    def table(self) -> NDArray[np.float64]:
        """float64, (K, 3): AP, AP50 and AP25 of each class; nan where a threshold is missing."""
        thresholds = np.asarray(self.thresholds)
        high = ~np.isclose(thresholds, 0.25)
        mean = np.array([nan_mean(row[high]) for row in self.ap])
        return np.stack([mean, self._at(self.ap, 0.5), self._at(self.ap, 0.25)], axis=1)

    def mean(self, classes: Sequence[int] | None = None) -> tuple[float, float, float]:
        """AP, AP50 and AP25 over all classes, or over a subset of class indices."""
        table = self.table() if classes is None else self.table()[np.asarray(classes, dtype=int)]
        return nan_mean(table[:, 0]), nan_mean(table[:, 1]), nan_mean(table[:, 2])

    def precision_recall(self, threshold: float = 0.5) -> NDArray[np.float64]:
        """float64, (K, 2): precision and recall at the best F1 for one IoU threshold."""
        return np.stack(
            [self._at(self.precision, threshold), self._at(self.recall, threshold)], axis=1
        )

    def _at(self, values: NDArray, threshold: float) -> NDArray[np.float64]:
        found = np.flatnonzero(np.isclose(self.thresholds, threshold))
        return values[:, found[0]] if len(found) else np.full(len(values), np.nan)


def instance_result(
    scenes: Iterable[SceneMatches],
    num_classes: int,
    thresholds: Sequence[float] = SCANNET_THRESHOLDS,
) -> InstanceResult:
    """AP over many scenes.

    Args:
        scenes: from :func:`match_instances`, all with the same classes and thresholds.
        num_classes: K (1 for evaluation without classes).
        thresholds: T IoU thresholds.
    """
    scenes = list(scenes)
    shape = (num_classes, len(thresholds))
    has_gt = np.zeros(num_classes, dtype=np.bool_)
    misses = np.zeros(shape, dtype=np.int64)
    for scene in scenes:
        has_gt[scene.gt_classes] = True
        misses[scene.gt_classes] += scene.misses
    cell, scores, correct = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.bool_)
    if scenes:
        cell = np.concatenate([s.classes * shape[1] + s.thresholds for s in scenes])
        scores = np.concatenate([s.scores for s in scenes])
        correct = np.concatenate([s.correct for s in scenes])
    order = np.lexsort((scores, cell))
    cell, scores, correct = cell[order], scores[order], correct[order]
    starts = np.searchsorted(cell, np.arange(shape[0] * shape[1] + 1))
    values = np.full((*shape, 3), np.nan)
    _fill_scores(starts, scores, correct, misses, has_gt, values)
    ap, precision, recall = np.moveaxis(values, 2, 0)
    return InstanceResult(ap, precision, recall, tuple(float(t) for t in thresholds))


def constant_scores(matches: SceneMatches) -> SceneMatches:
    """The same matches with the score 1 everywhere.

    AP is then ``R (1 + P) / 2`` per class and threshold, as in the published open-vocabulary
    protocol. Which prediction meets which object does not depend on scores.
    """
    return replace(matches, scores=np.ones_like(matches.scores))


@kernel
def _fill_scores(starts, scores, correct, misses, has_gt, values):
    """AP, and precision and recall at the best F1, of every class and threshold.

    With ``r_0 .. r_n`` the recall at the distinct scores, ascending, and the closing point (1, 0),
    the official script convolves recall with (-1/2, 0, 1/2): the weight of the precision at point i
    is ``(r_{i-1} - r_{i+1}) / 2``, with the first and the last recall repeated.

    Args:
        starts: int64, (K * T + 1,). First entry of each cell.
        scores, correct: (E,). Entries by cell, scores ascending inside.
        misses: int64, (K, T). Objects that nothing matched.
        has_gt: bool, (K,).
        values: float64, (K, T, 3), filled for classes with ground truth.
    """
    num_classes, num_thresholds = misses.shape
    for k in range(num_classes):
        if not has_gt[k]:
            continue
        for t in range(num_thresholds):
            begin = starts[k * num_thresholds + t]
            end = starts[k * num_thresholds + t + 1]
            found = 0
            for i in range(begin, end):
                found += correct[i]
            objects = max(found + misses[k, t], 1)
            area, best, best_precision, best_recall = 0.0, 0.0, 0.0, 0.0
            true, before, current = found, found / objects, found / objects
            first = begin
            while first < end:
                # Equal scores are one step: all entries from the first of them on are kept.
                precision = true / (end - first)
                last = first
                while last < end and scores[last] == scores[first]:
                    true -= correct[last]
                    last += 1
                after = true / objects if last < end else 0.0
                area += precision * (before - after) / 2
                quality = 2 * precision * current / (precision + current + 1e-4)
                if quality > best or first == begin:
                    best, best_precision, best_recall = quality, precision, current
                before, current, first = current, after, last
            if end > begin:
                # The closing point has precision 1.
                area += before / 2
            values[k, t, 0], values[k, t, 1], values[k, t, 2] = area, best_precision, best_recall


class InstanceEvaluator:
    """AP of many scenes; keeps matches, not masks.

    >>> evaluator = InstanceEvaluator(class_ids=[5], min_points=1)
    >>> evaluator.update([[1, 1, 0, 0]], [5], [0.9], gt_instances=[0, 0, -1, -1], gt_labels=[5])
    >>> evaluator.compute().mean()
    (1.0, 1.0, 1.0)

    Args:
        class_ids: label ids to evaluate, None for evaluation without classes.
        thresholds: IoU thresholds.
        min_points: smaller predictions are dropped, smaller objects ignored.
        constant_score: give every prediction the score 1, as the published open-vocabulary
            protocol does. AP is then ``R (1 + P) / 2``: never compare it with a ranked AP.
    """

    def __init__(
        self,
        class_ids: Sequence[int] | None,
        *,
        thresholds: Sequence[float] = SCANNET_THRESHOLDS,
        min_points: int = 100,
        constant_score: bool = False,
    ) -> None:
        self.class_ids = None if class_ids is None else tuple(int(i) for i in class_ids)
        self.thresholds = tuple(float(t) for t in thresholds)
        self.min_points = min_points
        self.constant_score = constant_score
        self.scenes: list[SceneMatches] = []

    @property
    def num_classes(self) -> int:
        """Number of evaluated classes, 1 without classes."""
        return 1 if self.class_ids is None else len(self.class_ids)

    def update(
        self,
        masks: ArrayLike,
        labels: ArrayLike,
        scores: ArrayLike,
        gt_instances: ArrayLike,
        gt_labels: ArrayLike,
        superpoints: ArrayLike | None = None,
    ) -> None:
        """Add one scene (arguments as in :func:`match_instances`)."""
        if self.constant_score:
            scores = np.ones(len(np.asarray(scores)))
        matches = match_instances(
            masks,
            labels,
            scores,
            gt_instances,
            gt_labels,
            class_ids=self.class_ids,
            thresholds=self.thresholds,
            min_points=self.min_points,
            superpoints=superpoints,
        )
        self.scenes.append(matches)

    def compute(self) -> InstanceResult:
        """AP of everything added so far."""
        return instance_result(self.scenes, self.num_classes, self.thresholds)
