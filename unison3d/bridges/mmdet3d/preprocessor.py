"""Voxels for MMDetection3D's MinkUNet on any device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor
from torch import Tensor

from unison3d.registry import MODELS

__all__ = ['MinkUNetPreprocessor']


@MODELS.register_module()
class MinkUNetPreprocessor(Det3DDataPreprocessor):
    """``Det3DDataPreprocessor`` whose ``voxel_type='minkunet'`` also works without a GPU.

    The original moves the numbers of its voxels to a CUDA device, whatever device the points are
    on. Voxels, their order and the point that stands for each are the same; which voxels stay where
    there are more than ``max_voxels`` is drawn from numpy's generator as there.
    """

    @torch.no_grad()
    def voxelize(self, points: Sequence[Tensor], data_samples: list) -> dict[str, Tensor]:
        """Voxels of a batch; see the original."""
        if self.voxel_type != 'minkunet':
            return super().voxelize(points, data_samples)
        voxels, coordinates = [], []
        size = points[0].new_tensor(self.voxel_layer.voxel_size)
        for scene, (rows, sample) in enumerate(zip(points, data_samples, strict=True)):
            cells = torch.round(rows[:, :3] / size).int()
            cells -= cells.amin(dim=0)
            first, inverse = self.sparse_quantize(
                cells.cpu().numpy(), return_index=True, return_inverse=True
            )
            if self.training and self.max_voxels is not None and len(first) > self.max_voxels:
                first = np.random.choice(first, self.max_voxels, replace=False)  # noqa: NPY002
            first = torch.from_numpy(first).to(rows.device)
            truth = getattr(sample, 'gt_pts_seg', None)
            if truth is not None and 'pts_semantic_mask' in truth:
                truth.voxel_semantic_mask = truth.pts_semantic_mask[first]
            pad = (1, 0) if self.batch_first else (0, 1)
            cells = F.pad(cells[first], pad, mode='constant', value=scene)
            sample.batch_idx = cells[:, 0 if self.batch_first else -1]
            sample.point2voxel_map = torch.from_numpy(inverse.reshape(-1)).long().to(rows.device)
            voxels.append(rows[first])
            coordinates.append(cells)
        return {'voxels': torch.cat(voxels), 'coors': torch.cat(coordinates)}
