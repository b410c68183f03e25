"""One function for all formats."""

from __future__ import annotations

import os
from pathlib import Path

from unison3d.errors import FileFormatError
from unison3d.io.bin import read_bin
from unison3d.io.e57 import read_e57
from unison3d.io.files import check_file
from unison3d.io.frames import detect_layout
from unison3d.io.gltf import read_gltf
from unison3d.io.las import read_las
from unison3d.io.npy import read_npy, read_npz
from unison3d.io.obj import read_obj
from unison3d.io.pcd import read_pcd
from unison3d.io.ply import read_ply
from unison3d.io.raw_scene import RawScene
from unison3d.io.scannet import read_scannet_folder

__all__ = ['SCENE_SUFFIXES', 'read_scene']

_READERS = {
    '.ply': read_ply,
    '.pcd': read_pcd,
    '.las': read_las,
    '.laz': read_las,
    '.e57': read_e57,
    '.obj': read_obj,
    '.glb': read_gltf,
    '.gltf': read_gltf,
    '.npy': read_npy,
    '.npz': read_npz,
}
#: Endings that :func:`read_scene` knows.
SCENE_SUFFIXES = (*_READERS, '.bin')


def read_scene(path: str | os.PathLike[str], *, num_features: int = 6) -> RawScene:
    """Read a scan; the format follows the ending, a folder is a ScanNet scan.

    Args:
        path: file or folder.
        num_features: numbers per point in ``.bin`` files.

    Raises:
        FileFormatError: missing, damaged, truncated, or an unknown ending.
        MissingDependencyError: the format needs a package that is not installed.
    """
    path = Path(path)
    if detect_layout(path) is not None and not any(path.glob('*_vh_clean*.ply')):
        raise FileFormatError(
            f'{path}: is a capture of posed images, not a finished scan. "unison3d infer" and '
            'unison3d.fusion.fuse_capture(path) fuse its depth images to one.'
        )
    if path.is_dir():
        return read_scannet_folder(path)
    check_file(path)
    suffix = path.suffix.lower()
    if suffix in _READERS:
        return _READERS[suffix](path)
    if suffix == '.bin':
        return read_bin(path, num_features=num_features)
    raise FileFormatError(
        f'{path}: the ending "{suffix}" is not read. Convert the scan to one of '
        f'{", ".join(SCENE_SUFFIXES)}, or give a ScanNet scan folder.'
    )
