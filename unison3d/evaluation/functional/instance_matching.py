"""Matching of predicted and true instances of one scene, by the rules of the ScanNet benchmark.

What looks odd is kept, because published numbers contain it:

- Matching is greedy per ground-truth object in the order of its id, over predictions in input
  order (not by score). Overlap must be strictly above the threshold.
- A second prediction above the threshold for the same object becomes a false positive with the
  lower of the two scores, and stays free: it may be matched again by a later object.
- A prediction without object is a false positive unless its share of ignored points (points of no
  evaluated class, points on objects of its own class below ``min_points``) exceeds the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError
from unison3d.evaluation.functional.overlap import dense_labels, mask_overlaps

__all__ = ['SCANNET_THRESHOLDS', 'SceneMatches', 'decode_scannet_ids', 'match_instances']

#: IoU thresholds in the order of the official tables: 0.50 .. 0.90, then 0.25.
SCANNET_THRESHOLDS: tuple[float, ...] = (*np.arange(0.5, 0.95, 0.05).tolist(), 0.25)


@dataclass(frozen=True)
class SceneMatches:
    """What one scene contributes to the AP of every class and threshold.

    Attributes:
        classes: int64, (E,). Class index of each counted prediction.
        thresholds: int64, (E,). Threshold index.
        scores: float64, (E,).
        correct: bool, (E,). True positive or false positive.
        gt_classes: int64, (P,). Classes with at least one object that counts.
        misses: int64, (P, T). Objects of these classes that nothing matched.
    """

    classes: NDArray[np.int64]
    thresholds: NDArray[np.int64]
    scores: NDArray[np.float64]
    correct: NDArray[np.bool_]
    gt_classes: NDArray[np.int64]
    misses: NDArray[np.int64]


def decode_scannet_ids(codes: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split benchmark codes ``1000 * label + instance`` into dense ids and labels.

    Codes below 1000 (nothing annotated) become -1.

    Args:
        codes: integers, (N,).

    Returns:
        Instance ids int64 (N,) in ``0..M-1`` or -1, and the label of each instance, int64 (M,).
    """
    codes = np.asarray(codes).astype(np.int64)
    unique, ids = np.unique(codes, return_inverse=True)
    ids = ids.reshape(codes.shape)
    first = int(np.searchsorted(unique, 1000))
    return np.maximum(ids - first, -1), unique[first:] // 1000


def match_instances(
    masks: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    gt_instances: ArrayLike,
    gt_labels: ArrayLike,
    *,
    class_ids: Sequence[int] | None,
    thresholds: Sequence[float] = SCANNET_THRESHOLDS,
    min_points: int = 100,
    superpoints: ArrayLike | None = None,
) -> SceneMatches:
    """Match the predictions of one scene with its objects.

    Args:
        masks: bool, (Q, N), or (Q, S) with ``superpoints``.
        labels: integers, (Q,). Predictions outside ``class_ids`` are dropped.
        scores: (Q,).
        gt_instances: integers, (N,). Object ``0..M-1`` of each point, negative for none.
        gt_labels: integers, (M,). Objects outside ``class_ids`` count as not annotated.
        class_ids: K label ids to evaluate; None evaluates without classes (every object and every
            prediction is of one class, whatever its label).
        thresholds: T IoU thresholds.
        min_points: smaller predictions are dropped, smaller objects are ignored.
        superpoints: integers, (N,), for masks over superpoints.

    Raises:
        SceneError: lengths do not fit or a score is not a number.
    """
    scores = np.asarray(scores, dtype=np.float64).reshape(-1)
    labels = np.asarray(labels).reshape(-1)
    gt_labels = np.asarray(gt_labels).reshape(-1)
    gt_instances = np.asarray(gt_instances).reshape(-1)
    masks = np.asarray(masks)
    if not len(masks) == len(labels) == len(scores):
        raise SceneError(f'{len(masks)} masks, {len(labels)} labels and {len(scores)} scores.')
    if np.isnan(scores).any():
        raise SceneError(f'{int(np.isnan(scores).sum())} of {len(scores)} scores are nan.')
    if gt_instances.size and gt_instances.max() >= len(gt_labels):
        raise SceneError(
            f'Instance id {gt_instances.max()} has no label: only {len(gt_labels)} are given.'
        )
    if class_ids is None:
        num_classes = 1
        pred_class = np.zeros(len(labels), dtype=np.int64)
        gt_class = np.zeros(len(gt_labels), dtype=np.int64)
    else:
        num_classes = len(class_ids)
        pred_class = dense_labels(labels, class_ids)
        gt_class = dense_labels(gt_labels, class_ids)

    counts = mask_overlaps(masks, gt_instances, len(gt_labels), superpoints)
    gt_sizes = np.bincount(
        np.where(gt_instances < 0, len(gt_labels), gt_instances).astype(np.int64),
        minlength=len(gt_labels) + 1,
    )[:-1]
    pred_sizes = counts.sum(axis=1)
    not_annotated = counts[:, -1] + counts[:, :-1][:, gt_class == num_classes].sum(axis=1)
    usable = (pred_class < num_classes) & (pred_sizes >= max(min_points, 1))

    entries: list[tuple[int, int, float, bool]] = []
    gt_classes, misses = [], []
    thresholds = [float(t) for t in thresholds]
    for index in range(num_classes):
        rows = np.flatnonzero(usable & (pred_class == index))
        columns = np.flatnonzero((gt_class == index) & (gt_sizes > 0))
        large = gt_sizes[columns] >= min_points
        if not len(rows) and not large.any():
            continue
        shared = counts[np.ix_(rows, columns)]
        union = pred_sizes[rows, None] + gt_sizes[None, columns] - shared
        iou = shared / np.maximum(union, 1)
        ignored = not_annotated[rows] + shared[:, ~large].sum(axis=1)
        ignored = ignored / pred_sizes[rows]
        missed = np.zeros(len(thresholds), dtype=np.int64)
        for column, threshold in enumerate(thresholds):
            over = iou > threshold
            found, missed[column] = _match_class(over[:, large], scores[rows])
            entries += [(index, column, score, right) for score, right in found]
            alone = ~over.any(axis=1) & (ignored <= threshold)
            entries += [(index, column, score, False) for score in scores[rows[alone]]]
        if large.any():
            gt_classes.append(index)
            misses.append(missed)
    classes, columns, values, right = zip(*entries, strict=True) if entries else ((), (), (), ())
    return SceneMatches(
        classes=np.array(classes, dtype=np.int64),
        thresholds=np.array(columns, dtype=np.int64),
        scores=np.array(values, dtype=np.float64),
        correct=np.array(right, dtype=np.bool_),
        gt_classes=np.array(gt_classes, dtype=np.int64),
        misses=np.array(misses, dtype=np.int64).reshape(len(misses), len(thresholds)),
    )


def _match_class(
    over: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[list[tuple[float, bool]], int]:
    """Greedy matching of one class at one threshold.

    Args:
        over: bool, (predictions, objects). Overlap above the threshold.
        scores: (predictions,).

    Returns:
        (score, correct) of every prediction that took part, and the number of missed objects.
    """
    taken = np.zeros(len(over), dtype=np.bool_)
    found: list[tuple[float, bool]] = []
    missed = 0
    for candidates in over.T:
        best = None
        for row in np.flatnonzero(candidates & ~taken):
            score = float(scores[row])
            if best is None:
                best = score
                taken[row] = True
            else:
                found.append((min(best, score), False))
                best = max(best, score)
        if best is None:
            missed += 1
        else:
            found.append((best, True))
    return found, missed
