"""Instance evaluation of ScanNet written the plain way: the slow side of a ratio.

Written from the description of the protocol (``unison3d/evaluation/functional/
instance_matching.py``), for machines without mmdet3d. It shares nothing with the evaluator of the
package, so equal numbers mean something.
"""

from __future__ import annotations

import numpy as np

MIN_POINTS = 100


def plain_scannet_ap(
    scenes: list[dict], class_ids: list[int], thresholds: list[float]
) -> np.ndarray:
    """AP of every class and threshold.

    Args:
        scenes: ``codes`` int64 (N,), ``1000 * label + instance`` or 0; ``masks`` bool (Q, N);
            ``labels`` and ``scores`` (Q,).
        class_ids: K.
        thresholds: T.

    Returns:
        float64, (K, T); nan without ground truth.
    """
    compared = [_compare(scene, class_ids) for scene in scenes]
    ap = np.full((len(class_ids), len(thresholds)), np.nan)
    for row, class_id in enumerate(class_ids):
        for column, threshold in enumerate(thresholds):
            ap[row, column] = _class_ap(compared, class_id, threshold)
    return ap


def _compare(scene: dict, class_ids: list[int]) -> dict:
    """Sizes and overlaps of one scene by class."""
    codes, known = scene['codes'], list(class_ids)
    void = ~np.isin(codes // 1000, known)
    objects: dict[int, list] = {class_id: [] for class_id in known}
    for code in np.unique(codes):
        if code // 1000 in objects:
            objects[int(code) // 1000].append((code, int(np.count_nonzero(codes == code))))
    found: dict[int, list] = {class_id: [] for class_id in known}
    for mask, label, score in zip(scene['masks'], scene['labels'], scene['scores'], strict=True):
        size = int(np.count_nonzero(mask))
        if label not in found or size < MIN_POINTS:
            continue
        shared = [
            int(np.count_nonzero(np.logical_and(codes == code, mask))) for code, _ in objects[label]
        ]
        ignored = int(np.count_nonzero(np.logical_and(void, mask)))
        found[label].append({'size': size, 'score': score, 'shared': shared, 'ignored': ignored})
    return {'objects': objects, 'found': found}


def _class_ap(compared: list[dict], class_id: int, threshold: float) -> float:
    right: list[bool] = []
    scores: list[float] = []
    missed, has_objects = 0, False
    for scene in compared:
        sizes = [size for _, size in scene['objects'][class_id]]
        found = scene['found'][class_id]
        taken = [False] * len(found)
        for place, size in enumerate(sizes):
            if size < MIN_POINTS:
                continue
            has_objects = True
            best = None
            for index, prediction in enumerate(found):
                if taken[index] or not _iou(prediction, place, size) > threshold:
                    continue
                if best is None:
                    best, taken[index] = prediction['score'], True
                else:
                    right.append(False)
                    scores.append(min(best, prediction['score']))
                    best = max(best, prediction['score'])
            if best is None:
                missed += 1
            else:
                right.append(True)
                scores.append(best)
        for prediction in found:
            if any(_iou(prediction, i, size) > threshold for i, size in enumerate(sizes)):
                continue
            small = sum(prediction['shared'][i] for i, s in enumerate(sizes) if s < MIN_POINTS)
            if (prediction['ignored'] + small) / prediction['size'] <= threshold:
                right.append(False)
                scores.append(prediction['score'])
    if not has_objects:
        return float('nan')
    return _area(np.array(scores), np.array(right, dtype=bool), missed) if scores else 0.0


def _iou(prediction: dict, place: int, size: int) -> float:
    shared = prediction['shared'][place]
    return shared / (size + prediction['size'] - shared)


def _area(scores: np.ndarray, right: np.ndarray, missed: int) -> float:
    precision, recall = [], []
    for score in np.unique(scores):
        kept = scores >= score
        true = int(right[kept].sum())
        precision.append(true / int(kept.sum()))
        recall.append(true / max(int(right.sum()) + missed, 1))
    precision, recall = np.array([*precision, 1.0]), np.array([*recall, 0.0])
    padded = np.concatenate([recall[:1], recall, [0.0]])
    return float(np.dot(precision, np.convolve(padded, [-0.5, 0, 0.5], 'valid')))
