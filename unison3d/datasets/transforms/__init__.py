"""Transforms of training and test samples, from arrays to model inputs."""

from unison3d.datasets.transforms.boxes import SampleBoxes
from unison3d.datasets.transforms.clicks import SampleClicks
from unison3d.datasets.transforms.color import ColorAugment
from unison3d.datasets.transforms.crop import CropScene
from unison3d.datasets.transforms.elastic import ElasticDistortion
from unison3d.datasets.transforms.geometry import (
    JitterPoints,
    RandomFlip,
    RandomRotate,
    RandomScale,
)
from unison3d.datasets.transforms.mix import MixScenes
from unison3d.datasets.transforms.pack import PackScene
from unison3d.datasets.transforms.paste import PasteObjects
from unison3d.datasets.transforms.published import *  # noqa: F403
from unison3d.datasets.transforms.sample_points import SamplePoints
from unison3d.datasets.transforms.sentences import SampleSentences
from unison3d.datasets.transforms.superpoint_targets import SuperpointTargets
from unison3d.datasets.transforms.withhold import WithholdClasses

__all__ = [
    'ColorAugment',
    'CropScene',
    'ElasticDistortion',
    'JitterPoints',
    'MixScenes',
    'PackScene',
    'PasteObjects',
    'RandomFlip',
    'RandomRotate',
    'RandomScale',
    'SampleBoxes',
    'SampleClicks',
    'SamplePoints',
    'SampleSentences',
    'SuperpointTargets',
    'WithholdClasses',
]
