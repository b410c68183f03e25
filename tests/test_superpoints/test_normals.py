from __future__ import annotations

import numpy as np
import pytest

from unison3d.superpoints import estimate_normals


@pytest.mark.parametrize('seed', range(5))
def test_a_plane_gives_its_normal(seed):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    points = rng.uniform(-1, 1, (500, 2)) @ basis[:2]
    normals, curvature = estimate_normals(points)
    np.testing.assert_allclose(np.abs(normals @ basis[2]), 1, atol=1e-3)
    np.testing.assert_allclose(curvature, 0, atol=1e-4)


def test_agrees_with_numpy_eigenvectors():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(9, 3)).astype(np.float32)
    normals, curvature = estimate_normals(points, 9)
    values, vectors = np.linalg.eigh(np.cov(points.T.astype(np.float64)))
    np.testing.assert_allclose(np.abs(normals @ vectors[:, 0]), 1, atol=1e-5)
    np.testing.assert_allclose(curvature, values[0] / values.sum(), rtol=1e-4)


def test_floor_looks_up_and_walls_look_inwards():
    rng = np.random.default_rng(2)
    floor = np.pad(rng.uniform(0, 4, (4000, 2)), ((0, 0), (0, 1)))
    wall = np.stack([np.full(3000, 4.5), rng.uniform(0, 4, 3000), rng.uniform(0, 2, 3000)], 1)
    normals = estimate_normals(np.concatenate([floor, wall]))[0]
    assert (normals[:4000, 2] > 0.99).all()
    assert (normals[4000:, 0] < -0.99).all()


@pytest.mark.parametrize(
    'points',
    [
        np.zeros((0, 3)),
        np.zeros((1, 3)),
        np.zeros((50, 3)),
        np.arange(60).reshape(20, 3) * [1, 1, 0],
        [[0, 0, 0], [1, 0, 0]],
    ],
    ids=['none', 'one', 'equal', 'line', 'two'],
)
def test_without_a_plane_normals_look_up(points):
    normals, curvature = estimate_normals(np.asarray(points, np.float32))
    np.testing.assert_array_equal(np.abs(normals), np.tile([0.0, 0, 1], (len(points), 1)))
    assert curvature.shape == (len(points),)
    assert np.isfinite(curvature).all()
