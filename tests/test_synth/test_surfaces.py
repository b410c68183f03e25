"""Samples lie on the surfaces, face outwards and are spread evenly."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.synth.materials import COLOR_NAMES, make_paint
from unison3d.synth.primitives import Pose, Shape, rotation
from unison3d.synth.surfaces import Surfaces

ORIGIN = Pose(0.0, 0.0, 0.0, 0.0)


def paint(name: str = 'red'):
    return make_paint(np.random.default_rng(0), name)


def sample(shape: Shape, pose: Pose = ORIGIN, density: float = 4000.0, eyes=None):
    return Surfaces([shape], [pose], eyes).sample(density, np.random.default_rng(1))


def test_a_box_is_covered_on_its_six_faces():
    shape = Shape()
    shape.box((0, 0, 0.5), (1.0, 2.0, 1.0), paint())
    s = sample(shape)
    area = 2 * (2.0 + 1.0 + 2.0)
    assert abs(len(s) / (4000 * area) - 1) < 0.02
    on_face = np.isclose(np.abs(s.points - [0, 0, 0.5]), [0.5, 1.0, 0.5], atol=1e-5)
    assert on_face.any(1).all()
    outward = np.einsum('ij,ij->i', s.normals, s.points - [0, 0, 0.5])
    assert (outward > 0).all()


def test_an_ellipsoid_has_unit_radius_in_its_own_units():
    shape = Shape()
    shape.box((0, 0, 0), (2.0, 1.0, 0.6), paint(), round_power=2)
    s = sample(shape)
    radius = ((s.points / [1.0, 0.5, 0.3]) ** 2).sum(1)
    assert np.allclose(radius, 1, atol=1e-4)
    expected = s.points / np.square([1.0, 0.5, 0.3])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(s.normals, expected, atol=1e-3)


def test_a_cylinder_and_its_caps():
    shape = Shape()
    shape.cone((0, 0, 0), (0, 0, 2), 0.5, 0.5, paint())
    s = sample(shape)
    radius = np.linalg.norm(s.points[:, :2], axis=1)
    side = np.abs(s.normals[:, 2]) < 0.5
    assert np.allclose(radius[side], 0.5, atol=1e-5) and (radius <= 0.5 + 1e-5).all()
    assert (np.sign(s.normals[~side, 2]) == np.where(s.points[~side, 2] > 1, 1, -1)).all()
    assert np.allclose(shape.size, [1, 1, 2], atol=1e-6)


def test_a_folded_sheet_keeps_its_normals_perpendicular():
    shape = Shape()
    shape.sheet((0, 0, 0), (1, 0, 0), (0, 1, 0), paint(), wave=0.05, folds=3)
    s = sample(shape, density=20_000)
    x, z = s.points[:, 0], s.points[:, 2]
    assert np.allclose(z, 0.05 * np.sin(6 * np.pi * x), atol=1e-4)
    slope = 0.05 * 6 * np.pi * np.cos(6 * np.pi * x)
    assert np.abs(s.normals[:, 0] + slope * s.normals[:, 2]).max() < 1e-3


def test_samples_are_spread_evenly():
    shape = Shape()
    shape.sheet((0, 0, 0), (1, 0, 0), (0, 1, 0), paint())
    s = sample(shape, density=10_000)
    counts = np.histogram2d(s.points[:, 0], s.points[:, 1], bins=20, range=[[0, 1], [0, 1]])[0]
    # Independent uniform samples would have a deviation of 5.
    assert counts.std() < 2.5


@pytest.mark.parametrize('yaw', [0.0, 0.7, -2.0])
def test_poses_move_and_turn(yaw):
    shape = Shape()
    shape.box((0.3, 0, 0.2), (0.2, 0.4, 0.4), paint(), turn=rotation('z', 0.3))
    still, moved = sample(shape), sample(shape, Pose(1.0, -2.0, 0.5, yaw))
    turn = rotation('z', yaw)
    assert np.allclose(moved.points, still.points @ turn.T + [1.0, -2.0, 0.5], atol=1e-5)
    assert np.allclose(moved.normals, still.normals @ turn.T, atol=1e-5)


def test_only_faces_that_no_camera_can_see_are_left_out():
    shape = Shape()
    shape.box((0, 0, 0), (1, 1, 1), paint(), turn=rotation('x', 0.2))
    eyes = np.array([[3.0, 0.4, 1.5], [0.2, 0.1, 4.0]])
    pose = Pose(0.2, 0.3, 0.0, 1.1)
    everything, culled = sample(shape, pose), sample(shape, pose, eyes=eyes)

    def facing(s):
        return (np.einsum('nij,nj->ni', eyes[None] - s.points[:, None], s.normals) > 1e-3).any(1)

    assert facing(everything).sum() == facing(culled).sum() > 0
    assert len(culled) < len(everything)


def test_colours_keep_their_name_and_range():
    shape = Shape()
    shape.box((0, 0, 0), (1, 1, 1), paint('blue'))
    s = sample(shape)
    assert {COLOR_NAMES[i] for i in np.unique(s.color_names)} == {'blue'}
    assert s.paint()[:, 2].mean() > s.paint()[:, 0].mean()


def test_parts_are_numbered_in_order_of_building():
    shape = Shape()
    shape.box((0, 0, 0), (1, 1, 1), paint())
    shape.next_part('lid')
    shape.box((0, 0, 2), (1, 1, 1), paint())
    s = sample(shape)
    assert (s.parts == (s.points[:, 2] > 1)).all()
    assert shape.part_names[1] == 'lid'
