from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.superpoints import segment_mesh, vertex_normals


def _grid(size: int, axes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    u, v = np.meshgrid(np.arange(size), np.arange(size), indexing='ij')
    vertices = np.zeros((size * size, 3), np.float32)
    vertices[:, axes[0]], vertices[:, axes[1]] = u.ravel() / 50, v.ravel() / 50
    corner = (u[:-1, :-1] * size + v[:-1, :-1]).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + size, corner + 1], 1),
            np.stack([corner + 1, corner + size, corner + size + 1], 1),
        ]
    )
    return vertices, faces.astype(np.int32)


def test_floor_and_wall_fall_apart_at_the_crease():
    floor, faces = _grid(12, (0, 1))
    wall = _grid(12, (2, 1))[0]
    # The wall shares the first column of the floor.
    table = np.concatenate([np.arange(12), np.arange(12 * 11) + len(floor)])
    vertices = np.concatenate([floor, wall[12:]])
    faces = np.concatenate([faces, table[faces][:, ::-1]])
    ids = segment_mesh(vertices, faces)
    assert ids.max() == 1
    assert (ids[12 * 2 : 144] == ids[143]).all()
    assert (ids[144 + 12 :] == ids[-1]).all()


def test_vertices_without_faces_are_alone():
    vertices, faces = _grid(6, (0, 1))
    vertices = np.concatenate([vertices, [[9, 9, 9], [8, 8, 8]]])
    ids = segment_mesh(vertices, faces)
    assert len(set(ids[-2:]) | {ids[0]}) == 3


@pytest.mark.parametrize('count', [0, 1, 2])
def test_no_faces(count):
    ids = segment_mesh(np.zeros((count, 3)), np.zeros((0, 3)))
    np.testing.assert_array_equal(ids, np.arange(count))


def test_faces_without_area_are_skipped():
    vertices, faces = _grid(8, (0, 1))
    bad = np.array([[0, 0, 1], [3, 3, 3]], np.int32)
    normals, valid = vertex_normals(vertices, np.concatenate([bad, faces]))
    assert np.isfinite(normals).all()
    np.testing.assert_array_equal(valid[:2], [False, False])
    ids = segment_mesh(vertices, np.concatenate([bad, faces]))
    np.testing.assert_array_equal(ids, segment_mesh(vertices, faces))


def test_faces_outside_the_vertices_are_refused():
    with pytest.raises(SceneError, match='expected 0..2'):
        segment_mesh(np.zeros((3, 3)), [[0, 1, 3]])


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_bad_numbers_are_refused(bad):
    vertices, faces = _grid(4, (0, 1))
    vertices[5, 1] = bad
    with pytest.raises(SceneError, match='1 of 16 points are not finite .first at row 5'):
        segment_mesh(vertices, faces)


@pytest.mark.parametrize('faces', [[[0, 1, -1]], [[2**31 - 1, 0, 1]]])
def test_no_face_reaches_outside(faces):
    with pytest.raises(SceneError, match='expected 0..3'):
        segment_mesh(np.eye(4, 3), faces)


@pytest.mark.parametrize('scale', [1e-20, 1e6, 1e18, 1e30])
def test_no_scale_breaks_a_mesh(scale):
    vertices, faces = _grid(12, (0, 1))
    normals, valid = vertex_normals(vertices * np.float32(scale), faces)
    assert np.isfinite(normals).all()
    ids = segment_mesh(vertices * np.float32(scale), faces)
    # One plane; where single precision overflows, faces are left out and vertices stay alone.
    assert ids.max() == (0 if valid.all() else len(vertices) - 1)


def test_equal_vertices_stay_alone():
    np.testing.assert_array_equal(segment_mesh(np.ones((6, 3)), [[0, 1, 2], [3, 4, 5]]), range(6))


def test_the_same_twice():
    rng = np.random.default_rng(0)
    vertices, faces = _grid(40, (0, 1))
    vertices[:, 2] = rng.normal(0, 0.01, len(vertices))
    first = segment_mesh(vertices, faces)
    assert first.max() > 3
    np.testing.assert_array_equal(first, segment_mesh(vertices, faces))
