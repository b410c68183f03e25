"""Labels of a scan, drawn on a photo of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unison3d.structures import Frame, PointScene
from unison3d.viewer.label_edits import LabelObject

__all__ = ['overlay_labels']

_WIDTH = 480  # pixels of the picture
_STRENGTH = 0.5
#: Points that lie deeper than the surface in front of them by this share, and by this many metres
#: more, are behind it.
_BEHIND_SHARE, _BEHIND = 0.02, 0.05


def overlay_labels(
    frame: Frame,
    scene: PointScene,
    ids: np.ndarray,
    objects: Sequence[LabelObject],
    width: int = _WIDTH,
) -> np.ndarray:
    """The photo with the objects that are in sight.

    Args:
        frame: the photo; without one, the picture is grey.
        scene: the scan.
        ids: int32, (N,). Object of every point, 0 for none.
        objects: those that ``ids`` names; those that are not visible are left out.
        width: pixels of the picture, at most those of the photo.

    Returns:
        uint8, (H, W, 3).

    Raises:
        FileFormatError, SceneError: see :meth:`Frame.read_color`.
    """
    from PIL import Image

    width = min(width, frame.camera.width)
    height = max(round(frame.camera.height * width / frame.camera.width), 1)
    if frame.color is None:
        photo = np.full((height, width, 3), 128, np.uint8)
    else:
        image = Image.fromarray(frame.read_color())
        photo = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    camera = frame.camera.resized(width, height)
    pixels, depth = camera.project(scene.points.astype(np.float64) + scene.origin)
    with np.errstate(invalid='ignore'):
        inside = (depth > 0.05) & (pixels > -0.5).all(axis=1)
        inside &= (pixels[:, 0] < width - 0.5) & (pixels[:, 1] < height - 0.5)
    rows = np.flatnonzero(inside)
    column, row = np.rint(pixels[rows]).astype(np.int64).T
    depth = depth[rows].astype(np.float32)
    owner = _splatted(column, row, depth, ids[rows], (height, width))
    shown = {item.id: item.color for item in objects if item.visible}
    picture = photo.astype(np.float32)
    for number in np.unique(owner).tolist():
        if number in shown:
            mask = owner == number
            color = np.array(shown[number], np.float32)
            picture[mask] = picture[mask] * (1 - _STRENGTH) + color * _STRENGTH
    return np.rint(picture).astype(np.uint8)


def _splatted(
    column: np.ndarray,
    row: np.ndarray,
    depth: np.ndarray,
    ids: np.ndarray,
    shape: tuple[int, int],
) -> np.ndarray:
    """int32, (H, W): object in front at each pixel, 0 for none."""
    height, width = shape
    # Dots of 3 and 5 pixels: enough for scans as sparse as a few points per centimetre.
    reach = 2 if len(depth) < height * width / 4 else 1
    steps = range(-reach, reach + 1)
    nearest = np.full(shape, np.inf, np.float32)
    for dy in steps:
        for dx in steps:
            y, x = row + dy, column + dx
            fits = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            np.minimum.at(nearest, (y[fits], x[fits]), depth[fits])
    in_front = depth <= nearest[row, column] * (1 + _BEHIND_SHARE) + _BEHIND
    column, row, depth, ids = (part[in_front] for part in (column, row, depth, ids))
    # The far ones first, so that the near ones stay.
    order = np.argsort(-depth, kind='stable')
    column, row, ids = column[order], row[order], ids[order]
    owner = np.zeros(shape, np.int32)
    # The middles of the dots last: they are surer than their rims.
    for dy, dx in sorted(
        ((y, x) for y in steps for x in steps), key=lambda s: -abs(s[0]) - abs(s[1])
    ):
        y, x = row + dy, column + dx
        fits = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        owner[y[fits], x[fits]] = ids[fits]
    return owner
