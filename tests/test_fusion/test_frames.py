from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.conftest import data_root
from tests.test_io.frame_samples import (
    HEIGHT,
    ROOM,
    WIDTH,
    WITH_DEPTH,
    colmap_text,
    depth_of,
    frame_files,
    matrix,
    png,
    poses,
    scannet,
    turned,
    write,
)
from unison3d.errors import ConfigError, FileFormatError, SceneError
from unison3d.fusion import fuse_capture, fuse_frames, is_capture
from unison3d.fusion.registration import color_at_depth, pinhole_depth
from unison3d.fusion.upright import turn_to_z
from unison3d.structures import Camera, PointScene, read_frames

VOXEL = 0.05
LENS = (-0.2, 0.05, 0.002, -0.001)


def wall_distance(points: np.ndarray) -> np.ndarray:
    return np.minimum(np.abs(points), np.abs(points - ROOM)).min(axis=1)


@pytest.mark.parametrize('layout', WITH_DEPTH)
def test_the_room_is_where_it_is(layout, tmp_path):
    scene = fuse_capture(write(tmp_path, WITH_DEPTH[layout]()), voxel_size=VOXEL)
    assert len(scene) > 3000
    distance = wall_distance(scene.points)
    assert np.median(distance) < 0.1 * VOXEL
    assert np.quantile(distance, 0.95) < VOXEL
    # Seen from inside: normals point into the room.
    inward = ((ROOM / 2 - scene.points) * scene.normals).sum(axis=1)
    assert (inward > 0).mean() > 0.98
    # The samples' colour tells the place.
    near = distance < 0.5 * VOXEL
    error = np.abs(scene.colors - np.clip(scene.points / ROOM, 0, 1))[near]
    assert np.median(error) < 0.02


@pytest.mark.parametrize('axis', ['x', '-x', 'y', '-y', '-z', 'tilted'])
def test_up_is_found(axis, tmp_path):
    direction = np.array([0.3, -0.8, 0.4])
    if axis != 'tilted':
        direction = np.zeros(3)
        direction['xyz'.index(axis[-1])] = -1.0 if axis[0] == '-' else 1.0
    to_z = turn_to_z(direction / np.linalg.norm(direction))
    write(tmp_path, turned(frame_files(), np.linalg.inv(to_z)))
    frames = read_frames(tmp_path)
    scene = fuse_frames(frames, voxel_size=VOXEL)
    # The floor is flat, at 0, and a good part of what was seen.
    assert (np.abs(scene.points[:, 2]) < 0.02).mean() > 0.2
    assert np.quantile(scene.points[:, 2], 0.01) > -0.03
    if axis != 'tilted':
        given = fuse_frames(frames, voxel_size=VOXEL, up=axis)
        # Only heights: from -z to z the shortest turn may go over any side.
        np.testing.assert_allclose(given.points[:, 2], scene.points[:, 2], atol=0.05)


def test_a_frame_with_z_up_keeps_its_coordinates(tmp_path):
    write(tmp_path, frame_files())
    auto = fuse_capture(tmp_path, voxel_size=VOXEL)
    given = fuse_capture(tmp_path, voxel_size=VOXEL, up='z')
    np.testing.assert_array_equal(auto.points, given.points)


@pytest.mark.parametrize('make', [frame_files, scannet])
def test_the_images_turn_with_the_scene(make, tmp_path):
    """A capture on its side: from the turned cameras, the scene is as far as depth says."""
    T = np.array([[1.0, 0, 0, 3], [0, 0, -1, -2], [0, 1, 0, 40], [0, 0, 0, 1]])
    scene = fuse_capture(write(tmp_path, turned(make(), T)), voxel_size=VOXEL)
    stored = read_frames(tmp_path)
    for frame, before in zip(scene.frames, stored, strict=True):
        pixels, depth = frame.depth_camera.project(scene.world_points)
        with np.errstate(invalid='ignore'):
            inside = ((pixels > 0) & (pixels < (WIDTH - 1, HEIGHT - 1))).all(axis=1)
        column, row = np.rint(pixels[inside]).astype(int).T
        error = np.abs(depth[inside] - frame.read_depth()[row, column])
        assert inside.sum() > 300
        assert np.quantile(error, 0.9) < 0.05
        # Upright: the images' way down is mostly that of the scene.
        assert frame.camera.T_world_camera[2, 1] < -0.8
        back = scene.frames.T_world_capture @ before.camera.T_world_camera
        np.testing.assert_allclose(frame.camera.T_world_camera, back, atol=1e-9)
        assert (frame.camera is frame.depth_camera) == (before.camera is before.depth_camera)


