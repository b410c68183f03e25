"""Where tiles lie: rectangles on the ground, of equal size, each with a margin around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from unison3d.errors import ConfigError

#: More tiles than this are a mistake about the unit of the scan.
MAX_TILES = 1 << 20


@dataclass(frozen=True, eq=False)
class TileGrid:
    """Tiles of a scan.

    Attributes:
        low: float64, (2,). Corner of the first tile, metres.
        size: float64, (2,). Edges of a tile, metres.
        shape: tiles along x and y; tile ``i * shape[1] + j`` is the j-th along y of column i.
        margin: metres that a tile is widened by on each side; at most an edge along the axes that
            have more than one tile.
    """

    low: np.ndarray
    size: np.ndarray
    shape: tuple[int, int]
    margin: float

    @classmethod
    def over(cls, low: np.ndarray, high: np.ndarray, edge: float, margin: float) -> TileGrid:
        """As few equal tiles as cover a rectangle with edges of at most ``edge`` metres.

        Raises:
            ConfigError: the scan would need more than :data:`MAX_TILES`.
        """
        extent = np.maximum(np.asarray(high, np.float64)[:2] - np.asarray(low, np.float64)[:2], 0)
        counts = np.maximum(np.ceil(extent / edge - 1e-9), 1)
        if counts.prod() > MAX_TILES:
            raise ConfigError(
                f'a scan of {extent[0]:,.0f} x {extent[1]:,.0f} m takes {counts.prod():,.0f} tiles '
                f'of {edge:g} m, at most {MAX_TILES:,} are made. Larger tiles, or --scale 0.001 '
                'for a scan in millimetres.'
            )
        size = np.maximum(extent / counts, 1e-6)
        shape = int(counts[0]), int(counts[1])
        margin = float(min([margin, *size[counts > 1]]))
        return cls(np.asarray(low, np.float64)[:2].copy(), size, shape, margin)

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]

    def of(self, points: np.ndarray) -> np.ndarray:
        """int64, (N,): the tile of each point (N, 2 or 3)."""
        cell = np.floor((points[:, :2] - self.low) / self.size).astype(np.int64)
        cell = np.clip(cell, 0, np.array(self.shape) - 1)
        return cell[:, 0] * self.shape[1] + cell[:, 1]

    def inside(self, tile: int, points: np.ndarray) -> np.ndarray:
        """bool, (N,): points of a tile and its margin."""
        corner = self.low + np.array(divmod(tile, self.shape[1])) * self.size
        at = points[:, :2] - corner
        return ((at >= -self.margin) & (at < self.size + self.margin)).all(axis=1) | (
            self.of(points) == tile
        )

    def around(self, tile: int, reach: int = 1) -> list[int]:
        """A tile and its neighbours, ascending."""
        i, j = divmod(tile, self.shape[1])
        steps = range(-reach, reach + 1)
        cells = ((i + di, j + dj) for di, dj in product(steps, steps))
        nx, ny = self.shape
        return [x * ny + y for x, y in cells if 0 <= x < nx and 0 <= y < ny]

    def overlapping(self, tile: int) -> list[int]:
        """Later tiles whose widened rectangle meets that of this one, ascending."""
        # Two widened rectangles meet up to so many tiles apart, along the axes that have several.
        edge = self.size[np.array(self.shape) > 1].min(initial=np.inf)
        reach = max(1, math.ceil(1 + 2 * self.margin / edge - 1e-9) - 1)
        return [other for other in self.around(tile, reach) if other > tile]
