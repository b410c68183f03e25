"""A batch of sparse voxel grids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps

import torch
from torch import Tensor

from unison3d.errors import SceneError
from unison3d.sparse.coordinates import Level, Shape3, coarsen, coarsen_in_grid
from unison3d.sparse.kernel_map import Kernel, KernelMap, build_kernel_map
from unison3d.sparse.pyramid import build_pyramid

# A level is named by its stride and by the strided layers that led to it: those of the spconv
# family decide which voxels are active, on a Minkowski lattice the stride alone does.
LevelKey = tuple[int, tuple]


def _kept(method: Callable) -> Callable:
    """What is made during inference has to serve a training step on the same scene later."""

    @wraps(method)
    def outside_inference_mode(*args, **kwargs):
        with torch.inference_mode(False):
            return method(*args, **kwargs)

    return outside_inference_mode


@dataclass
class CoordinateCache:
    """Everything derived from one set of input voxels, shared by all layers that see it.

    Lives as long as a tensor of the scene does, so a second network (or a second call) on
    ``x.replace(...)`` finds every level and kernel map in place. Holds no features.
    """

    levels: dict[LevelKey, Level] = field(default_factory=dict)
    maps: dict[tuple, KernelMap] = field(default_factory=dict)
    # Strided layers of the spconv family: coarse level -> (fine level, kernel).
    undo: dict[LevelKey, tuple[LevelKey, Kernel]] = field(default_factory=dict)
    named: dict[str, LevelKey] = field(default_factory=dict)

    @_kept
    def kernel_map(self, source: LevelKey, target: LevelKey, kernel: Kernel) -> KernelMap:
        """The map from one level to another, built once."""
        key = (source, target, kernel)
        if key not in self.maps:
            fine, coarse = self.levels[source], self.levels[target]
            self.maps[key] = build_kernel_map(
                fine.sorted_keys, coarse.sorted_keys, kernel, coarse.stride // fine.stride
            )
        return self.maps[key]

    @_kept
    def lattice_level(self, source: LevelKey, factor: int) -> LevelKey:
        """The level ``factor`` times coarser on the same lattice, created at first use."""
        key = (source[0] * factor, source[1])
        if key not in self.levels:
            self.levels[key] = coarsen(self.levels[source], factor)
        return key

    @_kept
    def prepare(self, source: LevelKey, num_levels: int, *, in_grid: bool) -> None:
        """On a GPU create the levels that layers of kernel and stride 2 lead to, all at once.

        Layers create what they need by themselves; on a GPU that means to wait for the device at
        every level, and this waits once. On the CPU nothing is done: there is nothing to wait for.

        Args:
            source: the finest level.
            num_levels: levels in all.
            in_grid: those of the spconv family, else of the lattice.
        """
        if self.levels[source].coordinates.device.type == 'cpu':
            return
        kernel = Kernel(2, 0)
        keys = [source]
        for _ in range(num_levels - 1):
            stride, steps = keys[-1]
            keys.append((stride * 2, (*steps, (kernel, 2)) if in_grid else steps))
        if all(key in self.levels for key in keys):
            return
        levels = build_pyramid(self.levels[source], [2] * (num_levels - 1), in_grid)
        for fine, coarse, level in zip(keys, keys[1:], levels):
            self.levels.setdefault(coarse, level)
            if in_grid:
                self.undo.setdefault(coarse, (fine, kernel))

    @_kept
    def grid_level(
        self, source: LevelKey, kernel: Kernel, stride: int, name: str | None = None
    ) -> LevelKey:
        """The level a strided layer of the spconv family leads to, created at first use."""
        key = (source[0] * stride, (*source[1], (kernel, stride)))
        if key not in self.levels:
            self.levels[key] = coarsen_in_grid(
                self.levels[source], kernel.size, stride, -kernel.start, kernel.dilation
            )
            self.undo[key] = (source, kernel)
        if name is not None and self.named.setdefault(name, key) != key:
            raise ValueError(f'two different strided layers are called "{name}"; rename one')
        return key


class SparseTensor:
    """Features at the active voxels of a batch of grids.

    Args:
        features: (V, C), floating.
        coordinates: int32, (V, 4) rows ``[batch, x, y, z]``, unique, in any order. Negative axes
            are allowed on an unbounded lattice.
        spatial_shape: cells of the grid per axis; None for an unbounded lattice, on which the
            Minkowski family works and the strided layers of the spconv family do not.
        batch_size: number of scenes, also counting scenes without voxels.
        stride: edge of one cell in input voxels; coordinates count cells.

    Raises:
        SceneError: lengths, types or devices do not fit, or a coordinate cannot be used: see
            :meth:`~unison3d.sparse.coordinates.Level.from_user`.
    """

    def __init__(
        self,
        features: Tensor,
        coordinates: Tensor,
        spatial_shape: Shape3 | None = None,
        batch_size: int = 1,
        stride: int = 1,
    ) -> None:
        if spatial_shape is not None:
            spatial_shape = tuple(int(n) for n in spatial_shape)
            if len(spatial_shape) != 3 or min(spatial_shape) < 1:
                raise SceneError(f'spatial shape is {spatial_shape}, expected three sizes')
        if not isinstance(stride, int) or stride < 1:
            raise SceneError(f'stride is {stride!r}, expected an integer of 1 or more')
        if coordinates.device != features.device:
            raise SceneError(
                f'features are on {features.device}, coordinates on {coordinates.device}; '
                'move both to one device'
            )
        level = Level.from_user(coordinates, batch_size, stride, spatial_shape)
        key = (stride, ())
        self._set(features, batch_size, key, CoordinateCache({key: level}))

    def _set(
        self, features: Tensor, batch_size: int, key: LevelKey, cache: CoordinateCache
    ) -> None:
        if features.ndim != 2 or len(features) != len(cache.levels[key]):
            raise SceneError(
                f'features {tuple(features.shape)} must be (V, C) with one row for each of the '
                f'{len(cache.levels[key])} coordinates'
            )
        if not features.is_floating_point():
            raise SceneError(f'features are {features.dtype}, expected a floating type')
        self.features = features
        self.batch_size = batch_size
        self.key = key
        self.cache = cache

    def at(self, key: LevelKey, features: Tensor) -> SparseTensor:
        """Features at another level of the same scene."""
        other = object.__new__(SparseTensor)
        other._set(features, self.batch_size, key, self.cache)
        return other

    def replace(self, features: Tensor) -> SparseTensor:
        """Other features at the same voxels."""
        return self.at(self.key, features)

    @property
    def coordinates(self) -> Tensor:
        """int32, (V, 4) rows ``[batch, x, y, z]`` in units of ``stride`` input voxels."""
        return self.level.coordinates

    @property
    def spatial_shape(self) -> Shape3 | None:
        """Cells of the grid per axis, None on an unbounded lattice."""
        return self.level.spatial_shape

    @property
    def stride(self) -> int:
        """Edge of one cell in input voxels."""
        return self.key[0]

    @property
    def level(self) -> Level:
        """The active voxels."""
        return self.cache.levels[self.key]

    def __len__(self) -> int:
        return len(self.features)

    def prepare(self, num_levels: int, *, in_grid: bool) -> None:
        """Create all levels of a U-Net at once on a GPU, see :meth:`CoordinateCache.prepare`."""
        self.cache.prepare(self.key, num_levels, in_grid=in_grid)

    def kernel_map(self, kernel: Kernel, target: LevelKey | None = None) -> KernelMap:
        """Map from these voxels to those of another level (or to themselves), built once."""
        return self.cache.kernel_map(self.key, target or self.key, kernel)

    def check_same_voxels(self, other: SparseTensor, what: str) -> None:
        """Refuse to combine features of different voxels.

        Raises:
            SceneError: the other tensor is of another scene or another level.
        """
        if other.cache is not self.cache or other.key != self.key:
            scene = 'the same scene' if other.cache is self.cache else 'another scene'
            raise SceneError(
                f'{what}: {len(self)} voxels of stride {self.stride} meet {len(other)} voxels of '
                f'stride {other.stride} of {scene}. Skip connections join tensors of one level; '
                'check the strides of the layers in between.'
            )

    def concat(self, other: SparseTensor) -> SparseTensor:
        """Channels of both, ours first.

        Raises:
            SceneError: not the same voxels.
        """
        self.check_same_voxels(other, 'concat')
        return self.replace(torch.cat([self.features, other.features], dim=1))

    def __add__(self, other: SparseTensor) -> SparseTensor:
        self.check_same_voxels(other, 'sum')
        return self.replace(self.features + other.features)

    def split_by_scene(self) -> Sequence[Tensor]:
        """Features of every scene, in the order of its rows; (0, C) for a scene without voxels."""
        batch = self.coordinates[:, 0]
        order = torch.argsort(batch, stable=True)
        counts = torch.bincount(batch, minlength=self.batch_size).tolist()
        return self.features.index_select(0, order).split(counts)

    def spread_to_finest(self) -> Tensor:
        """Features copied to the finest voxels below, (V_1, C).

        A voxel that the way down dropped (odd grids) gets zeros.

        Raises:
            ValueError: these voxels were not reached by strided layers of the spconv family alone,
                or by some whose kernels overlap.
        """
        features, key = self.features, self.key
        if key[0] != min(stride for stride, _ in self.cache.levels) and key not in self.cache.undo:
            raise ValueError(
                f'level {key[0]} was not reached by strided layers of the spconv family, so there '
                'is no way back to spread over'
            )
        while key in self.cache.undo:
            fine, kernel = self.cache.undo[key]
            if kernel.size * fine[0] > key[0]:
                raise ValueError('voxels under an overlapping kernel have several parents')
            kernel_map = self.cache.kernel_map(fine, key, kernel)
            # A voxel has one parent; those without one read a row of zeros. Unlike pairs, the table
            # is there without waiting for a GPU.
            parents = kernel_map.transposed().table.amax(dim=1)
            parents = torch.where(parents < 0, len(features), parents)
            padded = torch.cat([features, features.new_zeros((1, features.shape[1]))])
            # index_select, because the backward of plain indexing is many times slower on CPUs.
            features = padded.index_select(0, parents)
            key = fine
        return features
