"""Where the camera of the software renderer stands, and what it leaves out to see into rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unison3d.errors import ConfigError

#: degrees, across the image height. A long lens: parallel walls look parallel.
_FIELD_OF_VIEW_DEG = 30.0
#: share of the image kept free on each side.
_MARGIN = 0.04
#: metres above the floor at which rooms are cut.
_CUT_HEIGHT = 2.1
_ROOM_HEIGHT = 2.2
#: metres of wall taken off on the camera's side.
_WALL_THICKNESS = 0.35
#: Choosing a view looks at no more points than this.
_MAX_SAMPLE = 40_000


def rotation_to_z_up(up: Sequence[float]) -> np.ndarray:
    """float64, (3, 3), a rotation that takes ``up`` to +z; the identity for +z itself."""
    z = np.asarray(up, dtype=np.float64)
    if z.shape != (3,) or not np.isfinite(z).all() or not z.any():
        raise ConfigError(f'render: up is {tuple(up)}, expected a direction of three numbers.')
    z = z / np.linalg.norm(z)
    if z[2] > 1 - 1e-12:
        return np.eye(3)
    # The rest is free; x stays as near to x as it can (z when up is x).
    helper = np.array([1.0, 0, 0]) if abs(z[0]) < 0.9 else np.array([0, 0, 1.0])
    x = helper - z * (helper @ z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _axes(azimuth: float, elevation: float) -> np.ndarray:
    """float64, (3, 3): rows are right, down and forward of the camera (OpenCV axes)."""
    a, e = np.radians([azimuth, elevation])
    forward = -np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    return np.stack([right, np.cross(forward, right), forward])


@dataclass
class Camera:
    """A pinhole camera.

    Args:
        axes: (3, 3), rows right, down, forward.
        place: (3,), metres.
        slope: half the image height divided by the focal length.
        aspect: width by height.
    """

    axes: np.ndarray
    place: np.ndarray
    slope: float
    aspect: float

    @classmethod
    def fit(cls, points: np.ndarray, azimuth: float, elevation: float, aspect: float) -> Camera:
        """Stand so that the points fill the image; a few far strays may fall outside."""
        axes = _axes(azimuth, elevation)
        slope = np.tan(np.radians(_FIELD_OF_VIEW_DEG) / 2)
        limit = np.array([slope * aspect, slope]) * (1 - 2 * _MARGIN)
        if not len(points):
            return cls(axes, -3.0 * axes[2], slope, aspect)
        inside = _without_strays(points)
        seen = inside.astype(np.float64) @ axes.T
        shift = (seen[:, :2].min(axis=0) + seen[:, :2].max(axis=0)) / 2
        # The nearer half looks larger, so the middle of the picture is found by repetition.
        for _ in range(6):
            lateral = np.abs(seen[:, :2] - shift) / limit
            back = float((lateral.max(axis=1) - seen[:, 2]).max())
            picture = (seen[:, :2] - shift) / (seen[:, 2] + back)[:, None].clip(1e-9)
            off = (picture.min(axis=0) + picture.max(axis=0)) / 2
            shift = shift + off * (back + float(np.median(seen[:, 2])))
        lateral = np.abs(seen[:, :2] - shift) / limit
        back = float((lateral.max(axis=1) - seen[:, 2]).max())
        # A single point, or a line towards the camera, needs some distance as well.
        back = max(back, 0.25 - float(seen[:, 2].min()))
        return cls(axes, axes.T @ np.array([*shift, -back]), slope, aspect)

    def project(
        self, points: np.ndarray, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Pixel columns, pixel rows (float32, (N,)), depth in metres, and the focal length."""
        seen = (points - self.place.astype(np.float32)) @ self.axes.T.astype(np.float32)
        depth = seen[:, 2]
        focal = shape[0] / 2 / self.slope
        scale = np.float32(focal) / np.maximum(depth, np.float32(1e-6))
        column = seen[:, 0] * scale + np.float32(shape[1] / 2)
        row = seen[:, 1] * scale + np.float32(shape[0] / 2)
        return column, row, depth, focal


def _without_strays(points: np.ndarray) -> np.ndarray:
    if len(points) < 1000:
        return points
    low, high = np.percentile(_sample(points), [0.2, 99.8], axis=0)
    slack = 0.02 * (high - low) + 1e-3
    inside = points[((points >= low - slack) & (points <= high + slack)).all(axis=1)]
    return inside if len(inside) else points


def _sample(points: np.ndarray) -> np.ndarray:
    step = -(-len(points) // _MAX_SAMPLE) if len(points) else 1
    return points[::step]


def cut_away(points: np.ndarray, azimuth: float) -> np.ndarray:
    """bool, (N,): what stays when the room is opened from above and from the camera's side.

    Anything that does not look like a room (lower than a door, or larger than a building) stays
    whole.
    """
    keep = np.ones(len(points), dtype=bool)
    if len(points) < 1000:
        return keep
    low, high = np.percentile(_sample(points), [1.0, 99.0], axis=0)
    floor, height = low[2], high[2] - low[2]
    if height < 1.5 or (high - low)[:2].max() > 60 or height > 6:
        return keep
    if height > _ROOM_HEIGHT:
        keep &= points[:, 2] < floor + _CUT_HEIGHT
    right, _, forward = _axes(azimuth, 0.0)
    across, away = points @ right.astype(np.float32), points @ forward.astype(np.float32)
    # Column by column across the picture: where the scan begins, seen from the camera.
    column = np.floor((across - across.min()) / 0.1).astype(np.int64)
    begin = np.full(column.max() + 1, np.inf, dtype=np.float32)
    np.minimum.at(begin, column, away)
    # The nearest of each column and its two neighbours.
    before, here, after = (np.pad(begin, 1, 'edge')[i : i + len(begin)] for i in range(3))
    begin = np.minimum(np.minimum(before, here), after)
    keep &= (away > begin[column] + _WALL_THICKNESS) | (points[:, 2] < floor + 0.12)
    return keep


def choose_azimuth(points: np.ndarray, elevation: float, open_room: bool) -> float:
    """Degrees: the side from which most of the things inside are in sight."""
    if len(points) < 1000:
        return -60.0
    sample = _sample(points)
    low, high = np.percentile(sample, [1.0, 99.0], axis=0)
    size = np.maximum(high - low, 1e-3)
    relative = (sample - low) / size
    # Things inside: off the floor, below the ceiling, away from the outer walls.
    inside = ((relative[:, :2] > 0.08) & (relative[:, :2] < 0.92)).all(axis=1)
    inside &= (sample[:, 2] > low[2] + 0.1 * size[2]) & (sample[:, 2] < low[2] + 0.6 * size[2])
    best, best_score = -60.0, -1.0
    for azimuth in range(-165, 181, 30):
        keep = cut_away(sample, azimuth) if open_room else np.ones(len(sample), dtype=bool)
        camera = Camera.fit(sample[keep], azimuth, elevation, aspect=4 / 3)
        column, row, depth, _ = camera.project(sample[keep], (120, 160))
        usable = (column >= 0) & (column < 160) & (row >= 0) & (row < 120)
        cell = row[usable].astype(np.int64) * 160 + column[usable].astype(np.int64)
        nearest = np.full(120 * 160, np.inf, dtype=np.float32)
        np.minimum.at(nearest, cell, depth[usable])
        in_sight = depth[usable] < nearest[cell] + 0.25
        cells = np.unique(cell[in_sight & inside[keep][usable]])
        covered = np.isfinite(nearest).sum()
        score = len(cells) + 0.3 * float(covered)
        if score > best_score:
            best, best_score = float(azimuth), score
    return best