def test_turn_to_z():
    rng = np.random.default_rng(0)
    for up in [*rng.normal(size=(20, 3)), [0, 0, 1], [0, 0, -1], [0, 1e-9, -1]]:
        up = np.asarray(up, dtype=float) / np.linalg.norm(up)
        turn = turn_to_z(up)[:3, :3]
        np.testing.assert_allclose(turn @ up, [0, 0, 1], atol=1e-6)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(turn) > 0


def test_no_common_up(tmp_path):
    files = frame_files()
    for i, angle in enumerate([0, 2 * np.pi / 3, 4 * np.pi / 3]):
        T = np.eye(4)
        c, s = np.cos(angle), np.sin(angle)
        T[:2, :2] = [[c, -s], [s, c]]
        files[f'frame-{i:06d}.pose.txt'] = matrix(T)
    frames = read_frames(write(tmp_path, files))
    with pytest.raises(SceneError, match='which way is up'):
        fuse_frames(frames, voxel_size=VOXEL)
    assert len(fuse_frames(frames, voxel_size=VOXEL, up='-y'))


def test_distorted_depth_becomes_pinhole_depth():
    camera = Camera(192, 144, [[160.0, 0, 95.5], [0, 160, 71.5], [0, 0, 1]], poses()[0], LENS)
    straight = camera.without_distortion()
    depth = pinhole_depth(camera, depth_of(camera).astype(np.float32))
    expected = depth_of(straight)
    seen = depth > 0
    assert seen.mean() > 0.9
    assert np.median(np.abs(depth - expected)[seen]) < 0.005
    # Without the undistortion the error is several times as large.
    wrong = np.abs(depth_of(camera) - expected)
    assert np.quantile(wrong, 0.9) > 5 * np.quantile(np.abs(depth - expected)[seen], 0.9)


def test_colour_of_another_camera(tmp_path):
    """Colour is twice as large and distorted; every depth pixel finds the colour of its place."""
    frame = read_frames(write(tmp_path, scannet()))[0]
    depth = frame.read_depth()
    places = frame.depth_camera.unproject(depth) / ROOM * 255
    color, seen = color_at_depth(frame, depth)
    assert seen.all()
    right = np.abs(color - places).mean()
    assert right < 2
    shifted = dataclasses.replace(frame.camera, distortion=(0.5, 0, 0, 0))
    frame = dataclasses.replace(frame, camera=shifted)
    color, seen = color_at_depth(frame, depth)
    assert np.abs(color - places)[seen].mean() > 2 * right


def test_what_the_colour_camera_does_not_see_is_left_out(tmp_path):
    """The colour camera sees the left half only; no black gets into the mesh."""
    frame = read_frames(write(tmp_path, scannet()))[0]
    narrow = dataclasses.replace(frame.camera, K=frame.camera.K + [[0, 0, 48], [0] * 3, [0] * 3])
    color, seen = color_at_depth(dataclasses.replace(frame, camera=narrow), frame.read_depth())
    assert seen[:, :23].all()
    assert not seen[:, 25:].any()
    assert not color[:, 25:].any()


