"""Where the camera of the page stands, and what it sees of the points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.errors import PromptError
from unison3d.viewer._camera import choose_azimuth

__all__ = [
    'Eye',
    'Home',
    'box_from_rectangle',
    'ceiling_cut',
    'look_at_box',
    'orbit',
]

_SAMPLE = 40_000
#: Points that choose the side to look from; more choose the same one, later.
_CHOOSING = 8_000
#: metres; on the same surface, the depths of neighbouring points differ by less.
_SURFACE = 0.08


@dataclass(frozen=True, eq=False)
class Eye:
    """A place to look from, and the place that is looked at; float64, (3,), metres."""

    position: np.ndarray
    target: np.ndarray


@dataclass(frozen=True, eq=False)
class Home:
    """A view of a whole scene, obliquely from above, from where most of it is in sight.

    Attributes:
        middle: float64, (3,), metres.
        azimuth: radians.
        size: metres across.
    """

    middle: np.ndarray
    azimuth: float
    size: float

    @classmethod
    def of(cls, points: np.ndarray) -> Home:
        """The view of points, float (N, 3)."""
        if not len(points):
            return cls(np.zeros(3), float(np.radians(-45.0)), 3.0)
        sample = points[:: -(-len(points) // _SAMPLE)].astype(np.float64)
        low, high = np.percentile(sample, [1, 99], axis=0)
        middle = (low + high) / 2
        few = (sample[:: -(-len(sample) // _CHOOSING)] - middle).astype(np.float32)
        azimuth = float(np.radians(choose_azimuth(few, 45.0, True)))
        return cls(middle, azimuth, float(np.linalg.norm(high - low)))

    def eye(self, fov: float = 0.9) -> Eye:
        """Where a camera with this field of view stands, radians across the shorter side."""
        return _from(self.middle, self.azimuth, np.radians(48.0), self.size, fov)


def look_at_box(box: np.ndarray, eye: Eye, fov: float = 0.9) -> Eye:
    """The eye moved near a box, float (2, 3), along the direction it looks from now."""
    middle = box.mean(axis=0).astype(np.float64)
    offset = eye.position - middle
    flat = max(float(np.hypot(offset[0], offset[1])), 1e-6)
    elevation = np.clip(np.arctan2(offset[2], flat), np.radians(25), np.radians(60))
    size = max(float(np.linalg.norm(box[1] - box[0])) * 1.6, 0.8)
    return _from(middle, np.arctan2(offset[1], offset[0]), elevation, size, fov)


def orbit(eye: Eye, turn: float) -> Eye:
    """The eye turned about the upright axis through its target; radians."""
    offset = eye.position - eye.target
    c, s = np.cos(turn), np.sin(turn)
    turned = np.array([c * offset[0] - s * offset[1], s * offset[0] + c * offset[1], offset[2]])
    return Eye(eye.target + turned, eye.target)


def ceiling_cut(points: np.ndarray) -> float | None:
    """Height above which a room is cut open, None where nothing needs to be."""
    if len(points) < 1000:
        return None
    low, high = np.percentile(points[:: -(-len(points) // _SAMPLE), 2], [1, 99])
    return float(low) + 2.1 if 2.2 < high - low < 6 else None


def box_from_rectangle(
    points: np.ndarray,
    rotation: np.ndarray,
    position: np.ndarray,
    fov: float,
    aspect: float,
    corners: tuple[tuple[float, float], tuple[float, float]],
    visible: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size of the box around what a rectangle on the screen shows.

    The nearest surface in each cell of the rectangle counts. Of the depths that are found, those
    around the surface in the middle of the rectangle stay, so that a wall behind an object does
    not stretch its box.

    Args:
        points: float, (N, 3).
        rotation: (3, 3), camera to world, OpenCV axes.
        position: (3,), of the camera.
        fov: vertical, radians.
        aspect: width by height.
        corners: x, y of two corners, 0 to 1 from the upper left corner of the picture.
        visible: bool, (N,), points that are shown.

    Raises:
        PromptError: the rectangle is empty.
    """
    seen = (points - position.astype(np.float32)) @ rotation.astype(np.float32)
    depth = seen[:, 2]
    slope = np.tan(fov / 2)
    safe = np.maximum(depth, 1e-6)
    x = seen[:, 0] / (safe * slope * aspect) / 2 + 0.5
    y = seen[:, 1] / (safe * slope) / 2 + 0.5
    (x0, y0), (x1, y1) = np.sort(np.array(corners, np.float64), axis=0)
    inside = (depth > 0.05) & (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    if visible is not None:
        inside &= visible
    rows = np.flatnonzero(inside)
    if len(rows) < 3 or x1 <= x0 or y1 <= y0:
        raise PromptError('the rectangle holds no points. Draw it around an object.')
    side = 48
    cx = np.minimum((x[rows] - x0) / (x1 - x0) * side, side - 1).astype(np.int64)
    cy = np.minimum((y[rows] - y0) / (y1 - y0) * side, side - 1).astype(np.int64)
    nearest = np.full(side * side, np.inf, np.float32)
    np.minimum.at(nearest, cy * side + cx, depth[rows])
    front = depth[rows] <= nearest[cy * side + cx] + _SURFACE
    rows, cx, cy = rows[front], cx[front], cy[front]
    central = (np.abs(cx - side / 2) < side / 5) & (np.abs(cy - side / 2) < side / 5)
    middle = float(np.median(depth[rows[central]] if central.any() else depth[rows]))
    # An object is about as deep as its picture is wide.
    reach = 0.75 * max((x1 - x0) * aspect, y1 - y0) * 2 * slope * middle
    rows = rows[np.abs(depth[rows] - middle) <= reach]
    low, high = np.percentile(points[rows].astype(np.float64), [2, 98], axis=0)
    return (low + high) / 2, np.maximum(high - low, 0.02)


def _from(middle: np.ndarray, azimuth: float, elevation: float, size: float, fov: float) -> Eye:
    distance = max(float(size), 0.3) / (2 * np.tan(fov / 2)) * 1.05
    direction = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    return Eye(middle + distance * direction, middle)
