from __future__ import annotations

import numpy as np
from scipy.spatial import Delaunay

from unison3d.superpoints import estimate_normals
from unison3d.superpoints.neighbours import nearest_neighbours
from unison3d.superpoints.surface import surface_graph, unsigned_weights


def _pairs(edges: np.ndarray) -> set[tuple[int, int]]:
    return {tuple(sorted(edge)) for edge in edges.tolist()}


def test_a_plane_gets_its_delaunay_edges():
    rng = np.random.default_rng(0)
    flat = rng.uniform(0, 1, (1500, 2))
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    points = (flat @ basis[:2]).astype(np.float32)
    normals = np.tile(basis[2], (len(points), 1)).astype(np.float32)
    edges, sharper = surface_graph(points, normals, nearest_neighbours(points, 24))
    found = _pairs(edges)
    assert len(found) == len(edges)
    inside = ((flat > 0.15) & (flat < 0.85)).all(axis=1)
    triangles = Delaunay(flat).simplices
    wanted = _pairs(np.concatenate([triangles[:, :2], triangles[:, 1:], triangles[:, ::2]]))
    wanted = {pair for pair in wanted if inside[list(pair)].all()}
    assert len(wanted - found) < 0.01 * len(wanted)
    assert len([p for p in found - wanted if inside[list(p)].all()]) < 0.01 * len(wanted)
    np.testing.assert_allclose(np.einsum('nc,nc->n', normals, sharper)[inside], 1, atol=1e-5)


def test_normals_keep_sharp_at_a_crease():
    rng = np.random.default_rng(1)
    u = rng.uniform(0, 1, (6000, 2))
    points = np.zeros((6000, 3), np.float32)
    points[:3000, :2] = u[:3000]
    points[3000:, 1:] = u[3000:]
    true = np.repeat([[0, 0, 1.0], [1, 0, 0]], 3000, axis=0)
    near = (points[:, 0] + points[:, 2] < 0.06) & (points[:, 0] + points[:, 2] > 0.01)
    planes = estimate_normals(points)[0]
    sharper = surface_graph(points, planes, nearest_neighbours(points, 16))[1]

    def error(normals: np.ndarray) -> float:
        return 1 - np.abs(np.einsum('nc,nc->n', normals, true))[near].mean()

    assert error(sharper) < 0.7 * error(planes)
    assert (np.einsum('nc,nc->n', planes, sharper) > 0).mean() > 0.99


def test_the_other_side_of_a_sheet_is_no_neighbour():
    rng = np.random.default_rng(2)
    points = np.zeros((2000, 3), np.float32)
    points[:, :2] = rng.uniform(0, 1, (2000, 2))
    points[1000:, 2] = 0.02
    up = np.tile(np.float32([0, 0, 1]), (2000, 1))
    edges = surface_graph(points, up, nearest_neighbours(points, 16))[0]
    a, b = points[edges].transpose(1, 0, 2)
    steep = np.abs(a - b)[:, 2] > np.sqrt(3) * np.linalg.norm((a - b)[:, :2], axis=1) + 1e-6
    assert not steep.any()


def test_nothing_to_join():
    up = np.float32([[0, 0, 1]])
    for points in (np.zeros((0, 3)), np.zeros((1, 3)), np.zeros((40, 3))):
        points = points.astype(np.float32)
        normals = np.repeat(up, len(points), axis=0)
        edges, sharper = surface_graph(points, normals, nearest_neighbours(points, 8))
        assert edges.shape == (0, 2)
        np.testing.assert_array_equal(sharper, normals)


def test_weights():
    normals = np.float32([[0, 0, 1], [0, 0, -1], [0.6, 0, 0.8]])
    colors = np.float32([[0, 0, 0], [0, 0, 0], [1, 0.5, 0]])
    edges = np.int32([[0, 1], [0, 2]])
    np.testing.assert_allclose(unsigned_weights(normals, edges, None, 0.5), [0, 0.2], atol=1e-7)
    np.testing.assert_allclose(unsigned_weights(normals, edges, colors, 0), [0, 0.2], atol=1e-7)
    with_colors = unsigned_weights(normals, edges, colors, 0.5)
    np.testing.assert_allclose(with_colors, [0, 0.2 + 0.5 * 1.25], atol=1e-7)
