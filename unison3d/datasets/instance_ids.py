"""Numbering instances, without sorting the points of a scene."""

from __future__ import annotations

import numpy as np


def number_instances(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the instances of a scene from 0, in the order of their ids.

    Args:
        ids: int64, (N,), negative for none.

    Returns:
        int64, (M,), the id of each instance, ascending; int64, (N,), 0..M-1, -1 for none.
    """
    largest = int(ids.max(initial=-1))
    if largest > 64 * len(ids):  # sparse numbers: a table would waste memory
        object_ids = np.unique(ids[ids >= 0])
        return object_ids, np.where(ids >= 0, np.searchsorted(object_ids, ids), -1)
    used = np.zeros(largest + 2, bool)  # the last entry serves negative ids
    used[np.maximum(ids, -1)] = True
    used[-1] = False
    table = np.where(used, np.cumsum(used) - 1, -1)
    return np.flatnonzero(used), table[np.maximum(ids, -1)]


def first_points(ids: np.ndarray, num_ids: int) -> np.ndarray:
    """Row of the first point that carries each id, int64 (num_ids,).

    Args:
        ids: int64, (N,), 0..num_ids-1, each of them in use; negative for none.
        num_ids: length of the result.
    """
    rows = np.flatnonzero(ids >= 0)[::-1]
    first = np.zeros(num_ids, np.int64)
    first[ids[rows]] = rows  # of equal ids the one written last stays
    return first
