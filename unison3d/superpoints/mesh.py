"""Superpoints of a triangle mesh."""

from __future__ import annotations

import numpy as np

from unison3d.errors import SceneError
from unison3d.native import kernel
from unison3d.superpoints.edges import weighted_face_edges
from unison3d.superpoints.graph import segment_graph
from unison3d.superpoints.mesh_engines import CHOICE, segmentator_ids


@kernel
def _vertex_normals(vertices, faces):
    one = np.float32(1)
    normals = np.zeros(vertices.shape, np.float32)
    counts = np.zeros(len(vertices), np.int32)
    valid = np.ones(len(faces), np.bool_)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        vx = vertices[c, 0] - vertices[a, 0]
        vy = vertices[c, 1] - vertices[a, 1]
        vz = vertices[c, 2] - vertices[a, 2]
        nx = uy * vz - uz * vy
        ny = uz * vx - ux * vz
        nz = ux * vy - uy * vx
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        if not 0 < length < np.inf:
            valid[f] = False
            continue
        nx /= length
        ny /= length
        nz /= length
        for corner in range(3):
            i = faces[f, corner]
            new = one / (np.float32(counts[i]) + one)
            old = one - new
            normals[i, 0] = new * nx + old * normals[i, 0]
            normals[i, 1] = new * ny + old * normals[i, 1]
            normals[i, 2] = new * nz + old * normals[i, 2]
            counts[i] += 1
    return normals, valid


def check_vertices(points: np.ndarray, where: str) -> np.ndarray:
    """The points as contiguous float32, (N, 3).

    Raises:
        SceneError: some are not finite.
    """
    points = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise SceneError(
            f'{where}: {bad.sum()} of {len(points)} points are not finite (first at row '
            f'{bad.argmax()}). Build the scene with PointScene.from_arrays, which can drop them.'
        )
    return points


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average the unit normals of the faces around each vertex.

    The average runs in face order in float32 and is not normalised again, so its length falls
    where the surface bends. Faces without area are left out, and so are faces so large that their
    area overflows.

    Args:
        vertices: float32, (N, 3), metres.
        faces: int32, (F, 3).

    Returns:
        float32 (N, 3) normals, zero for vertices without a face, and bool (F,), True for faces
        with area.

    Raises:
        SceneError: a face names a vertex that does not exist.
    """
    vertices = np.ascontiguousarray(vertices, np.float32).reshape(-1, 3)
    faces = np.ascontiguousarray(faces, np.int32).reshape(-1, 3)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise SceneError(
            f'mesh: faces name vertices {faces.min()}..{faces.max()}, expected '
            f'0..{len(vertices) - 1}. Export the mesh again, or drop its faces.'
        )
    return _vertex_normals(vertices, faces)


def segment_mesh(
    vertices: np.ndarray, faces: np.ndarray, *, k: float = 0.01, min_vertices: int = 20
) -> np.ndarray:
    """Cut a mesh into superpoints along its creases.

    Equal to the segmentation that ScanNet distributes, apart from equal edge weights: their order
    is left open there and is the input order here.

    Args:
        vertices: float32, (N, 3), metres.
        faces: int32, (F, 3).
        k: larger gives larger superpoints.
        min_vertices: superpoints smaller than this join a neighbour.

    Returns:
        int64, (N,), ids 0..S-1. A vertex without a face is a superpoint of its own.

    Raises:
        SceneError: a face names a vertex that does not exist, or vertices are not finite.

    Source:
        Felzenszwalb and Huttenlocher, IJCV 2004, with the edge weights of Karpathy et al.,
        ICRA 2013; parameters of the ScanNet release.
    """
    vertices = check_vertices(vertices, 'segment_mesh')
    faces = np.ascontiguousarray(faces, np.int32).reshape(-1, 3)
    normals, valid = vertex_normals(vertices, faces)
    if CHOICE.wanted == 'segmentator' and valid.any():
        return segmentator_ids(vertices, faces[valid], k, min_vertices)
    edges, weights = weighted_face_edges(vertices, normals, faces, valid)
    return segment_graph(len(vertices), edges, weights, k=k, min_size=min_vertices)
