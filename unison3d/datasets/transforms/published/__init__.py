"""The transforms of the published systems, on samples with the published field names.

A sample enters as :class:`~unison3d.datasets.processed_dataset.ProcessedSegDataset` gives it with
``fields='published'``. Each transform with a ``profile`` does what it should by default
(``'corrected'``) and what the published code does with ``'published'``; docs/transforms.md lists
every difference.
"""

from unison3d.datasets.transforms.published.annotations import AddSuperPointAnnotations
from unison3d.datasets.transforms.published.clicks import AddClickPrompts
from unison3d.datasets.transforms.published.elastic import AddElasticCoords
from unison3d.datasets.transforms.published.load import LoadPointLabels, LoadPointTable
from unison3d.datasets.transforms.published.pack import PackPublishedInputs
from unison3d.datasets.transforms.published.pack_scene import PackPublishedScene
from unison3d.datasets.transforms.published.points import (
    FlipPoints,
    MapClasses,
    NormalizePointColors,
    RotateScaleTranslate,
    SamplePointTable,
)
from unison3d.datasets.transforms.published.texts import AddTextPrompts

__all__ = [
    'AddClickPrompts',
    'AddElasticCoords',
    'AddSuperPointAnnotations',
    'AddTextPrompts',
    'FlipPoints',
    'LoadPointLabels',
    'LoadPointTable',
    'MapClasses',
    'NormalizePointColors',
    'PackPublishedInputs',
    'PackPublishedScene',
    'RotateScaleTranslate',
    'SamplePointTable',
]
