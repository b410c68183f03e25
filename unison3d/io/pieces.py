"""PLY and NPZ files written a piece at a time, atomically, for arrays that are never whole."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write
from unison3d.io.ply import header_text, ply_rows

__all__ = ['ArrayPieces', 'write_npz_pieces', 'write_ply_pieces']

# A fast setting: label arrays shrink by far more than ten already here.
_LEVEL = 1


@dataclass(frozen=True, eq=False)
class ArrayPieces:
    """An array that comes in pieces.

    Attributes:
        dtype: of the array.
        shape: of the array.
        pieces: parts along the first axis, in order.
        compress: whether deflating it is worth the time.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    pieces: Iterable[np.ndarray]
    compress: bool = True

    @classmethod
    def whole(cls, array: np.ndarray) -> ArrayPieces:
        """An array as one piece."""
        array = np.asarray(array)
        return cls(array.dtype, array.shape, [array])


def write_npz_pieces(path: str | os.PathLike[str], arrays: Mapping[str, ArrayPieces]) -> Path:
    """Write a ``.npz`` file as NumPy does.

    Raises:
        FileFormatError: pieces that do not add up to the shape, or Python objects.
    """
    path = Path(path)
    with (
        atomic_write(path) as file,
        zipfile.ZipFile(file, 'w', allowZip64=True) as archive,
    ):
        for name, array in arrays.items():
            if np.dtype(array.dtype).hasobject:
                raise FileFormatError(f'{path}: array "{name}" holds Python objects, not numbers.')
            info = zipfile.ZipInfo(f'{name}.npy')
            info.compress_type = zipfile.ZIP_DEFLATED if array.compress else zipfile.ZIP_STORED
            info._compresslevel = _LEVEL
            with archive.open(info, 'w', force_zip64=True) as member:
                header = {
                    'descr': np.lib.format.dtype_to_descr(np.dtype(array.dtype)),
                    'fortran_order': False,
                    'shape': tuple(array.shape),
                }
                np.lib.format.write_array_header_1_0(member, header)
                rows = 0
                for piece in array.pieces:
                    rows += len(piece) if array.shape else 1
                    member.write(np.ascontiguousarray(piece, array.dtype).tobytes())
            _check_rows(path, name, rows, array.shape[0] if array.shape else 1)
    return path


def write_ply_pieces(
    path: str | os.PathLike[str], num_points: int, pieces: Iterable[Mapping[str, np.ndarray]]
) -> Path:
    """Write points as :func:`~unison3d.io.write_ply` does.

    Args:
        path: the file.
        num_points: of all pieces.
        pieces: per-point arguments of ``write_ply`` with ``points`` among them, the same in every
            piece.

    Raises:
        FileFormatError: pieces that do not add up to ``num_points``, or differ in their fields.
    """
    path = Path(path)
    with atomic_write(path) as file:
        written, kind = 0, None
        for piece in pieces:
            rows = ply_rows(path, **piece)
            if kind is None:
                file.write(header_text(rows.dtype, num_points).encode('utf-8'))
                kind = rows.dtype
            if rows.dtype != kind:
                raise FileFormatError(f'{path}: pieces hold {kind} and {rows.dtype}, expected one.')
            file.write(rows.tobytes())
            written += len(rows)
        if kind is None:
            rows = ply_rows(path, points=np.zeros((0, 3), np.float32))
            file.write(header_text(rows.dtype, num_points).encode('utf-8'))
        _check_rows(path, 'vertex', written, num_points)
    return path


def _check_rows(path: Path, name: str, seen: int, expected: int) -> None:
    if seen != expected:
        raise FileFormatError(
            f'{path}: {name} came with {seen:,} rows, expected {expected:,}. The scan was changed '
            'while it was read; run again.'
        )
