"""Labels of a scan, drawn on a photo of it.

>>> overlay = PhotoOverlay(frame, scene)  # reads the photo and finds what it shows, once
>>> picture = overlay.paint(ids, objects)  # again after every edit
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from unison3d.structures import Camera, Frame, PointScene
from unison3d.viewer._splat import EMPTY, close_gaps, rasterise, splat_sizes
from unison3d.viewer.label_edits import LabelObject

__all__ = ['PhotoOverlay']

_WIDTH = 480  # pixels of the picture
_STRENGTH = 0.5
#: Points in sight that are looked at; more than a picture has pixels tell nothing new.
_MAX_POINTS = 400_000
#: Metres; what is nearer to a camera than that is no surface it was held in front of.
_NEAREST = 0.05
#: Metres, and share of the distance, from a measured place to the nearest point of the scan. Points
#: are a few centimetres apart, and depth is off by a hundredth of the distance.
_REACH = (0.06, 0.02)


class PhotoOverlay:
    """A photo and the point of the scan that each of its pixels shows.

    Where the frame has depth, that is the point nearest to the place that was measured, or none
    where the scan has nothing there. Elsewhere points are drawn as dots as large as their spacing,
    so that near ones hide what lies behind them.

    Args:
        frame: the photo; without one, the picture is grey.
        scene: the scan, in the world frame of the camera.
        width: pixels of the picture, at most those of the photo.

    Raises:
        FileFormatError, SceneError: see :meth:`Frame.read_color` and :meth:`Frame.read_depth`.

    Attributes:
        rows: int64, (H, W), row of the point at each pixel, -1 for none.
    """

    def __init__(self, frame: Frame, scene: PointScene, width: int = _WIDTH) -> None:
        width = min(width, frame.camera.width)
        height = max(round(frame.camera.height * width / frame.camera.width), 1)
        self._photo = _photo(frame, width, height)
        camera = frame.camera.resized(width, height)
        world = scene.world_points
        pixels, depth = camera.project(world)
        margin = 0.05 * width  # points beside the picture have dots that reach into it
        with np.errstate(invalid='ignore'):
            inside = (depth > _NEAREST) & (pixels > -margin).all(axis=1)
            inside &= (pixels < (width + margin, height + margin)).all(axis=1)
        kept = np.flatnonzero(inside)
        kept = kept[:: max(-(-len(kept) // _MAX_POINTS), 1)]
        place = _drawn(camera, scene.points[kept], pixels[kept], depth[kept])
        # Both images from one place, as a reader of captures gives them.
        together = np.array_equal(frame.depth_camera.T_world_camera, frame.camera.T_world_camera)
        if frame.depth is not None and together and len(kept):
            _put_measured(place, frame, camera, world[kept])
        self.rows = np.append(kept, EMPTY)[place]

    def paint(self, ids: np.ndarray, objects: Sequence[LabelObject]) -> np.ndarray:
        """The photo with the objects that are in sight.

        Args:
            ids: int32, (N,). Object of every point of the scan, 0 for none.
            objects: those that ``ids`` names; those that are not visible are left out.

        Returns:
            uint8, (H, W, 3).
        """
        owner = np.append(ids, 0)[self.rows]  # -1, no point, picks the last
        present, which = np.unique(owner, return_inverse=True)
        which = which.reshape(owner.shape)  # flat in older versions of NumPy
        shown = {item.id: item.color for item in objects if item.visible}
        colors = np.array([shown.get(number, (0, 0, 0)) for number in present.tolist()], np.float32)
        strength = np.float32(_STRENGTH) * np.isin(present, list(shown))
        picture = self._photo.astype(np.float32)
        picture += (colors[which] - picture) * strength[which][..., None]
        return np.rint(picture).astype(np.uint8)


@dataclass(frozen=True)
class _Projected:
    """Points as :func:`rasterise` asks a camera for them; column and row from the first corner."""

    column: np.ndarray
    row: np.ndarray
    depth: np.ndarray
    focal: float

    def project(self, points: np.ndarray, shape: tuple[int, int]) -> tuple:
        """What was computed before, distortion included."""
        return self.column, self.row, self.depth, self.focal


def _drawn(camera: Camera, points: np.ndarray, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """int64, (H, W): row of the point in front at each pixel, or EMPTY."""
    column, row = (pixels + 0.5).astype(np.float32).T
    seen = _Projected(column, row, depth.astype(np.float32), float(camera.K[0, 0]))
    shape = (camera.height, camera.width)
    return close_gaps(*rasterise(points, seen, shape, splat_sizes(points)))[0]


def _put_measured(place: np.ndarray, frame: Frame, camera: Camera, points: np.ndarray) -> None:
    """Correct ``place``, rows of ``points``, where the depth image says what is there."""
    measured = frame.read_depth()
    # From one place, a direction has one pixel in each image, however far the surface is.
    pixels = frame.depth_camera.to_pixels(camera.rays()[..., :2])
    height, width = measured.shape
    with np.errstate(invalid='ignore'):
        inside = (pixels >= -0.5).all(axis=-1)
        inside &= (pixels < (width - 0.5, height - 0.5)).all(axis=-1)
    column, row = np.floor(pixels[inside] + 0.5).astype(np.int64).T
    depth = np.zeros(place.shape)
    depth[inside] = measured[row, column]
    known = depth > 0
    distance, nearest = cKDTree(points).query(camera.unproject(depth)[known])
    reach = _REACH[0] + _REACH[1] * depth[known]
    place[known] = np.where(distance <= reach, nearest, EMPTY)


def _photo(frame: Frame, width: int, height: int) -> np.ndarray:
    """uint8, (H, W, 3)."""
    from PIL import Image

    if frame.color is None:
        return np.full((height, width, 3), 128, np.uint8)
    image = Image.fromarray(frame.read_color())
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
