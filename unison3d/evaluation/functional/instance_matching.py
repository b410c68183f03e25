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
from unison3d.evaluation.functional.overlap import dense_labels, overlaps_and_sizes
from unison3d.native import kernel

__all__ = ['SCANNET_THRESHOLDS', 'SceneMatches', 'decode_scannet_ids', 'match_instances']

#: IoU thresholds in the order of the official tables: 0.50 .. 0.90, then 0.25.
SCANNET_THRESHOLDS: tuple[float, ...] = (*np.arange(0.5, 0.95, 0.05).tolist(), 0.25)

# Codes of ScanNet200 are below 1.2 million.
_LARGEST_TABLE = 2_000_000


@dataclass(frozen=True)
class SceneMatches:
    """What one scene contributes to the AP of every class and threshold.

    Attributes:
        classes: int32, (E,). Class index of each counted prediction.
        thresholds: int16, (E,). Threshold index.
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
    codes = np.asarray(codes).astype(np.int64, copy=False)
    if codes.size and codes.min() >= 0 and codes.max() < _LARGEST_TABLE:
        # Ten times as fast as sorting, and codes are small.
        seen = np.zeros(int(codes.max()) + 1, dtype=np.bool_)
        seen[codes] = True
        seen[:1000] = False
        found = np.flatnonzero(seen)
        # Not filled, since only these entries are looked up.
        table = np.empty(len(seen), dtype=np.int32)
        table[:1000] = -1
        table[found] = np.arange(len(found))
        return table[codes].astype(np.int64), found // 1000
    unique, ids = np.unique(codes, return_inverse=True)
    first = int(np.searchsorted(unique, 1000))
    return np.maximum(ids.reshape(codes.shape) - first, -1), unique[first:] // 1000


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
    masks = np.asarray(masks)
    if not len(masks) == len(labels) == len(scores):
        raise SceneError(f'{len(masks)} masks, {len(labels)} labels and {len(scores)} scores.')
    if np.isnan(scores).any():
        raise SceneError(f'{int(np.isnan(scores).sum())} of {len(scores)} scores are nan.')
    if class_ids is None:
        num_classes = 1
        pred_class = np.zeros(len(labels), dtype=np.int64)
        gt_class = np.zeros(len(gt_labels), dtype=np.int64)
    else:
        num_classes = len(class_ids)
        pred_class = dense_labels(labels, class_ids)
        gt_class = dense_labels(gt_labels, class_ids)

    num_objects = len(gt_labels)
    counts, gt_sizes = overlaps_and_sizes(masks, gt_instances, num_objects, superpoints)
    pred_sizes = counts.sum(axis=1)
    usable = (pred_class < num_classes) & (pred_sizes >= max(min_points, 1))
    counts, pred_sizes = counts[usable], pred_sizes[usable]
    pred_class, scores = pred_class[usable], scores[usable]

    same_class = pred_class[:, None] == gt_class[None, :]
    shared = counts[:, :-1]
    iou = shared / np.maximum(pred_sizes[:, None] + gt_sizes[None, :] - shared, 1)
    iou[~same_class] = 0.0
    large = (gt_sizes >= max(min_points, 1)) & (gt_class < num_classes)
    # Points on objects that no prediction of this class can be blamed for.
    uncounted = (gt_class == num_classes)[None, :] | (same_class & ~large[None, :])
    ignored = (counts[:, -1] + (shared * uncounted).sum(axis=1)) / pred_sizes

    limits = np.asarray(thresholds, dtype=np.float64)
    closest = iou.max(axis=1, initial=0.0)
    alone = (closest[:, None] <= limits) & (ignored[:, None] <= limits)
    gt_classes = np.unique(gt_class[large])
    misses = np.zeros((num_classes, len(limits)), dtype=np.int64)
    # Each pair above the lowest threshold can end as one entry per threshold, and so can each
    # prediction that meets no object.
    room = (int((iou > limits.min()).sum()) + len(iou)) * len(limits)
    place, source = np.empty(room, dtype=np.int64), np.empty((2, room), dtype=np.float64)
    found = _match(
        np.ascontiguousarray(iou.T),
        alone,
        scores,
        pred_class,
        gt_class,
        large,
        limits,
        misses,
        place,
        source,
    )
    classes, columns = np.divmod(place[:found], len(limits))
    return SceneMatches(
        classes=classes.astype(np.int32),
        thresholds=columns.astype(np.int16),
        scores=source[0, :found].copy(),
        correct=source[1, :found] > 0,
        gt_classes=gt_classes,
        misses=misses[gt_classes],
    )


@kernel
def _match(iou, alone, scores, pred_class, gt_class, large, thresholds, misses, place, source):
    """Greedy matching of all classes at all thresholds.

    Args:
        iou: float64, (M, Q), 0 between different classes.
        alone: bool, (Q, T). Predictions that count as wrong without meeting an object.
        scores: float64, (Q,).
        pred_class, gt_class: int64, (Q,) and (M,).
        large: bool, (M,). Objects that count.
        thresholds: float64, (T,).
        misses: int64, (K, T), added to: objects that nothing matched.
        place: int64, (E,), filled: class and threshold of each entry as ``class * T + threshold``.
        source: float64, (2, E), filled: score, and 1 where the entry is right.

    Returns:
        Number of entries.
    """
    found = 0
    num_thresholds = len(thresholds)
    taken = np.zeros(len(scores), np.bool_)
    for t in range(num_thresholds):
        threshold = thresholds[t]
        taken[:] = False
        for m in range(len(gt_class)):
            if not large[m]:
                continue
            cell = gt_class[m] * num_thresholds + t
            best, matched = 0.0, False
            for q in range(len(scores)):
                if not iou[m, q] > threshold or taken[q]:
                    continue
                if not matched:
                    best, matched, taken[q] = scores[q], True, True
                else:
                    place[found], source[0, found], source[1, found] = cell, min(best, scores[q]), 0
                    best = max(best, scores[q])
                    found += 1
            if matched:
                place[found], source[0, found], source[1, found] = cell, best, 1
                found += 1
            else:
                misses[gt_class[m], t] += 1
        for q in range(len(scores)):
            if alone[q, t]:
                cell = pred_class[q] * num_thresholds + t
                place[found], source[0, found], source[1, found] = cell, scores[q], 0
                found += 1
    return found
