"""What a camera sees of points, and which images show a mask."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.lifting import View, best_views, crop_boxes, visible_points
from unison3d.structures.camera import Camera

K = np.array([[50.0, 0, 39.5], [0, 50.0, 29.5], [0, 0, 1]])


def view(wall: float, across: float = 0.0) -> View:
    """A camera at (across, 0, 0) that looks along z at a wall."""
    pose = np.eye(4)
    pose[0, 3] = across
    camera = Camera(80, 60, K, pose)
    return View(np.zeros((60, 80, 3), np.uint8), np.full((60, 80), wall, np.float32), camera)


def test_hidden_points():
    # On the wall, behind it, far before it, beside the image, behind the camera.
    points = np.array([[0, 0, 2.0], [0, 0, 2.5], [0, 0, 1], [3, 0, 2], [0, 0, -2]])
    shown, pixels = visible_points(points, view(2.0))
    np.testing.assert_array_equal(shown, [True, False, False, False, False])
    np.testing.assert_allclose(pixels[0], [39.5, 29.5])


def test_no_depth_shows_nothing():
    assert not visible_points(np.array([[0, 0, 2.0]]), view(0.0))[0].any()


def test_a_depth_camera_of_its_own():
    near = view(2.0)
    depth_camera = near.camera.resized(40, 30)
    other = View(near.image, np.full((30, 40), 2, np.float32), near.camera, depth_camera)
    points = np.stack([np.linspace(-2, 2, 41), np.zeros(41), np.full(41, 2.0)], axis=1)
    shown, pixels = visible_points(points, other)
    expected = visible_points(points, near)
    np.testing.assert_array_equal(shown, expected[0])
    np.testing.assert_allclose(pixels[shown], expected[1][shown])


def test_an_image_of_another_size():
    with pytest.raises(SceneError, match='image has'):
        View(np.zeros((5, 5, 3), np.uint8), view(2.0).depth, view(2.0).camera)


def test_best_views():
    x = np.linspace(-0.5, 0.5, 11)
    points = np.stack([x, np.zeros(11), np.full(11, 2.0)], axis=1)
    masks = np.array([[True] * 11, [False] * 11])
    # The second sees the mask at its border only, the third not at all, the last is behind a wall.
    views = [view(2.0), view(2.0, 1.6), view(2.0, 9.0), view(1.0), view(2.0, 0.1)]
    whole, nothing = best_views(points, masks, views, k=3)
    assert [v.view for v in whole] == [0, 4, 1]
    assert whole[0].num_points == 11
    assert whole[0].box == (27, 30, 52, 30)
    assert nothing == []
    assert [v.view for v in best_views(points, masks, views, k=1)[0]] == [0]


def test_crops_grow_and_stay_inside():
    boxes = crop_boxes((10, 20, 29, 39), 80, 42)
    assert boxes == [(10, 20, 29, 39), (8, 18, 31, 41), (6, 16, 33, 41)]
