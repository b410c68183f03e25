"""Frames as ``<name>.color.*``, ``<name>.depth.png`` and ``<name>.pose.txt`` in one folder.

7-Scenes, tsdf-fusion and many own captures look like this: depth in millimetres, 0 and 65535 for
none, pose camera to world, one lens for colour and depth in ``camera-intrinsics.txt``, ``K.txt``
or ``intrinsics.txt``.

The shelf captures of the Amazon Picking Challenge tools keep all matrices in ``cam.info.txt`` and
depth, registered to colour, in tenths of millimetres.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.images import StoredImage
from unison3d.io.numbers import parse_numbers

from .raw_frames import RawFrame, RawFrames, RawLens, find_image, read_matrix

__all__ = ['INTRINSICS_NAMES', 'find_lens', 'is_frame_files', 'is_shelf', 'read_frame_files',
           'read_shelf']  # fmt: skip

#: Files in which the lens of one camera is looked for, a matrix of 3 x 3 or 4 x 4.
INTRINSICS_NAMES = ('camera-intrinsics.txt', 'K.txt', 'intrinsics.txt', 'intrinsic.txt')
_POSE_OF = re.compile(r'camera pose\) for (\S+)')


def is_frame_files(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return next(folder.glob('*.pose.txt'), None) is not None


def is_shelf(folder: Path) -> bool:
    """Whether the folder has ``cam.info.txt``."""
    return (folder / 'cam.info.txt').is_file()


def find_lens(folder: Path) -> RawLens | None:
    """The lens of a folder with one camera, or None."""
    for name in INTRINSICS_NAMES:
        if (folder / name).is_file():
            return RawLens(read_matrix(folder / name, (3, 3)))
    return None


def read_frame_files(folder: Path) -> RawFrames:
    """Read the cameras of all ``.pose.txt`` files.

    Raises:
        FileFormatError: no pose, no intrinsics, or a damaged text file.
    """
    poses = sorted(folder.glob('*.pose.txt'))
    if not poses:
        raise FileFormatError(f'{folder}: holds no .pose.txt file, expected one per frame.')
    lens = find_lens(folder)
    if lens is None:
        raise FileFormatError(
            f'{folder}: no intrinsics, expected one of {", ".join(INTRINSICS_NAMES)} with the '
            'matrix fx 0 cx / 0 fy cy / 0 0 1. 7-Scenes does not ship it and names 585 0 320 / '
            '0 585 240 / 0 0 1.'
        )
    given = ((path.name.removesuffix('.pose.txt'), read_matrix(path, (4, 4)), path)
             for path in poses)  # fmt: skip
    return _collect('frame_files', folder, given, lens, 0.001)


def read_shelf(folder: Path) -> RawFrames:
    """Read the matrices of ``cam.info.txt``.

    Raises:
        FileFormatError: missing matrices or damaged numbers.
    """
    path = folder / 'cam.info.txt'
    blocks: dict[str, list[bytes]] = {}
    title = ''
    for line in read_bytes(path).splitlines():
        if line.startswith(b'#'):
            title = line[1:].decode('utf-8', errors='replace').strip()
        elif line.strip():
            blocks.setdefault(title, []).append(line)
    matrices = {name: parse_numbers(b'\n'.join(rows), path) for name, rows in blocks.items()}
    K = matrices.get('Color camera intrinsic matrix', np.zeros(0))
    if len(K) != 9:
        raise FileFormatError(f'{path}: no "# Color camera intrinsic matrix" of 3 x 3 numbers.')
    given = []
    for name, values in matrices.items():
        match = _POSE_OF.search(name)
        if match is None:
            continue
        if len(values) != 16:
            raise FileFormatError(f'{path}: pose of {match[1]} has {len(values)} of 16 numbers.')
        given.append((match[1], values.reshape(4, 4), path))
    if not given:
        raise FileFormatError(f'{path}: no "(camera pose) for <frame>" matrix.')
    return _collect('shelf', folder, given, RawLens(K.reshape(3, 3)), 0.0001)


def _collect(
    layout: str,
    folder: Path,
    given: Iterable[tuple[str, np.ndarray, Path]],
    lens: RawLens,
    depth_scale: float,
) -> RawFrames:
    frames, skipped = [], {}
    for name, pose, source in given:
        color = find_image(folder, f'{name}.color')
        depth_path = folder / f'{name}.depth.png'
        depth = StoredImage(depth_path) if depth_path.is_file() else None
        if color is None and depth is None:
            skipped[name] = 'neither colour nor depth image'
            continue
        frames.append(RawFrame(name, pose, source, lens, color, depth))
    return RawFrames(
        layout, folder, frames, depth_scale=depth_scale, no_depth=65535, skipped=skipped
    )
