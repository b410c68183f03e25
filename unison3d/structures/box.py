"""Boxes that a user, or a data transform, draws around objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """A box around an object, or around the part of it that the scan shows.

    Attributes:
        center: x, y, z in the coordinates of the file the user opened, in its unit: metres,
            unless the file was opened with a scale.
        size: full length of the edges along the box's own x, y and z, same unit, above 0.
        yaw: radians, counter-clockwise about z seen from above.
        object: index of the object the box belongs to; clicks may share it.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0
    object: int = 0


def points_in_boxes(points: Tensor, boxes: Tensor, margin: float = 0.0) -> Tensor:
    """Which points lie in which boxes, faces included.

    Args:
        points: float, (N, 3).
        boxes: float, (B, 7): centre x, y, z, size x, y, z, yaw in radians about z.
        margin: added on every side.

    Returns:
        bool, (B, N).
    """
    if len(boxes) == 0:
        return torch.zeros(0, len(points), dtype=torch.bool, device=points.device)
    offset = points[None] - boxes[:, None, :3]
    cos, sin = boxes[:, 6, None].cos(), boxes[:, 6, None].sin()
    along_x = cos * offset[..., 0] + sin * offset[..., 1]
    along_y = cos * offset[..., 1] - sin * offset[..., 0]
    local = torch.stack([along_x, along_y, offset[..., 2]], dim=2).abs()
    return (local <= boxes[:, None, 3:6] / 2 + margin).all(dim=2)
