"""Boxes of MMDetection3D as rows of numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ['boxes_to_ours', 'boxes_to_theirs']


def boxes_to_ours(boxes: Any) -> tuple[Tensor, dict] | None:
    """Centre, full size, yaw about z, then further columns such as a velocity.

    Theirs stand on the middle of their lower face; both measure yaw counter-clockwise from x.

    Args:
        boxes: ``DepthInstance3DBoxes`` or ``LiDARInstance3DBoxes``; of others (camera boxes, whose
            height is not along z) None comes back.

    Returns:
        float32, (B, 7 or more), metres and radians, and what :func:`boxes_to_theirs` needs.
    """
    from mmdet3d.structures import DepthInstance3DBoxes, LiDARInstance3DBoxes

    if not isinstance(boxes, (DepthInstance3DBoxes, LiDARInstance3DBoxes)):
        return None
    rows = boxes.tensor.detach().cpu().clone()
    rows[:, 2] += rows[:, 5] / 2
    return rows, {'type': type(boxes).__name__, 'with_yaw': boxes.with_yaw}


def boxes_to_theirs(rows: Tensor, kind: dict | None) -> Any:
    """The other way; without ``kind``, depth boxes with a yaw."""
    from mmdet3d import structures

    kind = kind or {'type': 'DepthInstance3DBoxes', 'with_yaw': True}
    rows = torch.as_tensor(rows).clone()
    rows[:, 2] -= rows[:, 5] / 2
    return getattr(structures, kind['type'])(rows, box_dim=rows.shape[1], with_yaw=kind['with_yaw'])
