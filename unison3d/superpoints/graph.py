"""Graph over-segmentation: the part that meshes and bare points share."""

from __future__ import annotations

import numpy as np

from unison3d.errors import SceneError
from unison3d.native import kernel

# Two squared components: below this a direction is rounding noise and has no meaning.
_TINY = np.float32(1e-30)


@kernel
def _edge_weights(points, normals, edges):
    # float32 throughout, terms in this order: other orders round differently and change ties.
    one = np.float32(1)
    weights = np.empty(len(edges), np.float32)
    for e in range(len(edges)):
        a, b = edges[e, 0], edges[e, 1]
        dx = points[b, 0] - points[a, 0]
        dy = points[b, 1] - points[a, 1]
        dz = points[b, 2] - points[a, 2]
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        weight = one - (
            normals[a, 0] * normals[b, 0]
            + normals[a, 1] * normals[b, 1]
            + normals[a, 2] * normals[b, 2]
        )
        if length > _TINY:
            dx /= length
            dy /= length
            dz /= length
            if normals[b, 0] * dx + normals[b, 1] * dy + normals[b, 2] * dz > 0:
                weight = weight * weight
        weights[e] = weight
    return weights


@kernel
def _find(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _merge(num_nodes, edges, weights, order, k, min_size):
    parent = np.arange(num_nodes).astype(np.int32)
    rank = np.zeros(num_nodes, np.int32)
    size = np.ones(num_nodes, np.int32)
    threshold = np.full(num_nodes, k, np.float32)
    # Pass 0 merges what is alike, pass 1 what is too small to stand alone.
    for small_only in range(2):
        for i in range(len(order)):
            e = order[i]
            a = _find(parent, edges[e, 0])
            b = _find(parent, edges[e, 1])
            if a == b:
                continue
            if small_only == 0:
                if not (weights[e] <= threshold[a] and weights[e] <= threshold[b]):
                    continue
            elif size[a] >= min_size and size[b] >= min_size:
                continue
            if rank[a] > rank[b]:
                a, b = b, a
            elif rank[a] == rank[b]:
                rank[b] += 1
            parent[a] = b
            size[b] += size[a]
            threshold[b] = weights[e] + k / np.float32(size[b])
    for i in range(num_nodes):
        parent[i] = _find(parent, i)
    return parent


def stable_order(weights: np.ndarray) -> np.ndarray:
    """Order float32 weights ascending; equal weights keep their input order.

    Two radix passes over 16-bit halves: about four times as fast as a comparison sort.

    Args:
        weights: float32, (E,). Finite.

    Returns:
        int64, (E,), indices into ``weights``.
    """
    bits = (np.asarray(weights, np.float32) + np.float32(0)).view(np.uint32)  # -0 becomes +0
    keys = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(0x80000000))
    low = np.argsort((keys & np.uint32(0xFFFF)).astype(np.uint16), kind='stable')
    high = (keys >> np.uint32(16)).astype(np.uint16)[low]
    return low[np.argsort(high, kind='stable')]


def edge_weights(points: np.ndarray, normals: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Dissimilarity of two neighbouring surface points.

    ``1 - n_a.n_b``, squared where the surface is convex (``n_b`` points along the edge): a convex
    bend lies inside one object more often than a concave one.

    Args:
        points: float32, (N, 3), metres.
        normals: float32, (N, 3), about unit length, consistently oriented.
        edges: int32, (E, 2), indices of points.

    Returns:
        float32, (E,), about 0 (flat) to 2 (opposite).
    """
    return _edge_weights(
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(normals, np.float32),
        np.ascontiguousarray(edges, np.int32),
    )


def segment_graph(
    num_nodes: int,
    edges: np.ndarray,
    weights: np.ndarray,
    *,
    k: float = 0.01,
    min_size: int = 20,
    order: np.ndarray | None = None,
) -> np.ndarray:
    """Split a weighted graph into segments of similar nodes.

    Edges are visited from the lightest on. Two segments merge when the weight is at most both
    their thresholds; the merged threshold is ``weight + k / size``. A second visit in the same
    order merges every segment smaller than ``min_size`` with the neighbour it meets first.

    Args:
        num_nodes: N.
        edges: int32, (E, 2), indices of nodes.
        weights: float32, (E,).
        k: initial threshold; larger gives larger segments.
        min_size: nodes that a connected segment keeps at least, if its neighbourhood has them.
        order: int, (E,). Visiting order, default ascending and stable.

    Returns:
        int64, (N,), ids 0..S-1 in ascending order of the root node.

    Raises:
        SceneError: an edge names a node that does not exist.

    Source:
        Felzenszwalb and Huttenlocher, IJCV 2004.
    """
    edges = np.ascontiguousarray(edges, np.int32).reshape(-1, 2)
    if len(edges) and (edges.min() < 0 or edges.max() >= num_nodes):
        raise SceneError(
            f'segment_graph: edges name nodes {edges.min()}..{edges.max()}, expected '
            f'0..{num_nodes - 1}. Check that faces or neighbours belong to these points.'
        )
    if num_nodes == 0:
        return np.zeros(0, np.int64)
    weights = np.ascontiguousarray(weights, np.float32)
    order = stable_order(weights) if order is None else np.ascontiguousarray(order, np.int64)
    roots = _merge(num_nodes, edges, weights, order, np.float32(k), int(min_size))
    return dense_ids(roots)


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
