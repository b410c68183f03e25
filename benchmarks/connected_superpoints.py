"""The trivial baseline: what connectivity alone finds in a scan.

Superpoints that look like floor, wall or ceiling (large, flat, horizontal at the lowest or highest
level, or upright and tall) are set aside; what remains falls into connected components of touching
superpoints, and each component is one object. Nothing is learned and nothing is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

TOUCH = 0.04  # metres: superpoints closer than this are neighbours
FLAT = 0.03  # metres: standard deviation across a plane
LEVEL = 0.15  # metres: height of the band around floor and ceiling
TALL = 1.2  # metres: upright planes from this height on are walls
WIDE = 0.8  # metres: planes narrower than this are furniture


@dataclass(frozen=True)
class Components:
    """Result of :func:`connect`.

    Attributes:
        objects: bool, (K, S). Components of superpoints.
        owner: int64, (S,). Component of each superpoint, -1 for floor, wall and ceiling.
    """

    objects: np.ndarray
    owner: np.ndarray


def connect(points: np.ndarray, superpoints: np.ndarray) -> Components:
    """Group superpoints.

    Args:
        points: float32, (N, 3), metres, z up.
        superpoints: int64, (N,), ids 0..S-1.
    """
    count = int(superpoints.max(initial=-1)) + 1
    structural = structural_superpoints(points, superpoints)
    pairs = cKDTree(points).query_pairs(TOUCH, output_type='ndarray')
    a, b = superpoints[pairs].T.reshape(2, -1)
    free = (a != b) & ~structural[a] & ~structural[b]
    graph = coo_matrix((np.ones(free.sum()), (a[free], b[free])), shape=(count, count))
    _, owner = connected_components(graph, directed=False)
    owner = np.where(structural, -1, owner).astype(np.int64)
    kept, owner_dense = np.unique(owner[owner >= 0], return_inverse=True)
    owner[owner >= 0] = owner_dense
    return Components(owner[None, :] == np.arange(len(kept))[:, None], owner)


def structural_superpoints(points: np.ndarray, superpoints: np.ndarray) -> np.ndarray:
    """bool, (S,): superpoints that look like floor, wall or ceiling."""
    count = int(superpoints.max(initial=-1)) + 1
    structural = np.zeros(count, dtype=bool)
    if not len(points):
        return structural
    low, high = np.percentile(points[:, 2], [1, 99])
    order = np.argsort(superpoints, kind='stable')
    starts = np.searchsorted(superpoints[order], np.arange(count + 1))
    for index in range(count):
        own = points[order[starts[index] : starts[index + 1]]].astype(np.float64)
        if len(own) < 100:
            continue
        centre = own.mean(axis=0)
        variance, axes = np.linalg.eigh(np.cov((own - centre).T))
        extent = own.max(axis=0) - own.min(axis=0)
        if np.sqrt(max(variance[0], 0)) > FLAT or max(extent) < WIDE:
            continue
        upright = abs(axes[2, 0])
        if upright > 0.9:
            structural[index] = min(abs(centre[2] - low), abs(centre[2] - high)) < LEVEL
        elif upright < 0.2:
            structural[index] = extent[2] > TALL
    return structural
