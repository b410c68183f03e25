"""Counting: how many points two labellings, or masks and a labelling, have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unison3d.errors import SceneError
from unison3d.native import kernel

__all__ = [
    'dense_labels',
    'distinct_masks',
    'expand_masks',
    'mask_overlaps',
    'overlaps_and_sizes',
]


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
    return overlaps_and_sizes(masks, ids, num_ids, superpoints)[0]


def overlaps_and_sizes(
    masks: ArrayLike,
    ids: ArrayLike,
    num_ids: int,
    superpoints: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """:func:`mask_overlaps`, and the number of points of each id, int64 (G,)."""
    masks, ids = np.asarray(masks), np.asarray(ids).astype(np.int64, copy=False).reshape(-1)
    masks = masks if masks.dtype == np.bool_ else masks != 0
    if masks.ndim != 2:
        raise SceneError(f'Masks have shape {masks.shape}, expected two axes (masks, points).')
    columns = np.empty(len(ids), dtype=np.int32)
    sizes = np.zeros(num_ids + 1, dtype=np.int64)
    if not _assign_columns(ids, columns, sizes):
        raise SceneError(
            f'An id is {ids.max()} where {num_ids} are expected: they run from 0 to {num_ids - 1}, '
            'negative for none.'
        )
    if superpoints is not None:
        return _from_superpoints(masks, superpoints, columns, num_ids), sizes[:-1]
    if masks.shape[1] != len(ids):
        raise SceneError(
            f'Masks cover {masks.shape[1]} points, the labels {len(ids)}: '
            'prediction and ground truth belong to different scans.'
        )
    counts = np.zeros((len(masks), num_ids + 1), dtype=np.int64)
    flat = np.ascontiguousarray(masks).view(np.uint8).reshape(-1)
    _count_points(flat, flat[: len(flat) // 8 * 8].view(np.uint64), columns, counts)
    return counts, sizes[:-1]


def _from_superpoints(
    masks: NDArray[np.bool_], superpoints: ArrayLike, columns: NDArray[np.int32], num_ids: int
) -> NDArray[np.int64]:
    superpoints = np.asarray(superpoints).astype(np.int64, copy=False)
    if superpoints.shape != columns.shape:
        raise SceneError(
            f'{superpoints.shape[0]} superpoint ids for {len(columns)} labelled points: '
            'prediction and ground truth belong to different scans.'
        )
    # Float products are exact here: every partial sum is an integer below 2**53.
    table = np.zeros((masks.shape[1], num_ids + 1))
    if not _count_pairs(superpoints, columns, table):
        raise SceneError(
            f'Superpoint ids run from {superpoints.min()} to {superpoints.max()}, the masks cover '
            f'{masks.shape[1]}: they belong to different scans.'
        )
    return (masks.astype(np.float64) @ table).astype(np.int64)


@kernel
def _assign_columns(ids, columns, sizes):
    """Column of each point, the last one for negative ids; False if an id is too large."""
    last = len(sizes) - 1
    for i in range(len(ids)):
        column = ids[i] if ids[i] >= 0 else last
        if ids[i] >= last:
            return False
        columns[i] = column
        sizes[column] += 1
    return True


@kernel
def _count_pairs(rows, columns, table):
    """Add 1 at every pair of row and column, both (N,); False if a row is outside."""
    for i in range(len(rows)):
        if not 0 <= rows[i] < len(table):
            return False
        table[rows[i], columns[i]] += 1
    return True


@kernel
def _count_points(flat, words, columns, counts):
    """Add the points of each mask to their columns.

    Objects fill a small part of a scene, so 32 points at a time are looked at, most of them empty.

    Args:
        flat: uint8, (K * N,), masks one after another.
        words: uint64, (K * N // 8,), the same memory.
        columns: int32, (N,), column of each point.
        counts: int64, (K, G + 1), added to.
    """
    num_points = len(columns)
    for row in range(counts.shape[0]):
        begin, end = row * num_points, (row + 1) * num_points
        first = min((begin + 7) // 8 * 8, end)
        last = max(end // 8 * 8, first)
        for i in range(begin, first):
            if flat[i]:
                counts[row, columns[i - begin]] += 1
        word, stop = first // 8, last // 8
        while word < stop:
            if word + 4 <= stop and not (
                words[word] | words[word + 1] | words[word + 2] | words[word + 3]
            ):
                word += 4
                continue
            for i in range(8 * word, 8 * word + 8):
                if flat[i]:
                    counts[row, columns[i - begin]] += 1
            word += 1
        for i in range(last, end):
            if flat[i]:
                counts[row, columns[i - begin]] += 1


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
