"""Where objects are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unison3d.native import kernel

__all__ = ['object_boxes']


def object_boxes(
    points: np.ndarray, ids: np.ndarray, numbers: Sequence[int]
) -> dict[int, np.ndarray]:
    """Boxes of objects along the axes.

    Args:
        points: float32, (N, 3).
        ids: int32, (N,). Object of every point.
        numbers: the objects that are asked for.

    Returns:
        float32, (2, 3), lowest and highest corner by object; objects without points have none.
    """
    wanted = np.array(sorted(set(numbers)), np.int64)
    low = np.full((len(wanted), 3), np.inf, np.float32)
    high = np.full((len(wanted), 3), -np.inf, np.float32)
    if len(wanted) and len(ids):
        place = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
        _stretch(np.ascontiguousarray(points, np.float32), ids, place, wanted, low, high)
    boxes = np.stack([low, high], axis=1)
    return {int(n): box for n, box in zip(wanted, boxes, strict=True) if box[0, 0] <= box[1, 0]}


@kernel
def _stretch(points, ids, place, wanted, low, high):
    for i in range(len(ids)):
        k = place[i]
        if wanted[k] == ids[i]:
            for axis in range(3):
                low[k, axis] = min(low[k, axis], points[i, axis])
                high[k, axis] = max(high[k, axis], points[i, axis])
