"""The ``.sens`` recordings of ScanNet, version 4, indexed without reading the images.

After a header with both calibrations, every frame is a pose, two time stamps, two sizes and the
packed colour and depth images. Only the 96 bytes in front of the images are read here; a
`StoredImage` says where each image lies.

Source: the format follows the description of the SensReader of the ScanNet release.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import check_file, human_bytes
from unison3d.io.images import StoredImage

from .raw_frames import RawFrame, RawFrames, RawLens

__all__ = ['read_sens']

_COLOR = {1: 'png', 2: 'jpeg'}
_DEPTH = {0: 'raw_ushort', 1: 'zlib_ushort'}
_FRAME = struct.Struct('<16f4Q')
_MAX_NAME = 4096
_MAX_SIDE = 1 << 14


def read_sens(path: Path) -> RawFrames:
    """Index a ``.sens`` file.

    Raises:
        FileFormatError: missing, truncated, another version, sizes that do not fit the file, or
            packings and calibrations that are not read.
    """
    path = check_file(path)
    end = path.stat().st_size
    try:
        with path.open('rb') as file:
            return _read(file, path, end)
    except OSError as error:
        raise FileFormatError(f'{path}: cannot be read ({error.strerror or error}).') from error


def _read(file: IO[bytes], path: Path, end: int) -> RawFrames:
    (version,) = _take(file, '<I', path)
    if version != 4:
        raise FileFormatError(f'{path}: .sens version {version}, expected 4.')
    (length,) = _take(file, '<Q', path)
    if length > min(_MAX_NAME, end):
        raise FileFormatError(
            f'{path}: the sensor name claims {human_bytes(length)}. The header is damaged.'
        )
    file.seek(length, 1)
    color_K, color_T, depth_K, depth_T = (
        np.array(_take(file, '<16f', path), dtype=np.float64).reshape(4, 4) for _ in range(4)
    )
    if not np.allclose([color_T, depth_T], np.eye(4), atol=1e-4):
        raise FileFormatError(
            f'{path}: colour and depth camera have extrinsics of their own, which are not read. '
            'ScanNet has none; export registered frames instead.'
        )
    color_code, depth_code = _take(file, '<2i', path)
    width, height, depth_width, depth_height = _take(file, '<4I', path)
    (shift,) = _take(file, '<f', path)
    (count,) = _take(file, '<Q', path)
    if color_code not in _COLOR or depth_code not in _DEPTH:
        raise FileFormatError(
            f'{path}: colour packing {color_code} and depth packing {depth_code}; read are '
            f'{_COLOR} and {_DEPTH}.'
        )
    sides = (width, height, depth_width, depth_height)
    if not all(0 < side <= _MAX_SIDE for side in sides) or not 0 < shift < np.inf:
        raise FileFormatError(
            f'{path}: images of {sides} pixels and depth shift {shift:g}. The header is damaged.'
        )
    if count > (end - file.tell()) // _FRAME.size:
        raise FileFormatError(
            f'{path}: promises {human_bytes(count, "frames")} and has {human_bytes(end)}. It is '
            'truncated or its header is wrong.'
        )
    lens = RawLens(color_K[:3, :3].copy(), width, height)
    depth_lens = RawLens(depth_K[:3, :3].copy(), depth_width, depth_height)
    frames = []
    for number in range(count):
        *numbers, _, _, color_size, depth_size = _take(file, _FRAME, path)
        start = file.tell()
        if color_size + depth_size > end - start:
            raise FileFormatError(
                f'{path}: frame {number} of {count} ends at byte '
                f'{human_bytes(start + color_size + depth_size)}, the file has {human_bytes(end)}. '
                'It is truncated; download it again.'
            )
        color = StoredImage(path, start, color_size) if color_size else None
        depth = None
        if depth_size:
            depth = StoredImage(
                path,
                start + color_size,
                depth_size,
                packing=_DEPTH[depth_code],
                shape=(depth_height, depth_width),
            )
        file.seek(color_size + depth_size, 1)
        pose = np.array(numbers, dtype=np.float64).reshape(4, 4)
        frames.append(RawFrame(f'{number:06d}', pose, path, lens, color, depth, depth_lens))
    return RawFrames('sens', path, frames, depth_scale=1.0 / shift)


def _take(file: IO[bytes], form: str | struct.Struct, path: Path) -> tuple:
    form = struct.Struct(form) if isinstance(form, str) else form
    at = file.tell()
    data = file.read(form.size)
    if len(data) < form.size:
        raise FileFormatError(
            f'{path}: ends at byte {at + len(data):,} inside a header. It is truncated.'
        )
    return form.unpack(data)
