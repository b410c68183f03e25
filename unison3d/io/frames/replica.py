"""Replica as it is rendered for mapping systems.

``traj.txt`` (or ``traj.txt.gz``) holds one row-major 4 x 4 pose per line, camera to world, OpenCV
axes. Images are ``results/frame<i>.jpg`` and ``results/depth<i>.png`` or lie beside it; line i
belongs to the image number i. ``cam_params.json``, here or one folder up, holds the lens and
``scale``, units of depth per metre.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.images import StoredImage
from unison3d.io.json_files import read_json
from unison3d.io.numbers import parse_numbers

from .raw_frames import RawFrame, RawFrames, RawLens

__all__ = ['is_replica', 'read_replica']

_FRAME = re.compile(r'frame(\d+)\.(?:jpg|png)')
#: Deflate cannot do better than this.
_MAX_RATIO = 1100


def is_replica(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / 'traj.txt').is_file() or (folder / 'traj.txt.gz').is_file()


def read_replica(folder: Path) -> RawFrames:
    """Read the trajectory and find the images.

    Raises:
        FileFormatError: missing parameters, a damaged trajectory, or no image.
    """
    path, data = _trajectory(folder)
    values = parse_numbers(data, path)
    if len(values) % 16:
        raise FileFormatError(f'{path}: {len(values)} numbers, expected 16 per pose.')
    poses = values.reshape(-1, 4, 4)
    lens, scale = _parameters(folder)
    images = folder / 'results' if (folder / 'results').is_dir() else folder
    found = {int(m[1]): p for p in sorted(images.iterdir()) if (m := _FRAME.fullmatch(p.name))}
    if not found:
        raise FileFormatError(f'{images}: holds no frame<number>.jpg image.')
    frames, skipped = [], {}
    for number, color in sorted(found.items()):
        if number >= len(poses):
            skipped[color.stem] = f'no pose: {path.name} has {len(poses)} lines'
            continue
        depth = color.with_name('depth' + color.stem.removeprefix('frame') + '.png')
        frames.append(
            RawFrame(
                color.stem,
                poses[number],
                path,
                lens,
                StoredImage(color),
                StoredImage(depth) if depth.is_file() else None,
            )
        )
    return RawFrames('replica', folder, frames, depth_scale=1.0 / scale, skipped=skipped)


def _trajectory(folder: Path) -> tuple[Path, bytes]:
    path = folder / 'traj.txt'
    if path.is_file():
        return path, read_bytes(path)
    path = folder / 'traj.txt.gz'
    packed = read_bytes(path)
    unpack = zlib.decompressobj(wbits=31)
    try:
        data = unpack.decompress(packed, _MAX_RATIO * len(packed) + 1024)
    except zlib.error as error:
        raise FileFormatError(f'{path}: not a gzip file ({error}).') from error
    if not unpack.eof:
        raise FileFormatError(f'{path}: the gzip data is truncated.')
    return path, data


def _parameters(folder: Path) -> tuple[RawLens, float]:
    here, above = folder / 'cam_params.json', folder.resolve().parent / 'cam_params.json'
    path = above if above.is_file() and not here.is_file() else here
    content = read_json(path)
    camera = content.get('camera') if isinstance(content, dict) else None
    keys = ('w', 'h', 'fx', 'fy', 'cx', 'cy', 'scale')
    try:
        w, h, fx, fy, cx, cy, scale = (float(camera[key]) for key in keys)
    except (TypeError, KeyError, ValueError) as error:
        raise FileFormatError(
            f'{path}: expected {{"camera": {{{", ".join(keys)}}}}} with numbers ({error!r}).'
        ) from error
    sizes = (w, h, scale)
    if not all(0 < value < 1e9 for value in sizes):
        raise FileFormatError(f'{path}: w, h and scale are {sizes}, expected positive numbers.')
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return RawLens(K, int(w), int(h)), scale
