"""ScanNet with its 20 classes."""

from __future__ import annotations

from unison3d.datasets.processed_dataset import ProcessedSegDataset
from unison3d.registry import DATASETS


@DATASETS.register_module()
class ScanNetSegDataset(ProcessedSegDataset):
    """Processed ScanNet v2; semantic ids on disk are NYU40 ids, wall and floor are stuff."""

    LABEL_SPACE = 'scannet20'
