"""One function for all formats."""

from __future__ import annotations

import os
from pathlib import Path

from unison3d.errors import FileFormatError
from unison3d.io.bin import read_bin
from unison3d.io.files import check_file
from unison3d.io.npy import read_npy, read_npz
from unison3d.io.ply import read_ply
from unison3d.io.raw_scene import RawScene
from unison3d.io.scannet import read_scannet_folder

__all__ = ['SCENE_SUFFIXES', 'read_scene']

#: Endings that :func:`read_scene` knows.
SCENE_SUFFIXES = ('.ply', '.npy', '.npz', '.bin')


def read_scene(path: str | os.PathLike[str], *, num_features: int = 6) -> RawScene:
    """Read a scan; the format follows the ending, a folder is a ScanNet scan.

    Args:
        path: file or folder.
        num_features: numbers per point in ``.bin`` files.

    Raises:
        FileFormatError: missing, damaged, truncated, or an unknown ending.
    """
    path = Path(path)
    if path.is_dir():
        return read_scannet_folder(path)
    check_file(path)
    suffix = path.suffix.lower()
    if suffix == '.ply':
        return read_ply(path)
    if suffix == '.npy':
        return read_npy(path)
    if suffix == '.npz':
        return read_npz(path)
    if suffix == '.bin':
        return read_bin(path, num_features=num_features)
    raise FileFormatError(
        f'{path}: the ending "{suffix}" is not read. Convert the scan to one of '
        f'{", ".join(SCENE_SUFFIXES)}, or give a ScanNet scan folder.'
    )
