"""Graph over-segmentation: the part that meshes and bare points share."""

from __future__ import annotations

import numpy as np

from unison3d.errors import SceneError
from unison3d.native import kernel
from unison3d.superpoints.ordering import dense_ids, stable_order


@kernel
def _find(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _merge(num_nodes, edges, weights, order, k, min_size):
    parent = np.arange(num_nodes).astype(np.int32)
    rank = np.zeros(num_nodes, np.int8)
    size = np.ones(num_nodes, np.int32)
    threshold = np.full(num_nodes, k, np.float32)
    # Edges that still join two segments. A pair once joined stays so: no need to look again.
    open_edges = np.empty(len(order), np.int32)
    # Pass 0 merges what is alike, pass 1 what is too small to stand alone.
    for small_only in range(2):
        num_open = 0
        for i in range(len(order)):
            e = order[i]
            a, b = edges[e, 0], edges[e, 1]
            if parent[a] == parent[b]:
                continue
            a, b = _find(parent, a), _find(parent, b)
            if a == b:
                continue
            if small_only == 0:
                if not (weights[e] <= threshold[a] and weights[e] <= threshold[b]):
                    open_edges[num_open] = e
                    num_open += 1
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
        if small_only == 0:
            order = open_edges[:num_open]
    for i in range(num_nodes):
        parent[i] = _find(parent, i)
    return parent


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
    order = stable_order(weights) if order is None else np.ascontiguousarray(order, np.int32)
    roots = _merge(num_nodes, edges, weights, order, np.float32(k), int(min_size))
    return dense_ids(roots)
