"""One posed image, and the points of a scene that it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.errors import SceneError
from unison3d.structures.camera import Camera
from unison3d.structures.frame_set import Frame

#: Metres, and share of the distance, that a point may lie behind the measured depth. Depth cameras
#: are off by about a hundredth of the distance, and points of a fused mesh by half a voxel.
DEPTH_SLACK = (0.05, 0.02)


@dataclass(frozen=True, eq=False)
class View:
    """One posed image with its depth.

    Args:
        image: (H, W, 3) uint8 colours, or (H, W) numbers of things that were rendered.
        depth: float32, metres along the optical axis, 0 is none; of any size.
        camera: of the image.
        depth_camera: of the depth image; the camera of the image if None.

    Raises:
        SceneError: an image of another size than its camera.
    """

    image: np.ndarray
    depth: np.ndarray
    camera: Camera
    depth_camera: Camera | None = None

    def __post_init__(self) -> None:
        if self.depth_camera is None:
            object.__setattr__(self, 'depth_camera', self.camera)
        pairs = (('image', self.image, self.camera), ('depth', self.depth, self.depth_camera))
        for what, array, camera in pairs:
            if array.shape[:2] != (camera.height, camera.width):
                raise SceneError(
                    f'View: {what} has {array.shape[:2]} rows and columns, its camera '
                    f'{(camera.height, camera.width)}. Use camera.resized(width, height).'
                )

    @classmethod
    def from_frame(cls, frame: Frame) -> View:
        """Read the images of a frame of a capture.

        Raises:
            SceneError: the frame has no colour or no depth image.
            FileFormatError: an image is missing or damaged.
        """
        return cls(frame.read_color(), frame.read_depth(), frame.camera, frame.depth_camera)


def visible_points(points: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Which points an image shows: inside it, and not behind what its depth image measured.

    Args:
        points: (N, 3), world, metres.
        view: the image.

    Returns:
        bool (N,), and float64 (N, 2) pixels of the image, x then y, NaN behind the camera. A point
        where no depth was measured counts as hidden.
    """
    at, distance = view.depth_camera.project(points)
    rows, columns, inside = _cells(at, view.depth_camera)
    measured = np.zeros(len(points))
    measured[inside] = view.depth[rows, columns]
    slack = DEPTH_SLACK[0] + DEPTH_SLACK[1] * distance
    shown = (measured > 0) & (np.abs(distance - measured) <= slack)
    pixels = at
    if view.depth_camera is not view.camera:
        pixels = view.camera.project(points)[0]
        shown &= _cells(pixels, view.camera)[2]
    return shown, pixels


def _cells(pixels: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of those inside the image, and bool (N,) which they are."""
    with np.errstate(invalid='ignore'):
        # Pixel centres are whole numbers, so the image begins half a pixel before the first.
        inside = (pixels >= -0.5).all(axis=1)
        inside &= (pixels[:, 0] < camera.width - 0.5) & (pixels[:, 1] < camera.height - 0.5)
    cells = np.floor(pixels[inside] + 0.5).astype(np.int64)
    return cells[:, 1], cells[:, 0], inside
