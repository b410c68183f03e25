"""Points to voxels and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unison3d.errors import SceneError
from unison3d.sparse.keys import check_coordinate_range, pack_coordinates, unpack_coordinates


@dataclass(frozen=True)
class Voxels:
    """Occupied voxels of a batch.

    Attributes:
        coordinates: int32, (V, 4) rows ``[batch, x, y, z]``, sorted.
        point_to_voxel: int64, (N,). Row of the voxel that holds each point.
    """

    coordinates: Tensor
    point_to_voxel: Tensor

    @property
    def num_voxels(self) -> int:
        """Number of occupied voxels, V."""
        return len(self.coordinates)

    def spatial_shape(self, minimum: int = 1, multiple: int = 1) -> tuple[int, int, int]:
        """Grid that holds every voxel, at least ``minimum`` and a multiple of ``multiple``."""
        if self.num_voxels == 0:
            extent = [0, 0, 0]
        else:
            extent = (self.coordinates[:, 1:].amax(dim=0) + 1).tolist()
        sizes = (max(n, minimum) for n in extent)
        return tuple(-(-n // multiple) * multiple for n in sizes)


def voxelize(indices: Tensor, batch_ids: Tensor | None = None) -> Voxels:
    """Group points by voxel.

    Args:
        indices: int, (N, 3). Voxel index of each point.
        batch_ids: int, (N,). Scene of each point; all zero if omitted.

    Raises:
        SceneError: indices are no integers (N, 3), do not fit the key (see
            :mod:`unison3d.sparse.keys`), or are not as many as the batch ids.
    """
    if indices.ndim != 2 or indices.shape[1] != 3 or indices.is_floating_point():
        raise SceneError(
            f'voxel indices are {indices.dtype} of shape {tuple(indices.shape)}, expected integers '
            '(N, 3). Divide points by the voxel size and floor them first.'
        )
    if batch_ids is None:
        batch_ids = indices.new_zeros(len(indices))
    if batch_ids.shape != indices.shape[:1]:
        raise SceneError(
            f'{len(indices)} voxel indices and batch ids of shape {tuple(batch_ids.shape)}, '
            'expected one per point'
        )
    coordinates = torch.cat([batch_ids[:, None].to(indices.dtype), indices], dim=1)
    check_coordinate_range(coordinates)
    keys, point_to_voxel = torch.unique(pack_coordinates(coordinates), return_inverse=True)
    return Voxels(unpack_coordinates(keys), point_to_voxel)
