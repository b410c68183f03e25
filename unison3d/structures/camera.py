"""`Camera`: intrinsics, distortion and pose of one image, in the axes of OpenCV.

>>> pixels, depth = camera.project(points)      # world to image
>>> points = camera.unproject(depth_image)      # image to world

x points right, y down, z forward. Pixel (0, 0) is the centre of the top left pixel, so the image
covers -0.5 .. width - 0.5.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import SceneError
from unison3d.structures._scene_checks import fixed_matrix

__all__ = ['RIGID_TOLERANCE', 'Camera']

#: How far R R^T may be from the identity. Published poses are written with six digits and some
#: trackers drift a little; a scale or a mirrored axis is far outside.
RIGID_TOLERANCE = 5e-3
_NEWTON_STEPS = 20
#: In normalised image coordinates, far below a hundredth of a pixel.
_CONVERGED = 1e-7


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with OpenCV distortion.

    Args:
        width: pixels.
        height: pixels.
        K: float64, (3, 3): focal lengths and principal point in pixels.
        T_world_camera: float64, (4, 4), rigid, camera to world, metres.
        distortion: k1, k2, p1, p2 and maybe k3 as OpenCV has them, or None.

    Raises:
        SceneError: sizes or focal lengths that are not positive, numbers that are not finite, a
            pose that is no rigid motion.
    """

    width: int
    height: int
    K: np.ndarray
    T_world_camera: np.ndarray
    distortion: np.ndarray | None = None

    def __post_init__(self) -> None:
        if int(self.width) != self.width or int(self.height) != self.height:
            raise SceneError(f'camera of {self.width} x {self.height}: expected whole pixels.')
        if self.width < 1 or self.height < 1:
            raise SceneError(f'camera of {self.width} x {self.height} pixels: it sees nothing.')
        K = fixed_matrix(self.K, (3, 3), 'K', 'camera')
        fixed = (K[1, 0], K[2, 0], K[2, 1], K[2, 2])
        if K[0, 0] <= 0 or K[1, 1] <= 0 or not np.allclose(fixed, (0, 0, 0, 1), atol=1e-6):
            raise SceneError(
                f'camera: K is {K.tolist()}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with '
                'focal lengths above 0.'
            )
        pose = rigid_matrix(self.T_world_camera, 'T_world_camera', 'camera')
        object.__setattr__(self, 'width', int(self.width))
        object.__setattr__(self, 'height', int(self.height))
        object.__setattr__(self, 'K', K)
        object.__setattr__(self, 'T_world_camera', pose)
        object.__setattr__(self, 'distortion', _coefficients(self.distortion))

    @property
    def T_camera_world(self) -> np.ndarray:
        """float64, (4, 4), world to camera."""
        return np.linalg.inv(self.T_world_camera)

    @property
    def center(self) -> np.ndarray:
        """float64, (3,), where the camera stands."""
        return self.T_world_camera[:3, 3]

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same image at another size."""
        sx, sy = width / self.width, height / self.height
        K = self.K.copy()
        # Scaling keeps the corners of the image in place, half a pixel outside the first centre.
        K[0] *= sx
        K[1] *= sy
        K[0, 2] += 0.5 * sx - 0.5
        K[1, 2] += 0.5 * sy - 0.5
        return dataclasses.replace(self, width=width, height=height, K=K)

    def moved(self, T: ArrayLike) -> Camera:
        """The camera in another world frame; ``T`` is rigid, (4, 4), old world to new world.

        Raises:
            SceneError: ``T`` is no rigid motion.
        """
        T = rigid_matrix(T, 'T', 'camera')
        return dataclasses.replace(self, T_world_camera=T @ self.T_world_camera)

    def without_distortion(self) -> Camera:
        """The pinhole camera with the same K."""
        return dataclasses.replace(self, distortion=None)

    def project(self, points: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """World points to pixels.

        Args:
            points: (N, 3), world, metres.

        Returns:
            Pixels float64 (N, 2), x then y, which may lie outside the image, and depth float64
            (N,), metres along the optical axis. Pixels are NaN for points that are not in front of
            the camera and for those so far aside that the distortion is not defined there.
        """
        points = np.asarray(points, dtype=np.float64)
        T = self.T_camera_world
        local = points @ T[:3, :3].T + T[:3, 3]
        depth = local[:, 2].copy()
        with np.errstate(divide='ignore', invalid='ignore'):
            plane = np.where(depth[:, None] > 0, local[:, :2] / depth[:, None], np.nan)
        return self.to_pixels(plane), depth

    def to_pixels(self, plane: np.ndarray) -> np.ndarray:
        """Pixels of points x/z, y/z of the plane at depth 1; float64 (..., 2)."""
        if self.distortion is not None:
            plane = _distort(plane, self.distortion)[0]
        x = self.K[0, 0] * plane[..., 0] + self.K[0, 1] * plane[..., 1] + self.K[0, 2]
        return np.stack([x, self.K[1, 1] * plane[..., 1] + self.K[1, 2]], axis=-1)

    def to_plane(self, pixels: ArrayLike) -> np.ndarray:
        """Points x/z, y/z of pixels, distortion undone by Newton's method; float64 (..., 2).

        NaN where no point of the plane lands on the pixel.
        """
        pixels = np.asarray(pixels, dtype=np.float64)
        y = (pixels[..., 1] - self.K[1, 2]) / self.K[1, 1]
        x = (pixels[..., 0] - self.K[0, 2] - self.K[0, 1] * y) / self.K[0, 0]
        target = np.stack([x, y], axis=-1)
        return target if self.distortion is None else _undistort(target, self.distortion)

    def rays(self) -> np.ndarray:
        """Directions of all pixels in the camera frame, float64 (H, W, 3), with z = 1."""
        x, y = np.meshgrid(np.arange(self.width), np.arange(self.height))
        plane = self.to_plane(np.stack([x, y], axis=-1))
        return np.concatenate([plane, np.ones((*plane.shape[:2], 1))], axis=-1)

    def unproject(self, depth: ArrayLike) -> np.ndarray:
        """World points of a depth image.

        Args:
            depth: (H, W), metres along the optical axis; 0 or not finite is no measurement.

        Returns:
            float64, (H, W, 3), NaN where there is none.

        Raises:
            SceneError: the image has another size than the camera.
        """
        depth = np.asarray(depth, dtype=np.float64)
        if depth.shape != (self.height, self.width):
            raise SceneError(
                f'depth has shape {depth.shape}, the camera {(self.height, self.width)}. '
                'Use the camera of the depth image, or camera.resized(width, height).'
            )
        depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
        local = self.rays() * depth[..., None]
        return local @ self.T_world_camera[:3, :3].T + self.T_world_camera[:3, 3]


def rigid_matrix(values: ArrayLike, field: str, where: str) -> np.ndarray:
    """float64, (4, 4): a rotation and a translation.

    Raises:
        SceneError: it has another shape or last row, is not finite, scales, shears or mirrors.
    """
    pose = fixed_matrix(values, (4, 4), field, where)
    turn = pose[:3, :3]
    with np.errstate(over='ignore', invalid='ignore'):
        error = np.abs(turn @ turn.T - np.eye(3)).max()
        is_turn = error <= RIGID_TOLERANCE and np.linalg.det(turn) > 0
    if not is_turn or not np.allclose(pose[3], (0, 0, 0, 1), atol=1e-6):
        raise SceneError(
            f'{where}: {field} is {pose.tolist()}, expected a rigid motion. It scales, mirrors or '
            'shears; check the order of its numbers and whether it is inverted.'
        )
    return pose


def _coefficients(values: ArrayLike | None) -> np.ndarray | None:
    """k1, k2, p1, p2, k3, or None where all are 0."""
    if values is None:
        return None
    try:
        given = np.asarray(values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise SceneError(f'camera: distortion {values!r} is not numbers ({error}).') from error
    if len(given) not in (4, 5) or not np.isfinite(given).all():
        raise SceneError(
            f'camera: distortion is {given.tolist()}, expected 4 or 5 finite numbers, k1 k2 p1 p2 '
            '[k3]. Other models (fisheye, rational) are not supported: undistort the images.'
        )
    return np.append(given, np.zeros(5 - len(given))) if given.any() else None


def _fold(k: np.ndarray) -> float:
    """Squared radius up to which distortion grows; beyond it two points share a pixel."""
    roots = np.roots([7 * k[4], 5 * k[1], 3 * k[0], 1.0])
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(real.min()) if len(real) else np.inf


def _distort(plane: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distorted points and the 2 x 2 derivative as its three different entries (xx, xy, yy)."""
    x, y = plane[..., 0], plane[..., 1]
    k1, k2, p1, p2, k3 = k
    with np.errstate(over='ignore', invalid='ignore'):
        r2 = x * x + y * y
        r2 = np.where(r2 < _fold(k), r2, np.nan)
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        slope = k1 + r2 * (2 * k2 + 3 * k3 * r2)
        out_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        out_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        xx = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
        xy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
        yy = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
    return np.stack([out_x, out_y], axis=-1), np.stack([xx, xy, yy])


def _undistort(target: np.ndarray, k: np.ndarray) -> np.ndarray:
    plane = target.copy()
    # A start beyond the fold would never come back.
    radius = np.linalg.norm(plane, axis=-1, keepdims=True)
    limit = 0.95 * np.sqrt(_fold(k))
    plane *= np.minimum(1.0, limit / np.maximum(radius, 1e-12))
    error = np.full(plane.shape, np.inf)
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        for _ in range(_NEWTON_STEPS):
            value, (xx, xy, yy) = _distort(plane, k)
            error = value - target
            if not np.nanmax(np.abs(error), initial=0.0) > _CONVERGED:
                break
            det = xx * yy - xy * xy
            step_x = (yy * error[..., 0] - xy * error[..., 1]) / det
            step_y = (xx * error[..., 1] - xy * error[..., 0]) / det
            plane = plane - np.stack([step_x, step_y], axis=-1)
        error = _distort(plane, k)[0] - target
        found = (np.abs(error) <= 10 * _CONVERGED).all(axis=-1, keepdims=True)
    return np.where(found, plane, np.nan)
