"""Where in a scene an object can stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

#: metres, edge of a cell of the grid.
CELL = 0.05
#: A scene with more cells than this is too large to look for places in.
MAX_CELLS = 40_000_000
#: metres. Points up to this height above a surface belong to it: unevenness and noise.
UNEVEN = 0.08
#: metres kept free above an object.
ABOVE = 0.05
#: Share of the footprint below which the floor itself has to be seen; the rest may lie at its edge.
CARRIED = 0.7


@dataclass(frozen=True)
class Surface:
    """Something flat that carries objects.

    Attributes:
        height: metres.
        cells: bool, (X, Y). Cells where the surface is seen.
        edge: bool, (X, Y). ``cells`` and what may lie beside it under a footprint.
    """

    height: float
    cells: np.ndarray
    edge: np.ndarray


class FreeSpace:
    """Occupied cells of a scene, counted along the columns.

    Args:
        points: float32, (N, 3), metres, N > 0.
    """

    def __init__(self, points: np.ndarray) -> None:
        self.low = points.min(0).astype(np.float64) - CELL
        cells = self._cells(points)
        self.shape = cells.max(0) + 2
        self.usable = int(np.prod(self.shape)) <= MAX_CELLS
        if not self.usable:
            return
        occupied = np.zeros(self.shape, bool)
        occupied[tuple(cells.T)] = True
        # Number of occupied cells below each cell of a column.
        self.below = np.zeros((*self.shape[:2], self.shape[2] + 1), np.int32)
        np.cumsum(occupied, axis=2, out=self.below[:, :, 1:])

    def _cells(self, points: np.ndarray) -> np.ndarray:
        return np.floor((points - self.low[: points.shape[1]]) / CELL).astype(np.int64)

    def floor(self, points: np.ndarray, height: float) -> Surface | None:
        """The floor, from its points float32 (F, 3); None where none is at this height."""
        level = points[np.abs(points[:, 2] - height) < UNEVEN]
        return self._surface(level, height, grow=1)

    def top(self, points: np.ndarray) -> Surface | None:
        """The top of a piece of furniture float32 (P, 3): where its columns end equally high."""
        if not self.usable:
            return None
        cells = self._cells(points[:, :2])
        highest = np.full(self.shape[:2], -np.inf)
        np.maximum.at(highest, tuple(cells.T), points[:, 2])
        # The median over the cells, not the points: a scan is denser where the camera was near.
        height = float(np.median(highest[np.isfinite(highest)]))
        return self._surface(points[np.abs(points[:, 2] - height) < UNEVEN / 2], height, grow=0)

    def _surface(self, level: np.ndarray, height: float, grow: int) -> Surface | None:
        if not self.usable or len(level) == 0:
            return None
        cells = np.zeros(self.shape[:2], bool)
        cells[tuple(self._cells(level[:, :2]).T)] = True
        # Points of a surface lie farther apart than a cell here and there.
        cells = binary_dilation(cells)
        return Surface(height, cells, binary_dilation(cells, iterations=grow) if grow else cells)

    def find_place(
        self, points: np.ndarray, surface: Surface, attempts: int, rng: np.random.Generator
    ) -> np.ndarray | None:
        """A place where an object is carried by a surface and touches nothing.

        The whole column from the surface to the top of the object has to be free, one cell beyond
        the footprint as well, so that whatever hangs over or stands under its parts counts.

        Args:
            points: float, (P, 3), the object; x and y around zero, z where it shall be.
            surface: what it shall stand on.
            attempts: places tried.
            rng: source of places.

        Returns:
            float64, (2,), shift in x and y; None where no place was found.
        """
        # Whole cells as shifts: the footprint then covers the same cells at every place.
        cells = np.floor(points[:, :2] / CELL).astype(np.int64)
        low = cells.min(0) - 1
        size = cells.max(0) - low + 2
        if (size > self.shape[:2]).any():
            return None
        footprint = np.zeros(size, bool)
        footprint[tuple((cells - low).T)] = True
        own = np.argwhere(footprint) + low
        around = np.argwhere(binary_dilation(footprint, np.ones((3, 3), bool))) + low
        start, stop = self._levels(surface.height, points[:, 2].max())
        places = np.argwhere(surface.cells)
        for place in places[rng.integers(len(places), size=attempts)]:
            if self._is_carried(own + place, surface) and self._is_free(
                around + place, start, stop
            ):
                return self.low[:2] + place * CELL
        return None

    def _levels(self, height: float, top: float) -> tuple[int, int]:
        start = int(np.ceil((height + UNEVEN - self.low[2]) / CELL))
        stop = int(np.ceil((top + ABOVE - self.low[2]) / CELL))
        last = self.shape[2]
        return min(max(start, 0), last), min(max(stop, start), last)

    def _is_carried(self, cells: np.ndarray, surface: Surface) -> bool:
        if (cells < 0).any() or (cells >= self.shape[:2]).any():
            return False
        x, y = cells.T
        return bool(surface.edge[x, y].all() and surface.cells[x, y].mean() >= CARRIED)

    def _is_free(self, cells: np.ndarray, start: int, stop: int) -> bool:
        inside = ((cells >= 0) & (cells < self.shape[:2])).all(1)
        x, y = cells[inside].T
        return not (self.below[x, y, stop] > self.below[x, y, start]).any()
