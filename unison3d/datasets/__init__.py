"""Datasets and their transforms."""

from unison3d.datasets.custom_dataset import CustomSegDataset
from unison3d.datasets.processed_dataset import ProcessedSegDataset
from unison3d.datasets.rooms import write_rooms
from unison3d.datasets.s3dis_dataset import S3DISSegDataset
from unison3d.datasets.scannet200_dataset import ScanNet200SegDataset
from unison3d.datasets.scannet_dataset import ScanNetSegDataset
from unison3d.datasets.scene_dataset import SceneDataset
from unison3d.datasets.scene_folder import SceneFolderDataset
from unison3d.datasets.synth_rooms import SynthRoomsDataset
from unison3d.datasets.transforms import *  # noqa: F403

__all__ = [
    'CustomSegDataset',
    'ProcessedSegDataset',
    'S3DISSegDataset',
    'ScanNet200SegDataset',
    'ScanNetSegDataset',
    'SceneDataset',
    'SceneFolderDataset',
    'SynthRoomsDataset',
    'write_rooms',
]
