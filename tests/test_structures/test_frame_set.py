from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.test_io.frame_samples import (
    WITH_DEPTH,
    colmap_text,
    color_of,
    depth_of,
    frame_files,
    matrix,
    png,
    write,
)
from unison3d.errors import ConfigError, SceneError
from unison3d.structures import FrameSet, read_frames


@pytest.mark.parametrize('layout', WITH_DEPTH)
def test_colour_and_depth_fit_the_cameras(layout, tmp_path):
    frames = read_frames(write(tmp_path, WITH_DEPTH[layout]()))
    assert len(frames) == 3
    for frame in frames:
        depth, color = frame.read_depth(), frame.read_color()
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, depth_of(frame.depth_camera), atol=1e-3)
        assert color.dtype == np.uint8
        np.testing.assert_array_less(
            np.abs(color.astype(int) - color_of(frame.camera).astype(int)).max(), 3
        )


def test_skipped_frames_are_counted(tmp_path):
    files = frame_files()
    files['frame-000000.pose.txt'] = matrix(np.full((4, 4), -np.inf))
    files['frame-000001.pose.txt'] = matrix(np.zeros((4, 4)))
    files['frame-000007.pose.txt'] = matrix(np.eye(4))
    frames = read_frames(write(tmp_path, files))
    assert [frame.name for frame in frames] == ['frame-000002']
    assert frames.skipped == {
        'frame-000000': 'pose is not finite',
        'frame-000001': 'pose is zero',
        'frame-000007': 'neither colour nor depth image',
    }
    assert '3 skipped: 1 ' in frames.summary()


def test_no_frame_is_left(tmp_path):
    files = frame_files()
    for i in range(3):
        files[f'frame-{i:06d}.pose.txt'] = matrix(np.full((4, 4), np.nan))
    with pytest.raises(SceneError, match='3 pose is not finite'):
        read_frames(write(tmp_path, files))


def test_every(tmp_path):
    frames = read_frames(write(tmp_path, frame_files()))
    assert [frame.name for frame in frames.every(2)] == ['frame-000000', 'frame-000002']
    with pytest.raises(ConfigError, match='0-th'):
        frames.every(0)


def test_depth_scale_and_numbers_for_no_depth(tmp_path):
    files = frame_files()
    stored = np.full((36, 48), 2000, np.uint16)
    stored[0, 0], stored[0, 1] = 0, 65535
    files['frame-000000.depth.png'] = png(stored)
    write(tmp_path, files)
    depth = read_frames(tmp_path)[0].read_depth()
    assert (depth[0, 0], depth[0, 1], depth[1, 1]) == (0, 0, 2)
    scaled = read_frames(tmp_path, depth_scale=0.0001)[0].read_depth()
    assert scaled[1, 1] == pytest.approx(0.2)
    with pytest.raises(ConfigError, match='depth_scale'):
        read_frames(tmp_path, depth_scale=0)


@pytest.mark.parametrize('kind', ['depth', 'color'])
def test_another_size_than_the_camera(kind, tmp_path):
    files = frame_files()
    files[f'frame-000001.{kind}.png'] = png(np.zeros((18, 24), np.uint16))
    if kind == 'color':
        files['frame-000001.color.png'] = png(np.zeros((18, 24, 3), np.uint8))
    frame = read_frames(write(tmp_path, files))[1]
    with pytest.raises(SceneError, match=rf'frame-000001.{kind}.png: 24 x 18 .* 48 x 36'):
        frame.read_depth() if kind == 'depth' else frame.read_color()


def test_intrinsics_of_another_size(tmp_path):
    files = frame_files()
    files['camera-intrinsics.txt'] = b'400 0 235 0 400 175 0 0 1'
    with pytest.raises(SceneError, match='optical axis at 235, 175, outside'):
        read_frames(write(tmp_path, files))


def test_a_mirrored_pose_names_its_file(tmp_path):
    files = frame_files()
    files['frame-000001.pose.txt'] = matrix(np.diag([1.0, 1, -1, 1]))
    with pytest.raises(SceneError, match=r'frame-000001\.pose\.txt, frame "frame-000001".*rigid'):
        read_frames(write(tmp_path, files))


def test_grey_and_alpha_become_three_channels(tmp_path):
    files = frame_files()
    files['frame-000000.color.png'] = png(np.full((36, 48), 7, np.uint8))
    files['frame-000001.color.png'] = png(np.full((36, 48, 4), 9, np.uint8))
    frames = read_frames(write(tmp_path, files))
    assert (frames[0].read_color() == 7).all()
    assert (frames[1].read_color() == 9).all()
    Image.fromarray(np.zeros((36, 48, 3), np.uint8)).save(tmp_path / 'frame-000002.depth.png')
    with pytest.raises(Exception, match='one channel of 16-bit depth'):
        frames[2].read_depth()


def test_a_moved_set(tmp_path):
    frames = read_frames(write(tmp_path, colmap_text()))
    T = np.array([[0, -1.0, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    moved = frames.moved(T).moved(T)
    np.testing.assert_allclose(moved.T_world_capture, T @ T)
    center = frames[0].camera.center * [-1, -1, 1] + [-1, 11, 14]
    np.testing.assert_allclose(moved[0].camera.center, center)
    # The sparse points stay on the pixels they were on.
    for before, after in zip(frames, moved, strict=True):
        expected = before.camera.project(frames.points)
        for found, known in zip(after.camera.project(moved.points), expected, strict=True):
            np.testing.assert_allclose(found, known, atol=1e-6)
    for some in (frames, FrameSet(())):
        with pytest.raises(SceneError, match='frames.*rigid'):
            some.moved(2 * np.eye(4))
    with pytest.raises(SceneError, match='shape'):
        frames.moved(np.eye(3))
