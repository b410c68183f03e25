"""ScanNet with the 200 classes of its long tail."""

from __future__ import annotations

from unison3d.datasets.processed_dataset import ProcessedSegDataset
from unison3d.registry import DATASETS
from unison3d.structures.label_space import SCANNET200


@DATASETS.register_module()
class ScanNet200SegDataset(ProcessedSegDataset):
    """Processed ScanNet200; semantic ids on disk are those of the ``id`` column of the label table.

    Classes are wall, floor, chair, table, ...: the published swap of chair and floor, which brings
    stuff to the front. What is handed in to the benchmark has to carry
    ``SCANNET200.raw_ids[class]``, which swaps back.
    """

    LABEL_SPACE = SCANNET200.name
