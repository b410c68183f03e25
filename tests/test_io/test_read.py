"""One function for all formats."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.io import read_scene, write_npz_scene, write_ply


def test_endings(tmp_path):
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    write_ply(tmp_path / 'a.PLY', points)
    write_npz_scene(tmp_path / 'a.npz', points)
    np.save(tmp_path / 'a.npy', points)
    (tmp_path / 'a.bin').write_bytes(points.tobytes())
    for name, options in (
        ('a.PLY', {}),
        ('a.npz', {}),
        ('a.npy', {}),
        ('a.bin', {'num_features': 3}),
    ):
        np.testing.assert_array_equal(read_scene(tmp_path / name, **options).points, points)


def test_unknown_missing_and_empty_folder(tmp_path):
    (tmp_path / 'a.xyz').write_text('1 2 3')
    with pytest.raises(FileFormatError, match=r'"\.xyz" is not read.*\.ply'):
        read_scene(tmp_path / 'a.xyz')
    with pytest.raises(FileFormatError, match='not found'):
        read_scene(tmp_path / 'b.ply')
    with pytest.raises(FileFormatError, match='ScanNet'):
        read_scene(tmp_path)


def test_readers_start_without_torch_and_without_compiling():
    """Most mistakes are a path, and should be told at once."""
    code = 'import sys, unison3d.io; print({"torch", "numba"} & set(sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == 'set()', done.stderr
