"""Labels on a photo."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from unison3d.errors import SceneError
from unison3d.io.images import StoredImage
from unison3d.structures import Camera, Frame, PointScene
from unison3d.viewer.label_edits import LabelObject
from unison3d.viewer.photo_overlay import PhotoOverlay


def plane(depth, low, high):
    x, y = np.meshgrid(np.linspace(low, high, 60), np.linspace(low, high, 60))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, depth)], axis=1)


def test_what_is_in_front_is_drawn():
    # Looking along z: a red plate before a blue wall, and a green plate behind the wall.
    wall, plate, behind = plane(4.0, -1.5, 1.5), plane(2.0, -0.4, 0.4), plane(6.0, -1, 1)
    points = np.concatenate([wall, plate, behind]).astype(np.float32)
    ids = np.repeat([1, 2, 3], 3600).astype(np.int32)
    origin = np.array([500_000.0, 0, 0])
    pose = np.eye(4)
    pose[:3, 3] = origin
    camera = Camera(100, 100, np.array([[100.0, 0, 49.5], [0, 100, 49.5], [0, 0, 1]]), pose)
    scene = PointScene(points, origin=origin)
    colors = {1: (0, 0, 255), 2: (255, 0, 0), 3: (0, 255, 0)}
    objects = [LabelObject(number, 'thing', color) for number, color in colors.items()]
    picture = PhotoOverlay(Frame('a', camera), scene, width=50).paint(ids, objects)
    assert picture.shape == (50, 50, 3)
    assert picture[25, 25].argmax() == 0
    assert picture[25, 8].argmax() == 2
    assert not (picture.argmax(axis=2)[2:-2, 2:-2] == 1).any()
    # The border of the photo shows nothing but the photo.
    assert (picture[0, 0] == 128).all()
    red = (picture[..., 0] > picture[..., 2]).sum()
    assert 16**2 < red < 26**2


LENS = (-0.2, 0.05, 0.002, -0.001)


@pytest.mark.parametrize('distortion', [None, LENS])
def test_depth_says_what_is_there(distortion, tmp_path):
    """The scan is a wall; on the right, depth saw something before it that the scan lacks."""
    K = np.array([[100.0, 0, 49.5], [0, 100, 49.5], [0, 0, 1]])
    camera = Camera(100, 100, K, np.eye(4), distortion)
    # Its own size and lens, as in ScanNet; nothing was measured in the middle.
    depth = np.full((40, 50), 4000, np.uint16)
    depth[:, 25:] = 2000
    depth[:, 20:30] = 0
    Image.fromarray(depth).save(tmp_path / 'depth.png')
    lens = Camera(50, 40, np.array([[45.0, 0, 24.5], [0, 45, 19.5], [0, 0, 1]]), np.eye(4))
    frame = Frame('a', camera, None, StoredImage(tmp_path / 'depth.png'), lens)
    wall = PointScene(plane(4.0, -3, 3).astype(np.float32))
    rows = PhotoOverlay(frame, wall).rows
    x = camera.rays()[..., 0] * 45 + 24.5
    inside = camera.rays()[..., 1] ** 2 < (19 / 45) ** 2
    assert (rows[(x < 29) & inside] >= 0).all()
    assert (rows[(x > 30) & inside] < 0).all()
    # The point at a pixel is the one that is seen there, within half their distance.
    places = camera.unproject(np.full((100, 100), 4.0))
    found = rows >= 0
    apart = np.linalg.norm(wall.points[rows[found]] - places[found], axis=1)
    assert np.quantile(apart, 0.98) < 0.09


def test_images_that_do_not_fit(tmp_path):
    Image.new('RGB', (64, 48)).save(tmp_path / 'photo.png')
    camera = Camera(32, 24, np.array([[30.0, 0, 15], [0, 30, 11], [0, 0, 1]]), np.eye(4))
    frame = Frame('a', camera, StoredImage(tmp_path / 'photo.png'))
    wall = PointScene(plane(4.0, -3, 3).astype(np.float32))
    with pytest.raises(SceneError, match='64 x 48 pixels, the camera'):
        PhotoOverlay(frame, wall)
    behind = dataclasses.replace(frame, color=None)
    assert (PhotoOverlay(behind, PointScene(-wall.points)).rows == -1).all()
