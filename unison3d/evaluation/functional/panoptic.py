"""Panoptic quality of points: PQ, SQ and RQ per class.

A segment is a set of points with one class and one positive id. Overlap counts only points whose
class agrees on both sides, so the wrongly classified part of an object leaves its area. Two
segments of a class match when their IoU is above 0.5 (then the match is unique).

The published numbers let a class that occurs nowhere count as 0 (``absent='zero'``), which deflates
the mean on data where some classes are missing. The default leaves such classes out
(``absent='skip'``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError
from unison3d.evaluation.functional.semantic import (
    class_points,
    confusion_matrix,
    nan_mean,
    points_result,
)

__all__ = ['PanopticCounts', 'PanopticEvaluator', 'PanopticResult', 'match_panoptic']

Absent = Literal['skip', 'zero']


@dataclass
class PanopticCounts:
    """Sums over scenes, per class.

    Attributes:
        true_positives, false_positives, false_negatives: int64, (K,). Segments.
        iou_sum: float64, (K,). Summed IoU of the true positives.
        points: int64, (K, 3). Points right, true and predicted of the classes, see
            :func:`~unison3d.evaluation.functional.semantic.class_points`.
    """

    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    false_negatives: NDArray[np.int64]
    iou_sum: NDArray[np.float64]
    points: NDArray[np.int64]

    @classmethod
    def zeros(cls, num_classes: int) -> PanopticCounts:
        """Nothing counted yet."""
        ints = [np.zeros(num_classes, dtype=np.int64) for _ in range(3)]
        points = np.zeros((num_classes, 3), dtype=np.int64)
        return cls(ints[0], ints[1], ints[2], np.zeros(num_classes), points)

    def add(self, other: PanopticCounts) -> None:
        """Add the counts of another scene or process."""
        self.true_positives += other.true_positives
        self.false_positives += other.false_positives
        self.false_negatives += other.false_negatives
        self.iou_sum += other.iou_sum
        self.points += other.points

    def result(self, stuff: Sequence[int] = (), absent: Absent = 'skip') -> PanopticResult:
        """Scores; ``stuff`` are the class indices without instances."""
        found = self.true_positives
        weight = found + 0.5 * self.false_positives + 0.5 * self.false_negatives
        sq = self.iou_sum / np.maximum(found, 1)
        rq = np.where(weight > 0, found / np.maximum(weight, 0.5), 0.0)
        iou = points_result(self.points).iou
        if absent == 'skip':
            sq = np.where(weight > 0, sq, np.nan)
            rq = np.where(weight > 0, rq, np.nan)
        elif absent == 'zero':
            iou = np.nan_to_num(iou)
        else:
            raise ValueError(f"absent must be 'skip' or 'zero', got {absent!r}")
        return PanopticResult(sq * rq, sq, rq, iou, tuple(stuff))


@dataclass(frozen=True)
class PanopticResult:
    """Panoptic scores.

    Attributes:
        pq, sq, rq: float64, (K,), per class. nan for absent classes that are left out.
        iou: float64, (K,). Semantic IoU of the panoptic classes.
        stuff: class indices without instances.
    """

    pq: NDArray[np.float64]
    sq: NDArray[np.float64]
    rq: NDArray[np.float64]
    iou: NDArray[np.float64]
    stuff: tuple[int, ...]

    def summary(self) -> dict[str, float]:
        """Means over all classes, over stuff and over things; PQ-dagger uses IoU for stuff."""
        is_stuff = np.zeros(len(self.pq), dtype=np.bool_)
        is_stuff[list(self.stuff)] = True
        values = {'pq': nan_mean(self.pq), 'sq': nan_mean(self.sq), 'rq': nan_mean(self.rq)}
        for part, chosen in (('things', ~is_stuff), ('stuff', is_stuff)):
            for name in ('pq', 'sq', 'rq'):
                values[f'{name}_{part}'] = nan_mean(getattr(self, name)[chosen])
        values['pq_dagger'] = nan_mean(np.where(is_stuff, self.iou, self.pq))
        values['miou'] = nan_mean(self.iou)
        return values


def match_panoptic(
    pred_semantic: ArrayLike,
    pred_ids: ArrayLike,
    gt_semantic: ArrayLike,
    gt_ids: ArrayLike,
    num_classes: int,
    *,
    min_points: int = 1,
) -> PanopticCounts:
    """Match the segments of one scene.

    Args:
        pred_semantic: integers, (N,). Class; outside ``0..K-1`` is no class.
        pred_ids: integers, (N,). Segment id, unique per scene or per class; negative is none.
        gt_semantic: integers, (N,). Points outside ``0..K-1`` do not count.
        gt_ids: integers, (N,). As ``pred_ids``. Stuff carries one id per class.
        num_classes: K.
        min_points: unmatched segments with fewer points are forgiven.

    Raises:
        SceneError: the four arrays differ in length.
    """
    arrays = [np.asarray(a).reshape(-1) for a in (pred_semantic, pred_ids, gt_semantic, gt_ids)]
    if len({len(a) for a in arrays}) > 1:
        raise SceneError(
            f'Panoptic arrays have {[len(a) for a in arrays]} points, expected equal lengths: '
            'prediction and ground truth belong to different scans.'
        )
    pred_semantic, pred_ids, gt_semantic, gt_ids = (a.astype(np.int64) for a in arrays)
    counts = PanopticCounts.zeros(num_classes)
    counts.points = class_points(confusion_matrix(pred_semantic, gt_semantic, num_classes))
    known = (gt_semantic >= 0) & (gt_semantic < num_classes)
    pred_semantic, pred_ids = pred_semantic[known], pred_ids[known]
    gt_semantic, gt_ids = gt_semantic[known], gt_ids[known]

    pred_segment, pred_class, pred_size = _segments(pred_semantic, pred_ids, num_classes)
    gt_segment, gt_class, gt_size = _segments(gt_semantic, gt_ids, num_classes)
    both = (pred_segment >= 0) & (gt_segment >= 0) & (pred_semantic == gt_semantic)
    pairs, shared = np.unique(
        pred_segment[both] * max(len(gt_size), 1) + gt_segment[both], return_counts=True
    )
    left, right = np.divmod(pairs, max(len(gt_size), 1))
    iou = shared / np.maximum(pred_size[left] + gt_size[right] - shared, 1)
    matched = iou > 0.5
    counts.true_positives = np.bincount(gt_class[right[matched]], minlength=num_classes)
    counts.iou_sum = np.bincount(
        gt_class[right[matched]], weights=iou[matched], minlength=num_classes
    )
    counts.false_positives = _unmatched(
        pred_class, pred_size, left[matched], num_classes, min_points
    )
    counts.false_negatives = _unmatched(gt_class, gt_size, right[matched], num_classes, min_points)
    return counts


def _segments(
    semantic: NDArray[np.int64], ids: NDArray[np.int64], num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Dense segment per point (-1 none), class and size of each segment."""
    valid = (ids >= 0) & (semantic >= 0) & (semantic < num_classes)
    segment = np.full(len(ids), -1, dtype=np.int64)
    keys, inverse, sizes = np.unique(
        ids[valid] * num_classes + semantic[valid], return_inverse=True, return_counts=True
    )
    segment[valid] = inverse.reshape(-1)
    return segment, keys % num_classes, sizes


