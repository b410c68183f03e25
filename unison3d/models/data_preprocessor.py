"""From points to the voxels of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.models.scene_batch import SceneBatch
from unison3d.registry import MODELS
from unison3d.sparse import SparseTensor, scatter_mean, voxelize

# Channels each point feature contributes.
POINT_FEATURES = {'color': 3, 'centered_xyz': 3, 'has_color': 1, 'height': 1, 'verticality': 1}


@MODELS.register_module()
class ScenePreprocessor(BaseDataPreprocessor):
    """Voxelise a list of scenes into one :class:`SceneBatch`.

    Args:
        voxel_size: metres.
        point_features: channels of a point, in this order, averaged per voxel:

            - ``color``: red, green, blue in [-1, 1]; zero where the scan has no colour.
            - ``centered_xyz``: metres relative to the mean of the scene's points.
            - ``has_color``: 1, or 0 where the scan has no colour.
            - ``height``: metres above the floor (1st percentile of z).
            - ``verticality``: absolute z component of the surface normal, in [0, 1].

            The published model uses ``('color', 'centered_xyz')``.
        min_spatial_shape: smallest edge of the grid, in voxels.
        spatial_multiple: the grid is rounded up to a multiple of this. With ``2 ** levels`` no
            voxel is lost on the way down and a scene gives the same result alone and in a
            batch; 1 is the published rule, which drops the last plane of an odd axis.
        reciprocal: multiply by ``1 / voxel_size`` in float32 instead of dividing, which is what
            the published code computes on CUDA; matters for points exactly on a voxel border.
        non_blocking: passed on to the copies to the device.
    """

    def __init__(
        self,
        voxel_size: float = 0.02,
        point_features: Sequence[str] = ('color', 'centered_xyz'),
        min_spatial_shape: int = 128,
        spatial_multiple: int = 16,
        reciprocal: bool = False,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        unknown = [name for name in point_features if name not in POINT_FEATURES]
        if unknown:
            raise ConfigError(
                f'point_features has unknown entries {unknown}; choose from {list(POINT_FEATURES)}'
            )
        self.voxel_size = voxel_size
        self.point_features = tuple(point_features)
        self.min_spatial_shape = min_spatial_shape
        self.spatial_multiple = spatial_multiple
        self.reciprocal = reciprocal

    @property
    def num_channels(self) -> int:
        """Channels of a voxel."""
        return sum(POINT_FEATURES[name] for name in self.point_features)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Collate.

        Args:
            data: ``inputs`` with one list entry per scene: ``points`` float32 (N, 3), ``colors``
                float32 (N, 3) in [0, 1], ``has_color`` bool, ``normals`` float32 (N, 3),
                ``superpoints`` int64 (N,) dense ids, optionally ``elastic_points`` (N, 3) in
                metres, which then decide the voxel of each point; ``data_samples`` optional.
            training: unused, the rule is the same in both modes.

        Returns:
            ``inputs`` as a :class:`SceneBatch` and ``data_samples``.
        """
        data = self.cast_data(data)
        inputs, samples = data['inputs'], data.get('data_samples')
        return {'inputs': self.collate(inputs), 'data_samples': samples}

    def collate(self, inputs: dict[str, Sequence[Tensor]]) -> SceneBatch:
        """Build the batch; see :meth:`forward` for the fields."""
        num_scenes = len(inputs['points'])
        indices, features, batch_ids, offsets = [], [], [], []
        num_superpoints, positions = [], []
        total = 0
        for scene in range(num_scenes):
            scene_inputs = {name: values[scene] for name, values in inputs.items()}
            points, superpoints = scene_inputs['points'], scene_inputs['superpoints']
            indices.append(self._voxel_indices(scene_inputs.get('elastic_points', points)))
            floor = _floor_height(points)
            features.append(self._point_features(scene_inputs, floor))
            batch_ids.append(torch.full_like(superpoints, scene))
            count = int(superpoints.max()) + 1 if len(superpoints) else 0
            offsets.append(superpoints + total)
            total += count
            num_superpoints.append(count)
            positions.append(_superpoint_positions(points, superpoints, count, floor))
        batch_index = torch.cat(batch_ids)
        voxels = voxelize(torch.cat(indices), batch_index)
        tensor = SparseTensor(
            scatter_mean(torch.cat(features), voxels.point_to_voxel, voxels.num_voxels),
            voxels.coordinates,
            voxels.spatial_shape(self.min_spatial_shape, self.spatial_multiple),
            num_scenes,
        )
        return SceneBatch(
            voxels=tensor,
            point_to_voxel=voxels.point_to_voxel,
            point_to_superpoint=torch.cat(offsets),
            superpoints=list(inputs['superpoints']),
            num_superpoints=num_superpoints,
            positions=positions,
        )

    def _voxel_indices(self, points: Tensor) -> Tensor:
        if len(points) == 0:
            return torch.zeros((0, 3), dtype=torch.int64, device=points.device)
        shifted = points - points.amin(dim=0)
        if self.reciprocal:
            factor = (1.0 / torch.tensor(self.voxel_size, dtype=torch.float32)).to(points.device)
            return (shifted * factor).floor().to(torch.int64)
        return (shifted / self.voxel_size).floor().to(torch.int64)

    def _point_features(self, scene: dict[str, Tensor], floor: Tensor) -> Tensor:
        points = scene['points']
        has_color = scene.get('has_color')
        has_color = points.new_ones(()) if has_color is None else has_color.to(points.dtype)
        columns = []
        for name in self.point_features:
            if name == 'color':
                columns.append((scene['colors'] * 2 - 1) * has_color)
            elif name == 'centered_xyz':
                columns.append(points - points.mean(dim=0) if len(points) else points)
            elif name == 'has_color':
                columns.append(has_color.expand(len(points), 1))
            elif name == 'height':
                columns.append(points[:, 2:] - floor)
            elif name == 'verticality':
                columns.append(scene['normals'][:, 2:].abs())
        return torch.cat(columns, dim=1)


def _floor_height(points: Tensor) -> Tensor:
    """z of the floor in metres: the 1st percentile, which a few stray points do not move."""
    if len(points) == 0:
        return points.new_zeros(())
    rank = max(1, round(0.01 * len(points)))
    return points[:, 2].kthvalue(rank).values


def _superpoint_positions(points: Tensor, superpoints: Tensor, count: int, floor: Tensor) -> Tensor:
    """Centres relative to the middle of the floor, float32 (count, 3).

    The middle lies between the 1st and 99th percentile of x and y, which a few stray points (what
    a scanner sees in a mirror or through a window) do not move.
    """
    if count == 0:
        return points.new_zeros((0, 3))
    rank = max(1, round(0.01 * len(points)))
    low = points.kthvalue(rank, dim=0).values
    high = points.kthvalue(len(points) + 1 - rank, dim=0).values
    centre = (low + high) / 2
    centre[2] = floor
    return scatter_mean(points, superpoints, count) - centre
