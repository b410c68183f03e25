"""Oriented boxes around what stands in a room, and whether two of them are in each other's way."""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

from .primitives import Pose, Shape


def footprint(shape: Shape, pose: Pose, grow: float = 0.0) -> np.ndarray:
    """Oriented box (7,): centre x, y, half width, half depth, heading, z low, z high; metres and
    radians."""
    c = (shape.low + shape.high) / 2
    cos, sin = np.cos(pose.yaw), np.sin(pose.yaw)
    half = shape.size / 2
    return np.array(
        [
            pose.x + cos * c[0] - sin * c[1],
            pose.y + sin * c[0] + cos * c[1],
            half[0] + grow,
            half[1] + grow,
            pose.yaw,
            pose.z + shape.low[2],
            pose.z + shape.high[2],
        ]
    )


@kernel
def _apart(delta_x, delta_y, mine, other, c, s):
    """Whether one of the axes of ``mine`` separates two boxes, in which ``other`` is turned by an
    angle of absolute cosine ``c`` and sine ``s``."""
    cos, sin = np.cos(mine[4]), np.sin(mine[4])
    dx, dy = delta_x * cos + delta_y * sin, -delta_x * sin + delta_y * cos
    return (
        abs(dx) >= mine[2] + other[2] * c + other[3] * s
        or abs(dy) >= mine[3] + other[2] * s + other[3] * c
    )


@kernel
def _overlaps(box, boxes, hit):
    for i in range(len(boxes)):
        other = boxes[i]
        if box[5] >= other[6] or other[5] >= box[6]:
            continue
        x, y = other[0] - box[0], other[1] - box[1]
        c, s = abs(np.cos(other[4] - box[4])), abs(np.sin(other[4] - box[4]))
        hit[i] = not _apart(x, y, box, other, c, s) and not _apart(x, y, other, box, c, s)


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Separating-axis test of one oriented box (7,) against many (M, 7); bool (M,)."""
    hit = np.zeros(len(boxes), bool)
    _overlaps(box, boxes, hit)
    return hit


def corners(box: np.ndarray) -> np.ndarray:
    """Corners (4, 2) of an oriented box."""
    c, s = np.cos(box[4]), np.sin(box[4])
    x = np.array([-1, 1, 1, -1]) * box[2]
    y = np.array([-1, -1, 1, 1]) * box[3]
    return np.stack([box[0] + c * x - s * y, box[1] + s * x + c * y], 1)
