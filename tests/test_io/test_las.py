"""LAS and LAZ files."""

from __future__ import annotations

import numpy as np
import pytest

from tests.test_io.format_samples import COLORS, POINTS, make_las
from unison3d.errors import FileFormatError, MissingDependencyError
from unison3d.io import read_las

ORIGIN = np.array([4e5, 5e6, 0])


def read(tmp_path, data: bytes, name: str = 'a.las'):
    (tmp_path / name).write_bytes(data)
    return read_las(tmp_path / name)


def test_scale_offset_and_16_bit_colours(tmp_path):
    pytest.importorskip('laspy')
    scene = read(tmp_path, make_las())
    assert scene.points.dtype == np.float64
    np.testing.assert_allclose(scene.points, POINTS + ORIGIN, atol=1e-9)
    np.testing.assert_array_equal(scene.colors, COLORS.astype(np.uint16) * 257)
    np.testing.assert_array_equal(scene.extra['intensity'], [100, 101, 102, 103, 104])
    # The classes of ASPRS are none of ours.
    np.testing.assert_array_equal(scene.extra['classification'], [2, 3, 4, 5, 6])
    assert scene.semantic_ids is None


def test_utm_coordinates_keep_their_millimetres_as_a_scene(tmp_path):
    pytest.importorskip('laspy')
    from unison3d.structures import PointScene

    (tmp_path / 'a.las').write_bytes(make_las())
    scene = PointScene.from_file(tmp_path / 'a.las')
    np.testing.assert_allclose(scene.world_points, POINTS + ORIGIN, atol=1e-4)


@pytest.mark.parametrize('ending', ['las', 'laz'])
def test_compression_and_fields_of_the_file_itself(tmp_path, ending):
    laspy = pytest.importorskip('laspy')
    pytest.importorskip('lazrs')
    rng = np.random.default_rng(0)
    count = 70_000  # more than one chunk
    header = laspy.LasHeader(point_format=6, version='1.4')
    header.scales, header.offsets = [0.01] * 3, [100.0, 200.0, 300.0]
    header.add_extra_dim(laspy.ExtraBytesParams('instance', 'u2'))
    header.add_extra_dim(laspy.ExtraBytesParams('tilt', '3f4'))
    las = laspy.LasData(header)
    grid = rng.integers(-1000, 1000, (count, 3))
    las.X, las.Y, las.Z = grid.T
    las.instance = rng.integers(0, 9, count)
    las.tilt = rng.random((count, 3))
    las.write(tmp_path / f'a.{ending}')
    scene = read_las(tmp_path / f'a.{ending}')
    np.testing.assert_allclose(scene.points, grid * 0.01 + [100, 200, 300])
    np.testing.assert_array_equal(scene.instance_ids, np.asarray(las.instance, np.int64) - 1)
    np.testing.assert_array_equal(scene.extra['tilt_2'], las.tilt[:, 2])
    assert scene.colors is None


def test_black_colours_are_none(tmp_path, monkeypatch):
    pytest.importorskip('laspy')
    said = []
    monkeypatch.setattr('unison3d.io.las.print_log', lambda text, **_: said.append(text))
    data = bytearray(make_las())
    for row in range(5):
        place = 227 + 26 * row + 20
        data[place : place + 6] = bytes(6)
    assert read(tmp_path, bytes(data)).colors is None
    assert 'colours' in said[0]


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'LASF'),
        (b'LASF' + bytes(50), 'truncated'),
        (make_las()[:-1], 'promises'),
        (make_las(count=2**32 - 1), 'promises'),
        (make_las(num_vlrs=2**31), 'records'),
        (make_las(start=2**31), 'records'),
    ],
)
def test_damaged_files_are_refused_before_any_package_sees_them(tmp_path, data, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        read(tmp_path, data)
    assert 'a.las' in str(caught.value)


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'laspy', None)
    with pytest.raises(MissingDependencyError, match=r'lidar'):
        read(tmp_path, make_las())
