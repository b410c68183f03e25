"""Arrays of meshes: what a release always has is asked for, and what is damaged is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unison3d.datasets.prepare.meshes import (
    colors_of,
    faces_of,
    is_rigid,
    points_of,
    read_mesh,
    rigid,
)
from unison3d.errors import FileFormatError
from unison3d.io import RawScene

HERE = Path('a.ply')
TEXT = """\
ply
format ascii 1.0
element vertex 3
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face 1
property list uchar int vertex_indices
end_header
0 0 0 1 2 3
1 0 0 4 5 6
0 1 0 7 8 255
3 0 1 2
"""


def test_a_mesh(tmp_path):
    path = tmp_path / 'a.ply'
    path.write_text(TEXT)
    mesh = read_mesh(path)
    np.testing.assert_array_equal(points_of(mesh, path)[2], np.float32([0, 1, 0]))
    np.testing.assert_array_equal(colors_of(mesh, path)[2], np.uint8([7, 8, 255]))
    np.testing.assert_array_equal(faces_of(mesh, path), np.int32([[0, 1, 2]]))


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('uchar red', 'uchar rot'),
        ('element face 1', 'element edge 1'),
        # An empty list is no mesh either: superpoints would be cut from the points, untold.
        ('element face 1', 'element face 0'),
    ],
)
def test_a_mesh_without_colours_or_faces(tmp_path, old, new):
    path = tmp_path / 'a.ply'
    text = TEXT.replace(old, new)
    path.write_text(text.removesuffix('3 0 1 2\n') if new.endswith('face 0') else text)
    with pytest.raises(FileFormatError, match=r'a\.ply: has no colours or no faces'):
        read_mesh(path)


def test_colours_of_eight_bits_stay_as_they_are():
    colors = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    np.testing.assert_array_equal(colors_of(RawScene(np.zeros((256, 3)), colors), HERE), colors)
    # Dark ones are not taken for a share of 1.
    dark = np.ones((2, 3), np.uint8)
    np.testing.assert_array_equal(colors_of(RawScene(np.zeros((2, 3)), dark), HERE), dark)


def test_alignments():
    turn = np.eye(4)
    turn[:2, :2], turn[:3, 3] = [[0, -1], [1, 0]], 5
    np.testing.assert_array_equal(rigid(turn, HERE), turn)
    for wrong in (2 * turn, np.diag([1.0, 1, -1, 1]), np.eye(3), np.zeros((4, 4)), turn * 1e200):
        assert not is_rigid(wrong)
        with pytest.raises(FileFormatError, match='not a turn and a shift'):
            rigid(wrong, HERE)
