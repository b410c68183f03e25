"""PCD files of the Point Cloud Library, version 0.7 and the older ones that differ in name only.

Read: ascii, binary and binary_compressed; ``rgb`` packed in a float or an integer, ``rgba``, or
separate colours; normals; labels under the usual names (:mod:`unison3d.io.field_names`). Fields
that are not known are kept in ``extra``; one of several numbers becomes ``name_0``, ``name_1``, ...
``VIEWPOINT`` says where the sensor stood; the points are not moved by it.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from unison3d.errors import FileFormatError
from unison3d.io.field_names import take_labels
from unison3d.io.files import human_bytes, read_bytes
from unison3d.io.lzf import lzf_decompress
from unison3d.io.numbers import cast_numbers, parse_numbers
from unison3d.io.raw_scene import RawScene

__all__ = ['read_pcd']

_MAX_HEADER_BYTES = 1 << 16
_KEYS = ('VERSION', 'FIELDS', 'COLUMNS', 'SIZE', 'TYPE', 'COUNT', 'WIDTH', 'HEIGHT', 'VIEWPOINT',
         'POINTS', 'DATA')  # fmt: skip
_KINDS = ('ascii', 'binary', 'binary_compressed')
_TYPES = {'F': ('f', (4, 8)), 'I': ('i', (1, 2, 4, 8)), 'U': ('u', (1, 2, 4, 8))}
_NORMALS = (('normal_x', 'normal_y', 'normal_z'), ('nx', 'ny', 'nz'))
_COLORS = (('red', 'green', 'blue'), ('r', 'g', 'b'))
#: The name that PCL gives to bytes which only fill up a row.
_PADDING = '_'


@dataclass
class _Field:
    name: str
    dtype: np.dtype
    count: int

    @property
    def names(self) -> list[str]:
        """Name of each number of a row."""
        return [self.name] if self.count == 1 else [f'{self.name}_{i}' for i in range(self.count)]


@dataclass
class _Header:
    fields: list[_Field]
    points: int
    kind: str
    body: int

    @property
    def row_bytes(self) -> int:
        return sum(f.dtype.itemsize * f.count for f in self.fields)


def read_pcd(path: str | os.PathLike[str]) -> RawScene:
    """Read a PCD file.

    Rows whose x, y or z is NaN are dropped, and the log says how many: NaN is PCD's published word
    for "no measurement", which organised clouds need for pixels without depth. Infinite numbers
    are kept for the scene to refuse.

    Raises:
        FileFormatError: missing, not PCD, truncated, a header that promises more than the file
            holds, or no x, y, z.
    """
    path = Path(path)
    data = read_bytes(path)
    header = _parse_header(data, path)
    reader = {'ascii': _read_ascii, 'binary': _read_binary}.get(header.kind, _read_compressed)
    return _scene(reader(data, header, path), path)


# ---------------------------------------------------------------------------- header


def _parse_header(data: bytes, path: Path) -> _Header:
    entries: dict[str, list[str]] = {}
    place = 0
    while 'DATA' not in entries:
        end = data.find(b'\n', place, _MAX_HEADER_BYTES)
        if end < 0:
            raise FileFormatError(
                f'{path}: no DATA line in {len(data):,} bytes; not a PCD file, or it is cut off.'
            )
        line = data[place:end].decode('utf-8', errors='replace').strip()
        place = end + 1
        words = line.split()
        if not words or line.startswith('#'):
            continue
        key = 'FIELDS' if words[0] == 'COLUMNS' else words[0]
        if key not in _KEYS or key in entries:
            reason = 'stands twice' if key in entries else 'is not a PCD header line'
            raise FileFormatError(f'{path}: "{line[:80]}" {reason}. Not PCD, or damaged.')
        entries[key] = words[1:]
    kind = ' '.join(entries['DATA'])
    if kind not in _KINDS:
        raise FileFormatError(
            f'{path}: DATA is "{kind[:40]}", expected one of {", ".join(_KINDS)}.'
        )
    fields = _parse_fields(entries, path)
    size = [_whole(entries, key, path) for key in ('WIDTH', 'HEIGHT') if key in entries]
    grid = size[0] * size[1] if len(size) == 2 else None
    points = _whole(entries, 'POINTS', path) if 'POINTS' in entries else grid
    if points is None or (grid is not None and grid != points):
        raise FileFormatError(
            f'{path}: POINTS is {points} and WIDTH and HEIGHT are {size}, expected their product. '
            'The header is damaged; export the file again.'
        )
    return _Header(fields, points, kind, place)


def _whole(entries: dict[str, list[str]], key: str, path: Path) -> int:
    return _wholes(entries[key], key, 1, path)[0]


def _wholes(words: list[str], key: str, count: int, path: Path) -> list[int]:
    if len(words) != count or not all(w.isascii() and w.isdigit() and len(w) < 20 for w in words):
        raise FileFormatError(
            f'{path}: {key} is "{" ".join(words)[:60]}", expected {count} whole numbers of 0 or '
            'more. The header is damaged; export the file again.'
        )
    return [int(w) for w in words]


def _parse_fields(entries: dict[str, list[str]], path: Path) -> list[_Field]:
    missing = [key for key in ('FIELDS', 'SIZE', 'TYPE') if key not in entries]
    if missing:
        raise FileFormatError(f'{path}: the header has no {missing[0]} line; export it again.')
    names, types = entries['FIELDS'], entries['TYPE']
    sizes = _wholes(entries['SIZE'], 'SIZE', len(names), path)
    counts = _wholes(entries.get('COUNT', ['1'] * len(names)), 'COUNT', len(names), path)
    if len(types) != len(names):
        raise FileFormatError(f'{path}: {len(types)} TYPE words for {len(names)} FIELDS.')
    fields = []
    for name, kind, size, count in zip(names, types, sizes, counts, strict=True):
        letter, allowed = _TYPES.get(kind, ('', ()))
        if size not in allowed:
            raise FileFormatError(
                f'{path}: field {name} has TYPE {kind} and SIZE {size}, expected F with 4 or 8, or '
                'I or U with 1, 2, 4 or 8.'
            )
        # As a row of that many numbers it would never end; no descriptor comes near.
        if count > 1 << 16:
            raise FileFormatError(f'{path}: field {name} has COUNT {count}; it is damaged.')
        fields.append(_Field(name, np.dtype(f'<{letter}{size}'), count))
    if len({f.name for f in fields if f.name != _PADDING}) < sum(
        f.name != _PADDING for f in fields
    ):
        raise FileFormatError(f'{path}: FIELDS names a field twice: {" ".join(names)[:80]}.')
    return fields


# ---------------------------------------------------------------------------- body


def _too_short(path: Path, header: _Header, needed: int, there: int) -> FileFormatError:
    return FileFormatError(
        f'{path}: the header promises {human_bytes(header.points, "points")}, at least '
        f'{human_bytes(needed)} after the header; the file has {human_bytes(max(there, 0))} there. '
        'It is truncated or its header is wrong; copy or export it again.'
    )


def _read_ascii(data: bytes, header: _Header, path: Path) -> dict[str, np.ndarray]:
    width = sum(f.count for f in header.fields)
    # The shortest number is one digit and one blank.
    if 2 * header.points * width - 1 > len(data) - header.body:
        raise _too_short(path, header, 2 * header.points * width - 1, len(data) - header.body)
    numbers = parse_numbers(data[header.body :], path)
    if len(numbers) != header.points * width:
        raise FileFormatError(
            f'{path}: the header promises {header.points:,} points of {width} numbers, the file '
            f'has {len(numbers):,} numbers. It is truncated or its header is wrong.'
        )
    table = numbers.reshape(header.points, width)
    columns: dict[str, np.ndarray] = {}
    at = 0
    for field in header.fields:
        for name in field.names:
            if field.name != _PADDING:
                columns[name] = cast_numbers(table[:, at], field.dtype, path)
            at += 1
    return columns


def _read_binary(data: bytes, header: _Header, path: Path) -> dict[str, np.ndarray]:
    needed = header.points * header.row_bytes
    if needed > len(data) - header.body:
        raise _too_short(path, header, needed, len(data) - header.body)
    dtype = np.dtype([(str(i), f.dtype, (f.count,)) for i, f in enumerate(header.fields)])
    rows = np.frombuffer(data, dtype, header.points, header.body)
    return _columns(header, [rows[str(i)] for i in range(len(header.fields))])


def _read_compressed(data: bytes, header: _Header, path: Path) -> dict[str, np.ndarray]:
    """One block per field instead of one per point, all of them compressed together."""
    sizes = data[header.body : header.body + 8]
    if len(sizes) < 8:
        raise _too_short(path, header, 8, len(sizes))
    packed, plain = struct.unpack('<II', sizes)
    there = len(data) - header.body - 8
    if packed > there:
        raise _too_short(path, header, packed + 8, there + 8)
    if plain != header.points * header.row_bytes:
        raise FileFormatError(
            f'{path}: the header promises {header.points:,} points of {header.row_bytes} bytes, '
            f'the compressed part {plain:,} bytes. The file is damaged; export it again.'
        )
    body = lzf_decompress(data[header.body + 8 : header.body + 8 + packed], plain, str(path))
    blocks, at = [], 0
    for field in header.fields:
        values = field.count * header.points
        block = np.frombuffer(body, field.dtype, values, at)
        blocks.append(block.reshape(header.points, field.count))
        at += values * field.dtype.itemsize
    return _columns(header, blocks)


def _columns(header: _Header, blocks: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Own memory per column, in the byte order of this machine."""
    return {
        name: np.array(block[:, i], dtype=field.dtype.newbyteorder('='))
        for field, block in zip(header.fields, blocks, strict=True)
        if field.name != _PADDING
        for i, name in enumerate(field.names)
    }


