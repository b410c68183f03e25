"""From labels of faces to labels of points, for datasets that annotate faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.ply_body import Ragged


def objects_of_points(polygons: Ragged, ids: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Object of most faces of each point, of equally many the smallest; -1 where none has one.

    Args:
        polygons: corners of F faces.
        ids: int64, (F,), object of each face, -1 is none; such faces have no vote.
        count: number of points N.
        path: for messages.

    Returns:
        int64, (N,).
    """
    corners = polygons.values.astype(np.int64)
    if len(corners) and (corners.min() < 0 or corners.max() >= count):
        raise FileFormatError(
            f'{path}: faces name vertices {corners.min()} to {corners.max()}, there are {count}. '
            'The file is damaged.'
        )
    known, row = np.unique(ids, return_inverse=True)
    votes = np.repeat(row.reshape(-1), polygons.counts)
    voting = ids[np.repeat(np.arange(len(ids)), polygons.counts)] >= 0
    pairs, counts = np.unique(corners[voting] * len(known) + votes[voting], return_counts=True)
    points, objects = np.divmod(pairs, len(known))
    # The pairs are sorted by point and object, so the first of the most votes has the smallest id.
    order = np.lexsort((objects, -counts, points))
    winners, first = np.unique(points[order], return_index=True)
    result = np.full(count, -1, np.int64)
    result[winners] = known[objects[order[first]]]
    return result
