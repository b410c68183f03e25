"""The active voxels of every level of a scene, and what is derived from them once."""

from __future__ import annotations

import torch
from torch import Tensor

from unison3d.errors import SceneError
from unison3d.sparse.keys import (
    check_coordinate_range,
    pack_coordinates,
    scale_keys,
    unpack_coordinates,
)

Shape3 = tuple[int, int, int]


class SortedKeys:
    """Voxels in the order of their keys, and the way back to the rows of the user.

    Args:
        keys: int64, (V,), strictly increasing.
        order: int32, (V,). Row of the user for each key; None if rows are sorted already.
    """

    def __init__(self, keys: Tensor, order: Tensor | None = None) -> None:
        self.keys = keys
        self.order = order
        self.ranks: Tensor | None = None
        if order is not None:
            self.ranks = torch.empty_like(order)
            self.ranks[order.long()] = torch.arange(
                len(order), dtype=order.dtype, device=order.device
            )

    @classmethod
    def of(cls, coordinates: Tensor) -> SortedKeys:
        """Sort voxels.

        Raises:
            SceneError: a voxel occurs twice.
        """
        keys = pack_coordinates(coordinates)
        # Looking first saves the sort in the usual case; a GPU would have to be waited for.
        if keys.device.type == 'cpu' and bool((keys[1:] > keys[:-1]).all()):
            return cls(keys)
        keys, order = torch.sort(keys)
        if bool((keys[1:] == keys[:-1]).any()):
            twice = keys[1:][keys[1:] == keys[:-1]][:1]
            raise SceneError(
                f'voxel {unpack_coordinates(twice)[0].tolist()} (batch, x, y, z) occurs more than '
                'once. Merge points of one voxel first, see unison3d.sparse.voxelize.'
            )
        return cls(keys, order.to(torch.int32))

    def __len__(self) -> int:
        return len(self.keys)

    def scaled_keys(self, stride: int) -> Tensor:
        """Keys of the voxels with every axis multiplied by ``stride``; still increasing."""
        return self.keys if stride == 1 else scale_keys(self.keys, stride)

    def rows(self, places: Tensor) -> Tensor:
        """Rows of the user at places of the sorted order."""
        return places if self.order is None else self.order.index_select(0, places.reshape(-1))

    def all_rows(self) -> Tensor:
        """Rows of the user in sorted order, int32 (V,)."""
        if self.order is None:
            return torch.arange(len(self), dtype=torch.int32, device=self.keys.device)
        return self.order


class Level:
    """One set of active voxels.

    Attributes:
        coordinates: int32, (V, 4) rows ``[batch, x, y, z]`` in steps of ``stride`` input voxels.
        stride: edge of one cell in input voxels.
        spatial_shape: cells of the grid per axis; None on an unbounded lattice.
    """

    def __init__(
        self,
        coordinates: Tensor,
        stride: int = 1,
        spatial_shape: Shape3 | None = None,
        sorted_keys: SortedKeys | None = None,
    ) -> None:
        self.coordinates = coordinates
        self.stride = stride
        self.spatial_shape = spatial_shape
        self._sorted_keys = sorted_keys

    def __len__(self) -> int:
        return len(self.coordinates)

    @classmethod
    def from_user(
        cls, coordinates: Tensor, batch_size: int, stride: int, spatial_shape: Shape3 | None
    ) -> Level:
        """Check coordinates that come from outside.

        Raises:
            SceneError: wrong shape or type, a voxel that occurs twice, outside the grid, outside
                the range of keys, or in a batch item that does not exist.
        """
        if coordinates.ndim != 2 or coordinates.shape[1] != 4:
            raise SceneError(
                f'coordinates have shape {tuple(coordinates.shape)}, expected (V, 4) with columns '
                'batch, x, y, z'
            )
        if coordinates.dtype not in (torch.int32, torch.int64):
            raise SceneError(
                f'coordinates are {coordinates.dtype}, expected int32 (or int64). Divide points by '
                'the voxel size and floor them first.'
            )
        lows, largest = check_coordinate_range(coordinates)
        if len(coordinates):
            if largest[0] >= batch_size:
                raise SceneError(
                    f'a voxel belongs to batch item {largest[0]}, expected 0 to {batch_size - 1}'
                )
            smallest = min(lows[1:])
            if spatial_shape is not None and (
                smallest < 0 or any(a >= b for a, b in zip(largest[1:], spatial_shape))
            ):
                raise SceneError(
                    f'voxels run from {smallest} to {largest[1:]}, expected 0 up to below the '
                    f'spatial shape {tuple(spatial_shape)}. Shift them, or give no spatial shape '
                    'for an unbounded lattice.'
                )
        coordinates = coordinates.to(torch.int32)
        level = cls(coordinates, stride, spatial_shape)
        level._sorted_keys = SortedKeys.of(coordinates)
        return level

    @property
    def sorted_keys(self) -> SortedKeys:
        """The voxels in sorted order."""
        if self._sorted_keys is None:
            self._sorted_keys = SortedKeys.of(self.coordinates)
        return self._sorted_keys


def coarsen(level: Level, stride: int) -> Level:
    """Parents on the lattice of ``stride`` steps: ``floor(c / stride)``, also below zero.

    Source:
        Generalised sparse convolution (arXiv:1904.08755), section 3; the lattice is anchored at
        zero, not at the scene.
    """
    parents = _parents(level.coordinates, stride)
    return _unique_level(pack_coordinates(parents), level.stride * stride, None)


def coarsen_in_grid(
    level: Level, kernel_size: int, stride: int, padding: int, dilation: int
) -> Level:
    """Outputs that any input reaches: ``stride * o - padding + dilation * t`` is active for a t.

    The output grid has ``(n + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1`` cells
    per axis, so with a kernel of 2 and a stride of 2 the last plane of an odd axis has no parent.
    """
    reach = dilation * (kernel_size - 1) + 1
    shape = tuple(max((n + 2 * padding - reach) // stride + 1, 0) for n in level.spatial_shape)
    if (kernel_size, padding, dilation) == (stride, 0, 1):
        # Every voxel has one parent at most, on the lattice.
        parents = _parents(level.coordinates, stride)
        inside = (parents[:, 1:] < torch.tensor(shape, device=parents.device)).all(dim=1)
        return _unique_level(pack_coordinates(parents[inside]), level.stride * stride, shape)
    rows = level.coordinates.to(torch.int64)
    for axis in range(1, 4):
        candidates = []
        for t in range(kernel_size):
            shifted = rows[:, axis] + padding - dilation * t
            out = torch.div(shifted, stride, rounding_mode='floor')
            fits = (out * stride == shifted) & (out >= 0) & (out < shape[axis - 1])
            kept = rows[fits]
            kept[:, axis] = out[fits]
            candidates.append(kept)
        rows = torch.cat(candidates)
    return _unique_level(pack_coordinates(rows), level.stride * stride, shape)


def _parents(coordinates: Tensor, stride: int) -> Tensor:
    parents = coordinates.clone()
    parents[:, 1:] = torch.div(coordinates[:, 1:], stride, rounding_mode='floor')
    return parents


def _unique_level(keys: Tensor, stride: int, spatial_shape: Shape3 | None) -> Level:
    keys = torch.unique(keys)
    return Level(unpack_coordinates(keys), stride, spatial_shape, SortedKeys(keys))
