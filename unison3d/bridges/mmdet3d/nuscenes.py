"""LiDAR segmentation of nuScenes, which MMDetection3D 1.4 has no data set class for."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet3d.datasets import Seg3DDataset

from unison3d.registry import DATASETS

__all__ = ['NuScenesLidarSegDataset']

# Raw class of lidarseg by challenge class; those left out count as noise.
_MEMBERS = {
    'barrier': (9,),
    'bicycle': (14,),
    'bus': (15, 16),
    'car': (17,),
    'construction_vehicle': (18,),
    'motorcycle': (21,),
    'pedestrian': (2, 3, 4, 6),
    'traffic_cone': (12,),
    'trailer': (22,),
    'truck': (23,),
    'driveable_surface': (24,),
    'other_flat': (25,),
    'sidewalk': (26,),
    'terrain': (27,),
    'manmade': (28,),
    'vegetation': (30,),
}
_NUM_RAW = 32


@DATASETS.register_module()
class NuScenesLidarSegDataset(Seg3DDataset):
    """The 16 classes of the nuScenes-lidarseg challenge; everything else is noise (16).

    Infos are those of ``create_data.py nuscenes`` with ``pts_semantic_mask_path`` per sample, the
    ``*_lidarseg.bin`` of its key frame (uint8 per point: ``seg_3d_dtype='np.uint8'``).

    Args:
        metainfo: see ``Seg3DDataset``.
        data_prefix: folders of points and labels below ``data_root``; none by default.
        **kwargs: of ``Seg3DDataset``.

    Source:
        nuScenes devkit, ``eval/lidarseg`` (Apache-2.0).
    """

    METAINFO = {
        'classes': tuple(_MEMBERS),
        'palette': [
            [255, 120, 50], [255, 192, 203], [255, 255, 0], [0, 150, 245], [0, 255, 255],
            [255, 127, 0], [255, 0, 0], [255, 240, 150], [135, 60, 0], [160, 32, 240],
            [255, 0, 255], [139, 137, 137], [75, 0, 75], [150, 240, 80], [230, 230, 250],
            [0, 175, 0],
        ],
        'seg_valid_class_ids': tuple(range(len(_MEMBERS))),
        'seg_all_class_ids': tuple(range(_NUM_RAW)),
    }  # fmt: skip

    def __init__(
        self, metainfo: dict | None = None, data_prefix: dict | None = None, **kwargs: Any
    ) -> None:
        metainfo = {'classes': self.METAINFO['classes'], **(metainfo or {})}
        prefix = {'pts': '', 'pts_semantic_mask': '', **(data_prefix or {})}
        super().__init__(metainfo=metainfo, data_prefix=prefix, **kwargs)

    def get_seg_label_mapping(self, metainfo: dict | None = None) -> np.ndarray:
        """int64, (32,): challenge class of each raw class."""
        mapping = np.full(_NUM_RAW, len(_MEMBERS), dtype=np.int64)
        for label, raw in enumerate(_MEMBERS.values()):
            mapping[list(raw)] = label
        return mapping
