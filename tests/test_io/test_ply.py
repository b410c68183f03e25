"""Reading and writing PLY in all its spellings."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import data_files
from test_io.ply_samples import (
    COLORS,
    CORNERS,
    POLYGONS,
    TRIANGLES,
    VERTEX,
    header,
    make_ply,
    vertex_rows,
)

from unison3d.errors import FileFormatError
from unison3d.io import read_ply, write_ply

KINDS = ['ascii', 'binary_little_endian', 'binary_big_endian']


def _read(tmp_path, content: bytes, name: str = 'scan.ply'):
    path = tmp_path / name
    path.write_bytes(content)
    return read_ply(path)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_points_colors_and_polygons(tmp_path, kind, end):
    scene = _read(tmp_path, make_ply(kind, vertex_rows(), faces=POLYGONS, end=end))
    assert scene.points.dtype == np.float32
    np.testing.assert_array_equal(scene.points, np.float32(CORNERS))
    assert scene.colors.dtype == np.uint8
    np.testing.assert_array_equal(scene.colors, COLORS)
    np.testing.assert_array_equal(scene.faces, TRIANGLES)
    assert scene.normals is None and scene.extra == {}


@pytest.mark.parametrize('kind', KINDS)
def test_all_triangles_take_the_fast_path_and_agree(tmp_path, kind):
    faces = [(0, 1, 2), (2, 3, 4), (4, 0, 1)]
    scene = _read(tmp_path, make_ply(kind, vertex_rows(), faces=faces))
    np.testing.assert_array_equal(scene.faces, faces)


@pytest.mark.parametrize('kind', KINDS)
def test_polygons_with_fewer_than_three_corners_vanish(tmp_path, kind):
    faces = [(0, 1), (), (1, 2, 3)]
    scene = _read(tmp_path, make_ply(kind, vertex_rows(), faces=faces))
    np.testing.assert_array_equal(scene.faces, [(1, 2, 3)])


@pytest.mark.parametrize('kind', KINDS)
def test_no_color_no_faces(tmp_path, kind):
    scene = _read(tmp_path, make_ply(kind, CORNERS, ['float x', 'float y', 'float z']))
    assert scene.colors is None and scene.faces is None
    np.testing.assert_array_equal(scene.points, np.float32(CORNERS))


@pytest.mark.parametrize('kind', KINDS)
def test_double_coordinates_keep_their_precision(tmp_path, kind):
    rows = [(500000.0123456789, 5.3e6 + 1e-6, 100.25)]
    scene = _read(tmp_path, make_ply(kind, rows, ['double x', 'double y', 'double z']))
    assert scene.points.dtype == np.float64
    np.testing.assert_array_equal(scene.points, rows)


@pytest.mark.parametrize('kind', KINDS)
def test_normals_labels_and_unknown_properties(tmp_path, kind):
    properties = [
        *('float x', 'float y', 'float z', 'float nx', 'float ny', 'float nz'),
        *('int semantic', 'int instance', 'int superpoint', 'float curvature'),
    ]
    rows = [
        (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4, -1, 7, 0.5),
        (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 2, 3, 8, 1.5),
    ]
    scene = _read(tmp_path, make_ply(kind, rows, properties))
    np.testing.assert_array_equal(scene.normals, [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(scene.semantic_ids, [4, 2])
    np.testing.assert_array_equal(scene.instance_ids, [-1, 3])
    np.testing.assert_array_equal(scene.superpoints, [7, 8])
    np.testing.assert_array_equal(scene.extra['curvature'], [0.5, 1.5])


@pytest.mark.parametrize('name', ['segment', 'superpoints', 'scalar_superpoint', 'Superpoint'])
def test_superpoints_under_a_name_that_we_do_not_write_are_an_extra(tmp_path, name):
    properties = ['float x', 'float y', 'float z', f'int {name}']
    scene = _read(tmp_path, make_ply('ascii', [(0, 0, 0, 0), (0, 0, 1, 0)], properties))
    assert scene.superpoints is None
    np.testing.assert_array_equal(scene.extra[name], [0, 0])


def test_an_alignment_that_is_not_finite_is_not_taken(tmp_path):
    content = make_ply('ascii', [(0, 0, 0)], ['float x', 'float y', 'float z'])
    comment = b'comment axis_alignment ' + b'nan ' * 16 + b'\nelement vertex'
    assert _read(tmp_path, content.replace(b'element vertex', comment)).axis_alignment is None


def test_unsigned_instances_count_from_one(tmp_path):
    properties = ['float x', 'float y', 'float z', 'ushort instance']
    scene = _read(tmp_path, make_ply('ascii', [(0, 0, 0, 0), (0, 0, 1, 5)], properties))
    np.testing.assert_array_equal(scene.instance_ids, [-1, 4])


def test_scannet_label_file_holds_nyu40_ids(tmp_path):
    properties = ['float x', 'float y', 'float z', 'ushort label']
    content = make_ply('ascii', [(0, 0, 0, 5), (0, 0, 1, 39)], properties)
    scene = _read(tmp_path, content, 'scene0000_00_vh_clean_2.labels.ply')
    np.testing.assert_array_equal(scene.nyu40_ids, [5, 39])
    assert scene.semantic_ids is None
    old = _read(tmp_path, content.replace(b'39', b'95'), 'scene0000_00_vh_clean_2.labels.ply')
    assert old.nyu40_ids is None and old.semantic_ids is None


def test_sixteen_bit_colors_and_carriage_returns(tmp_path):
    properties = ['float x', 'float y', 'float z', 'ushort red', 'ushort green', 'ushort blue']
    content = make_ply('binary_big_endian', [(0, 0, 0, 65535, 0, 256)], properties)
    scene = _read(tmp_path, content)
    assert scene.colors.dtype == np.uint16
    np.testing.assert_array_equal(scene.colors, [[65535, 0, 256]])


@pytest.mark.parametrize('kind', KINDS)
def test_face_scalars_around_the_list(tmp_path, kind):
    import struct

    head = header(kind, 3, None, VERTEX[:3], '\n').replace(
        b'end_header',
        b'element face 2\nproperty uchar flags\nproperty list uchar int vertex_index\n'
        b'property int object_id\nend_header',
    )
    if kind == 'ascii':
        body = b'0 0 0\n1 0 0\n0 1 0\n9 3 0 1 2 77\n9 3 2 1 0 78\n'
    else:
        order = '<' if 'little' in kind else '>'
        body = struct.pack(f'{order}9f', 0, 0, 0, 1, 0, 0, 0, 1, 0)
        body += struct.pack(f'{order}BB3ii', 9, 3, 0, 1, 2, 77)
        body += struct.pack(f'{order}BB3ii', 9, 3, 2, 1, 0, 78)
    scene = _read(tmp_path, head + body)
    np.testing.assert_array_equal(scene.faces, [[0, 1, 2], [2, 1, 0]])


def test_ascii_nan_and_infinity_are_numbers(tmp_path):
    rows = [('nan', '-inf', 'inf'), (0, 0, 0)]
    scene = _read(tmp_path, make_ply('ascii', rows, VERTEX[:3]))
    assert np.isnan(scene.points[0, 0]) and np.isneginf(scene.points[0, 1])


@pytest.mark.parametrize('kind', KINDS)
def test_zero_points(tmp_path, kind):
    scene = _read(tmp_path, make_ply(kind, [], faces=[]))
    assert scene.points.shape == (0, 3) and scene.colors.shape == (0, 3)
    assert scene.faces.shape == (0, 3)


# -------------------------------------------------------------------------- damage


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('faces', [POLYGONS, [(0, 1, 2)] * 3, None])
def test_every_truncation_is_a_typed_error(tmp_path, kind, faces):
    content = make_ply(kind, vertex_rows(), faces=faces)
    # In ascii the last number may lose digits and the final line feed is not needed.
    whole = len(content.rstrip()) if kind == 'ascii' else len(content)
    for length in range(whole):
        path = tmp_path / 'cut.ply'
        path.write_bytes(content[:length])
        if kind == 'ascii' and length and content[length - 1 : length + 1].isdigit():
            continue
        with pytest.raises(FileFormatError) as caught:
            read_ply(path)
        assert str(path) in str(caught.value)


def test_truncation_names_the_byte_counts(tmp_path):
    content = make_ply('binary_little_endian', vertex_rows())
    body = len(content) - content.index(b'end_header\n') - len(b'end_header\n')
    with pytest.raises(FileFormatError, match=f'{body} bytes.*has {body - 7} bytes.*truncated'):
        _read(tmp_path, content[:-7])


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('count', [2**40, 10**18, 10**30])
@pytest.mark.parametrize('element', ['vertex', 'face'])
def test_promise_of_too_many_rows_allocates_nothing(tmp_path, kind, count, element):
    content = make_ply(kind, vertex_rows(), faces=POLYGONS)
    real = 5 if element == 'vertex' else 3
    content = content.replace(
        f'element {element} {real}'.encode(), f'element {element} {count}'.encode()
    )
    with pytest.raises(FileFormatError, match='promises'):
        _read(tmp_path, content)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', [b'vertex', b'junk'])
@pytest.mark.parametrize('count', [1, 2**40, 10**30])
def test_rows_without_properties_are_refused(tmp_path, kind, name, count):
    head = b'ply\nformat %s 1.0\nelement %s %d\n' % (kind.encode(), name, count)
    if name != b'vertex':
        head += b'element vertex 0\nproperty float x\nproperty float y\nproperty float z\n'
    with pytest.raises(FileFormatError, match='without properties'):
        _read(tmp_path, head + b'end_header\n')


@pytest.mark.parametrize('length', [2**63, 2**64 - 1, 2**62])
@pytest.mark.parametrize('rows', [1, 2])
def test_a_list_of_2_to_the_63_before_a_scalar(tmp_path, length, rows):
    head = header('binary_little_endian', 0, rows, VERTEX[:3], '\n').replace(
        b'list uchar int vertex_indices', b'list uint64 int vertex_indices\nproperty int after'
    )
    with pytest.raises(FileFormatError, match='truncated'):
        _read(tmp_path, head + length.to_bytes(8, 'little') + bytes(64))


def test_ascii_numbers_just_beyond_64_bits(tmp_path):
    properties = ['float x', 'float y', 'float z', 'int64 id']
    with pytest.raises(FileFormatError, match='stands where'):
        _read(tmp_path, make_ply('ascii', [(0, 0, 0, 2**63)], properties))


def test_huge_and_negative_list_lengths(tmp_path):
    import struct

    head = header('binary_little_endian', 0, 2, VERTEX[:3], '\n')
    for code, kind, value in (('I', b'uint', 2**31), ('b', b'char', -3), ('I', b'uint', 2**32 - 1)):
        content = head.replace(b'list uchar', b'list ' + kind) + struct.pack('<' + code, value)
        with pytest.raises(FileFormatError):
            _read(tmp_path, content + bytes(16))


@pytest.mark.parametrize(
    'bad',
    [
        b'',
        b'not a ply',
        b'ply\n',
        b'ply\nformat ascii 1.0\n',
        b'ply\nformat morse 1.0\nend_header\n',
        b'ply\nelement vertex 1\nend_header\n',
        b'ply\nformat ascii 1.0\nelement vertex -1\nproperty float x\nend_header\n',
        b'ply\nformat ascii 1.0\nelement vertex 1e9\nproperty float x\nend_header\n',
        b'ply\nformat ascii 1.0\nproperty float x\nend_header\n1\n',
        b'ply\nformat ascii 1.0\nelement vertex 1\nproperty quaternion x\nend_header\n1\n',
        b'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n',
        b'ply\nformat ascii 1.0\nelement face 0\nproperty list uchar int a\nend_header\n',
        b'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float x\n'
        b'end_header\n1 1\n',
        b'ply\nformat ascii 1.0\nelement vertex 0\nproperty list float int x\nend_header\n',
        b'ply\nformat ascii 1.0\nsurprise\nend_header\n',
    ],
)
def test_headers_that_are_refused(tmp_path, bad):
    with pytest.raises(FileFormatError):
        _read(tmp_path, bad)


def test_ascii_words_and_misfits_are_named(tmp_path):
    good = make_ply('ascii', vertex_rows())
    with pytest.raises(FileFormatError, match='line 2 after the header.*hello'):
        _read(tmp_path, good.replace(b'1.0 0.0 0.0 0 255', b'1.0 hello 0.0 0 255'))
    with pytest.raises(FileFormatError, match='256 stands where'):
        _read(tmp_path, good.replace(b'0 255 0 200', b'0 256 0 200'))


def test_missing_file_suggests_neighbours(tmp_path):
    (tmp_path / 'scan_01.ply').write_bytes(b'')
    with pytest.raises(FileFormatError, match=r'not found.*scan_01\.ply'):
        read_ply(tmp_path / 'scan_1.ply')
    with pytest.raises(FileFormatError, match='folder'):
        read_ply(tmp_path / 'nowhere' / 'scan.ply')
    with pytest.raises(FileFormatError, match='is a folder'):
        read_ply(tmp_path)


# -------------------------------------------------------------------------- writing


def test_written_file_reads_back(tmp_path):
    rng = np.random.default_rng(0)
    n = 50
    arrays = {
        'colors': rng.random((n, 3)).astype(np.float32),
        'normals': rng.normal(size=(n, 3)).astype(np.float32),
        'faces': rng.integers(0, n, (20, 3)).astype(np.int32),
        'superpoints': rng.integers(0, 9, n),
        'semantic_ids': rng.integers(0, 21, n),
        'instance_ids': rng.integers(-1, 5, n),
        'part_ids': rng.integers(0, 3, n),
    }
    names = ('chair', 'office "chair"\nold', 'Stühle', '', 'x' * 300)
    alignment = rng.normal(size=(4, 4))
    points = rng.normal(size=(n, 3)).astype(np.float32)
    path = write_ply(
        tmp_path / 'deep' / 'out.ply',
        points,
        instance_names=names,
        axis_alignment=alignment,
        **arrays,
    )
    scene = read_ply(path)
    np.testing.assert_array_equal(scene.points, points)
    np.testing.assert_array_equal(scene.colors, np.rint(arrays.pop('colors') * 255))
    for field, value in arrays.items():
        np.testing.assert_array_equal(getattr(scene, field), value, err_msg=field)
    assert scene.instance_names == names
    np.testing.assert_array_equal(scene.axis_alignment, alignment)
    assert scene.extra == {}


def test_writer_refuses_what_does_not_fit(tmp_path):
    with pytest.raises(FileFormatError, match='rows'):
        write_ply(tmp_path / 'a.ply', np.zeros((2, 3)), colors=np.zeros((3, 3), np.uint8))
    with pytest.raises(FileFormatError, match='32 bits'):
        write_ply(tmp_path / 'a.ply', np.zeros((1, 3)), instance_ids=np.array([2**31]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('path', data_files('.', '**/*.ply'))
def test_real_files(path, tmp_path):
    scene = read_ply(path)
    assert len(scene) > 1000 and len(scene.colors) == len(scene)
    assert scene.faces.max() < len(scene)
    again = read_ply(
        write_ply(tmp_path / 'again.ply', scene.points, colors=scene.colors, faces=scene.faces)
    )
    for field in ('points', 'colors', 'faces'):
        np.testing.assert_array_equal(getattr(again, field), getattr(scene, field))
    cut = tmp_path / 'cut.ply'
    cut.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FileFormatError, match='truncated'):
        read_ply(cut)
