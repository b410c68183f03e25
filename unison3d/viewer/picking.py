"""From a click on the screen to a point of the scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unison3d.errors import PromptError
from unison3d.native import kernel

__all__ = ['Hit', 'PointPicker']


@dataclass(frozen=True)
class Hit:
    """A point that a ray meets.

    Attributes:
        row: of the point.
        distance: along the ray, metres.
        offset: from the ray, metres.
    """

    row: int
    distance: float
    offset: float


class PointPicker:
    """Finds the point under the cursor.

    One pass over all points, which takes less time than a person notices for millions of them and
    needs nothing prepared.

    Args:
        points: float32, (N, 3), metres.
    """

    def __init__(self, points: np.ndarray) -> None:
        self._points = np.ascontiguousarray(points, np.float32)

    def pick(
        self,
        origin: Sequence[float],
        direction: Sequence[float],
        *,
        radius: float = 0.01,
        spread: float = 0.005,
        visible: np.ndarray | None = None,
    ) -> Hit | None:
        """The point that a person means by a ray.

        Points are dots, so the ray is a cone: what lies within ``radius + spread * distance`` is
        met. The nearest surface counts, and on it the point closest to the ray.

        Args:
            origin: x, y, z of the eye.
            direction: x, y, z, of any length.
            radius: metres, at the eye.
            spread: metres more per metre of distance; a dot of some pixels.
            visible: bool, (N,), points that are shown; None for all.

        Returns:
            The point, or None where the ray meets nothing.

        Raises:
            PromptError: a ray that is none, or a mask of another length.
        """
        eye, ray = np.asarray(origin, np.float64), np.asarray(direction, np.float64)
        if eye.shape != (3,) or ray.shape != (3,) or not np.isfinite([eye, ray]).all():
            raise PromptError(f'a ray from {origin} along {direction}; expected finite numbers.')
        length = float(np.linalg.norm(ray))
        if not length > 0 or not radius >= 0 or not spread >= 0:
            raise PromptError(
                f'a ray along {direction} with radius {radius} and spread {spread}; expected a '
                'direction, and numbers of 0 or more.'
            )
        if visible is None:
            shown = np.zeros(0, np.bool_)
        else:
            shown = np.ascontiguousarray(visible, np.bool_)
            if shown.shape != (len(self._points),):
                raise PromptError(
                    f'visible has shape {shown.shape}, expected ({len(self._points)},).'
                )
        row, distance, offset = _pick(
            self._points, eye, ray / length, float(radius), float(spread), shown
        )
        return None if row < 0 else Hit(int(row), float(distance), float(offset))


@kernel
def _meets(points, i, eye, ray, radius, spread):
    """Distance along the ray and from it, squared; the first is negative where it is not met."""
    x, y, z = points[i, 0] - eye[0], points[i, 1] - eye[1], points[i, 2] - eye[2]
    along = x * ray[0] + y * ray[1] + z * ray[2]
    if along <= 0:
        return -1.0, 0.0
    # From the ray's nearest place, not from squares of lengths: far away those cancel.
    x, y, z = x - along * ray[0], y - along * ray[1], z - along * ray[2]
    off = x * x + y * y + z * z
    reach = radius + spread * along
    if off > reach * reach:
        return -1.0, 0.0
    return along, off


@kernel
def _pick(points, eye, ray, radius, spread, visible):
    nearest = np.inf
    for i in range(len(points)):
        if len(visible) > 0 and not visible[i]:
            continue
        along, _ = _meets(points, i, eye, ray, radius, spread)
        if 0 < along < nearest:
            nearest = along
    # The dot at the near rim of the cone lies a little in front of the one that is meant.
    limit = nearest + 4 * (radius + spread * nearest)
    best, best_off, best_along = -1, np.inf, 0.0
    if nearest < np.inf:
        for i in range(len(points)):
            if len(visible) > 0 and not visible[i]:
                continue
            along, off = _meets(points, i, eye, ray, radius, spread)
            if 0 < along <= limit and off < best_off:
                best, best_off, best_along = i, off, along
    return best, best_along, np.sqrt(best_off)
