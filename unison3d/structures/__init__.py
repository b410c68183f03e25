"""Containers that hold their own invariants: scenes, prompts, masks, samples."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from unison3d.structures.camera import Camera
from unison3d.structures.frame_set import Frame, FrameSet, read_frames
from unison3d.structures.label_space import (
    LABEL_SPACES,
    S3DIS,
    SCANNET20,
    SCANNET200,
    LabelSpace,
    get_label_space,
)
from unison3d.structures.point_scene import PointScene

if TYPE_CHECKING:
    from unison3d.structures.box import Box, points_in_boxes
    from unison3d.structures.instance_masks import InstanceMasks
    from unison3d.structures.prompts import Click, Prompts
    from unison3d.structures.scene_sample import SceneSample

__all__ = [
    'LABEL_SPACES',
    'S3DIS',
    'SCANNET20',
    'SCANNET200',
    'Box',
    'Camera',
    'Click',
    'Frame',
    'FrameSet',
    'InstanceMasks',
    'LabelSpace',
    'PointScene',
    'Prompts',
    'SceneSample',
    'get_label_space',
    'points_in_boxes',
    'read_frames',
]

# Imported at first use (PEP 562): these hold tensors, and a scan can be read and shown without
# waiting for torch.
_LAZY = {
    'Box': 'box',
    'Click': 'prompts',
    'InstanceMasks': 'instance_masks',
    'Prompts': 'prompts',
    'SceneSample': 'scene_sample',
    'points_in_boxes': 'box',
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module(f'{__name__}.{_LAZY[name]}'), name)
    globals()[name] = value
    return value
