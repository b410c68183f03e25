"""Depth without distortion, and the colour that belongs to every depth pixel."""

from __future__ import annotations

import numpy as np

from unison3d.structures.camera import Camera
from unison3d.structures.frame_set import Frame

__all__ = ['color_at_depth', 'pinhole_depth']


def pinhole_depth(camera: Camera, depth: np.ndarray) -> np.ndarray:
    """The depth image of the pinhole camera with the same K; a copy where there is no distortion.

    Every pixel of the result looks up the nearest pixel of the distorted image: depth is not
    interpolated, because between two surfaces lies no third.

    Args:
        camera: of ``depth``.
        depth: float32, (H, W), metres; 0 is none.
    """
    if camera.distortion is None:
        return depth.copy()
    rays = camera.without_distortion().rays()[..., :2]
    return _nearest(depth, camera.to_pixels(rays))[0]


def color_at_depth(frame: Frame, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The colour of every pixel of a depth image.

    Where both images have one camera without distortion, the colour image itself. Else every
    measured point is looked up in the colour image, distortion included.

    Args:
        frame: with both images.
        depth: float32, (H, W), metres, in ``frame.depth_camera`` without its distortion.

    Returns:
        uint8 (H, W, 3), and bool (H, W), whether the colour camera sees the pixel; black where
        not.

    Raises:
        SceneError: the colour image does not fit its camera.
    """
    color = frame.read_color()
    if frame.camera is frame.depth_camera and frame.camera.distortion is None:
        return color, np.ones(depth.shape, dtype=bool)
    points = frame.depth_camera.without_distortion().unproject(depth)
    pixels, _ = frame.camera.project(points.reshape(-1, 3))
    return _nearest(color, pixels.reshape(*depth.shape, 2))


def _nearest(image: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``image`` at the nearest whole pixels and whether it has them, 0 where not.

    Pixels are (..., 2), x then y.
    """
    height, width = image.shape[:2]
    with np.errstate(invalid='ignore'):
        x, y = np.floor(pixels[..., 0] + 0.5), np.floor(pixels[..., 1] + 0.5)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    out = np.zeros((*inside.shape, *image.shape[2:]), image.dtype)
    out[inside] = image[y[inside].astype(np.int64), x[inside].astype(np.int64)]
    return out, inside
