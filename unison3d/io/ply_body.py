"""The rows of a PLY file, ascii or binary, as columns.

A column is an array (scalars) or :class:`Ragged` (lists). Rows of equal length, the usual case for
triangles, are read in one step; mixed polygons take one short walk over the row lengths.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import human_bytes
from unison3d.io.numbers import cast_numbers, parse_numbers
from unison3d.io.ply_header import PlyElement, PlyHeader

__all__ = ['Ragged', 'read_body', 'triangulate']

_STRUCT_CODES = {'i1': 'b', 'u1': 'B', 'i2': 'h', 'u2': 'H', 'i4': 'i', 'u4': 'I',
                 'i8': 'q', 'u8': 'Q'}  # fmt: skip


@dataclass
class Ragged:
    """Lists of different length: ``counts`` (R,) and all ``values`` one after another."""

    counts: np.ndarray
    values: np.ndarray


Columns = dict[str, 'np.ndarray | Ragged']


def triangulate(polygons: Ragged) -> np.ndarray:
    """int64, (F, 3): polygons as fans around their first corner; fewer than 3 corners give none."""
    counts = polygons.counts.astype(np.int64)
    values = polygons.values.astype(np.int64)
    if len(counts) and (counts == 3).all():
        return values.reshape(-1, 3)
    fans = np.maximum(counts - 2, 0)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    row = np.repeat(np.arange(len(counts)), fans)
    step = np.arange(len(row)) - np.repeat(np.cumsum(fans) - fans, fans)
    first = starts[row]
    return np.stack([values[first], values[first + step + 1], values[first + step + 2]], axis=1)


def read_body(data: bytes, header: PlyHeader, path: Path) -> dict[str, Columns]:
    """All elements as columns.

    Raises:
        FileFormatError: the file holds fewer bytes or numbers than its header promises.
    """
    if header.ascii:
        return _read_ascii(data, header, path)
    # Before the first array exists: the promise of the header against the size of the file.
    promised = sum(e.count * e.smallest_row for e in header.elements)
    if promised > len(data) - header.body:
        raise _too_short(path, header, len(data), promised)
    place = header.body
    columns: dict[str, Columns] = {}
    for element in header.elements:
        columns[element.name], place = _read_binary(data, place, element, path)
    # Some programs end a file with a line feed, or fill it up with zeros.
    rest = len(data[place:].strip(b'\0 \t\r\n'))
    if rest:
        raise _too_long(path, header, human_bytes(rest))
    return columns


def _too_short(path: Path, header: PlyHeader, size: int, promised: int) -> FileFormatError:
    rows = ', '.join(f'{e.count:,} rows of {e.name}' for e in header.elements)
    return FileFormatError(
        f'{path}: the header promises {rows}, at least {human_bytes(promised)} after the header; '
        f'the file has {human_bytes(max(size - header.body, 0))} there. It is truncated or its '
        'header is wrong; copy or export it again.'
    )


def _too_long(path: Path, header: PlyHeader, rest: str) -> FileFormatError:
    rows = ', '.join(f'{e.count:,} rows of {e.name}' for e in header.elements)
    return FileFormatError(
        f'{path}: the header promises {rows}, and {rest} follow after them. Its counts are wrong, '
        'so points and faces cannot be told apart; export it again.'
    )


# ---------------------------------------------------------------------------- binary


def _read_binary(data: bytes, place: int, element: PlyElement, path: Path) -> tuple[Columns, int]:
    if not element.has_list:
        dtype = np.dtype([(p.name, p.dtype) for p in element.properties])
        rows, place = _rows(data, place, dtype, element, path)
        return {p.name: _native(rows[p.name]) for p in element.properties}, place
    if element.count == 0:
        return _no_rows(element), place
    return _read_equal_rows(data, place, element) or _read_mixed_rows(data, place, element, path)


def _rows(
    data: bytes, place: int, dtype: np.dtype, element: PlyElement, path: Path
) -> tuple[np.ndarray, int]:
    size = element.count * dtype.itemsize
    if place + size > len(data):
        raise _cut_off(path, element, place + size, len(data))
    return np.frombuffer(data, dtype, element.count, place), place + size


def _cut_off(path: Path, element: PlyElement, needed: int, size: int) -> FileFormatError:
    return FileFormatError(
        f'{path}: ends inside the {element.count:,} rows of {element.name}: needs at least '
        f'{human_bytes(needed)}, has {human_bytes(size)}. It is truncated; copy or export it again.'
    )


def _no_rows(element: PlyElement) -> Columns:
    empty: Columns = {}
    for p in element.properties:
        values = np.zeros(0, p.dtype.newbyteorder('='))
        empty[p.name] = values if p.count_type is None else Ragged(np.zeros(0, np.int64), values)
    return empty


def _read_equal_rows(data: bytes, place: int, element: PlyElement) -> tuple[Columns, int] | None:
    """Try every row with the list lengths of the first; None when one differs."""
    fields: list[tuple] = []
    at = place
    lengths: dict[str, int] = {}
    for p in element.properties:
        if p.count_type is None:
            fields.append((p.name, p.dtype))
            at += p.dtype.itemsize
            continue
        if at + p.count_type.itemsize > len(data):
            return None
        length = int(np.frombuffer(data, p.count_type, 1, at)[0])
        at += p.count_type.itemsize + length * p.dtype.itemsize
        if length < 0 or at > len(data):
            return None
        lengths[p.name] = length
        # The name of a length cannot clash: property names hold no blanks.
        fields += [(f'{p.name} length', p.count_type), (p.name, p.dtype, (length,))]
    dtype = np.dtype(fields)
    if place + element.count * dtype.itemsize > len(data):
        return None
    rows = np.frombuffer(data, dtype, element.count, place)
    if any((rows[f'{name} length'] != n).any() for name, n in lengths.items()):
        return None
    columns: Columns = {}
    for p in element.properties:
        values = _native(rows[p.name])
        if p.count_type is not None:
            counts = np.full(element.count, lengths[p.name], np.int64)
            columns[p.name] = Ragged(counts, values.reshape(-1))
        else:
            columns[p.name] = values
    return columns, place + element.count * dtype.itemsize


def _read_mixed_rows(
    data: bytes, place: int, element: PlyElement, path: Path
) -> tuple[Columns, int]:
    """Walk the rows once for their lengths, then gather each column."""
    readers = []
    for p in element.properties:
        kind = p.count_type
        unpack = None
        if kind is not None:
            order = '<' if kind.newbyteorder('<') == kind else '>'
            unpack = struct.Struct(order + _STRUCT_CODES[kind.str[1:]]).unpack_from
        readers.append((unpack, 0 if kind is None else kind.itemsize, p.dtype.itemsize))
    starts = np.empty((element.count, len(readers)), np.int64)
    counts = np.ones((element.count, len(readers)), np.int64)
    size = len(data)
    for row in range(element.count):
        for column, (unpack, head, item) in enumerate(readers):
            length = 1
            if unpack is not None:
                if place + head > size:
                    raise _cut_off(path, element, place + head, size)
                length = unpack(data, place)[0]
                place += head
                if length < 0:
                    raise FileFormatError(
                        f'{path}: row {row} of {element.name} claims a list of {length} values. '
                        'The file is damaged.'
                    )
                counts[row, column] = min(length, size)
            starts[row, column] = place
            place += length * item
            # After every list: a length of 2**63 must not reach the 64-bit table of places.
            if place > size:
                raise _cut_off(path, element, place, size)
    raw = np.frombuffer(data, np.uint8)
    columns: Columns = {}
    for column, p in enumerate(element.properties):
        values = _gather(raw, starts[:, column], counts[:, column], p.dtype)
        columns[p.name] = (
            values if p.count_type is None else Ragged(counts[:, column].copy(), values)
        )
    return columns, place


def _gather(raw: np.ndarray, starts: np.ndarray, counts: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values of all lists one after another, from their places in the bytes."""
    total = int(counts.sum())
    inside = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    place = np.repeat(starts, counts) + inside * dtype.itemsize
    picked = raw[place[:, None] + np.arange(dtype.itemsize)]
    return _native(np.ascontiguousarray(picked).reshape(-1).view(dtype))


