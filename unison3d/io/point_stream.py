"""Points of a file a piece at a time, for scans that do not fit into memory.

Binary PLY, ``.npy`` and LAS/LAZ are read in pieces. Other formats are read whole, and the log says
so. Only points and colours are given; faces, normals and labels stay in the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from unison3d.errors import FileFormatError, MissingDependencyError
from unison3d.io.files import check_file, human_bytes
from unison3d.io.npy import _read_array_header
from unison3d.io.ply import _COLORS
from unison3d.io.ply_header import _MAX_HEADER_BYTES, PlyHeader, parse_header
from unison3d.io.read import read_scene

__all__ = ['PointStream', 'open_points']

Piece = tuple[np.ndarray, 'np.ndarray | None']


class PointStream:
    """Points and colours of a file, any number of times.

    Attributes:
        path: the file.
        num_points: rows of the file.
        in_pieces: False where the format forces the whole file into memory.
    """

    in_pieces = True

    def __init__(self, path: Path, num_points: int) -> None:
        self.path = path
        self.num_points = num_points

    def pieces(self, rows: int) -> Iterator[Piece]:
        """Points (n, 3) and colours (n, 3) or None, as they stand in the file, in its order.

        Args:
            rows: points of a piece at most.

        Raises:
            FileFormatError: the file ends before its last point, or is damaged.
        """
        raise NotImplementedError


def open_points(path: str | os.PathLike[str], *, num_features: int = 6) -> PointStream:
    """Look at a scan without reading its points.

    Args:
        path: a file that :func:`~unison3d.io.read_scene` reads, or a scan folder.
        num_features: numbers per point of ``.bin`` files.

    Raises:
        FileFormatError: missing, damaged, shorter than its header says, or without x, y, z.
        MissingDependencyError: the format needs a package that is not installed.
    """
    path = Path(path)
    if not path.is_dir():
        check_file(path)
        suffix = path.suffix.lower()
        if suffix == '.ply' and (stream := _open_ply(path)) is not None:
            return stream
        if suffix == '.npy' and (stream := _open_npy(path)) is not None:
            return stream
        if suffix in ('.las', '.laz'):
            return _LasStream(path)
    return _WholeStream(path, num_features)


class _WholeStream(PointStream):
    in_pieces = False

    def __init__(self, path: Path, num_features: int) -> None:
        print_log(
            f'{path}: this format is read as a whole; binary .ply, .npy, .las and .laz are read '
            'in pieces.',
            logger='current',
        )
        raw = read_scene(path, num_features=num_features)
        super().__init__(path, len(raw))
        self._points, self._colors = raw.points, raw.colors

    def pieces(self, rows: int) -> Iterator[Piece]:
        for start in range(0, self.num_points, rows):
            part = slice(start, start + rows)
            yield self._points[part], None if self._colors is None else self._colors[part]


class _RowStream(PointStream):
    """Rows of one layout after another in a file."""

    def __init__(
        self,
        path: Path,
        num_points: int,
        dtype: np.dtype,
        start: int,
        colors: tuple[str, ...] | None,
    ) -> None:
        super().__init__(path, num_points)
        self._dtype, self._start, self._colors = dtype, start, colors

    def pieces(self, rows: int) -> Iterator[Piece]:
        # Plain reads: pages of a memory map would count as memory of this process.
        with self.path.open('rb') as file:
            file.seek(self._start)
            left = self.num_points
            while left:
                table = np.fromfile(file, self._dtype, min(rows, left))
                if not len(table):
                    raise FileFormatError(
                        f'{self.path}: ends {left:,} points before its last one. It is truncated, '
                        'or was changed while it was read.'
                    )
                left -= len(table)
                yield self._split(table)

    def _split(self, table: np.ndarray) -> Piece:
        if self._dtype.names is None:
            wide = self._dtype.shape[0] >= 6
            return table[:, :3], table[:, 3:6] if wide else None
        names = {name.lower(): name for name in table.dtype.names}
        points = np.stack([table[names[axis]] for axis in 'xyz'], axis=1)
        if self._colors is None:
            return points, None
        return points, np.stack([table[name] for name in self._colors], axis=1)


def _open_ply(path: Path) -> PointStream | None:
    with path.open('rb') as file:
        header = parse_header(file.read(_MAX_HEADER_BYTES + 4096), path)
    vertices = header.element('vertex')
    if header.ascii or vertices is None or vertices.has_list or header.elements[0] != vertices:
        return None
    _check_ply_size(path, header)
    dtype = np.dtype([(p.name, p.dtype) for p in vertices.properties])
    lower = {name.lower(): name for name in dtype.names}
    if not {'x', 'y', 'z'} <= lower.keys():
        raise FileFormatError(f'{path}: vertices have {", ".join(dtype.names)}, expected x, y, z.')
    named = (names for names in _COLORS if set(names) <= lower.keys())
    colors = next((tuple(lower[n] for n in names) for names in named), None)
    if any(e.name == 'face' and e.count for e in header.elements):
        print_log(
            f'{path}: its faces are not used; tiles are cut into superpoints as bare points.',
            logger='current',
        )
    return _RowStream(path, vertices.count, dtype, header.body, colors)


def _check_ply_size(path: Path, header: PlyHeader) -> None:
    size = path.stat().st_size - header.body
    promised = sum(e.count * e.smallest_row for e in header.elements)
    if promised > size:
        raise FileFormatError(
            f'{path}: the header promises at least {human_bytes(promised)} after it, the file has '
            f'{human_bytes(size)} there. It is truncated; copy or export it again.'
        )


def _open_npy(path: Path) -> PointStream | None:
    with path.open('rb') as file:
        dtype, fortran, shape, start = _read_array_header(file, str(path))
    if dtype.hasobject or dtype.names or fortran or len(shape) != 2 or shape[1] < 3:
        return None
    if dtype.kind not in 'iuf' or not dtype.itemsize:
        return None
    size = path.stat().st_size - start
    if shape[0] * shape[1] * dtype.itemsize > size:
        raise FileFormatError(
            f'{path}: the header promises shape {shape} of {dtype}, the file has '
            f'{human_bytes(size)} for it. It is truncated; copy or export it again.'
        )
    return _RowStream(path, shape[0], np.dtype((dtype, (shape[1],))), start, None)


class _LasStream(PointStream):
    def __init__(self, path: Path) -> None:
        try:
            import laspy
            import lazrs
        except ImportError as error:
            raise MissingDependencyError('laspy[lazrs]', 'lidar', 'reading LAS and LAZ') from error
        self._library = laspy
        self._errors = (
            *(laspy.errors.LaspyException, lazrs.LazrsError, struct.error, ValueError, KeyError),
            *(IndexError, TypeError, OverflowError, OSError, AssertionError, AttributeError),
        )
        try:
            with self._open(path) as file:
                names = set(file.header.point_format.dimension_names)
                count = int(file.header.point_count)
        except self._errors as error:
            raise _broken_las(path, error) from error
        # Compressed points take some bytes each as well; a count is never trusted beyond that.
        if count > 8 * path.stat().st_size:
            raise FileFormatError(f'{path}: the header promises {count:,} points; it is damaged.')
        self._has_colors = {'red', 'green', 'blue'} <= names
        super().__init__(path, count)

    def _open(self, path: Path):
        backend = self._library.LazBackend.Lazrs
        return self._library.open(path, read_evlrs=False, laz_backend=backend)

    def pieces(self, rows: int) -> Iterator[Piece]:
        seen = 0
        try:
            with self._open(self.path) as file:
                for chunk in file.chunk_iterator(rows):
                    points = np.stack([np.asarray(chunk[a], np.float64) for a in 'xyz'], axis=1)
                    colors = None
                    if self._has_colors:
                        names = ('red', 'green', 'blue')
                        colors = np.stack([np.asarray(chunk[n]) for n in names], axis=1)
                    seen += len(points)
                    yield points, colors
        except self._errors as error:
            raise _broken_las(self.path, error) from error
        if seen != self.num_points:
            raise FileFormatError(
                f'{self.path}: the header promises {self.num_points:,} points, the file holds '
                f'{seen:,}. It is truncated or damaged; copy or export it again.'
            )


def _broken_las(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(
        f'{path}: not a readable LAS or LAZ file ({str(error)[:200]}). It is truncated or damaged; '
        'copy or export it again.'
    )
