"""From points to the voxels of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from unison3d.errors import ConfigError, SceneError
from unison3d.models.scene_batch import SceneBatch
from unison3d.registry import MODELS
from unison3d.sparse import SparseTensor, Voxels, scatter_mean, voxelize

# Channels each point feature contributes.
POINT_FEATURES = {
    **{'color': 3, 'has_color': 1, 'xyz': 3, 'centered_xyz': 3},
    **{'height': 1, 'verticality': 1, 'intensity': 1},
}
# A tile begins at a multiple of so many voxels, so that networks of up to six halvings see the grid
# of the whole scene.
COARSEST_STRIDE = 64


@MODELS.register_module()
class ScenePreprocessor(BaseDataPreprocessor):
    """Voxelise a list of scenes into one :class:`SceneBatch`.

    Args:
        voxel_size: metres.
        point_features: channels of a point, in this order, averaged per voxel:

            - ``color``: red, green, blue in [-1, 1], or by ``color_mean`` and ``color_std``; zero
              where the scan has no colour.
            - ``xyz``: metres as the points have them, which is from the sensor in a LiDAR sweep.
            - ``centered_xyz``: metres relative to the mean of the scene's points.
            - ``has_color``: 1, or 0 where the scan has no colour.
            - ``height``: metres above the floor (1st percentile of z).
            - ``verticality``: absolute z component of the surface normal, in [0, 1].
            - ``intensity``: of the return of a LiDAR, as the scan has it.

            The published model uses ``('color', 'centered_xyz')``.
        min_spatial_shape: smallest edge of the grid, in voxels.
        spatial_multiple: the grid is rounded up to a multiple of this. With ``2 ** levels`` no
            voxel is lost on the way down and a scene gives the same result alone and in a
            batch; 1 is the published rule, which drops the last plane of an odd axis.
        reciprocal: multiply by ``1 / voxel_size`` in float32 instead of dividing, which is what
            the published code computes on CUDA; matters for points exactly on a voxel border.
        color_mean: of red, green and blue in [0, 1], taken off before dividing by ``color_std``
            (OneFormer3D on ScanNet200). None with None maps [0, 1] to [-1, 1].
        color_std: see ``color_mean``.
        shift_to_minimum: count voxels from the lowest point of the scene on every axis. False
            counts from the origin of the coordinates, so that indices can be negative and there
            is no grid: for the Minkowski family alone (OneFormer3D on ScanNet200).
        keys: what the decoder looks at: ``'superpoints'``, or ``'voxels'``, which then stand in for
            them everywhere (OneFormer3D on S3DIS). Superpoints of the inputs are not used then.
        non_blocking: passed on to the copies to the device.
    """

    def __init__(
        self,
        voxel_size: float = 0.02,
        point_features: Sequence[str] = ('color', 'centered_xyz'),
        min_spatial_shape: int = 128,
        spatial_multiple: int = 16,
        reciprocal: bool = False,
        color_mean: Sequence[float] | None = None,
        color_std: Sequence[float] | None = None,
        shift_to_minimum: bool = True,
        keys: Literal['superpoints', 'voxels'] = 'superpoints',
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        unknown = [name for name in point_features if name not in POINT_FEATURES]
        if unknown:
            raise ConfigError(
                f'point_features has unknown entries {unknown}; choose from {list(POINT_FEATURES)}'
            )
        if (color_mean is None) != (color_std is None) or min(color_std or [1.0]) <= 0:
            raise ConfigError(
                f'color_mean is {color_mean}, color_std {color_std}; give both, three numbers '
                'each, std above 0, or neither'
            )
        if keys not in ('superpoints', 'voxels'):
            raise ConfigError(f"keys is {keys!r}, expected 'superpoints' or 'voxels'")
        self.color_mean = color_mean
        self.color_std = color_std
        self.shift_to_minimum = shift_to_minimum
        self.keys = keys
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
                ``superpoints`` int64 (N,) dense ids, ``intensity`` float32 (N, 1) where the model
                is given it, optionally ``elastic_points`` (N, 3) in
                metres, which then decide the voxel of each point, or ``elastic_coords`` (N, 3) in
                voxel units, as the published transforms have them; ``data_samples`` optional. Of a
                tile of a larger scene also ``grid_origin`` (3,), the lowest corner of all of the
                scene, and ``floor`` (), its height in metres: voxels, in all strides, and heights
                are then those of the whole.
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
        indices, features, batch_ids, floors = [], [], [], []
        for scene in range(num_scenes):
            scene_inputs = {name: values[scene] for name, values in inputs.items()}
            points = scene_inputs['points']
            indices.append(self._voxel_indices(scene_inputs))
            floors.append(scene_inputs.get('floor', _floor_height(points)))
            features.append(self._point_features(scene_inputs, floors[-1]))
            batch_ids.append(indices[-1].new_full((len(points),), scene))
        batch_index = torch.cat(batch_ids)
        voxels = voxelize(torch.cat(indices), batch_index)
        if self.keys == 'voxels':
            all_superpoints = _voxels_of_scenes(voxels, [len(ids) for ids in batch_ids])
        else:
            all_superpoints = list(inputs['superpoints'])
        num_superpoints, offsets, positions = [], [], []
        total = 0
        for points, superpoints, floor in zip(
            inputs['points'], all_superpoints, floors, strict=True
        ):
            count = int(superpoints.max()) + 1 if len(superpoints) else 0
            offsets.append(superpoints + total)
            total += count
            num_superpoints.append(count)
            positions.append(_superpoint_positions(points, superpoints, count, floor))
        tensor = SparseTensor(
            scatter_mean(torch.cat(features), voxels.point_to_voxel, voxels.num_voxels),
            voxels.coordinates,
            voxels.spatial_shape(self.min_spatial_shape, self.spatial_multiple)
            if self.shift_to_minimum
            else None,
            num_scenes,
        )
        return SceneBatch(
            voxels=tensor,
            point_to_voxel=voxels.point_to_voxel,
            point_to_superpoint=torch.cat(offsets),
            superpoints=all_superpoints,
            num_superpoints=num_superpoints,
            positions=positions,
            points=list(inputs['points']),
        )

    def _voxel_indices(self, scene: dict[str, Tensor]) -> Tensor:
        points = scene.get('elastic_coords', scene.get('elastic_points', scene['points']))
        if len(points) == 0:
            return torch.zeros((0, 3), dtype=torch.int64, device=points.device)
        if 'grid_origin' in scene and self.shift_to_minimum:
            return self._aligned(self._floored(points - scene['grid_origin']))
        shifted = points - points.amin(dim=0) if self.shift_to_minimum else points
        if 'elastic_coords' in scene:
            return shifted.floor().to(torch.int64)
        return self._floored(shifted)

    def _floored(self, shifted: Tensor) -> Tensor:
        if self.reciprocal:
            factor = (1.0 / torch.tensor(self.voxel_size, dtype=torch.float32)).to(shifted.device)
            return (shifted * factor).floor().to(torch.int64)
        return (shifted / self.voxel_size).floor().to(torch.int64)

    @staticmethod
    def _aligned(indices: Tensor) -> Tensor:
        """Moved near zero by whole cells of the coarsest grid."""
        low = indices.amin(dim=0)
        return indices - torch.div(low, COARSEST_STRIDE, rounding_mode='floor') * COARSEST_STRIDE

    def _point_features(self, scene: dict[str, Tensor], floor: Tensor) -> Tensor:
        points = scene['points']
        has_color = scene.get('has_color')
        has_color = points.new_ones(()) if has_color is None else has_color.to(points.dtype)
        columns = []
        for name in self.point_features:
            if name == 'color':
                columns.append(self._normalized(scene['colors']) * has_color)
            elif name == 'xyz':
                columns.append(points)
            elif name == 'centered_xyz':
                columns.append(points - points.mean(dim=0) if len(points) else points)
            elif name == 'has_color':
                columns.append(has_color.expand(len(points), 1))
            elif name == 'height':
                columns.append(points[:, 2:] - floor)
            elif name == 'verticality':
                columns.append(scene['normals'][:, 2:].abs())
            elif name == 'intensity':
                if 'intensity' not in scene:
                    raise SceneError(
                        'the model is given intensity (point_features), and a scan has none. Load '
                        'it, or use a model without.'
                    )
                columns.append(scene['intensity'])
        return torch.cat(columns, dim=1)

    def _normalized(self, colors: Tensor) -> Tensor:
        if self.color_mean is None:
            return colors * 2 - 1
        return (colors - colors.new_tensor(self.color_mean)) / colors.new_tensor(self.color_std)


def _voxels_of_scenes(voxels: Voxels, num_points: Sequence[int]) -> list[Tensor]:
    """Voxel of every point, numbered from 0 in each scene."""
    of_points = voxels.point_to_voxel.split(list(num_points))
    # Voxels are sorted by scene, and every voxel has a point.
    return [ids - ids.min() if len(ids) else ids for ids in of_points]


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