def _native(values: np.ndarray) -> np.ndarray:
    """Own memory in the byte order of this machine."""
    return np.array(values, dtype=values.dtype.newbyteorder('='), order='C')


# ---------------------------------------------------------------------------- ascii


def _read_ascii(data: bytes, header: PlyHeader, path: Path) -> dict[str, Columns]:
    # The shortest number is one digit and one blank.
    promised = 2 * sum(e.count * len(e.properties) for e in header.elements) - 1
    if promised > len(data) - header.body:
        raise _too_short(path, header, len(data), promised)
    numbers = parse_numbers(data[header.body :], path)
    place = 0
    columns: dict[str, Columns] = {}
    for element in header.elements:
        columns[element.name], place = _ascii_element(numbers, place, element, path)
    if place < len(numbers):
        raise _too_long(path, header, f'{len(numbers) - place:,} numbers')
    return columns


def _ascii_element(
    numbers: np.ndarray, place: int, element: PlyElement, path: Path
) -> tuple[Columns, int]:
    if element.count == 0:
        return _no_rows(element), place
    width = _ascii_width(numbers, place, element)
    if width is None:
        return _ascii_mixed(numbers, place, element, path)
    table = numbers[place : place + element.count * width].reshape(element.count, width)
    columns: Columns = {}
    at = 0
    for p in element.properties:
        if p.count_type is None:
            columns[p.name] = cast_numbers(table[:, at], p.dtype, path)
            at += 1
            continue
        length = int(table[0, at])
        values = cast_numbers(table[:, at + 1 : at + 1 + length].reshape(-1), p.dtype, path)
        columns[p.name] = Ragged(np.full(element.count, length, np.int64), values)
        at += 1 + length
    return columns, place + element.count * width


