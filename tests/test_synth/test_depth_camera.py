"""Images of rooms: what is drawn is what stands there, and errors are those of a sensor."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.synth import generate_room
from unison3d.synth.depth_camera import DepthCamera
from unison3d.synth.floorplan import inside
from unison3d.synth.materials import PLAIN, Paint
from unison3d.synth.placement import Placed
from unison3d.synth.primitives import Pose, Shape
from unison3d.synth.rooms import Room
from unison3d.synth.trajectory import draw_walk, free_spots, tracked
from unison3d.synth.triangles import triangulate

SQUARE = np.array([[-5.0, -5], [5, -5], [5, 5], [-5, 5]])
WHITE = Paint((0.8, 0.8, 0.8), (0.8, 0.8, 0.8), PLAIN, 0)
BLACK = Paint((0.02, 0.02, 0.02), (0.02, 0.02, 0.02), PLAIN, 2)
# Stands at the origin, 1 m up, and looks along +y.
FORWARD = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1], [0, 0, 0, 1]])


def room_of(*shapes: Shape) -> Room:
    things = [Placed('box', 'box', 20, s, Pose(0, 0, 0, 0)) for s in shapes]
    return Room('test', SQUARE, 2.5, things, np.zeros((0, 7)))


def wall_at(distance: float, paint: Paint = WHITE, thickness: float = 0.2) -> Shape:
    shape = Shape()
    shape.block(-9, 9, distance, distance + thickness, -9, 9, paint)
    return shape


def shoot(room: Room, pose=FORWARD, seed=0):
    camera = DepthCamera(room, np.random.default_rng(seed))
    return camera, camera.shoot(pose, np.random.default_rng(seed))


def test_true_depth_of_a_wall_and_of_what_stands_before_it():
    box = Shape()
    box.next_part('lid')
    box.block(-0.2, 0.2, 1.5, 1.9, 0.8, 1.2, WHITE)
    camera, frame = shoot(room_of(wall_at(3.0), box))
    v, u = 60, 80
    assert frame.true_depth[v, u] == pytest.approx(1.5, abs=1e-4)
    assert frame.object[v, u] == 1
    assert frame.part[v, u] == 1
    assert frame.true_depth[5, 5] == pytest.approx(3.0, abs=1e-4)
    assert frame.object[5, 5] == 0
    assert frame.part[5, 5] == 0
    # The box is as wide in the image as the pinhole says: 0.4 m at 1.5 m.
    width = (frame.object[v] == 1).sum()
    assert abs(width - camera.K[0, 0] * 0.4 / 1.5) <= 1


def test_wall_behind_and_around_the_camera_is_drawn_without_clipping():
    floor = Shape()
    floor.sheet((-9, -9, 0), (18, 0, 0), (0, 18, 0), WHITE)
    camera, frame = shoot(room_of(floor))
    v = np.arange(camera.height)
    expected = 1.0 / ((v - camera.K[1, 2]) / camera.K[1, 1]).clip(1e-9)
    rows = (expected < 8) & (frame.true_depth[:, 80] > 0)
    assert rows.sum() > 40
    assert np.allclose(frame.true_depth[rows, 80], expected[rows], rtol=1e-4)
    assert (frame.true_depth[:55] == 0).all()


def test_backs_of_one_sided_surfaces_are_not_seen():
    inside_out = Shape()
    inside_out.sheet((-2, 1, -2), (4, 0, 0), (0, 0, 4), WHITE, two_sided=False)
    assert shoot(room_of(wall_at(3.0), inside_out))[1].object[60, 80] == 1
    inside_out = Shape()
    inside_out.sheet((2, 1, -2), (-4, 0, 0), (0, 0, 4), WHITE, two_sided=False)
    assert shoot(room_of(wall_at(3.0), inside_out))[1].object[60, 80] == 0


def test_rounded_things_are_closed_and_of_their_size():
    ball = Shape()
    ball.box((0, 0, 0), (1, 1, 1), WHITE, round_power=2.0)
    pipe = Shape()
    pipe.cone((0, 0, 0), (0, 0, 1), 0.3, 0.3, WHITE)
    for shape, volume in ((ball, np.pi / 6), (pipe, np.pi * 0.09)):
        corners = triangulate(room_of(shape)).corners.astype(float)
        # The divergence theorem: closed and outward, or the volume would be wrong.
        got = np.einsum('ti,ti->t', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum()
        assert got / 6 == pytest.approx(volume, rel=0.12)


def test_noise_grows_with_range_and_depth_is_in_steps():
    errors = {}
    for distance in (1.0, 3.5):
        _, frame = shoot(room_of(wall_at(distance)))
        seen = frame.depth > 0
        errors[distance] = np.std(frame.depth[seen] - distance)
        assert abs(np.median(frame.depth[seen]) - distance) < 0.02
    assert errors[3.5] > 4 * errors[1.0]
    assert 0.0005 < errors[1.0] < 0.01
    # Distances that the disparity can take at 3.5 m lie 3.6 cm apart.
    values = np.unique(frame.depth[frame.depth > 0])
    assert len(values) < 40


def test_nearer_than_the_sensor_can_and_far_away_is_nothing():
    near = shoot(room_of(wall_at(0.3)))[1]
    assert (near.depth == 0).all()
    assert near.true_depth[60, 80] == pytest.approx(0.3, abs=1e-4)
    assert np.mean(shoot(room_of(wall_at(6.5)))[1].depth > 0) < 0.1


def test_dark_and_grazing_surfaces_have_holes():
    seen = [np.mean(shoot(room_of(wall_at(2.0, p)))[1].depth > 0) for p in (WHITE, BLACK)]
    assert seen[0] > 0.95
    assert seen[1] < seen[0] - 0.1
    floor = Shape()
    floor.sheet((-9, -9, 0.92), (18, 0, 0), (0, 18, 0), WHITE)
    frame = shoot(room_of(floor))[1]
    flat = (frame.true_depth > 0.5) & (frame.true_depth < 2)
    assert np.mean(frame.depth[flat] > 0) < 0.5


def test_rims_have_flying_pixels_or_none():
    box = Shape()
    box.block(-0.4, 0.4, 1.0, 1.1, 0.6, 1.4, WHITE)
    _, frame = shoot(room_of(wall_at(3.0), box))
    between = (frame.depth > 1.3) & (frame.depth < 2.7)
    assert 5 < between.sum() < 0.03 * between.size


def test_same_seed_same_image_and_another_seed_another_one():
    room = generate_room(3)
    pose = draw_walk(room, np.random.default_rng(0))[4]
    first, again = shoot(room, pose)[1], shoot(room, pose)[1]
    for name in first.__dataclass_fields__:
        assert np.array_equal(getattr(first, name), getattr(again, name))
    other = shoot(room, pose, seed=1)[1]
    assert not np.array_equal(first.depth, other.depth)


def test_walk_stays_in_the_room_and_moves_in_small_steps():
    room = generate_room(4)
    poses = draw_walk(room, np.random.default_rng(1), max_frames=500)
    assert len(poses) > 30
    assert np.allclose(np.linalg.det(poses[:, :3, :3]), 1)
    assert np.mean(inside(room.polygon, poses[:, :2, 3])) > 0.95
    assert ((poses[:, 2, 3] > 0.9) & (poses[:, 2, 3] < room.height)).all()
    # The y axis of the camera points down.
    assert poses[:, 2, 1].max() < 0
    cosine = np.einsum('fi,fi->f', poses[1:, :3, 2], poses[:-1, :3, 2])
    assert np.mean(cosine > np.cos(np.radians(50))) > 0.9
    assert len(draw_walk(room, np.random.default_rng(1), max_frames=7)) == 7
    assert inside(room.polygon, free_spots(room, np.random.default_rng(0))).all()


def test_tracked_poses_are_rigid_and_a_little_off():
    poses = draw_walk(generate_room(4), np.random.default_rng(1))
    guess = tracked(poses, np.random.default_rng(2))
    assert np.allclose(guess[:, :3, :3] @ guess[:, :3, :3].transpose(0, 2, 1), np.eye(3))
    off = np.linalg.norm(guess[:, :3, 3] - poses[:, :3, 3], axis=1)
    assert 0.001 < off.mean() < 0.05
