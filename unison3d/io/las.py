"""LAS and LAZ files of airborne and mobile laser scanning, through the optional package ``laspy``.

Coordinates are read in double precision with the scale and offset of the file applied. ``extra``
holds ``intensity`` and ``classification``: the ASPRS classes (2 ground, 6 building, ...) are none
of our label tables, so they are data and never labels. Further dimensions that the file itself
defines ("extra bytes", the scalar fields of CloudCompare) are taken as columns of a PLY would be.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from unison3d.errors import FileFormatError, MissingDependencyError
from unison3d.io.field_names import take_labels
from unison3d.io.files import human_bytes, read_bytes
from unison3d.io.raw_scene import RawScene

__all__ = ['read_las']

#: Points decoded at a time: the count of a compressed file is never trusted with an allocation.
_CHUNK = 1 << 16
#: Bytes of the shortest header, and of the heads of its two kinds of records.
_MIN_HEADER, _VLR_HEAD, _EVLR_HEAD = 227, 54, 60
#: Set in the point format of compressed files.
_COMPRESSED = 128
_PLAIN = ('intensity', 'classification')


def read_las(path: str | os.PathLike[str]) -> RawScene:
    """Read a ``.las`` or ``.laz`` file.

    Colours stay 16-bit; all-zero colours mean that the scanner had no camera and give None.

    Raises:
        FileFormatError: missing, damaged, truncated, or a header that promises more than the file
            holds.
        MissingDependencyError: ``laspy`` with its decompressor is not installed.
    """
    path = Path(path)
    data = read_bytes(path)
    count = _check_header(data, path)
    try:
        import laspy
        import lazrs
    except ImportError as error:
        raise MissingDependencyError('laspy[lazrs]', 'lidar', 'reading LAS and LAZ') from error
    try:
        # One decoder thread: a damaged chunk then gives an error instead of a panic in a worker.
        with laspy.open(
            io.BytesIO(data), read_evlrs=False, laz_backend=laspy.LazBackend.Lazrs
        ) as file:
            columns = _decode(file, [*_PLAIN, *file.header.point_format.extra_dimension_names])
    except (
        *(laspy.errors.LaspyException, lazrs.LazrsError, struct.error, ValueError, KeyError),
        *(IndexError, TypeError, OverflowError, OSError, AssertionError, AttributeError),
    ) as error:
        raise FileFormatError(
            f'{path}: not a readable LAS or LAZ file ({str(error)[:200]}). It is truncated or '
            'damaged; copy or export it again.'
        ) from error
    except BaseException as error:
        # How Rust code gives up; it has no class that could be imported.
        if type(error).__name__ != 'PanicException':
            raise
        raise FileFormatError(
            f'{path}: the decoder gave up on it ({str(error)[:200]}). It is truncated or damaged; '
            'copy or export it again.'
        ) from error
    points = columns.pop('points')
    if len(points) != count:
        raise FileFormatError(
            f'{path}: the header promises {human_bytes(count, "points")}, the file holds '
            f'{len(points):,}. It is truncated or damaged; copy or export it again.'
        )
    colors = columns.pop('colors', None)
    if colors is not None and len(colors) and not colors.any():
        print_log(f'{path}: all colours are zero and are left out.', logger='current')
        colors = None
    plain = {name: columns.pop(name) for name in _PLAIN if name in columns}
    labels, used = take_labels(columns, superpoints='superpoint')
    extra = plain | {name: values for name, values in columns.items() if name not in used}
    return RawScene(points, colors, extra=extra, **labels)


def _check_header(data: bytes, path: Path) -> int:
    """The number of points, after every promise of the header was held against the file's size."""
    if data[:4] != b'LASF':
        raise FileFormatError(
            f'{path}: begins with {data[:4]!r}, expected "LASF"; not a LAS or LAZ file.'
        )
    if len(data) < _MIN_HEADER:
        raise FileFormatError(f'{path}: ends inside its header ({len(data)} bytes); truncated.')
    minor = data[25]
    header_size, start, num_vlrs = struct.unpack_from('<HII', data, 94)
    point_format, row, count = struct.unpack_from('<BHI', data, 104)
    if header_size > len(data) or (minor >= 4 and header_size < 375):
        raise FileFormatError(
            f'{path}: a header of {header_size} bytes is promised; it is cut off.'
        )
    if minor >= 4:
        first_evlr, num_evlrs, count = struct.unpack_from('<QIQ', data, 235)
        if num_evlrs and first_evlr + num_evlrs * _EVLR_HEAD > len(data):
            raise FileFormatError(f'{path}: ends before its {num_evlrs:,} extended records.')
    if header_size + num_vlrs * _VLR_HEAD > start or start > len(data):
        raise FileFormatError(
            f'{path}: the header promises {num_vlrs:,} records before byte {start:,}, the file has '
            f'{len(data):,} bytes. It is truncated or its header is wrong.'
        )
    if row == 0:
        raise FileFormatError(f'{path}: a point is said to take 0 bytes. The header is damaged.')
    if point_format & _COMPRESSED:
        _check_chunks(data, start, row, count, path)
    elif count * row > len(data) - start:
        raise FileFormatError(
            f'{path}: the header promises {human_bytes(count, "points")} of {row} bytes; the file '
            f'has {human_bytes(len(data) - start)} for them. It is truncated or its header is '
            'wrong; copy or export it again.'
        )
    return count


def _check_chunks(data: bytes, start: int, row: int, count: int, path: Path) -> None:
    """Compressed points come in chunks, each of which begins with one plain point."""
    if count == 0:
        return
    place, chunks = -1, 0
    if start + 8 <= len(data):
        (place,) = struct.unpack_from('<q', data, start)
        # Written to a stream that cannot go back: the place stands at the end instead.
        if place == -1:
            (place,) = struct.unpack_from('<q', data, len(data) - 8)
    if start <= place <= len(data) - 8:
        chunks = struct.unpack_from('<I', data, place + 4)[0]
    if chunks == 0 or chunks * row > len(data):
        raise FileFormatError(
            f'{path}: the table of its compressed chunks at byte {place:,} (of {len(data):,}) '
            f'names {chunks:,} chunks, which cannot be. It is truncated or damaged.'
        )


def _decode(file: object, names: list[str]) -> dict[str, np.ndarray]:
    """Columns by name; memory grows with the points that are really there."""
    has_colors = {'red', 'green', 'blue'} <= set(file.header.point_format.dimension_names)
    parts: dict[str, list[np.ndarray]] = {'points': [np.zeros((0, 3))]}
    for chunk in file.chunk_iterator(_CHUNK):
        found = {'points': np.stack([np.asarray(chunk[a], np.float64) for a in 'xyz'], axis=1)}
        if has_colors:
            found['colors'] = np.stack([chunk[n] for n in ('red', 'green', 'blue')], axis=1)
        for name in names:
            values = np.array(chunk[name])
            # A dimension may hold several numbers per point.
            single = values.ndim == 1
            found |= (
                {name: values}
                if single
                else {f'{name}_{i}': values[:, i] for i in range(values.shape[1])}
            )
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
