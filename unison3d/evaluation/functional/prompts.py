"""Scores of prompted masks: clicks and sentences.

One prompt has one predicted and one true mask. A prompt whose true mask is empty (a sentence that
describes nothing in the room) is right when the prediction is empty too: its IoU is 1, else 0. The
published evaluation gives 0 in both cases; ``empty=0.0`` repeats that.

The click AP of :func:`prompt_ap` is not the AP of instance segmentation: one ranking over all
prompts, ten thresholds 0.50 .. 0.95, right-to-left precision envelope, exact area.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError
from unison3d.evaluation.functional.overlap import expand_masks
from unison3d.evaluation.functional.semantic import nan_mean

__all__ = [
    'PROMPT_THRESHOLDS',
    'mask_iou',
    'prompt_ap',
    'prompt_summary',
]

#: IoU thresholds whose mean is the click AP.
PROMPT_THRESHOLDS: tuple[float, ...] = tuple(0.5 + 0.05 * i for i in range(10))


def mask_iou(
    pred: ArrayLike,
    gt: ArrayLike,
    *,
    superpoints: ArrayLike | None = None,
    empty: float = 1.0,
) -> NDArray[np.float64]:
    """IoU of each predicted mask with the true mask of the same row.

    Args:
        pred: bool, (P, N), or (P, S) with ``superpoints``.
        gt: bool, (P, N).
        superpoints: integers, (N,), superpoint of each point.
        empty: IoU of an empty prediction for an empty truth.

    Returns:
        float64, (P,), in [0, 1].

    Raises:
        SceneError: the two sets of masks differ in shape.
    """
    pred, gt = expand_masks(pred, superpoints), expand_masks(gt)
    if pred.shape != gt.shape:
        raise SceneError(
            f'Predicted masks are {pred.shape}, true masks {gt.shape} (prompts, points): '
            'give one of each per prompt, over the same points.'
        )
    shared = np.logical_and(pred, gt).sum(axis=1)
    union = np.logical_or(pred, gt).sum(axis=1)
    return np.where(union > 0, shared / np.maximum(union, 1), empty)


def prompt_ap(
    ious: ArrayLike,
    scores: ArrayLike,
    threshold: float | Sequence[float] = PROMPT_THRESHOLDS,
) -> float:
    """Average precision of one ranking over all prompts.

    Args:
        ious: (P,). IoU per prompt.
        scores: (P,). Confidence per prompt; equal scores keep their order.
        threshold: one IoU threshold, or several whose APs are averaged. Above it is right.

    Returns:
        AP in [0, 1]; nan without prompts.
    """
    ious, scores = np.asarray(ious, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if len(ious) != len(scores):
        raise SceneError(f'{len(ious)} IoU values and {len(scores)} scores, expected as many.')
    if not len(ious):
        return float('nan')
    ranked = ious[np.argsort(-scores, kind='stable')]
    thresholds = np.atleast_1d(np.asarray(threshold, dtype=np.float64))
    rank = np.arange(1, len(ranked) + 1)
    areas = []
    for value in thresholds:
        right = ranked > value
        precision = np.cumsum(right) / rank
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        # Recall grows by 1 / P at every right prompt, so the area is a sum over those.
        areas.append(envelope[right].sum() / len(ranked))
    return float(np.mean(areas))


def prompt_summary(ious: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Mean IoU and AP of prompts with one click each: keys ``miou``, ``ap``, ``ap50``, ``ap25``."""
    return {
        'miou': nan_mean(ious),
        'ap': prompt_ap(ious, scores),
        'ap50': prompt_ap(ious, scores, 0.5),
        'ap25': prompt_ap(ious, scores, 0.25),
    }
