"""Datasets and their transforms."""

from unison3d.datasets.rooms import write_rooms
from unison3d.datasets.scene_dataset import SceneDataset
from unison3d.datasets.scene_folder import SceneFolderDataset
from unison3d.datasets.synth_rooms import SynthRoomsDataset
from unison3d.datasets.transforms import *  # noqa: F403

__all__ = ['SceneDataset', 'SceneFolderDataset', 'SynthRoomsDataset', 'write_rooms']
