"""Coarser superpoints nested in finer ones, from parts to objects."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from unison3d.errors import ConfigError, SceneError
from unison3d.native import kernel
from unison3d.superpoints.edges import weighted_face_edges
from unison3d.superpoints.mesh import check_vertices, vertex_normals
from unison3d.superpoints.neighbours import nearest_neighbours
from unison3d.superpoints.normals import normals_from_neighbours
from unison3d.superpoints.surface import surface_graph, unsigned_weights

_PLANE_NEIGHBOURS, _NEIGHBOURS = 12, 16


@dataclass(frozen=True)
class SuperpointTree:
    """All merges of a scene, the most similar pair first.

    Attributes:
        num_superpoints: S, leaves of the tree.
        merges: int32, (M, 2). The second region joins the first; regions are named by one of their
            superpoints. M is S minus the number of disconnected parts of the scene.
        heights: float64, (M,). Contrast of each merge, never falling.
    """

    num_superpoints: int
    merges: np.ndarray
    heights: np.ndarray

    def level(self, count: int) -> np.ndarray:
        """The level with a number of regions.

        Args:
            count: regions, 1 or more. A scene in disconnected parts keeps at least one for each; a
                level finer than the superpoints are the superpoints.

        Returns:
            int64, (S,), region of each superpoint, 0..C-1. ``level(n)[superpoints]`` are the ids
            of the points.

        Raises:
            ConfigError: ``count`` is below 1.
        """
        if count < 1:
            raise ConfigError(f'a level of {count} regions was asked for, expected 1 or more.')
        num_merges = min(max(self.num_superpoints - count, 0), len(self.merges))
        return _cut(self.num_superpoints, self.merges[:num_merges])

    def level_below(self, height: float) -> np.ndarray:
        """The level after all merges of at most a contrast; returns as :meth:`level`."""
        return _cut(
            self.num_superpoints, self.merges[: np.searchsorted(self.heights, height, 'right')]
        )

    def levels(self, counts: Sequence[int]) -> list[np.ndarray]:
        """One :meth:`level` for each count; each is nested in every finer one."""
        return [self.level(count) for count in counts]


@kernel
def _cut(num_superpoints, merges):
    region = np.arange(num_superpoints)
    for m in range(len(merges)):
        region[merges[m, 1]] = merges[m, 0]
    ids = np.full(num_superpoints, -1, np.int64)
    result = np.empty(num_superpoints, np.int64)
    count = 0
    for s in range(num_superpoints):
        root = s
        while region[root] != root:
            region[root] = region[region[root]]
            root = region[root]
        if ids[root] < 0:
            ids[root] = count
            count += 1
        result[s] = ids[root]
    return result


def superpoint_hierarchy(
    points: np.ndarray,
    superpoints: np.ndarray,
    *,
    colors: np.ndarray | None = None,
    faces: np.ndarray | None = None,
    color_weight: float = 1.0,
    boundary_weight: float = 4.0,
    told: Callable[[float], None] = lambda share: None,
) -> SuperpointTree:
    """Merge touching superpoints one pair at a time, the least different first.

    The difference of two regions of ``a`` and ``b`` points is ``a b / (a + b)`` times the sum of

    - the squared distance of their mean ``n n^T``, for points on a plane the same whatever the
      sign of the normals;
    - ``color_weight`` times the squared distance of their mean colours;
    - ``boundary_weight`` times the mean edge weight along their common boundary: low where the
      surface runs on, and on a mesh lower for a convex bend than for a concave one.

    The factor makes small regions join their surroundings before large ones join each other.

    Args:
        points: float32, (N, 3), metres.
        superpoints: int, (N,), ids 0..S-1 without gaps.
        colors: float32, (N, 3), 0 to 1, or None.
        faces: int32, (F, 3), or None to join points with their neighbours on the surface.
        color_weight: 0 leaves colour out.
        boundary_weight: 0 leaves the boundary out.
        told: called between the steps with the share of the work that is done, 0 to 1. What it
            raises ends the work.

    Returns:
        The tree; a scene without points has one without leaves.

    Raises:
        SceneError: arrays differ in length, superpoints have gaps, faces are out of range, points
            are not finite.

    Source:
        Ward's criterion (JASA 1963) on a region adjacency graph. Weights measured by
        benchmarks/superpoints.py.
    """
    points = check_vertices(points, 'superpoint_hierarchy')
    ids = _checked_ids(superpoints, len(points))
    num_superpoints = int(ids.max(initial=-1)) + 1
    if num_superpoints == 0:
        return SuperpointTree(0, np.zeros((0, 2), np.int32), np.zeros(0))
    if colors is not None and np.shape(colors) != points.shape:
        raise SceneError(
            f'superpoint_hierarchy: colors has shape {np.shape(colors)}, expected {points.shape}.'
        )
    if faces is not None and len(faces):
        triangles = np.ascontiguousarray(faces, np.int32).reshape(-1, 3)
        normals, valid = vertex_normals(points, triangles)
        told(0.4)
        edges, weights = weighted_face_edges(points, normals, triangles, valid)
    else:
        indices = nearest_neighbours(points, _NEIGHBOURS)
        told(0.4)
        planes = normals_from_neighbours(points, indices[:, :_PLANE_NEIGHBOURS])[0]
        told(0.6)
        edges, normals = surface_graph(points, planes, indices)
        weights = unsigned_weights(normals, edges, None, 0.0)
    told(0.7)
    table = np.zeros((0, 3), np.float32)
    if colors is not None and color_weight > 0:
        table = np.ascontiguousarray(colors, np.float32)
    sizes, sums = _region_sums(ids, num_superpoints, normals, table, np.sqrt(color_weight))
    pairs, contrast, lengths = _boundaries(ids, num_superpoints, edges, weights)
    told(0.9)
    merges, heights = _merge_greedily(sizes, sums, pairs, contrast, lengths, float(boundary_weight))
    return SuperpointTree(num_superpoints, merges, np.maximum.accumulate(heights))


def _checked_ids(superpoints: np.ndarray, num_points: int) -> np.ndarray:
    ids = np.asarray(superpoints)
    if ids.shape != (num_points,):
        raise SceneError(
            f'superpoint_hierarchy: superpoints has shape {ids.shape}, expected ({num_points},).'
        )
    ids = np.ascontiguousarray(ids, np.int64)
    if len(ids) and (ids.min() < 0 or ids.max() >= num_points or not np.bincount(ids).all()):
        raise SceneError(
            f'superpoint_hierarchy: superpoint ids run from {ids.min()} to {ids.max()} with gaps, '
            'expected 0..S-1. Renumber them with unison3d.superpoints.dense_ids.'
        )
    return ids


@kernel
def _region_sums(ids, num_regions, normals, colors, color_scale):
    sizes = np.zeros(num_regions)
    sums = np.zeros((num_regions, 9))
    twice = np.sqrt(2.0)  # off-diagonal entries occur twice in the distance of two matrices
    for i in range(len(ids)):
        r = ids[i]
        sizes[r] += 1
        x, y, z = np.float64(normals[i, 0]), np.float64(normals[i, 1]), np.float64(normals[i, 2])
        squared = x * x + y * y + z * z
        if squared > 0:
            sums[r, 0] += x * x / squared
            sums[r, 1] += y * y / squared
            sums[r, 2] += z * z / squared
            sums[r, 3] += twice * x * y / squared
            sums[r, 4] += twice * x * z / squared
            sums[r, 5] += twice * y * z / squared
        if len(colors):
            for axis in range(3):
                sums[r, 6 + axis] += color_scale * colors[i, axis]
    return sizes, sums


def _boundaries(
    ids: np.ndarray, num_regions: int, edges: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Touching regions int64 (P, 2), the sum of the weights between them, and how many edges."""
    a, b = ids[edges[:, 0]], ids[edges[:, 1]]
    across = a != b
    a, b = a[across], b[across]
    keys = np.minimum(a, b) * num_regions + np.maximum(a, b)
    distinct, place = np.unique(keys, return_inverse=True)
    place = place.reshape(-1)
    contrast = np.bincount(place, weights[across].astype(np.float64), len(distinct))
    lengths = np.bincount(place, minlength=len(distinct)).astype(np.float64)
    return np.stack([distinct // num_regions, distinct % num_regions], 1), contrast, lengths


@kernel
def _difference(a, b, sizes, sums, contrast, boundary_weight):
    distance = boundary_weight * contrast
    for c in range(sums.shape[1]):
        distance += (sums[a, c] / sizes[a] - sums[b, c] / sizes[b]) ** 2
    return distance * sizes[a] * sizes[b] / (sizes[a] + sizes[b])


@kernel
def _merge_greedily(sizes, sums, pairs, contrast, lengths, boundary_weight):
    num_regions, num_pairs = len(sizes), len(pairs)
    # Pairs of a region as a linked list; half 2p belongs to pairs[p, 0], 2p + 1 to pairs[p, 1].
    heads = np.full(num_regions, -1, np.int64)
    tails = np.full(num_regions, -1, np.int64)
    following = np.full(2 * num_pairs, -1, np.int64)
    alive = np.ones(num_pairs, np.bool_)
    # A pair enters the heap again when its difference changes; only its newest entry counts.
    versions = np.zeros(num_pairs, np.int64)
    heap = [(0.0, 0, 0) for _ in range(0)]
    for p in range(num_pairs):
        for side in range(2):
            region, half = pairs[p, side], 2 * p + side
            if heads[region] < 0:
                heads[region] = half
            else:
                following[tails[region]] = half
            tails[region] = half
        a, b = pairs[p, 0], pairs[p, 1]
        mean = contrast[p] / lengths[p]
        heap.append((_difference(a, b, sizes, sums, mean, boundary_weight), p, 0))
    heapq.heapify(heap)
    merges = np.empty((max(num_regions - 1, 0), 2), np.int32)
    heights = np.empty(len(merges))
    pair_with = np.full(num_regions, -1, np.int64)
    seen_at = np.full(num_regions, -1, np.int64)
    count = 0
    while len(heap) > 0:
        height, p, version = heapq.heappop(heap)
        if not alive[p] or version != versions[p]:
            continue
        alive[p] = False
        a, b = pairs[p, 0], pairs[p, 1]
        if sizes[a] < sizes[b]:
            a, b = b, a
        merges[count, 0], merges[count, 1], heights[count] = a, b, height
        sizes[a] += sizes[b]
        for c in range(sums.shape[1]):
            sums[a, c] += sums[b, c]
        # Join the lists; a region that touched both now touches one, along both boundaries.
        if heads[a] < 0:
            heads[a] = heads[b]
        elif heads[b] >= 0:
            following[tails[a]] = heads[b]
        half, last = heads[a], -1
        heads[a] = -1
        while half >= 0:
            q = half // 2
            after = following[half]
            if alive[q]:
                side = half % 2
                pairs[q, side] = a
                other = pairs[q, 1 - side]
                if seen_at[other] == count:
                    first = pair_with[other]
                    contrast[first] += contrast[q]
                    lengths[first] += lengths[q]
                    alive[q] = False
                else:
                    seen_at[other], pair_with[other] = count, q
                    if last < 0:
                        heads[a] = half
                    else:
                        following[last] = half
                    last = half
            half = after
        if last >= 0:
            following[last] = -1
        tails[a] = last
        half = heads[a]
        while half >= 0:
            q = half // 2
            versions[q] += 1
            mean = contrast[q] / lengths[q]
            other = pairs[q, 1 - half % 2]
            new = _difference(a, other, sizes, sums, mean, boundary_weight)
            heapq.heappush(heap, (new, q, versions[q]))
            half = following[half]
        count += 1
    return merges[:count].copy(), heights[:count].copy()
