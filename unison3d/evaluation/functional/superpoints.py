"""How well superpoints respect objects."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from unison3d.errors import SceneError


def achievable_accuracy(
    labels: np.ndarray, superpoints: np.ndarray, *, ignore: int | None = None
) -> float:
    """Achievable segmentation accuracy: points right if every superpoint had its best label.

    An upper bound of what any method that labels whole superpoints can reach.

    Args:
        labels: int, (N,), true object of each point.
        superpoints: int, (N,), ids of any values.
        ignore: label of points that do not count, such as "nothing annotated".

    Returns:
        Share of the counted points, 0 to 1; NaN where no point counts.

    Raises:
        SceneError: arrays differ in length.

    Source:
        Liu et al., CVPR 2011 (entropy rate superpixels).
    """
    labels, superpoints = _pair(labels, superpoints)
    counted = slice(None) if ignore is None else labels != ignore
    labels, superpoints = labels[counted], superpoints[counted]
    if not len(labels):
        return float('nan')
    return float(_contingency(labels, superpoints).max(axis=0).sum() / len(labels))


def boundary_recall(
    points: np.ndarray,
    labels: np.ndarray,
    superpoints: np.ndarray,
    edges: np.ndarray,
    *,
    tolerance: float = 0.05,
    ignore: int | None = None,
) -> float:
    """Share of the points along object boundaries that have a superpoint boundary close by.

    A point lies on a boundary if one of its neighbours has another id. The same edges serve both
    kinds of boundary, so segmentations are compared fairly whatever graph they were made on.

    Args:
        points: float, (N, 3), metres.
        labels: int, (N,), true object of each point.
        superpoints: int, (N,), ids of any values.
        edges: int, (E, 2), neighbouring points: sides of the faces, or nearest neighbours.
        tolerance: metres.
        ignore: label of points whose boundaries do not count.

    Returns:
        0 to 1; NaN where no object has a boundary.

    Raises:
        SceneError: arrays differ in length.

    Source:
        Boundary recall of superpixels (Martin et al., PAMI 2004), in 3D with a radius in metres as
        in VCCS (Papon et al., CVPR 2013).
    """
    labels, superpoints = _pair(labels, superpoints)
    if np.shape(points) != (len(labels), 3):
        raise SceneError(
            f'boundary_recall: points has shape {np.shape(points)}, expected ({len(labels)}, 3).'
        )
    wanted = boundary_points(labels, edges, ignore=ignore)
    if not len(wanted):
        return float('nan')
    found = boundary_points(superpoints, edges)
    if not len(found):
        return 0.0
    points = np.asarray(points, np.float64)
    distance = cKDTree(points[found]).query(points[wanted], distance_upper_bound=tolerance * 1.01)
    return float((distance[0] <= tolerance).mean())


def boundary_points(ids: np.ndarray, edges: np.ndarray, *, ignore: int | None = None) -> np.ndarray:
    """Points with a neighbour of another id.

    Args:
        ids: int, (N,).
        edges: int, (E, 2), neighbouring points.
        ignore: id whose boundaries do not count.

    Returns:
        int64, (B,), indices of points, ascending.
    """
    ids = np.asarray(ids)
    a, b = np.asarray(edges, np.int64).reshape(-1, 2).T
    across = ids[a] != ids[b]
    if ignore is not None:
        across &= (ids[a] != ignore) & (ids[b] != ignore)
    return np.unique(np.concatenate([a[across], b[across]]))


def adjusted_rand_index(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two segmentations, corrected for chance.

    Args:
        first: int, (N,), ids of any values.
        second: int, (N,).

    Returns:
        1 for equal partitions, about 0 for unrelated ones.

    Raises:
        SceneError: arrays differ in length.

    Source:
        Hubert and Arabie, Journal of Classification 1985.
    """
    first, second = _pair(first, second)
    if not len(first):
        return 1.0

    def pairs(counts: np.ndarray) -> float:
        counts = np.asarray(counts, np.float64)
        return float((counts * (counts - 1) / 2).sum())

    table = _contingency(first, second)
    both, one, two = pairs(table.data), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    total = pairs([len(first)])
    if total == 0 or one == two == both:
        return 1.0
    expected = one * two / total
    return (both - expected) / ((one + two) / 2 - expected)


def _pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first).reshape(-1), np.asarray(second).reshape(-1)
    if len(first) != len(second):
        raise SceneError(
            f'{len(first)} ids on one side and {len(second)} on the other, expected one per point.'
        )
    return first, second


def _contingency(first: np.ndarray, second: np.ndarray) -> coo_matrix:
    """Points shared by every pair of ids, as a sparse matrix in CSR form."""
    rows = np.unique(first, return_inverse=True)[1]
    columns = np.unique(second, return_inverse=True)[1]
    return coo_matrix((np.ones(len(rows), np.int64), (rows, columns))).tocsr()
