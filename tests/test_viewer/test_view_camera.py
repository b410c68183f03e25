"""Where the camera of the page stands, and boxes of rectangles."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import PromptError
from unison3d.viewer.view_camera import (
    Eye,
    Home,
    box_from_rectangle,
    ceiling_cut,
    look_at_box,
    orbit,
)


@pytest.fixture
def room():
    rng = np.random.default_rng(0)
    floor = rng.uniform([0, 0, 0], [5, 4, 0], (4000, 3))
    wall = rng.uniform([0, 4, 0], [5, 4, 2.6], (2000, 3))
    return np.concatenate([floor, wall]).astype(np.float32)


def test_the_first_view_looks_at_the_scene_from_above(room):
    eye = Home.of(room).eye()
    low, high = room.min(axis=0), room.max(axis=0)
    assert ((eye.target > low) & (eye.target < high)).all()
    assert eye.position[2] > high[2]
    assert np.isfinite(Home.of(room[:0]).eye().position).all()
    assert np.isfinite(Home.of(room[:1]).eye().position).all()


def test_ceilings_are_cut_in_rooms_only(room):
    assert ceiling_cut(room) == pytest.approx(2.1, abs=0.05)
    assert ceiling_cut(room[:4000]) is None
    assert ceiling_cut(room[:10]) is None


def test_flying_to_a_box_keeps_the_side(room):
    eye = Eye(np.array([9.0, 2, 3]), np.zeros(3))
    near = look_at_box(np.array([[1.0, 1, 0], [2, 2, 1]]), eye)
    assert near.target.tolist() == [1.5, 1.5, 0.5]
    assert near.position[0] > 2
    assert np.linalg.norm(near.position - near.target) < np.linalg.norm(eye.position - near.target)


def test_a_turn_comes_back():
    eye = Eye(np.array([3.0, 0, 1]), np.array([1.0, 0, 0]))
    assert orbit(eye, np.pi).position == pytest.approx([-1, 0, 1])
    assert orbit(eye, 2 * np.pi).position == pytest.approx(eye.position)


def test_a_rectangle_around_a_thing_leaves_the_wall_behind(room):
    rng = np.random.default_rng(1)
    thing = rng.uniform([2, 1, 0.5], [3, 1.3, 1.5], (3000, 3)).astype(np.float32)
    points = np.concatenate([room, thing])
    # From y = -3 towards +y: x right, z up.
    rotation = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    view = (rotation, np.array([2.5, -3.0, 1.0]), 1.0, 1.0)
    half = 0.5 / 4.0 / np.tan(0.5) / 2 * 1.1
    corners = ((0.5 - half, 0.5 - half), (0.5 + half, 0.5 + half))
    center, size = box_from_rectangle(points, *view, corners)
    assert center == pytest.approx([2.5, 1.05, 1.0], abs=0.12)
    assert size[0] == pytest.approx(1, abs=0.15)
    assert size[1] < 0.5
    # Any two corners will do.
    swapped = ((corners[1][0], corners[0][1]), (corners[0][0], corners[1][1]))
    assert box_from_rectangle(points, *view, swapped)[0] == pytest.approx(center)
    hidden = np.arange(len(points)) < len(room)
    behind, _ = box_from_rectangle(points, *view, corners, hidden)
    assert behind[1] > 3
    with pytest.raises(PromptError, match='no points'):
        box_from_rectangle(points, *view, ((0, 0), (0.01, 0.01)))
