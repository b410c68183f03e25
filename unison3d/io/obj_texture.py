"""Colours of the vertices of a textured OBJ file.

The file names a material library (``mtllib``), faces name one of its materials (``usemtl``), and
that names an image (``map_Kd``). Library and images are looked for by their file name beside the
OBJ file: paths in such files are often those of the computer that wrote them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.images import read_color_image
from unison3d.io.obj import (
    VERTEX_WIDTHS,
    Lines,
    joined,
    number_rows,
    parse_indices,
    resolve_indices,
    sort_lines,
    words_per_line,
)

__all__ = ['read_textured_obj']


def read_textured_obj(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of an OBJ file and the pixel of the texture under each.

    A vertex that several faces place differently in the texture takes its first corner in the
    file. Vertices without a textured face are left out.

    Returns:
        points float64, (N, 3), N >= 1, and colours uint8, (N, 3).

    Raises:
        FileFormatError: the file, its material library or an image is missing or damaged, or no
            face has a texture.
    """
    path = Path(path)
    lines, before = sort_lines(read_bytes(path), path)
    vertices = number_rows(lines[b'v'], VERTEX_WIDTHS, 'v', path)
    uv = number_rows(lines[b'vt'], (2, 3), 'vt', path)
    if vertices is None or uv is None or not lines[b'f'] or not lines[b'mtllib']:
        raise FileFormatError(
            f'{path}: has no vertices, texture coordinates, faces or material library, so it is '
            'not textured. It is truncated, or another file.'
        )
    for keyword, numbers in ((b'v', vertices), (b'vt', uv)):
        bad = np.flatnonzero(~np.isfinite(numbers).all(1))
        if len(bad):
            line = lines[keyword][bad[0]][0]
            raise FileFormatError(f'{path}, line {line}: holds a number that is not finite.')
    vertex, texture, face = _corners(lines, before, path)
    images = _images(lines, path)
    colors = np.zeros((len(vertex), 3), np.uint8)
    textured = np.zeros(len(vertex), bool)
    for image in sorted(set(images) - {None}):
        mine = (texture >= 0) & np.array([other == image for other in images])[face]
        colors[mine] = _pixels(read_color_image(image), uv[texture[mine], :2])
        textured |= mine
    if not textured.any():
        raise FileFormatError(f'{path}: none of its {len(images):,} faces has a texture.')
    used, first = np.unique(vertex[textured], return_index=True)
    return vertices[used, :3], colors[textured][first]


def _corners(
    lines: dict[bytes, Lines], before: np.ndarray, path: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every corner: vertex, texture coordinate (-1 is none), and its face."""
    # "1", "1/" and "1//3" have no texture coordinate; 0 stands for that, as no line counts as 0.
    without = rb'(?<!\S)([^\s/]+)(?:/(?=/|\s|$)|(?=\s|$))'
    corners = re.sub(without, rb'\1/0', joined(lines[b'f']))
    counts = words_per_line(corners)
    first = parse_indices(re.sub(rb'/\S*', b'', corners), lines[b'f'], path)
    vertex = resolve_indices(first, counts, before, lines, path)
    second = parse_indices(re.sub(rb'[^\s/]+/([^\s/]+)\S*', rb'\1', corners), lines[b'f'], path)
    places = [np.array([number for number, _ in lines[k]]) for k in (b'vt', b'f')]
    seen = np.searchsorted(*places)
    # 1 in the place of none: it exists, and is not looked at.
    texture = resolve_indices(np.where(second == 0, 1, second), counts, seen, lines, path, b'vt')
    face = np.repeat(np.arange(len(counts)), counts)
    return vertex, np.where(second == 0, -1, texture), face


def _images(lines: dict[bytes, Lines], path: Path) -> list[Path | None]:
    """The texture of every face; None where it has none."""
    image_of: dict[str, Path] = {}
    for _, words in lines[b'mtllib']:
        image_of |= _read_materials(_beside(path, words, 'material library'))
    names = [words.decode('utf-8', 'replace').strip() for _, words in lines[b'usemtl']]
    starts, faces = ([number for number, _ in lines[k]] for k in (b'usemtl', b'f'))
    material = np.searchsorted(starts, faces, side='right') - 1
    images = [image_of.get(name) for name in names]
    return [images[row] if row >= 0 else None for row in material.tolist()]


def _read_materials(path: Path) -> dict[str, Path]:
    """Images by material, from the ``newmtl`` and ``map_Kd`` lines of a library."""
    image_of: dict[str, Path] = {}
    material = None
    for line in read_bytes(path).splitlines():
        keyword, _, words = line.strip().replace(b'\t', b' ').partition(b' ')
        if keyword == b'newmtl':
            material = words.decode('utf-8', 'replace').strip()
        elif keyword == b'map_Kd' and material is not None:
            image_of[material] = _beside(path, words, 'texture')
    if not image_of:
        raise FileFormatError(
            f'{path}: no material has a texture (newmtl, then map_Kd). It is truncated, or another '
            'file.'
        )
    return image_of


def _beside(path: Path, words: bytes, what: str) -> Path:
    """The file of the same folder that a line names, with or without a path before its name."""
    name = words.decode('utf-8', 'replace').strip().replace('\\', '/').rpartition('/')[2]
    can_be = name.strip('.') and '\0' not in name and len(os.fsencode(name)) < 256
    if not can_be or not path.with_name(name).is_file():
        raise FileFormatError(
            f'{path}: the {what} "{name[:60]}" is not beside it. Download it; if it is of no such '
            'name, the file is damaged.'
        )
    return path.with_name(name)


def _pixels(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """The pixel at each place; (0, 0) is the lower left corner, outside of 0 .. 1 it repeats."""
    uv = np.where((uv >= 0) & (uv <= 1), uv, uv % 1.0)
    height, width = image.shape[:2]
    column = np.minimum((uv[:, 0] * width).astype(np.int64), width - 1)
    row = np.minimum(((1.0 - uv[:, 1]) * height).astype(np.int64), height - 1)
    return image[row, column]
