"""Bare float tables."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.io import read_bin


def test_scannet_layout(tmp_path):
    table = np.array([[1, 2, 3, 255, 0, 51], [4, 5, 6, 0, 0, 0]], '<f4')
    (tmp_path / 'a.bin').write_bytes(table.tobytes())
    scene = read_bin(tmp_path / 'a.bin')
    np.testing.assert_array_equal(scene.points, table[:, :3])
    np.testing.assert_allclose(scene.colors, [[1, 0, 0.2], [0, 0, 0]])
    assert scene.points.dtype == np.float32


def test_dark_scan_is_still_0_to_255(tmp_path):
    (tmp_path / 'a.bin').write_bytes(np.float32([0, 0, 0, 1, 1, 1]).tobytes())
    np.testing.assert_allclose(read_bin(tmp_path / 'a.bin').colors, 1 / 255)


@pytest.mark.parametrize('width', [3, 4, 5, 7, 9])
def test_other_widths(tmp_path, width):
    table = np.arange(2 * width, dtype='<f4').reshape(2, width)
    (tmp_path / 'a.bin').write_bytes(table.tobytes())
    scene = read_bin(tmp_path / 'a.bin', num_features=width)
    np.testing.assert_array_equal(scene.points, table[:, :3])
    assert (scene.colors is None) == (width < 6)
    if width == 5:
        assert list(scene.extra) == ['intensity', 'ring']


def test_empty_file_is_an_empty_scene(tmp_path):
    (tmp_path / 'a.bin').write_bytes(b'')
    assert read_bin(tmp_path / 'a.bin').points.shape == (0, 3)


def test_wrong_sizes_and_columns(tmp_path):
    (tmp_path / 'a.bin').write_bytes(bytes(4 * 20))
    with pytest.raises(FileFormatError, match=r'80 bytes are not a multiple of 24.*\[4, 5\]'):
        read_bin(tmp_path / 'a.bin')
    (tmp_path / 'a.bin').write_bytes(np.float32([1, 2, 3, -4, 5, 6]).tobytes())
    with pytest.raises(FileFormatError, match='num_features'):
        read_bin(tmp_path / 'a.bin')
    with pytest.raises(FileFormatError, match='3 or more'):
        read_bin(tmp_path / 'a.bin', num_features=2)
    with pytest.raises(FileFormatError, match='not found'):
        read_bin(tmp_path / 'b.bin')
