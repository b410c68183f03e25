"""A batch of sparse voxel grids."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from unison3d.sparse.kernel_map import KernelMap, build_strided_map, build_submanifold_map

Shape3 = tuple[int, int, int]


@dataclass
class _CoordinateCache:
    """Everything derived from one set of input voxels, shared by all layers that see it.

    Levels are named by their stride: level 1 is the input, level 2 after one halving, ...
    """

    coordinates: dict[int, Tensor] = field(default_factory=dict)
    shapes: dict[int, Shape3] = field(default_factory=dict)
    submanifold: dict[tuple[int, int], KernelMap] = field(default_factory=dict)
    strided: dict[tuple[int, int], KernelMap] = field(default_factory=dict)


class SparseTensor:
    """Features at the active voxels of a batch of grids.

    Args:
        features: (V, C).
        coordinates: int32, (V, 4) rows ``[batch, x, y, z]``, unique, non-negative.
        spatial_shape: cells of the grid per axis.
        batch_size: number of scenes, also counting scenes without voxels.
        stride: edge of one cell in input voxels.
    """

    def __init__(
        self,
        features: Tensor,
        coordinates: Tensor,
        spatial_shape: Shape3,
        batch_size: int,
        stride: int = 1,
        cache: _CoordinateCache | None = None,
    ) -> None:
        if features.ndim != 2 or len(features) != len(coordinates):
            raise ValueError(
                f'features {tuple(features.shape)} must be (V, C) with one row for each of the '
                f'{len(coordinates)} coordinates'
            )
        self.features = features
        self.batch_size = batch_size
        self.stride = stride
        if cache is None:
            cache = _CoordinateCache({stride: coordinates}, {stride: tuple(spatial_shape)})
        self._cache = cache

    @property
    def coordinates(self) -> Tensor:
        """int32, (V, 4) rows ``[batch, x, y, z]`` in units of ``stride`` input voxels."""
        return self._cache.coordinates[self.stride]

    @property
    def spatial_shape(self) -> Shape3:
        """Cells of the grid per axis."""
        return self._cache.shapes[self.stride]

    def __len__(self) -> int:
        return len(self.features)

    def replace(self, features: Tensor) -> SparseTensor:
        """Other features at the same voxels."""
        return SparseTensor(
            features,
            self.coordinates,
            self.spatial_shape,
            self.batch_size,
            self.stride,
            self._cache,
        )

    def submanifold_map(self, kernel_size: int) -> KernelMap:
        """Neighbour table of this level, built once."""
        key = (self.stride, kernel_size)
        if key not in self._cache.submanifold:
            self._cache.submanifold[key] = build_submanifold_map(self.coordinates, kernel_size)
        return self._cache.submanifold[key]

    def strided_map(self, factor: int) -> KernelMap:
        """Map to the coarser level ``stride * factor``, which is created on first use."""
        key = (self.stride, factor)
        if key not in self._cache.strided:
            kernel_map, coordinates, shape = build_strided_map(
                self.coordinates, self.spatial_shape, factor
            )
            self._cache.strided[key] = kernel_map
            self._cache.coordinates[self.stride * factor] = coordinates
            self._cache.shapes[self.stride * factor] = shape
        return self._cache.strided[key]

    def strided_map_from(self, stride: int) -> KernelMap:
        """The map by which this level was reached from the finer level ``stride``."""
        key = (stride, self.stride // max(stride, 1))
        if key not in self._cache.strided:
            raise ValueError(
                f'level {self.stride} was not reached from level {stride}: an inverse convolution '
                'needs the strided convolution it inverts to run before it'
            )
        return self._cache.strided[key]

    def spread_to_finest(self) -> Tensor:
        """Features copied to the finest voxels, (V_1, C).

        A voxel that the way down dropped (odd grids) gets zeros.
        """
        factors = {coarse: fine for fine, coarse in self._steps()}
        features, stride = self.features, self.stride
        while stride in factors:
            fine = factors[stride]
            kernel_map = self._cache.strided[fine, stride // fine]
            spread = features.new_zeros((kernel_map.num_inputs, features.shape[1]))
            rows_in, rows_out = torch.cat(kernel_map.inputs), torch.cat(kernel_map.outputs)
            # index_select, because the backward of plain indexing is many times slower on CPUs.
            features = spread.index_copy(0, rows_in, features.index_select(0, rows_out))
            stride = fine
        return features

    def _steps(self) -> list[tuple[int, int]]:
        """Pairs of strides joined by a strided layer."""
        return [(fine, fine * factor) for fine, factor in self._cache.strided]

    def at_level(self, features: Tensor, stride: int) -> SparseTensor:
        """Features at another level that has been created before."""
        if stride not in self._cache.coordinates:
            raise ValueError(
                f'no level of stride {stride} yet; known: {sorted(self._cache.shapes)}'
            )
        return SparseTensor(
            features,
            self._cache.coordinates[stride],
            self._cache.shapes[stride],
            self.batch_size,
            stride,
            self._cache,
        )
