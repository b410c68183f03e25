from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.structures import Camera

K = np.array([[50.0, 0, 31.5], [0, 48.0, 23.5], [0, 0, 1]])
LENS = (0.12, -0.08, 0.003, -0.002, 0.01)


def turn(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.linalg.det(q)


def pose(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = turn(rng), rng.normal(size=3)
    return T


def test_axes_and_the_first_pixel():
    camera = Camera(64, 48, K, np.eye(4))
    pixels, depth = camera.project([[0, 0, 2], [0.2, 0, 2], [0, 0.2, 2], [0, 0, -1]])
    np.testing.assert_allclose(pixels[0], [31.5, 23.5])
    assert pixels[1, 0] > 31.5  # x is right
    assert pixels[2, 1] > 23.5  # y is down
    assert np.isnan(pixels[3]).all()  # behind
    np.testing.assert_allclose(depth, [2, 2, 2, -1])
    # The ray of the centre of the top left pixel.
    np.testing.assert_allclose(camera.rays()[0, 0], [-31.5 / 50, -23.5 / 48, 1])


def test_world_and_camera():
    T = np.eye(4)
    T[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # looks along x, z is up
    T[:3, 3] = 1, 2, 3
    camera = Camera(64, 48, K, T)
    pixels, depth = camera.project([[5, 2, 3], [5, 1.5, 3], [5, 2, 3.5]])
    np.testing.assert_allclose(depth, 4)
    np.testing.assert_allclose(pixels[0], [31.5, 23.5])
    assert pixels[1, 0] > 31.5
    assert pixels[2, 1] < 23.5
    np.testing.assert_allclose(camera.center, [1, 2, 3])


@pytest.mark.parametrize('distortion', [None, LENS, LENS[:4], (-0.25, 0.07, 0, 0)])
def test_unproject_and_project_are_inverse(distortion):
    camera = Camera(64, 48, K, pose(1), distortion)
    depth = np.random.default_rng(0).uniform(0.5, 4, (48, 64))
    depth[3, 5], depth[4, 6] = 0, np.inf
    points = camera.unproject(depth)
    assert np.isnan(points[3, 5]).all()
    assert np.isnan(points[4, 6]).all()
    pixels, back = camera.project(points.reshape(-1, 3))
    seen = np.isfinite(pixels).all(axis=1)
    assert seen.sum() == 48 * 64 - 2
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    np.testing.assert_allclose(pixels[seen], np.c_[x.ravel(), y.ravel()][seen], atol=1e-4)
    np.testing.assert_allclose(back[seen], depth.ravel()[seen])


def test_distortion_is_that_of_opencv():
    """The formula of the OpenCV manual, written out for one point."""
    x, y = 0.4, -0.3
    k1, k2, p1, p2, k3 = LENS
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
    v = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    pixels, _ = Camera(64, 48, K, np.eye(4), LENS).project([[x, y, 1]])
    np.testing.assert_allclose(pixels[0], [50 * u + 31.5, 48 * v + 23.5])


def test_beyond_the_fold_of_the_lens_nothing_is_seen():
    # r (1 - 0.5 r^2) grows up to r = 0.816; a point at r = 1.2 would land at r = 0.336 again.
    camera = Camera(64, 48, K, np.eye(4), (-0.5, 0, 0, 0))
    pixels, _ = camera.project([[0.7, 0, 1], [1.2, 0, 1]])
    assert np.isfinite(pixels[0]).all()
    assert np.isnan(pixels[1]).all()
    # The lens reaches r = 0.544 in the image; pixels outside see nothing.
    rays = Camera(
        128, 48, K + [[0, 0, 32], [0, 0, 0], [0, 0, 0]], np.eye(4), (-0.5, 0, 0, 0)
    ).rays()
    assert np.isnan(rays[23, 0, 0])
    assert np.isfinite(rays[23, 64]).all()


def test_resized_sees_the_same():
    camera = Camera(64, 48, K, pose(2), LENS)
    small = camera.resized(32, 24)
    points = camera.unproject(np.full((48, 64), 2.0)).reshape(-1, 3)
    wide, narrow = camera.project(points)[0], small.project(points)[0]
    # Corners of the image stay corners: (-0.5) maps to (-0.5).
    np.testing.assert_allclose((wide + 0.5) / 2 - 0.5, narrow, atol=1e-9)


def test_moved():
    camera, T = Camera(64, 48, K, pose(3)), pose(4)
    points = camera.unproject(np.full((48, 64), 2.0)).reshape(-1, 3)
    moved = points @ T[:3, :3].T + T[:3, 3]
    back = camera.moved(T).project(moved)[0]
    np.testing.assert_allclose(back, camera.project(points)[0], atol=1e-9)
    with pytest.raises(SceneError, match='T is .*rigid'):
        camera.moved(2 * np.eye(4))


def bad_pose(change: str) -> np.ndarray:
    T = pose(5)
    if change == 'scaled':
        T[:3, :3] *= 1.1
    elif change == 'mirrored':
        T[:3, 0] *= -1
    elif change == 'sheared':
        T[0, 1] += 0.2
    elif change == 'last row':
        T[3] = 0, 0, 1, 1
    elif change == 'transposed':
        T = T.T
    elif change == 'infinite':
        T[:] = -np.inf
    elif change == 'zero':
        T[:] = 0
    else:
        T[1, 2] = np.nan
    return T


@pytest.mark.parametrize(
    'change',
    ['scaled', 'mirrored', 'sheared', 'last row', 'transposed', 'infinite', 'zero', 'nan'],
)
def test_poses_are_rigid(change):
    with pytest.raises(SceneError, match='T_world_camera'):
        Camera(64, 48, K, bad_pose(change))


@pytest.mark.parametrize(
    'changes',
    [
        {'width': 0},
        {'height': -3},
        {'width': 3.5},
        {'K': K * np.nan},
        {'K': -K},
        {'K': K[:2]},
        {'K': K.T},
        {'distortion': (1.0, 2.0)},
        {'distortion': (0, 0, 0, np.nan)},
        {'distortion': 'fisheye'},
    ],
)
def test_bad_lenses(changes):
    good = {'width': 64, 'height': 48, 'K': K, 'T_world_camera': np.eye(4)}
    with pytest.raises(SceneError, match='camera'):
        Camera(**(good | changes))


def test_depth_of_another_size():
    with pytest.raises(SceneError, match='resized'):
        Camera(64, 48, K, np.eye(4)).unproject(np.ones((64, 48)))
