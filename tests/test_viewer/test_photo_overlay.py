"""Labels on a photo."""

from __future__ import annotations

import numpy as np

from unison3d.structures import Camera, Frame, PointScene
from unison3d.viewer.label_edits import LabelObject
from unison3d.viewer.photo_overlay import overlay_labels


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
    picture = overlay_labels(Frame('a', camera), scene, ids, objects, width=50)
    assert picture.shape == (50, 50, 3)
    assert picture[25, 25].argmax() == 0
    assert picture[25, 8].argmax() == 2
    assert not (picture.argmax(axis=2)[2:-2, 2:-2] == 1).any()
    # The border of the photo shows nothing but the photo.
    assert (picture[0, 0] == 128).all()
    red = (picture[..., 0] > picture[..., 2]).sum()
    assert 16**2 < red < 26**2
