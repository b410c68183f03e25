"""Pixels of textures at the vertices of OBJ files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unison3d.errors import FileFormatError
from unison3d.io.obj_texture import read_textured_obj

TEXT = """\
mtllib a.mtl
v 0 0 0
v 1 0 0
v 0 1 0
v 9 9 9
vt 0.25 0.75
vt 0.75 0.75
vt 0.75 0.25
usemtl red
f 1/1 2/2 3/3
"""
MATERIALS = 'newmtl red\nmap_Kd a.png\nnewmtl plain\nKd 1 0 0\nnewmtl blue\nmap_Kd b.png\n'
#: Upper left, upper right, lower left, lower right.
PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


def write(folder, text=TEXT, materials=MATERIALS):
    (folder / 'a.obj').write_text(text)
    (folder / 'a.mtl').write_text(materials)
    for name, add in (('a.png', 0), ('b.png', 100)):
        Image.fromarray(PIXELS + np.uint8(add)).save(folder / name)
    return folder / 'a.obj'


def test_pixels_under_the_vertices(tmp_path):
    points, colors = read_textured_obj(write(tmp_path))
    # The fourth vertex is in no face.
    np.testing.assert_array_equal(points, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(colors, [PIXELS[0, 0], PIXELS[0, 1], PIXELS[1, 1]])


@pytest.mark.parametrize(
    ('faces', 'expected'),
    [
        # Normals, negative numbers, and a second material.
        ('f 1/1/7 2/2/7 3/3/7', {0: (0, 0, 0), 1: (0, 1, 0), 2: (1, 1, 0)}),
        ('f -4/-3 -3/-2 -2/-1', {0: (0, 0, 0), 1: (0, 1, 0), 2: (1, 1, 0)}),
        ('f 1/1 2/2 3/3\nusemtl blue\nf 4/1 2/1 3/1', {1: (0, 1, 0), 3: (0, 0, 100)}),
        # Corners, faces and materials without a texture.
        ('f 1 2//1 3/3', {2: (1, 1, 0)}),
        ('f 1 2/ 3/12//\nf 1/1 2/2 3/3', None),
        ('f 4/1 1/1 2/1\nusemtl plain\nf 3/3 1/2 2/2', {0: (0, 0, 0), 3: (0, 0, 0)}),
        ('usemtl nothing\nf 3/3 1/2 2/2\nusemtl red\nf 1/1 2/1 4/1', {0: (0, 0, 0)}),
    ],
)
def test_faces(tmp_path, faces, expected):
    path = write(tmp_path, TEXT.replace('f 1/1 2/2 3/3', faces))
    if expected is None:
        with pytest.raises(FileFormatError, match=r'a\.obj'):
            read_textured_obj(path)
        return
    points, colors = read_textured_obj(path)
    vertices = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]]
    found = {vertices.index(p): c for p, c in zip(points.tolist(), colors.tolist(), strict=True)}
    for vertex, (row, column, add) in expected.items():
        assert found[vertex] == (PIXELS[row, column] + add).tolist()


def test_the_texture_repeats_and_its_edges_belong_to_it(tmp_path):
    for place, (row, column) in {
        '1 1': (0, 1),
        '0 0': (1, 0),
        '1.25 -0.75': (1, 0),
        '-0.25 1.75': (0, 1),
    }.items():
        path = write(tmp_path, TEXT.replace('vt 0.25 0.75', f'vt {place}'))
        np.testing.assert_array_equal(read_textured_obj(path)[1][0], PIXELS[row, column])


@pytest.mark.parametrize(
    ('old', 'new', 'says'),
    [
        ('mtllib a.mtl', '', 'not textured'),
        ('mtllib a.mtl', 'mtllib b.mtl', r'a\.obj: the material library "b\.mtl"'),
        ('usemtl red', 'usemtl green', 'none of its 1 faces'),
        ('usemtl red', '', 'none of its 1 faces'),
        ('f 1/1', 'f 1/4', 'texture coordinate 4, the file has 3'),
        ('f 1/1', 'f 1/x', 'not all'),
        ('f 1/1', 'f 5/1', 'vertex 5'),
        ('vt 0.25 0.75', 'vt nan 0.75', 'line 6: .*not finite'),
        ('v 1 0 0', 'v 1 inf 0', 'line 3: .*not finite'),
        ('vt 0.25 0.75', 'vt 0.25', 'vt 0.25'),
        ('v 0 0 0', 'v 0 0', 'v 0 0'),
    ],
)
def test_damaged_files(tmp_path, old, new, says):
    path = write(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(FileFormatError, match=says):
        read_textured_obj(path)


def test_damaged_materials(tmp_path):
    path = write(tmp_path, materials='newmtl red\nmap_Kd c.png\n')
    with pytest.raises(FileFormatError, match=r'a\.mtl: the texture "c\.png"'):
        read_textured_obj(path)
    path = write(tmp_path, materials='newmtl red\n')
    with pytest.raises(FileFormatError, match=r'a\.mtl: no material'):
        read_textured_obj(path)
    path = write(tmp_path, materials='newmtl\tred\n\tmap_Kd\ta.png\n')
    assert len(read_textured_obj(path)[0]) == 3
    # Only the name counts: what a file names elsewhere is not opened.
    path = write(tmp_path, materials='newmtl red\nmap_Kd ../../x\\y/a.png\n')
    assert len(read_textured_obj(path)[0]) == 3
    (tmp_path / 'a.png').write_bytes(b'no image')
    with pytest.raises(FileFormatError, match=r'a\.png'):
        read_textured_obj(path)