def _unmatched(
    classes: NDArray[np.int64],
    sizes: NDArray[np.int64],
    matched: NDArray[np.int64],
    num_classes: int,
    min_points: int,
) -> NDArray[np.int64]:
    alone = sizes >= min_points
    alone[matched] = False
    return np.bincount(classes[alone], minlength=num_classes)


class PanopticEvaluator:
    """PQ of many scenes in the memory of a few vectors.

    >>> evaluator = PanopticEvaluator(num_classes=2, stuff=(0,))
    >>> evaluator.update([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 7, 7])
    >>> evaluator.compute().summary()['pq']
    1.0
    """

    def __init__(
        self,
        num_classes: int,
        stuff: Sequence[int] = (),
        *,
        min_points: int = 1,
        absent: Absent = 'skip',
    ) -> None:
        self.num_classes = num_classes
        self.stuff = tuple(stuff)
        self.min_points = min_points
        self.absent: Absent = absent
        self.counts = PanopticCounts.zeros(num_classes)

    def update(
        self,
        pred_semantic: ArrayLike,
        pred_ids: ArrayLike,
        gt_semantic: ArrayLike,
        gt_ids: ArrayLike,
    ) -> None:
        """Add one scene (arguments as in :func:`match_panoptic`)."""
        self.counts.add(
            match_panoptic(
                pred_semantic,
                pred_ids,
                gt_semantic,
                gt_ids,
                self.num_classes,
                min_points=self.min_points,
            )
        )

    def compute(self) -> PanopticResult:
        """Scores of everything added so far."""
        return self.counts.result(self.stuff, self.absent)
