"""Bare float32 tables (``.bin``), as ScanNet in mmdetection3d and LiDAR sets use them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.raw_scene import RawScene

__all__ = ['read_bin']

#: Meaning of the columns after x, y, z in tables without colours.
_NAMES = {3: 'intensity', 4: 'ring'}


def read_bin(path: str | os.PathLike[str], *, num_features: int = 6) -> RawScene:
    """Read points from a headerless little-endian float32 table.

    Args:
        path: the file.
        num_features: numbers per point. 6 or more: x, y, z, red, green, blue (0..255), rest in
            ``extra``. 3 to 5: x, y, z, rest in ``extra`` (intensity, ring).

    Raises:
        FileFormatError: missing, the size is no multiple of a row, or the colours are no colours.
    """
    path = Path(path)
    if num_features < 3:
        raise FileFormatError(f'{path}: num_features is {num_features}, expected 3 or more.')
    data = read_bytes(path)
    row = 4 * num_features
    if len(data) % row:
        fits = [n for n in (3, 4, 5, 6, 7, 9) if len(data) % (4 * n) == 0]
        hint = f'The size fits num_features of {fits}.' if fits else 'It is truncated or no table.'
        raise FileFormatError(
            f'{path}: {len(data):,} bytes are not a multiple of {row} ({num_features} float32 per '
            f'point). {hint}'
        )
    table = np.frombuffer(data, '<f4').astype(np.float32).reshape(-1, num_features)
    colors = table[:, 3:6] if num_features >= 6 else None
    if colors is not None:
        outside = (colors < 0) | (colors > 255)
        if outside.any():
            raise FileFormatError(
                f'{path}: columns 4 to 6 hold {colors[outside][0]:g}, expected colours in 0..255. '
                'Give the number of float32 per point as num_features '
                '(4 for KITTI, 5 for nuScenes).'
            )
        colors = colors / np.float32(255.0)
    first = 6 if num_features >= 6 else 3
    extra = {
        _NAMES.get(i, f'column_{i}') if first == 3 else f'column_{i}': table[:, i]
        for i in range(first, num_features)
    }
    return RawScene(table[:, :3], colors, extra=extra)
