"""PLY files written by hand, independent of the package's own writer."""

from __future__ import annotations

import struct

CORNERS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.5), (2.0, 2.0, 2.0)]
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 20, 30), (255, 255, 255)]
#: A triangle, a quad and a five-sided polygon.
POLYGONS = [(0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3, 4)]
#: The same as fans around the first corner.
TRIANGLES = [(0, 1, 2), (0, 1, 2), (0, 2, 3), (0, 1, 2), (0, 2, 3), (0, 3, 4)]

VERTEX = ['float x', 'float y', 'float z', 'uchar red', 'uchar green', 'uchar blue', 'uchar alpha']
_CODES = {'float': 'f', 'double': 'd', 'uchar': 'B', 'ushort': 'H', 'int': 'i', 'uint': 'I'}


def vertex_rows() -> list[tuple]:
    return [(*p, *c, 200) for p, c in zip(CORNERS, COLORS, strict=True)]


def header(kind: str, vertices: int, faces: int | None, properties: list[str], end: str) -> bytes:
    lines = ['ply', f'format {kind} 1.0', 'comment by hand', f'element vertex {vertices}']
    lines += [f'property {p}' for p in properties]
    if faces is not None:
        lines += [f'element face {faces}', 'property list uchar int vertex_indices']
    return end.join([*lines, 'end_header', '']).encode()


def make_ply(
    kind: str,
    rows: list[tuple],
    properties: list[str] = VERTEX,
    faces: list[tuple] | None = None,
    end: str = '\n',
) -> bytes:
    head = header(kind, len(rows), None if faces is None else len(faces), properties, end)
    if kind == 'ascii':
        lines = [' '.join(str(v) for v in row) for row in rows]
        lines += [' '.join(str(v) for v in (len(f), *f)) for f in faces or []]
        return head + ''.join(line + end for line in lines).encode()
    order = '<' if kind == 'binary_little_endian' else '>'
    code = order + ''.join(_CODES[p.split()[0]] for p in properties)
    body = b''.join(struct.pack(code, *row) for row in rows)
    body += b''.join(struct.pack(f'{order}B{len(f)}i', len(f), *f) for f in faces or [])
    return head + body
