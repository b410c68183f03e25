"""Edges of a mesh, and how unlike the two ends of an edge are."""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

# Two squared components: below this a direction is rounding noise and has no meaning.
_TINY = np.float32(1e-30)


@kernel
def _edge_weight(points, normals, a, b):
    """Weight of one edge; see :func:`edge_weights`."""
    # float32 throughout, terms in this order: other orders round differently and change ties.
    weight = np.float32(1) - (
        normals[a, 0] * normals[b, 0]
        + normals[a, 1] * normals[b, 1]
        + normals[a, 2] * normals[b, 2]
    )
    dx = points[b, 0] - points[a, 0]
    dy = points[b, 1] - points[a, 1]
    dz = points[b, 2] - points[a, 2]
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    # Equal positions have no direction. Choosing numbers instead of branches runs four times as
    # fast: no processor guesses which bends are convex.
    length = length if length > _TINY else np.float32(np.inf)
    dx /= length
    dy /= length
    dz /= length
    convex = normals[b, 0] * dx + normals[b, 1] * dy + normals[b, 2] * dz > 0
    return weight * (weight if convex else np.float32(1))


@kernel
def _edge_weights(points, normals, edges):
    weights = np.empty(len(edges), np.float32)
    for e in range(len(edges)):
        weights[e] = _edge_weight(points, normals, edges[e, 0], edges[e, 1])
    return weights


@kernel
def _weighted_edges(vertices, normals, faces, valid):
    edges = np.empty((3 * len(faces), 2), np.int32)
    weights = np.empty(3 * len(faces), np.float32)
    count = 0
    for f in range(len(faces)):
        if not valid[f]:
            continue
        u, v, w = faces[f, 0], faces[f, 1], faces[f, 2]
        for a, b in ((u, v), (u, w), (w, v)):
            edges[count, 0] = a
            edges[count, 1] = b
            weights[count] = _edge_weight(vertices, normals, a, b)
            count += 1
    return edges[:count], weights[:count]


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


def mesh_edges(faces: np.ndarray) -> np.ndarray:
    """List three edges per face in the order (0, 1), (0, 2), (2, 1).

    A side shared by two faces appears twice, once per face.

    Args:
        faces: int32, (F, 3).

    Returns:
        int32, (3F, 2).
    """
    return np.asarray(faces, np.int32)[:, (0, 1, 0, 2, 2, 1)].reshape(-1, 2)


def weighted_face_edges(
    vertices: np.ndarray, normals: np.ndarray, faces: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`mesh_edges` of the valid faces and their :func:`edge_weights`, in one sweep.

    Args:
        vertices: float32, (N, 3), contiguous.
        normals: float32, (N, 3), contiguous.
        faces: int32, (F, 3), contiguous.
        valid: bool, (F,). Other faces are left out.

    Returns:
        int32 (E, 2) edges and float32 (E,) weights.
    """
    return _weighted_edges(vertices, normals, faces, valid)
