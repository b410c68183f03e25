"""For every mask the images that show most of it, and what to cut out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unison3d.lifting.views import View, visible_points


@dataclass(frozen=True)
class MaskView:
    """An image that shows a mask.

    Attributes:
        view: index of the image.
        num_points: points of the mask that it shows.
        box: first column, first row, last column and last row of these points, all included.
    """

    view: int
    num_points: int
    box: tuple[int, int, int, int]


def best_views(
    points: np.ndarray, masks: np.ndarray, views: Sequence[View], k: int = 5
) -> list[list[MaskView]]:
    """The images that show most points of each mask.

    Args:
        points: (N, 3), world, metres.
        masks: bool, (M, N).
        views: the images; each is used once, in turn.
        k: images per mask.

    Returns:
        Per mask at most ``k``, most points first, earlier images first among equals. Images that
        show none of its points are left out.

    Source:
        The view selection of OpenMask3D (arXiv:2306.13631).
    """
    found: list[list[MaskView]] = [[] for _ in masks]
    members = [np.flatnonzero(mask) for mask in masks]
    for number, view in enumerate(views):
        shown, pixels = visible_points(points, view)
        for own, rows in zip(found, members, strict=True):
            inside = pixels[rows[shown[rows]]]
            if len(inside) == 0:
                continue
            low = np.floor(inside.min(axis=0) + 0.5).astype(int)
            high = np.floor(inside.max(axis=0) + 0.5).astype(int)
            own.append(MaskView(number, len(inside), (*low.tolist(), *high.tolist())))
            own.sort(key=lambda mask_view: -mask_view.num_points)
            del own[k:]
    return found


def crop_boxes(
    box: tuple[int, int, int, int],
    width: int,
    height: int,
    *,
    scales: int = 3,
    growth: float = 0.1,
) -> list[tuple[int, int, int, int]]:
    """Boxes that grow around a box, cut at the borders of the image.

    Args:
        box: first column, first row, last column, last row, all included.
        width: pixels of the image.
        height: likewise.
        scales: number of boxes; the first is the box itself.
        growth: each side moves out by this share of the size of the box, times the number of the
            scale.

    Source:
        The multi-scale crops of OpenMask3D (arXiv:2306.13631), three scales and 0.1.
    """
    left, top, right, bottom = box
    boxes = []
    for scale in range(scales):
        across = int((right - left + 1) * growth * scale)
        down = int((bottom - top + 1) * growth * scale)
        boxes.append(
            (
                max(left - across, 0),
                max(top - down, 0),
                min(right + across, width - 1),
                min(bottom + down, height - 1),
            )
        )
    return boxes
