"""The text at the head of a PLY file, checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import human_bytes

__all__ = ['PlyElement', 'PlyHeader', 'PlyProperty', 'parse_header']

#: A longer header is no header.
_MAX_HEADER_BYTES = 1 << 22

_TYPES = {
    'char': 'i1', 'int8': 'i1', 'uchar': 'u1', 'uint8': 'u1',
    'short': 'i2', 'int16': 'i2', 'ushort': 'u2', 'uint16': 'u2',
    'int': 'i4', 'int32': 'i4', 'uint': 'u4', 'uint32': 'u4',
    'int64': 'i8', 'long': 'i8', 'uint64': 'u8', 'ulong': 'u8',
    'float': 'f4', 'float32': 'f4', 'double': 'f8', 'float64': 'f8',
}  # fmt: skip

_BYTE_ORDERS = {'ascii': '=', 'binary_little_endian': '<', 'binary_big_endian': '>'}


@dataclass(frozen=True)
class PlyProperty:
    """One property; ``count_type`` is set for lists."""

    name: str
    dtype: np.dtype
    count_type: np.dtype | None = None


@dataclass
class PlyElement:
    """One block of rows."""

    name: str
    count: int
    properties: list[PlyProperty] = field(default_factory=list)

    @property
    def has_list(self) -> bool:
        """Whether rows can differ in length."""
        return any(p.count_type is not None for p in self.properties)

    @property
    def smallest_row(self) -> int:
        """Bytes of a row in binary files when all its lists are empty."""
        return sum((p.count_type or p.dtype).itemsize for p in self.properties)


@dataclass
class PlyHeader:
    """Everything the header says, and where the body begins."""

    ascii: bool
    elements: list[PlyElement]
    comments: list[str]
    body: int

    def element(self, name: str) -> PlyElement | None:
        """The element of this name, or None."""
        return next((e for e in self.elements if e.name == name), None)


def parse_header(data: bytes, path: Path) -> PlyHeader:
    """Read the header of a PLY file.

    Args:
        data: the file's content.
        path: for messages.

    Raises:
        FileFormatError: not PLY, or a header that is cut off or not understood.
    """
    lines, body = _header_lines(data, path)
    order: str | None = None
    elements: list[PlyElement] = []
    comments: list[str] = []
    for number, line in enumerate(lines[1:], start=2):
        words = line.split()
        if not words:
            continue
        where = f'{path}: header line {number} "{line[:80]}"'
        keyword = words[0]
        if keyword == 'format':
            if len(words) < 2 or words[1] not in _BYTE_ORDERS:
                raise FileFormatError(f'{where}: expected one of {", ".join(_BYTE_ORDERS)}.')
            order = words[1]
        elif keyword in ('comment', 'obj_info'):
            comments.append(line.partition(' ')[2].strip())
        elif keyword == 'element':
            elements.append(_element(words, where))
        elif keyword == 'property':
            if not elements or order is None:
                raise FileFormatError(f'{where}: stands before its format or element line.')
            if any(p.name == words[-1] for p in elements[-1].properties):
                raise FileFormatError(f'{where}: this name is declared twice.')
            elements[-1].properties.append(_property(words, _BYTE_ORDERS[order], where))
        else:
            raise FileFormatError(f'{where}: not a PLY header line. The file may be damaged.')
    if order is None:
        raise FileFormatError(f'{path}: the header has no format line; export the file again.')
    for element in elements:
        if element.count and not element.properties:
            raise FileFormatError(
                f'{path}: element {element.name} has {human_bytes(element.count, "rows")} without '
                'properties. The header is damaged; export the file again.'
            )
    return PlyHeader(order == 'ascii', elements, comments, body)


def _header_lines(data: bytes, path: Path) -> tuple[list[str], int]:
    if data[:3] != b'ply' or data[3:4] not in (b'\n', b'\r', b' '):
        seen = 'is empty' if not data else f'begins with {data[:8]!r}'
        raise FileFormatError(f'{path}: not a PLY file: it {seen}, expected "ply".')
    end = data.find(b'end_header', 0, _MAX_HEADER_BYTES)
    # A comment may hold the word; the real one begins a line and is alone in it.
    while end >= 0 and not (data[end - 1 : end] in (b'\n', b'\r') and _ends_line(data, end + 10)):
        end = data.find(b'end_header', end + 1, _MAX_HEADER_BYTES)
    if end < 0:
        raise FileFormatError(
            f'{path}: no end_header line in {len(data):,} bytes. The file is cut off or damaged.'
        )
    body = end + len(b'end_header')
    while data[body : body + 1] in (b' ', b'\t'):
        body += 1
    body += 2 if data[body : body + 2] == b'\r\n' else 1
    text = data[:end].decode('utf-8', errors='replace')
    return [line.strip() for line in text.splitlines()], body


def _ends_line(data: bytes, place: int) -> bool:
    rest = data[place : place + 80].lstrip(b' \t')
    return rest[:1] in (b'\n', b'\r', b'')


def _element(words: list[str], where: str) -> PlyElement:
    if len(words) != 3 or not (words[2].isascii() and words[2].isdigit() and len(words[2]) < 40):
        raise FileFormatError(f'{where}: expected "element NAME COUNT" with a count of 0 or more.')
    return PlyElement(words[1], int(words[2]))


def _property(words: list[str], order: str, where: str) -> PlyProperty:
    def dtype(word: str) -> np.dtype:
        if word not in _TYPES:
            raise FileFormatError(f'{where}: type "{word}" is not a PLY type.')
        return np.dtype(order + _TYPES[word])

    if len(words) == 5 and words[1] == 'list':
        count_type = dtype(words[2])
        if count_type.kind == 'f':
            raise FileFormatError(f'{where}: the length of a list must have a whole-number type.')
        return PlyProperty(words[4], dtype(words[3]), count_type)
    if len(words) == 3:
        return PlyProperty(words[2], dtype(words[1]))
    raise FileFormatError(
        f'{where}: expected "property TYPE NAME" or "property list TYPE TYPE NAME".'
    )