# ---------------------------------------------------------------------------- scene


def _scene(columns: dict[str, np.ndarray], path: Path) -> RawScene:
    if not {'x', 'y', 'z'} <= columns.keys():
        raise FileFormatError(
            f'{path}: points have {", ".join(columns)[:200] or "no fields"}, expected x, y, z.'
        )
    points = np.stack([columns.pop(axis) for axis in 'xyz'], axis=1)
    if points.dtype.kind == 'f':
        measured = ~np.isnan(points).any(axis=1)
        if not measured.all():
            print_log(
                f'{path}: {len(points) - measured.sum():,} of {len(points):,} points are NaN (no '
                'measurement) and are left out.',
                logger='current',
            )
            points = points[measured]
            columns = {name: values[measured] for name, values in columns.items()}
    colors = _colors(columns, path)
    normals = next((n for t in _NORMALS if (n := _take(columns, t)) is not None), None)
    labels, used = take_labels(columns, superpoints='superpoint')
    extra = {name: values for name, values in columns.items() if name not in used}
    return RawScene(points, colors, normals, extra=extra, **labels)


def _take(columns: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    if not columns.keys() >= set(names):
        return None
    return np.stack([columns.pop(name) for name in names], axis=1)


def _colors(columns: dict[str, np.ndarray], path: Path) -> np.ndarray | None:
    """uint8 of the packed word 0xAARRGGBB, whose bits may pretend to be a float."""
    name = next((n for n in ('rgb', 'rgba') if n in columns), None)
    if name is None:
        return next((c for t in _COLORS if (c := _take(columns, t)) is not None), None)
    packed = columns.pop(name)
    if packed.dtype.itemsize != 4:
        raise FileFormatError(
            f'{path}: field {name} has {packed.dtype.itemsize} bytes, expected 4 (packed colours).'
        )
    word = np.ascontiguousarray(packed).view(np.uint32)
    return np.stack([word >> 16 & 255, word >> 8 & 255, word & 255], axis=1).astype(np.uint8)
