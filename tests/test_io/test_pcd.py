"""PCD files: three encodings of the same points, and what scanners put into them."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import data_files

from tests.test_io.format_samples import COLORS, LABELS, POINTS, lzf_literals, make_pcd
from unison3d.errors import FileFormatError
from unison3d.io import read_pcd
from unison3d.io.lzf import lzf_decompress

KINDS = ('ascii', 'binary', 'binary_compressed')


def read(tmp_path, data: bytes):
    (tmp_path / 'a.pcd').write_bytes(data)
    return read_pcd(tmp_path / 'a.pcd')


@pytest.mark.parametrize('kind', KINDS)
def test_the_encodings_say_the_same(tmp_path, kind):
    scene = read(tmp_path, make_pcd(kind))
    np.testing.assert_array_equal(scene.points, POINTS)
    np.testing.assert_array_equal(scene.colors, COLORS)
    np.testing.assert_array_equal(scene.semantic_ids, LABELS)
    assert scene.points.dtype == np.float32 and scene.colors.dtype == np.uint8
    assert scene.extra == {} and scene.faces is None


@pytest.mark.parametrize('kind', KINDS)
def test_points_without_measurement_are_left_out_and_counted(tmp_path, kind, monkeypatch):
    said = []
    monkeypatch.setattr('unison3d.io.pcd.print_log', lambda text, **_: said.append(text))
    points = np.concatenate([POINTS, POINTS])
    points[[1, 4]] = np.nan
    points[7, 2] = np.nan
    points[8, 0] = np.inf  # no word of the format for anything, so it stays for the scene to refuse
    keep = [0, 2, 3, 5, 6, 8, 9]
    scene = read(tmp_path, make_pcd(kind, points, WIDTH='5', HEIGHT='2'))
    np.testing.assert_array_equal(scene.points, points[keep])
    np.testing.assert_array_equal(scene.semantic_ids, np.resize(LABELS, 10)[keep])
    np.testing.assert_array_equal(scene.colors, np.resize(COLORS, (10, 3))[keep])
    assert len(said) == 1 and '3 of 10' in said[0]


def test_colours_as_unsigned_word_and_as_rgba(tmp_path):
    for name in ('rgb', 'rgba'):
        data = make_pcd('binary', FIELDS=f'x y z {name} label', TYPE='F F F U U')
        np.testing.assert_array_equal(read(tmp_path, data).colors, COLORS)


def test_normals_padding_and_fields_of_several_numbers(tmp_path):
    rng = np.random.default_rng(0)
    row = np.dtype(
        [('p', '<f8', 3), ('_', 'u1', 4), ('n', '<f4', 3), ('h', '<i2', 2), ('__', 'u1', 2)]
    )
    rows = np.zeros(4, row)
    rows['p'], rows['n'] = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    rows['h'] = rng.integers(-9, 9, (4, 2))
    head = (
        'VERSION .7\nFIELDS x y z _ normal_x normal_y normal_z h _\nSIZE 8 8 8 1 4 4 4 2 1\n'
        'TYPE F F F U F F F I U\nCOUNT 1 1 1 4 1 1 1 2 2\nWIDTH 4\nHEIGHT 1\nPOINTS 4\n'
        'DATA binary\n'
    )
    scene = read(tmp_path, head.encode() + rows.tobytes())
    np.testing.assert_array_equal(scene.points, rows['p'])
    np.testing.assert_array_equal(scene.normals, rows['n'])
    assert scene.points.dtype == np.float64
    assert set(scene.extra) == {'h_0', 'h_1'}
    np.testing.assert_array_equal(scene.extra['h_1'], rows['h'][:, 1])


def test_an_empty_cloud_and_old_headers(tmp_path):
    for kind in KINDS:
        assert len(read(tmp_path, make_pcd(kind, POINTS[:0]))) == 0
    old = make_pcd('ascii', VERSION='', COUNT='', VIEWPOINT='', POINTS='')
    assert len(read(tmp_path, old)) == 5


@pytest.mark.parametrize(
    ('header', 'message'),
    [
        ({'POINTS': '6'}, 'WIDTH and HEIGHT'),
        ({'WIDTH': '6', 'POINTS': '6'}, 'promises'),
        ({'WIDTH': '-5'}, 'whole numbers'),
        ({'WIDTH': str(2**40), 'POINTS': str(2**40)}, 'promises'),
        ({'SIZE': '4 4 4 4'}, 'SIZE'),
        ({'SIZE': '4 4 4 4 3'}, 'SIZE 3'),
        ({'TYPE': 'F F F F Q'}, 'TYPE Q'),
        ({'TYPE': 'F F F F'}, 'TYPE'),
        ({'FIELDS': 'x y z rgb x'}, 'twice'),
        ({'FIELDS': 'x y w rgb label'}, 'expected x, y, z'),
        ({'FIELDS': ''}, 'FIELDS'),
        ({'DATA': 'binary_zip'}, 'DATA'),
        ({'SURPRISE': '1'}, 'stands twice|not a PCD header line|binary'),
        ({'COUNT': '1 1 1 1 99999999'}, 'COUNT'),
    ],
)
def test_headers_that_are_refused(tmp_path, header, message):
    data = make_pcd('binary', **header)
    if 'SURPRISE' in header:  # lines after DATA would be points
        data = b'SURPRISE 1\n' + make_pcd('binary')
    with pytest.raises(FileFormatError, match=message) as caught:
        read(tmp_path, data)
    assert 'a.pcd' in str(caught.value)


def test_ascii_words_and_counts_that_do_not_fit(tmp_path):
    good = make_pcd('ascii')
    with pytest.raises(FileFormatError, match='line 2 after the header.*hello'):
        read(tmp_path, good.replace(b'\n1 0 0.25', b'\n1 hello 0.25'))
    with pytest.raises(FileFormatError, match='26 numbers'):
        read(tmp_path, good + b'1\n')


def test_lzf_copies_from_before_even_what_it_writes(tmp_path):
    # "abc" plain, then 8 bytes from 3 back; then a long copy (7 + 10 + 2 bytes) of the last byte.
    stream = bytes([2]) + b'abc' + bytes([6 << 5, 2, 7 << 5, 10, 0])
    expected = b'abc' + (b'abc' * 3)[:8] + b'b' * 19
    assert lzf_decompress(stream, len(expected), 'x').tobytes() == expected
    for damaged in (stream[:-1], bytes([1 << 5, 0]), bytes([5]) + b'ab'):
        with pytest.raises(FileFormatError, match='x: '):
            lzf_decompress(damaged, 30, 'x')
    with pytest.raises(FileFormatError, match='more than LZF can do'):
        lzf_decompress(stream, 2**40, 'x')
    assert lzf_decompress(lzf_literals(bytes(range(200))), 200, 'x').tobytes() == bytes(range(200))


@pytest.mark.parametrize('path', data_files('osd_tabletop', '*.pcd'))
def test_a_real_file_equals_its_arrays(path):
    scene = read_pcd(path)
    arrays = np.load(path.with_suffix('.npz'))
    measured = ~np.isnan(arrays['xyz']).any(axis=-1)
    np.testing.assert_array_equal(scene.points, arrays['xyz'][measured])
    np.testing.assert_array_equal(scene.colors, arrays['rgb'][measured])
    np.testing.assert_array_equal(scene.semantic_ids, arrays['label'][measured])
