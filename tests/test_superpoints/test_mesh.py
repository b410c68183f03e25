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
