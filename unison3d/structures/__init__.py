"""Containers that hold their own invariants: scenes, prompts, masks, samples."""

from unison3d.structures.box import Box, points_in_boxes
from unison3d.structures.camera import Camera
from unison3d.structures.frame_set import Frame, FrameSet, read_frames
from unison3d.structures.instance_masks import InstanceMasks
from unison3d.structures.label_space import LABEL_SPACES, S3DIS, SCANNET20, SCANNET200, LabelSpace
from unison3d.structures.point_scene import PointScene
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
    'points_in_boxes',
    'read_frames',
]
