"""E57 files, as pye57 writes them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.test_io.format_samples import COLORS, POINTS
from unison3d.errors import FileFormatError, MissingDependencyError
from unison3d.io import read_e57

pye57 = pytest.importorskip('pye57')


def columns(colors: bool = True) -> dict[str, np.ndarray]:
    found = {f'cartesian{a}': POINTS[:, i].astype(np.float64) for i, a in enumerate('XYZ')}
    if colors:
        found |= {f'color{c}': COLORS[:, i] for i, c in enumerate(('Red', 'Green', 'Blue'))}
    return found | {'intensity': np.linspace(0, 1, 5)}


def write(path, *scans, **pose):
    file = pye57.E57(str(path), mode='w')
    for scan in scans:
        file.write_scan_raw(scan, **pose)
    file.close()
    return path


def test_poses_are_applied_and_scans_joined(tmp_path):
    half = np.sqrt(0.5)
    pose = {'rotation': np.array([half, 0, 0, half]), 'translation': np.array([10.0, 20.0, 30.0])}
    scene = read_e57(write(tmp_path / 'a.e57', columns(), columns(), **pose))
    x, y, z = POINTS.T
    expected = np.stack([-y + 10, x + 20, z + 30], axis=1)  # a quarter turn around z
    np.testing.assert_allclose(scene.points, np.concatenate([expected] * 2), atol=1e-6)
    np.testing.assert_allclose(scene.colors[:5], COLORS / 255, atol=1e-9)
    np.testing.assert_array_equal(scene.extra['scan'], [0] * 5 + [1] * 5)
    np.testing.assert_allclose(scene.extra['intensity'][:5], np.linspace(0, 1, 5), atol=1e-6)


def test_invalid_points_are_left_out_and_counted(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('unison3d.io.e57.print_log', lambda text, **_: said.append(text))
    state = np.array([0, 1, 0, 2, 0], np.int8)
    scan = columns(colors=False) | {'cartesianInvalidState': state}
    scene = read_e57(write(tmp_path / 'a.e57', scan))
    np.testing.assert_allclose(scene.points, POINTS[state == 0])
    assert scene.colors is None
    assert '2 invalid points' in said[0]


def test_truncated_and_flipped_files(tmp_path):
    good = write(tmp_path / 'a.e57', columns()).read_bytes()
    for offset in range(0, len(good), max(len(good) // 16, 1)):
        flipped = bytearray(good)
        flipped[offset] ^= 0x55
        for data in (good[:offset], bytes(flipped)):
            (tmp_path / 'b.e57').write_bytes(data)
            with pytest.raises(FileFormatError, match=r'b\.e57'):
                read_e57(tmp_path / 'b.e57')


def test_no_scans_and_a_missing_package(tmp_path, monkeypatch):
    with pytest.raises(FileFormatError, match='no scans'):
        read_e57(write(tmp_path / 'a.e57'))
    monkeypatch.setitem(__import__('sys').modules, 'pye57', None)
    with pytest.raises(MissingDependencyError, match='lidar'):
        read_e57(tmp_path / 'a.e57')