def _ascii_width(numbers: np.ndarray, place: int, element: PlyElement) -> int | None:
    """Numbers per row when all rows are as long as the first, else None."""
    at, heads = 0, []
    for p in element.properties:
        if p.count_type is not None:
            if place + at >= len(numbers):
                return None
            length = numbers[place + at]
            if not (0 <= length <= len(numbers)) or length != int(length):
                return None
            heads.append(at)
            at += int(length)
        at += 1
    if place + element.count * at > len(numbers):
        return None
    table = numbers[place : place + element.count * at].reshape(element.count, at)
    return at if all((table[:, head] == table[0, head]).all() for head in heads) else None


def _ascii_mixed(
    numbers: np.ndarray, place: int, element: PlyElement, path: Path
) -> tuple[Columns, int]:
    starts = np.empty((element.count, len(element.properties)), np.int64)
    counts = np.ones((element.count, len(element.properties)), np.int64)
    lists = [p.count_type is not None for p in element.properties]
    for row in range(element.count):
        for column, is_list in enumerate(lists):
            length = 1
            if is_list:
                value = numbers[place] if place < len(numbers) else 0.0
                if not (0 <= value <= len(numbers)) or value != int(value):
                    raise FileFormatError(
                        f'{path}: row {row} of {element.name} claims a list of {value:g} values. '
                        'The file is damaged.'
                    )
                length = int(value)
                counts[row, column] = length
                place += 1
            starts[row, column] = place
            place += length
        if place > len(numbers):
            raise FileFormatError(
                f'{path}: ends in row {row} of {element.count:,} rows of {element.name}: needs at '
                f'least {place:,} numbers, has {len(numbers):,}. It is truncated; copy or export '
                'it again.'
            )
    columns: Columns = {}
    for column, p in enumerate(element.properties):
        each = counts[:, column]
        inside = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        values = cast_numbers(numbers[np.repeat(starts[:, column], each) + inside], p.dtype, path)
        columns[p.name] = values if p.count_type is None else Ragged(each.copy(), values)
    return columns, place
