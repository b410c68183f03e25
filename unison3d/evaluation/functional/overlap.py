"""Counting: how many points two labellings, or masks and a labelling, have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError

__all__ = ['dense_labels', 'distinct_masks', 'expand_masks', 'mask_overlaps']


def dense_labels(labels: ArrayLike, class_ids: Sequence[int]) -> NDArray[np.int64]:
    """Position of each label in ``class_ids``; labels outside the set become ``len(class_ids)``.

    Args:
        labels: integers of any shape and range.
        class_ids: (K,) distinct label ids in class order.

    Returns:
        int64 of the same shape, in ``0..K``.
    """
    ids = np.asarray(class_ids, dtype=np.int64)
    values = np.asarray(labels).astype(np.int64)
    if not len(ids):
        return np.zeros_like(values)
    order = np.argsort(ids)
    sorted_ids = ids[order]
    place = np.minimum(np.searchsorted(sorted_ids, values), len(ids) - 1)
    return np.where(sorted_ids[place] == values, order[place], len(ids))


def mask_overlaps(
    masks: ArrayLike,
    ids: ArrayLike,
    num_ids: int,
    superpoints: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Points that each mask shares with each id.

    Args:
        masks: bool (non-zero counts as set), (K, N) over points, or (K, S) over superpoints.
        ids: integers, (N,). Negative means no id.
        num_ids: G; ids run from 0 to ``G - 1``.
        superpoints: integers, (N,), superpoint of each point. Needed for (K, S) masks: then the
            cost is one small matrix product, whatever the number of points.

    Returns:
        int64, (K, G + 1). The last column counts points without an id.

    Raises:
        SceneError: the masks do not belong to these points.
    """
    masks = np.asarray(masks)
    masks = masks if masks.dtype == np.bool_ else masks != 0
    ids = np.asarray(ids).astype(np.int64)
    ids = np.where(ids < 0, num_ids, ids)
    if masks.ndim != 2:
        raise SceneError(f'Masks have shape {masks.shape}, expected two axes (masks, points).')
    if superpoints is not None:
        superpoints = np.asarray(superpoints).astype(np.int64)
        if superpoints.shape != ids.shape:
            raise SceneError(
                f'{superpoints.shape[0]} superpoint ids for {ids.shape[0]} labelled points: '
                'prediction and ground truth belong to different scans.'
            )
        num_superpoints = masks.shape[1]
        table = np.bincount(
            superpoints * (num_ids + 1) + ids, minlength=num_superpoints * (num_ids + 1)
        ).reshape(-1, num_ids + 1)
        # Float products are exact here: every partial sum is an integer below 2**53.
        return (masks.astype(np.float64) @ table.astype(np.float64)).astype(np.int64)
    if masks.shape[1] != ids.shape[0]:
        raise SceneError(
            f'Masks cover {masks.shape[1]} points, the labels {ids.shape[0]}: '
            'prediction and ground truth belong to different scans.'
        )
    counts = np.zeros((len(masks), num_ids + 1), dtype=np.int64)
    for row, mask in enumerate(masks):
        counts[row] = np.bincount(ids[mask], minlength=num_ids + 1)
    return counts


def expand_masks(masks: ArrayLike, superpoints: ArrayLike | None = None) -> NDArray[np.bool_]:
    """Masks over points from masks over superpoints; masks over points pass through."""
    masks = np.asarray(masks)
    masks = masks if masks.dtype == np.bool_ else masks != 0
    return masks if superpoints is None else masks[:, np.asarray(superpoints)]


def distinct_masks(masks: ArrayLike, scores: ArrayLike) -> NDArray[np.int64]:
    """Rows of masks that differ, the best-scored of equal ones.

    A model that classifies one mask twice gives two predictions with one shape; without classes
    the second would be a plain false positive.

    Args:
        masks: bool, (K, S) or (K, N).
        scores: (K,).

    Returns:
        int64, (D,), ascending.
    """
    masks = np.asarray(masks)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind='stable')
    packed = np.packbits(masks[order] != 0, axis=1)
    _, first = np.unique(packed, axis=0, return_index=True)
    return np.sort(order[first])
