"""How many clicks an object takes: IoU@k and NoC@q.

Two forms of the same numbers. Curves hold one IoU per object and click, as a simulation makes them:
:func:`clicks_to_reach`, :func:`iou_at_click`. Records hold one row per object and number of clicks,
as result files do, where the number may be a fraction (an average over the objects of a scene):
:func:`clicks_until`, :func:`iou_at_clicks`.

Source: NoC is the measure of interactive image segmentation, used for point clouds by
InterObject3D (arXiv:2204.07183) and AGILE3D (arXiv:2306.00977), with a limit of 20 clicks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError
from unison3d.evaluation.functional.semantic import nan_mean

__all__ = ['clicks_to_reach', 'clicks_until', 'iou_at_click', 'iou_at_clicks']


def clicks_to_reach(ious: ArrayLike, threshold: float, limit: int = 20) -> NDArray[np.int64]:
    """Clicks that each object needs until its IoU reaches a threshold; the mean is NoC.

    >>> clicks_to_reach([[0.4, 0.8, 0.9], [0.2, 0.3, 0.1]], 0.8)
    array([ 2, 20])

    Args:
        ious: float, (O, C), in [0, 1]. Column 0 is the IoU after the first click. nan where an
            object got no further click.
        threshold: an IoU equal to it counts.
        limit: later clicks do not count, and an object that never gets there counts as this many.

    Returns:
        int64, (O,), in ``1..limit``.

    Raises:
        SceneError: not a table of IoU values, or a limit below 1.
    """
    if limit < 1:
        raise SceneError(f'clicks_to_reach: limit is {limit}, expected at least one click.')
    curves = _curves(ious)[:, :limit]
    reached = curves >= threshold
    first = np.argmax(reached, axis=1) + 1 if curves.shape[1] else np.zeros(len(curves), np.int64)
    return np.where(reached.any(axis=1), first, limit).astype(np.int64)


def iou_at_click(ious: ArrayLike, k: int) -> NDArray[np.float64]:
    """IoU of each object after ``k`` clicks; the mean is IoU@k.

    An object that was given up or finished before (nan) keeps the IoU of its last click.

    >>> iou_at_click([[0.4, 0.8, 0.9], [0.2, np.nan, np.nan]], 3)
    array([0.9, 0.2])

    Args:
        ious: as in :func:`clicks_to_reach`.
        k: number of clicks, from 1 to C.

    Returns:
        float64, (O,). nan for an object without any click.

    Raises:
        SceneError: not a table of IoU values, or ``k`` lies outside it.
    """
    curves = _curves(ious)
    if not 1 <= k <= curves.shape[1]:
        raise SceneError(
            f'iou_at_click: IoU after {k} clicks of curves with {curves.shape[1]} clicks.'
        )
    known = ~np.isnan(curves[:, :k])
    last = np.where(known.any(axis=1), k - 1 - np.argmax(known[:, ::-1], axis=1), 0)
    return curves[np.arange(len(curves)), last]


def clicks_until(
    clicks: ArrayLike,
    ious: ArrayLike,
    objects: ArrayLike,
    threshold: float,
    *,
    max_clicks: float = 20,
) -> float:
    """NoC of records: clicks needed until the IoU reaches a threshold, mean over objects.

    Args:
        clicks: (R,). Number of clicks of each record (fractions for averages over objects).
        ious: (R,), in [0, 1].
        objects: integers, (R,). Object of each record; records may come in any order.
        threshold: an IoU equal to it counts.
        max_clicks: value for objects that never reach it.

    Returns:
        Mean number of clicks; nan without records.
    """
    clicks, ious, (unique, index) = _records(clicks, ious, objects)
    first = np.full(len(unique), float(max_clicks))
    reached = ious >= threshold
    np.minimum.at(first, index[reached], clicks[reached])
    return nan_mean(first)


def iou_at_clicks(clicks: ArrayLike, ious: ArrayLike, objects: ArrayLike, count: float) -> float:
    """IoU@k: mean IoU of the records with exactly ``count`` clicks (arguments as in NoC)."""
    clicks, ious, _ = _records(clicks, ious, objects)
    return nan_mean(ious[np.isclose(clicks, count)])


def _curves(ious: ArrayLike) -> NDArray[np.float64]:
    curves = np.asarray(ious, dtype=np.float64)
    if curves.ndim != 2:
        raise SceneError(
            f'IoU values have shape {curves.shape}, expected (objects, clicks): one row per object.'
        )
    if curves.size and not (np.isnan(curves) | ((curves >= 0) & (curves <= 1))).all():
        raise SceneError(
            f'IoU values run from {np.nanmin(curves):g} to {np.nanmax(curves):g}, expected 0 to 1. '
            'Divide percentages by 100.'
        )
    return curves


def _records(
    clicks: ArrayLike, ious: ArrayLike, objects: ArrayLike
) -> tuple[NDArray, NDArray, tuple[NDArray, NDArray]]:
    clicks, ious = np.asarray(clicks, dtype=np.float64), np.asarray(ious, dtype=np.float64)
    objects = np.asarray(objects)
    if not len(clicks) == len(ious) == len(objects):
        raise SceneError(
            f'{len(clicks)} click counts, {len(ious)} IoU values, {len(objects)} objects: '
            'each record needs all three.'
        )
    unique, index = np.unique(objects, return_inverse=True)
    return clicks, ious, (unique, index.reshape(-1))
