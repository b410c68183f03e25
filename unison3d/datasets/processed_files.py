"""The files of the processed form: headerless tables of points and ids, checked before use.

==============================  ========================  ==================================
file                            content, little-endian    meaning
==============================  ========================  ==================================
``points/<scan>.bin``           float32, N rows of 6      x, y, z, red, green, blue (0..255)
``instance_mask/<scan>.bin``    int64, N                  object id + 1, 0 for none
``semantic_mask/<scan>.bin``    int64, N                  id in the dataset's own table
``super_points/<scan>.bin``     int64, N                  superpoint, 0 .. S-1
==============================  ========================  ==================================
"""

from __future__ import annotations

import hashlib
import os

import numpy as np

from unison3d.errors import FileFormatError, SceneError
from unison3d.io import read_bytes


def read_point_table(path: str | os.PathLike[str], num_features: int = 6) -> np.ndarray:
    """Points as they lie in the file.

    Args:
        path: the file.
        num_features: numbers per point, 6 or more.

    Returns:
        float32, (N, num_features), finite, colours in 0..255.

    Raises:
        FileFormatError: the size is no multiple of a row, or a number cannot be right.
    """
    if num_features < 6:
        raise FileFormatError(
            f'{path}: num_pts_feats is {num_features}, expected 6 or more (x, y, z, red, green, '
            'blue).'
        )
    data = read_bytes(path)
    if len(data) % (4 * num_features):
        raise FileFormatError(
            f'{path}: {len(data):,} bytes are not a multiple of {4 * num_features} '
            f'({num_features} float32 per point). It is truncated, or has another number of '
            'features.'
        )
    table = np.frombuffer(data, '<f4').astype(np.float32).reshape(-1, num_features)
    # One sum tells whether anything is wrong; looking for the row is for the error alone.
    if not np.isfinite(table.sum()) and not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(1))[0])
        raise FileFormatError(
            f'{path}: row {row} holds a number that is not finite. Prepare the scan again.'
        )
    colors = table[:, 3:6]
    if len(table) and (colors.min() < 0 or colors.max() > 255):
        raise FileFormatError(
            f'{path}: colours reach from {colors.min():g} to {colors.max():g}, expected 0 to 255.'
        )
    return table


def read_ids(
    path: str | os.PathLike[str], num_points: int, *, upper: int | None = None
) -> np.ndarray:
    """One id per point.

    Args:
        path: the file.
        num_points: N of the scan.
        upper: ids have to be below this; None leaves them open.

    Returns:
        int64, (N,).

    Raises:
        FileFormatError: the size is not ``8 * N``, or an id is out of range.
    """
    return _parse_ids(path, read_bytes(path), num_points, upper)


def read_superpoints(
    path: str | os.PathLike[str], num_points: int, sha256: str | None = None
) -> np.ndarray:
    """Superpoint of every point.

    Args:
        path: the file.
        num_points: N of the scan.
        sha256: hexadecimal digest that the file has to have; None leaves it open.

    Returns:
        int64, (N,), 0 .. S-1; S is at most N, so masks over superpoints stay small.

    Raises:
        FileFormatError: the size is not ``8 * N`` or an id is out of range.
        SceneError: the file is another one than the digest was taken of.
    """
    data = read_bytes(path)
    if sha256 is not None:
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise SceneError(
                f'{path}: the superpoints are numbered differently from those that the pseudo '
                f'masks were made with (sha256 {found[:12]}..., expected {sha256[:12]}...). Use '
                'the superpoint files that came with the masks, or make the masks again.'
            )
    return _parse_ids(path, data, num_points, upper=num_points)


def _parse_ids(
    path: str | os.PathLike[str], data: bytes, num_points: int, upper: int | None
) -> np.ndarray:
    if len(data) != 8 * num_points:
        hint = 'It belongs to another scan or is truncated.'
        if len(data) == 4 * num_points:
            hint = 'It looks like 32-bit numbers; write int64.'
        raise FileFormatError(
            f'{path}: {len(data):,} bytes, expected {8 * num_points:,} (int64 for each of '
            f'{num_points:,} points). {hint}'
        )
    ids = np.frombuffer(data, '<i8').astype(np.int64)
    low, high = (int(ids.min()), int(ids.max())) if num_points else (0, 0)
    if low < 0 or (upper is not None and num_points and high >= upper):
        limit = '0 or more' if upper is None else f'0 to {upper - 1}'
        raise FileFormatError(f'{path}: ids reach from {low} to {high}, expected {limit}.')
    return ids
