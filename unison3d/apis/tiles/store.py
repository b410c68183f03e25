"""The points of a scan on disk, sorted by tile, so that a tile is read in a few pieces."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison3d.apis.tiles.grid import TileGrid
from unison3d.apis.tiles.survey import Survey, usable_pieces
from unison3d.errors import ConfigError, FileFormatError
from unison3d.io.atomic import atomic_path, writing
from unison3d.io.json_files import read_json, write_json
from unison3d.io.point_stream import PointStream

_KINDS = {'points': ('<f4', 3), 'colors': ('<f4', 3), 'rows': ('<u4', 1), 'superpoints': ('<i4', 1)}
#: Bytes on disk for a point, of work files and results together.
_BYTES_PER_POINT = 180


@dataclass(eq=False)
class TileView:
    """The points of a tile and its margin.

    Attributes:
        places: int64, (n,), ascending. Their places in the store.
        points: float32, (n, 3), metres.
        core: bool, (n,). Those of the tile itself.
        colors: float32, (n, 3), or None.
    """

    places: np.ndarray
    points: np.ndarray
    core: np.ndarray
    colors: np.ndarray | None


class TileStore:
    """Points, colours, rows of the file and superpoints, tile after tile.

    Args:
        folder: of the files.
        grid: the tiles.
        found: facts about the scan.
    """

    def __init__(self, folder: Path, grid: TileGrid, found: Survey) -> None:
        self.folder = folder
        self.grid = grid
        self.found = found
        self.starts = np.zeros(len(grid) + 1, np.int64)

    @property
    def tiles(self) -> list[int]:
        """Tiles that have points."""
        return np.flatnonzero(np.diff(self.starts)).tolist()

    def fill(self, stream: PointStream, scale: float) -> None:
        """Sort the points of a scan into the store, unless it is filled.

        Raises:
            ConfigError: the disk is too small, or the scan has 2^31 points or more.
            FileFormatError: other points than those of the survey.
        """
        done = self.folder / 'points.json'
        if done.is_file():
            self.starts = np.array(read_json(done)['starts'], np.int64)
            self._check_count(stream)
            return
        count = self.found.num_points
        self.folder.mkdir(parents=True, exist_ok=True)
        _check_room(self.folder, count)
        per_tile = np.zeros(len(self.grid), np.int64)
        for points, _, _ in self._pieces(stream, scale):
            per_tile += np.bincount(self.grid.of(points), minlength=len(self.grid))
        self.starts[1:] = np.cumsum(per_tile)
        self._check_count(stream)
        names = ['points', 'rows'] + ['colors'] * self.found.has_color
        cursors, row = self.starts[:-1].copy(), 0
        with contextlib.ExitStack() as stack:
            stack.enter_context(writing(self.folder / 'points'))
            files = {name: stack.enter_context((self.folder / name).open('wb')) for name in names}
            for name, file in files.items():
                file.truncate(count * _row_bytes(name))
            for points, colors, _ in self._pieces(stream, scale):
                rows = np.arange(row, row + len(points), dtype=np.uint32)
                row += len(points)
                arrays = {'points': points, 'rows': rows, 'colors': colors}
                self._scatter(files, cursors, arrays)
            # The note that they are complete must not reach the disk before them.
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
        write_json(done, {'starts': self.starts})

    def _check_count(self, stream: PointStream) -> None:
        if self.starts[-1] != self.found.num_points:
            raise FileFormatError(
                f'{stream.path}: {self.starts[-1]:,} points were sorted into tiles, the survey '
                f'counted {self.found.num_points:,}. The scan was changed while it was read, or '
                'the survey read it in another way; begin anew with --overwrite.'
            )

    def _pieces(self, stream: PointStream, scale: float) -> Iterator[tuple]:
        for world, colors, kept in usable_pieces(stream, self.found, scale):
            yield (world - self.found.origin).astype(np.float32), colors, kept

    def _scatter(self, files: dict, cursors: np.ndarray, arrays: dict) -> None:
        tiles = self.grid.of(arrays['points'])
        order = np.argsort(tiles, kind='stable')
        numbers, firsts = np.unique(tiles[order], return_index=True)
        for tile, rows in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            for name, file in files.items():
                kind, _ = _KINDS[name]
                file.seek(int(cursors[tile]) * _row_bytes(name))
                file.write(np.ascontiguousarray(arrays[name][rows], kind).tobytes())
            cursors[tile] += len(rows)

    def read(self, name: str, first: int, last: int) -> np.ndarray:
        """Rows ``first`` to ``last`` of one of the files."""
        kind, width = _KINDS[name]
        with (self.folder / name).open('rb') as file:
            file.seek(first * _row_bytes(name))
            rows = np.fromfile(file, kind, (last - first) * width)
        return rows.reshape(-1, width) if width > 1 else rows

    def read_tile(self, name: str, tile: int) -> np.ndarray:
        """Rows of a tile without its margin."""
        return self.read(name, int(self.starts[tile]), int(self.starts[tile + 1]))

    def at(self, name: str, tile: int, places: np.ndarray) -> np.ndarray:
        """Rows at the places of a view of the tile."""
        parts = []
        for other in self.grid.around(tile):
            first, last = self.starts[other], self.starts[other + 1]
            here = places[np.searchsorted(places, first) : np.searchsorted(places, last)]
            if len(here):
                parts.append(self.read_tile(name, other)[here - first])
        return np.concatenate(parts)

    def view(self, tile: int) -> TileView:
        """Points of a tile and its margin, in the order of the store."""
        places, points, colors, core = [], [], [], []
        for other in self.grid.around(tile):
            first = self.starts[other]
            here = self.read_tile('points', other)
            rows = np.flatnonzero(self.grid.inside(tile, here))
            if not len(rows):
                continue
            places.append(first + rows)
            points.append(here[rows])
            core.append(np.full(len(rows), other == tile))
            if self.found.has_color:
                colors.append(self.read_tile('colors', other)[rows])
        return TileView(
            places=np.concatenate(places),
            points=np.concatenate(points),
            colors=np.concatenate(colors) if colors else None,
            core=np.concatenate(core),
        )

    def write_superpoints(self, parts: Iterator[np.ndarray]) -> None:
        """Superpoints of all points, in the order of the store."""
        with atomic_path(self.folder / 'superpoints') as path, path.open('wb') as file:
            for part in parts:
                file.write(np.ascontiguousarray(part, '<i4').tobytes())

    def superpoints_by_row(self) -> np.ndarray:
        """int32, (N,): superpoint of every point in the order of the file; 4 bytes per point."""
        by_row = np.empty(self.found.num_points, np.int32)
        for tile in self.tiles:
            by_row[self.read_tile('rows', tile)] = self.read_tile('superpoints', tile)
        return by_row


def _row_bytes(name: str) -> int:
    kind, width = _KINDS[name]
    return np.dtype(kind).itemsize * width


def _check_room(folder: Path, count: int) -> None:
    if count >= 2**31:
        raise ConfigError(f'the scan has {count:,} points, at most 2^31 - 1 are segmented at once.')
    needed, free = count * _BYTES_PER_POINT, shutil.disk_usage(folder).free
    if needed > free:
        raise ConfigError(
            f'{folder}: work files and results of {count:,} points take about '
            f'{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. Choose another --out.'
        )
