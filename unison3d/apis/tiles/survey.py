"""What is decided about a scan before its points are sorted: origin, bad points, colours, floor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unison3d.errors import SceneError
from unison3d.io.colors import colors_to_float
from unison3d.io.point_stream import PointStream
from unison3d.structures._scene_checks import (
    ABSURD_DISTANCE,
    find_origin,
    point_matrix,
    warn_about_units,
)

#: Points read at a time.
PIECE = 1 << 19
#: Points that stand for all of them where a median or a percentile is asked.
SAMPLE = 1 << 21


@dataclass(eq=False)
class Survey:
    """Facts about a scan, in metres relative to ``origin``.

    Attributes:
        num_points: points that are used.
        num_dropped: points that are left out.
        origin: float64, (3,).
        low, high: float32, (3,). Corners.
        floor: metres, 1st percentile of z.
        has_color: whether the scan has colours.
        color_range: smallest and largest number of all colours, as in the file.
        middle: float64, (3,). Median, in metres of the file.
        sample: float32, (M, 3). Every n-th point.
    """

    num_points: int
    num_dropped: int
    origin: np.ndarray
    low: np.ndarray
    high: np.ndarray
    floor: float
    has_color: bool
    color_range: tuple[float, float]
    middle: np.ndarray
    sample: np.ndarray

    def fits(self, edge: float) -> bool:
        """Whether the whole scan lies in one tile, and is better segmented without tiles."""
        return bool(((self.high - self.low)[:2] <= edge).all())


def survey(stream: PointStream, *, on_bad: str = 'raise', scale: float = 1.0) -> Survey:
    """Look at all points twice.

    What is bad, and where the origin lies, is decided as in ``PointScene.from_arrays``, with the
    median of a sample in place of that of all points.

    Raises:
        FileFormatError: the file is damaged.
        SceneError: no points, a scale that is no positive number, or bad points under ``'raise'``.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise SceneError(f'{stream.path}: scale is {scale}, expected a positive number.')
    step = max(1, -(-stream.num_points // SAMPLE))
    taken, row, kind, low, high, has_color = [], 0, np.dtype(np.float64), np.inf, -np.inf, False
    for points, colors in stream.pieces(PIECE):
        kind = point_matrix(points, str(stream.path)).dtype
        taken.append(points[-row % step :: step].astype(np.float64) * scale)
        row += len(points)
        if colors is not None:
            has_color = True
            finite = colors[np.isfinite(colors)]
            if finite.size:
                low, high = min(low, finite.min().item()), max(high, finite.max().item())
    world = np.concatenate([np.zeros((0, 3)), *taken])
    world = world[np.isfinite(world).all(axis=1)]
    middle = np.median(world, axis=0) if len(world) else np.zeros(3)
    world = world[(np.abs(world - middle) <= ABSURD_DISTANCE).all(axis=1)]
    # The files of scanners without a camera hold black.
    if stream.path.suffix.lower() in ('.las', '.laz') and high <= 0:
        has_color = False
    found = Survey(
        *(0, 0, np.zeros(3), np.zeros(3, np.float32), np.zeros(3, np.float32), 0.0),
        *(has_color, (low, high), middle, np.zeros((0, 3), np.float32)),
    )
    _measure(stream, found, world, kind, on_bad, scale)
    return found


def _measure(
    stream: PointStream,
    found: Survey,
    world: np.ndarray,
    kind: np.dtype,
    on_bad: str,
    scale: float,
) -> None:
    """Fill in counts, origin, corners, floor and sample."""
    low, high, row = np.full(3, np.inf), np.full(3, -np.inf), 0
    for points, _, kept in usable_pieces(stream, found, scale):
        bad = ~kept
        if bad.any() and on_bad == 'raise':
            raise SceneError(
                f'{stream.path}: points are not finite or absurdly far away (first at row '
                f'{row + int(bad.argmax())}). Pass on_bad="drop" to leave them out, or repair '
                'the file.'
            )
        row += len(bad)
        found.num_points += len(points)
        found.num_dropped += int(bad.sum())
        if len(points):
            low = np.minimum(low, points.min(axis=0))
            high = np.maximum(high, points.max(axis=0))
    if not found.num_points:
        return
    where = str(stream.path)
    warn_about_units(world, where)
    found.origin = find_origin(np.concatenate([world, [low, high]]), kind, scale, where)
    found.low = (low - found.origin).astype(np.float32)
    found.high = (high - found.origin).astype(np.float32)
    found.sample = (world - found.origin).astype(np.float32)
    rank = max(1, round(0.01 * len(found.sample))) - 1
    found.floor = float(np.partition(found.sample[:, 2], rank)[rank])


def usable_pieces(
    stream: PointStream, found: Survey, scale: float
) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray]]:
    """Points float64 (n, 3) in metres of the file, colours float32 (n, 3) or None, of the usable
    points of each piece, and bool (m,) which points of the piece they are.
    """
    for points, colors in stream.pieces(PIECE):
        world = points.astype(np.float64) * scale
        kept = np.isfinite(world).all(axis=1)
        finite = np.where(kept[:, None], world, found.middle)
        kept &= (np.abs(finite - found.middle) <= ABSURD_DISTANCE).all(axis=1)
        if not found.has_color or colors is None:
            yield world[kept], None, kept
            continue
        colors = _as_float(colors, found.color_range, str(stream.path))
        kept &= np.isfinite(colors).all(axis=1)
        yield world[kept], colors[kept], kept


def _as_float(colors: np.ndarray, limits: tuple[float, float], where: str) -> np.ndarray:
    # The range of colours is told from the largest number of the whole scan, so that number rides
    # along with every piece.
    ends = np.array([[limits[0]] * 3, [limits[1]] * 3]).astype(colors.dtype)
    return colors_to_float(np.concatenate([colors, ends]), where=f'{where}, colors')[:-2]
