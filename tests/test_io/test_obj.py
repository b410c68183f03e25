"""OBJ files."""

from __future__ import annotations

import numpy as np
import pytest

from tests.test_io.format_samples import COLORS, FACES, POINTS, make_obj
from unison3d.errors import FileFormatError
from unison3d.io import read_obj


def read(tmp_path, text: str | bytes):
    data = text.encode() if isinstance(text, str) else text
    (tmp_path / 'a.obj').write_bytes(data)
    return read_obj(tmp_path / 'a.obj')


def test_points_colours_and_faces(tmp_path):
    scene = read(tmp_path, make_obj())
    np.testing.assert_allclose(scene.points, POINTS)
    np.testing.assert_allclose(scene.colors, COLORS / 255, atol=1e-6)
    np.testing.assert_array_equal(scene.faces, FACES)
    assert scene.normals is None


def test_polygons_negative_indices_and_groups_between(tmp_path):
    text = (
        'v 0 0 0\nv 1 0 0\n  v 1 1 0 \nv 0 1 0\nf -4 -3 -2 -1\n'
        'v 5 5 5\nv 6 5 5\nv 6 6 5\nf -3// -2// -1//\nf 1 2\\\n 3\nl 1 2\np 1\n'
    )
    scene = read(tmp_path, text)
    np.testing.assert_array_equal(scene.faces, [[0, 1, 2], [0, 2, 3], [4, 5, 6], [0, 1, 2]])


def test_normals_count_where_they_belong_to_vertices(tmp_path):
    vertices = 'v 0 0 0\nv 1 0 0\nv 1 1 0\nvn 0 0 1\nvn 0 1 0\nvn 1 0 0\n'
    scene = read(tmp_path, vertices + 'f 1//1 2//2 3//3\n')
    np.testing.assert_array_equal(scene.normals, [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert read(tmp_path, vertices + 'f 1//2 2//1 3//3\n').normals is None


def test_weights_and_comments(tmp_path):
    scene = read(tmp_path, 'v 1 2 3 1.0 # corner\r\nv 4 5 6 1.0\r\n')
    np.testing.assert_array_equal(scene.points, [[1, 2, 3], [4, 5, 6]])
    assert scene.colors is None and scene.faces is None
    scene = read(tmp_path, 'v 1 2 3 1 0.5 0.25 0\n')
    np.testing.assert_array_equal(scene.colors, [[0.5, 0.25, 0]])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'no vertex line'),
        ('f 1 2 3\n', 'no vertex line'),
        ('v 1 2\n', 'line 1'),
        ('v 1 2 3\nv 1 2\n', 'line 2'),
        ('v 1 2 3\nv 1 2 3 4 5 6\nv 1 2\n', 'line 2'),
        ('v 1 2 x\n', 'line 1'),
        ('v 1 2 3\nf 1 1 2\n', 'line 2.*vertex 2'),
        ('v 1 2 3\nf 0 1 1\n', 'vertex 0'),
        ('v 1 2 3\nf -2 1 1\nv 1 2 3\n', 'vertex -2'),
        ('v 1 2 3\nf 1 1 one\n', 'line 2.*"one"'),
        ('v 1 2 3\nf 1 1 1-1\n', 'line 2.*"1-1"'),
        ('v 1 2 3\nv 1 2-3\n', 'line 2'),
        ('v 1 2 3\nf 1 1 /1\n', 'line 2.*"/1"'),
        ('v 1 2 3\nf 1 1 99999999999999999999\n', 'line 2'),
        ('v 1 2 3\nvn 1 2\n', 'line 2'),
        (b'v 1 2 3\n\0\0', 'binary'),
    ],
)
def test_damaged_files(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        read(tmp_path, text)
    assert 'a.obj' in str(caught.value)