def test_small_pieces_are_left_out(tmp_path):
    """One wall 2 m away, and a speck of 3 x 3 pixels floating 1 m in front of it."""
    depth = np.full((36, 48), 2000, np.uint16)
    depth[16:19, 22:25] = 1000
    files = {name: data for name, data in frame_files().items() if '000000' in name}
    files['K.txt'] = matrix(np.array([[40.0, 0, 23.5], [0, 40, 17.5], [0, 0, 1]]))
    files['frame-000000.pose.txt'] = matrix(np.eye(4))
    files['frame-000000.depth.png'] = png(depth)
    frames = read_frames(write(tmp_path, files))
    options = {'voxel_size': 0.04, 'up': '-y', 'min_weight': 0.01}
    with_speck = fuse_frames(frames, min_piece=1, **options).points[:, 1]
    without = fuse_frames(frames, min_piece=100, **options).points[:, 1]
    assert with_speck.min() == pytest.approx(1, abs=0.05) or with_speck.max() == pytest.approx(
        -1, abs=0.05
    )
    assert np.ptp(without) < 0.1


def test_range_of_depth(tmp_path):
    frames = read_frames(write(tmp_path, frame_files()))
    near = fuse_frames(frames, voxel_size=VOXEL, max_depth=1.6)
    far = np.linalg.norm(near.points - [2, 1.5, 1.2], axis=1)
    assert far.max() < 1.6 * 1.4
    with pytest.raises(ConfigError, match='min_depth'):
        fuse_frames(frames, min_depth=2, max_depth=1)
    with pytest.raises(SceneError, match='depth scale'):
        fuse_frames(frames, max_depth=0.2)
    with pytest.raises(ConfigError, match='up is'):
        fuse_frames(frames, voxel_size=VOXEL, up='w')


def test_every_and_determinism(tmp_path):
    write(tmp_path, frame_files())
    all_frames, again, some = (
        fuse_capture(tmp_path, voxel_size=VOXEL, every=n) for n in (None, 1, 2)
    )
    np.testing.assert_array_equal(all_frames.points, again.points)
    np.testing.assert_array_equal(all_frames.colors, again.colors)
    assert len(some) < len(all_frames)
    # Images that were not fused show the scene as well.
    assert len(some.frames) == len(all_frames.frames) == 3


def test_without_colour(tmp_path):
    files = {name: data for name, data in frame_files().items() if '.color.' not in name}
    assert fuse_capture(write(tmp_path, files), voxel_size=VOXEL).colors is None


def test_cameras_without_depth(tmp_path):
    with pytest.raises(SceneError, match=r'none of 3 frames has a depth image.*2 sparse points'):
        fuse_capture(write(tmp_path, colmap_text()))


def test_what_is_a_capture(tmp_path):
    write(tmp_path, frame_files())
    assert is_capture(tmp_path)
    with pytest.raises(FileFormatError, match='capture of posed images'):
        PointScene.from_file(tmp_path)
    (tmp_path / 'scene_vh_clean_2.ply').write_bytes(b'')
    assert not is_capture(tmp_path)
    assert not is_capture(tmp_path / 'scene_vh_clean_2.ply')


@pytest.mark.parametrize(
    ('name', 'limit_mm'),
    [('rgbd_7scenes', 10), ('rgbd_hololens', 12), ('rgbd_apc_shelf', 8), ('replica_office0', 3)],
)
def test_depth_of_neighbouring_frames_agrees(name, limit_mm):
    """Real captures: depth of one frame lands on the next. Measured 8.1, 8.3, 3.6 and 0.6 mm."""
    folder = data_root() / name
    if not folder.is_dir():
        pytest.skip(f'{folder} is not there')
    frames = read_frames(folder)
    first, second = frames[0], frames[1]
    points = first.depth_camera.unproject(first.read_depth()).reshape(-1, 3)
    pixels, depth = second.depth_camera.project(points[np.isfinite(points).all(axis=1)])
    seen = np.isfinite(pixels).all(axis=1)
    pixels, depth = np.rint(pixels[seen]).astype(int), depth[seen]
    image = second.read_depth()
    inside = ((pixels >= 0) & (pixels < image.shape[::-1])).all(axis=1)
    found = image[pixels[inside, 1], pixels[inside, 0]]
    error = np.abs(found - depth[inside])[found > 0]
    assert np.median(error[error < 0.2]) * 1000 < limit_mm
