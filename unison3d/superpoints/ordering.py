"""Sorting and numbering in linear time."""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

# Three digits of 11 bits hold a key. Unsigned throughout: a signed place costs a test for
# negative indices, and 64-bit arithmetic mixed with signed numbers becomes floating point.
_DIGIT = np.uint64(2047)
_SHIFTS = (np.uint64(32), np.uint64(43), np.uint64(54))


@kernel
def _radix_order(keys):
    # The key in the upper half, the place in the lower one: they move as one number.
    source, target = np.empty(len(keys), np.uint64), np.empty(len(keys), np.uint64)
    places = np.zeros((3, 2048), np.uint32)
    for i in range(len(keys)):
        item = (np.uint64(keys[i]) << np.uint64(32)) | np.uint64(i)
        source[i] = item
        for step in range(3):
            places[step, (item >> _SHIFTS[step]) & _DIGIT] += np.uint32(1)
    for step in range(3):
        total = np.uint32(0)
        for digit in range(2048):
            count = places[step, digit]
            places[step, digit] = total
            total += count
    for step in range(3):
        place = places[step]
        for item in source:
            digit = (item >> _SHIFTS[step]) & _DIGIT
            target[place[digit]] = item
            place[digit] += np.uint32(1)
        source, target = target, source
    order = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        order[i] = np.int32(source[i] & np.uint64(0xFFFFFFFF))
    return order


def key_order(keys: np.ndarray) -> np.ndarray:
    """Stable ascending order of unsigned numbers, about six times as fast as a comparison sort.

    Args:
        keys: uint32, (N,), N below 2^31.

    Returns:
        int32, (N,), indices into ``keys``.
    """
    return _radix_order(np.ascontiguousarray(keys, np.uint32))


def stable_order(weights: np.ndarray) -> np.ndarray:
    """Order float32 weights ascending; equal weights keep their input order.

    Args:
        weights: float32, (E,). Finite.

    Returns:
        int32, (E,), indices into ``weights``.
    """
    bits = (np.asarray(weights, np.float32) + np.float32(0)).view(np.uint32)  # -0 becomes +0
    # Bits of negative numbers run backwards, and theirs have to come first.
    flip = (bits.view(np.int32) >> np.int32(31)).view(np.uint32) | np.uint32(0x80000000)
    return key_order(bits ^ flip)


def dense_ids(ids: np.ndarray) -> np.ndarray:
    """Renumber non-negative ids to 0..S-1, keeping their order.

    Args:
        ids: int, (N,), 0 or larger.

    Returns:
        int64, (N,).
    """
    ids = np.asarray(ids)
    if len(ids) == 0:
        return np.zeros(0, np.int64)
    largest = int(ids.max())
    if largest > 64 * len(ids):  # sparse numbers: a table would waste memory
        return np.unique(ids, return_inverse=True)[1].astype(np.int64).reshape(-1)
    used = np.zeros(largest + 1, bool)
    used[ids] = True
    return (np.cumsum(used) - 1)[ids]
