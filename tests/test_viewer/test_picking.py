"""Rays find the point that a loop over all points finds."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import PromptError
from unison3d.viewer.picking import PointPicker

POINTS = (np.random.default_rng(0).random((3000, 3)) * [4, 3, 2]).astype(np.float32)


def brute_force(points, origin, direction, radius, spread, visible):
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    best = None
    offsets = points.astype(float) - origin
    along = offsets @ direction
    away = np.linalg.norm(offsets - along[:, None] * direction, axis=1)
    met = (along > 0) & (away <= radius + spread * along) & visible
    if not met.any():
        return None
    nearest = along[met].min()
    met &= along <= nearest + 4 * (radius + spread * nearest)
    best = np.flatnonzero(met)[away[met].argmin()]
    return best, along[best], away[best]


@pytest.mark.parametrize('seed', range(30))
def test_as_a_loop_over_all_points(seed):
    generator = np.random.default_rng(seed)
    origin = generator.uniform(-3, 5, 3)
    direction = POINTS[generator.integers(len(POINTS))] - origin + generator.normal(0, 0.05, 3)
    radius, spread = generator.choice([0.0, 0.01, 0.1]), generator.choice([0.0, 0.005, 0.05])
    visible = generator.random(len(POINTS)) < generator.choice([0.02, 0.5, 1.0])
    hit = PointPicker(POINTS).pick(origin, direction, radius=radius, spread=spread, visible=visible)
    expected = brute_force(POINTS, origin, direction, radius, spread, visible)
    if expected is None:
        assert hit is None
    else:
        assert (hit.row, hit.distance, hit.offset) == pytest.approx(expected, abs=1e-6)


def test_the_front_surface_counts_and_on_it_the_point_under_the_cursor():
    points = np.array([[2, 0, 0], [2, 0.02, 0], [1.99, 0.02, 0], [5, 0, 0], [-1, 0, 0]])
    picker = PointPicker(points)
    look = {'origin': (0, 0, 0), 'direction': (9, 0, 0), 'radius': 0.03, 'spread': 0}
    assert picker.pick(**look).row == 0
    assert picker.pick(**look, visible=np.array([False] * 3 + [True] * 2)).row == 3
    assert picker.pick(**look, visible=np.zeros(5, bool)) is None
    assert PointPicker(np.zeros((0, 3))).pick(**look) is None


@pytest.mark.parametrize(
    'ray',
    [
        {'origin': (0, 0), 'direction': (1, 0, 0)},
        {'origin': (0, 0, 0), 'direction': (0, 0, 0)},
        {'origin': (0, 0, np.nan), 'direction': (1, 0, 0)},
        {'origin': (0, 0, 0), 'direction': (1, 0, 0), 'radius': -1},
        {'origin': (0, 0, 0), 'direction': (1, 0, 0), 'visible': np.ones(3, bool)},
    ],
)
def test_what_is_no_ray(ray):
    with pytest.raises(PromptError):
        PointPicker(POINTS).pick(**ray)
