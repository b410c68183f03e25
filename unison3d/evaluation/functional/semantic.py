"""Semantic segmentation: confusion matrix, IoU, accuracy.

The rules are those of the ScanNet benchmark. Points whose ground truth is outside the evaluated
classes do not count at all; a prediction outside the classes is a miss of the true class and a
false positive of nobody. A class that occurs neither in ground truth nor in predictions has no IoU
(nan) and is left out of means; one that is only predicted has IoU 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError

__all__ = [
    'SemanticEvaluator',
    'SemanticResult',
    'class_points',
    'confusion_matrix',
    'nan_mean',
    'points_result',
    'semantic_result',
]


@dataclass(frozen=True)
class SemanticResult:
    """What a confusion matrix says.

    Attributes:
        iou: float64, (K,). nan where a class never occurs.
        accuracy_per_class: float64, (K,). Recall; nan where a class has no ground truth.
        miou: mean of ``iou`` over the classes that occur.
        accuracy: share of right points, 0 to 1.
        mean_accuracy: mean of ``accuracy_per_class``.
        true_positives: int64, (K,). Points right.
        denominators: int64, (K,). Points in ground truth or prediction of the class.
    """

    iou: NDArray[np.float64]
    accuracy_per_class: NDArray[np.float64]
    miou: float
    accuracy: float
    mean_accuracy: float
    true_positives: NDArray[np.int64]
    denominators: NDArray[np.int64]


def confusion_matrix(pred: ArrayLike, gt: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Count pairs of true and predicted class.

    Args:
        pred: integers, (N,). Values outside ``0..K-1`` count as unknown.
        gt: integers, (N,). The same.
        num_classes: K.

    Returns:
        int64, (K + 1, K + 1), indexed ``[gt, pred]``; the last row and column are unknown.

    Raises:
        SceneError: the two have different lengths.
    """
    pred, gt = np.asarray(pred).reshape(-1), np.asarray(gt).reshape(-1)
    if pred.shape != gt.shape:
        raise SceneError(
            f'{len(pred)} predicted and {len(gt)} true labels: '
            'prediction and ground truth belong to different scans.'
        )
    width = num_classes + 1
    gt = np.where((gt >= 0) & (gt < num_classes), gt, num_classes).astype(np.int64)
    pred = np.where((pred >= 0) & (pred < num_classes), pred, num_classes).astype(np.int64)
    return np.bincount(gt * width + pred, minlength=width * width).reshape(width, width)


def class_points(confusion: ArrayLike) -> NDArray[np.int64]:
    """What the scores need of a confusion matrix, in the memory of three numbers per class.

    Args:
        confusion: integers, (K + 1, K + 1), from :func:`confusion_matrix`.

    Returns:
        int64, (K, 3): points right, points of the true class, and points with a true class that
        were predicted as this one. Sums of it over scenes are valid again.
    """
    counts = np.asarray(confusion, dtype=np.int64)[:-1]
    right = np.diagonal(counts)
    return np.stack([right, counts.sum(axis=1), counts[:, :-1].sum(axis=0)], axis=1)


def points_result(points: ArrayLike) -> SemanticResult:
    """Scores of the counts made by :func:`class_points` (or the sum of several)."""
    true_positives, in_gt, predicted = np.asarray(points, dtype=np.int64).reshape(-1, 3).T
    denominators = in_gt + predicted - true_positives
    iou = _share(true_positives, denominators)
    recall = _share(true_positives, in_gt)
    total = int(in_gt.sum())
    return SemanticResult(
        iou=iou,
        accuracy_per_class=recall,
        miou=nan_mean(iou),
        accuracy=float(true_positives.sum() / total) if total else float('nan'),
        mean_accuracy=nan_mean(recall),
        true_positives=true_positives,
        denominators=denominators,
    )


def semantic_result(confusion: ArrayLike) -> SemanticResult:
    """Scores of a matrix made by :func:`confusion_matrix` (or the sum of several)."""
    return points_result(class_points(confusion))


class SemanticEvaluator:
    """Scores of many scenes in the memory of one matrix.

    >>> evaluator = SemanticEvaluator(num_classes=2)
    >>> evaluator.update(pred=[0, 1, 1], gt=[0, 1, 0])
    >>> evaluator.compute().iou
    array([0.5, 0.5])
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.confusion = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)

    def update(self, pred: ArrayLike, gt: ArrayLike) -> None:
        """Add one scene."""
        self.confusion += confusion_matrix(pred, gt, self.num_classes)

    def compute(self) -> SemanticResult:
        """Scores of everything added so far."""
        return semantic_result(self.confusion)


def nan_mean(values: ArrayLike) -> float:
    """Mean without nan; nan where nothing remains (numpy would warn)."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float('nan')


def _share(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
