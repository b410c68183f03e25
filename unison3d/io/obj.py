"""Wavefront OBJ files: vertices, vertex colours, vertex normals and polygons.

Read: ``v`` with 3 numbers, 4 (a weight), 6 or 7 (red, green, blue at the end, as MeshLab, Blender
and the scanning applications write them); ``f`` of any number of corners, split into fans, with
negative indices; ``vn`` where it gives one normal per vertex. Axes are kept as they are, since the
format does not say which one is up. Lines, curves, groups and materials are passed over; textures
are read by :mod:`unison3d.io.obj_texture`.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.ply_body import Ragged, triangulate
from unison3d.io.raw_scene import RawScene

__all__ = ['read_obj']

_KEYWORDS = (b'v', b'vn', b'vt', b'f', b'usemtl', b'mtllib')
#: Numbers on a vertex line; the last three of 6 and 7 are a colour.
VERTEX_WIDTHS = (3, 4, 6, 7)

_WORDS = {b'v': 'vertex', b'vt': 'texture coordinate'}

Lines = list[tuple[int, bytes]]


def read_obj(path: str | os.PathLike[str]) -> RawScene:
    """Read an OBJ file.

    Raises:
        FileFormatError: missing, no vertices, words where numbers belong, or faces that name
            vertices which do not exist.
    """
    path = Path(path)
    lines, before = sort_lines(read_bytes(path), path)
    vertices = number_rows(lines[b'v'], VERTEX_WIDTHS, 'v', path)
    if vertices is None:
        raise FileFormatError(
            f'{path}: has no vertex line ("v x y z"). It is truncated, or no OBJ file.'
        )
    colors = vertices[:, -3:] if vertices.shape[1] >= 6 else None
    corners = joined(lines[b'f'])
    faces = None
    if lines[b'f']:
        # The vertex is the first of "vertex/texture/normal".
        names = re.sub(rb'(?<=\S)/\S*', b'', corners)
        first = parse_indices(names, lines[b'f'], path)
        counts = words_per_line(names)
        faces = triangulate(Ragged(counts, resolve_indices(first, counts, before, lines, path)))
    normals = number_rows(lines[b'vn'], (3,), 'vn', path)
    if normals is not None and not _is_per_vertex(len(normals), len(vertices), corners):
        normals = None
    return RawScene(vertices[:, :3], colors, normals, faces)


def joined(lines: Lines) -> bytes:
    """What stands behind the keyword, a line each."""
    return b'\n'.join(words for _, words in lines)


def words_per_line(text: bytes) -> np.ndarray:
    """int64: how many words each line has."""
    characters = np.frombuffer(text + b'\n', np.uint8)
    blank = characters <= ord(' ')
    begins = ~blank
    begins[1:] &= blank[:-1]
    line = np.cumsum(characters == ord('\n'))
    return np.bincount(line[begins], minlength=int(line[-1]))


def sort_lines(data: bytes, path: Path) -> tuple[dict[bytes, Lines], np.ndarray]:
    """The lines that matter by keyword, with their numbers; vertices before each face."""
    if b'\0' in data:
        raise FileFormatError(f'{path}: holds binary data, expected the text of an OBJ file.')
    lines: dict[bytes, Lines] = {keyword: [] for keyword in _KEYWORDS}
    vertices, before = lines[b'v'], []
    number, rest = 0, b''
    for line in data.splitlines():
        number += 1
        if line.endswith(b'\\'):
            rest += line[:-1] + b' '
            continue
        words = (rest + line).split(None, 1)
        rest = b''
        if words and words[0] in lines:
            content = (words[1] if len(words) > 1 else b'').partition(b'#')[0]
            lines[words[0]].append((number, content))
            if words[0] == b'f':
                before.append(len(vertices))
    return lines, np.array(before, np.int64)


def number_rows(
    lines: Lines, widths: tuple[int, ...], keyword: str, path: Path
) -> np.ndarray | None:
    """float64, one row per line, all of the length of the first; None without lines."""
    if not lines:
        return None
    width = len(lines[0][1].split())
    text = joined(lines)
    table = _parsed(text, np.float64)
    # Two misfits may cancel in the sum, hence a look at every line.
    if table is not None and width in widths and (words_per_line(text) == width).all():
        return table.reshape(len(lines), width)
    for number, words in lines:
        row = _parsed(words, np.float64)
        if row is None or len(row) != width or width not in widths:
            shown = words.decode('utf-8', errors='replace').strip()[:60]
            raise FileFormatError(
                f'{path}, line {number}: "{keyword} {shown}", expected {_listed(widths)} numbers, '
                'the same for all lines of the kind. The file is truncated or damaged.'
            )
    raise FileFormatError(f'{path}: its "{keyword}" lines are not all numbers. It is damaged.')


def _parsed(text: bytes, dtype: type) -> np.ndarray | None:
    """All blank-separated numbers; None where a word is none."""
    if not text.strip():  # np.fromstring makes a number out of nothing here
        return np.zeros(0, dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error', DeprecationWarning)
            numbers = np.fromstring(text.decode('ascii'), dtype=dtype, sep=' ')
    except (DeprecationWarning, ValueError):
        return None
    # To NumPy "1-2" is two numbers, to us it is a word that is none.
    return numbers if len(numbers) == words_per_line(text).sum() else None


def _listed(widths: tuple[int, ...]) -> str:
    return ', '.join(map(str, widths[:-1])) + f' or {widths[-1]}' if len(widths) > 1 else '3'


def parse_indices(text: bytes, lines: Lines, path: Path) -> np.ndarray:
    """int64 of all words of the text, which is made of the face lines."""
    indices = _parsed(text, np.int64)
    if indices is not None:
        return indices
    for number, content in lines:
        for word in content.split():
            if not re.fullmatch(rb'[-+]?\d{1,18}', word.partition(b'/')[0]):
                shown = word.decode('utf-8', errors='replace')[:40]
                raise FileFormatError(
                    f'{path}, line {number}: the corner "{shown}" of a face is no vertex number. '
                    'The file is truncated or damaged.'
                )
    raise FileFormatError(f'{path}: its "f" lines are not all vertex numbers. It is damaged.')


def resolve_indices(
    indices: np.ndarray,
    counts: np.ndarray,
    before: np.ndarray,
    lines: dict[bytes, Lines],
    path: Path,
    keyword: bytes = b'v',
) -> np.ndarray:
    """Places from 0. Files count from 1, or backwards from the lines of the keyword so far.

    Args:
        indices: as in the file, of all corners of all faces.
        counts: corners of each face.
        before: how many lines of the keyword stand before each face.
        lines: of the file, by keyword.
        path: for messages.
        keyword: of the lines that are counted.
    """
    seen = np.repeat(before, counts)
    places = np.where(indices > 0, indices - 1, seen + indices)
    bad = (places < 0) | (places >= len(lines[keyword])) | (indices == 0)
    if bad.any():
        first = int(bad.argmax())
        number = lines[b'f'][int(np.searchsorted(np.cumsum(counts), first, side='right'))][0]
        raise FileFormatError(
            f'{path}, line {number}: a face names {_WORDS[keyword]} {indices[first]}, the file has '
            f'{len(lines[keyword]):,}, counted from 1. It is truncated or damaged.'
        )
    return places


def _is_per_vertex(num_normals: int, num_vertices: int, corners: bytes) -> bool:
    """Whether normal i belongs to vertex i: as many of both, and no corner mixes two of them."""
    if num_normals != num_vertices:
        return False
    # The first and the last part of every corner, as text.
    return re.sub(rb'/\S*', b'', corners) == re.sub(rb'\S*/', b'', corners)
