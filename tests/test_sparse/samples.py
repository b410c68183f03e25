"""Small scenes, what dense convolution makes of them, and repeated runs on one and two threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.sparse import SparseTensor

# Odd and even axes, none equal to another one: a mixed-up axis shows.
GRID = (7, 6, 9)


def random_coordinates(
    shape: Sequence[int], batch_size: int, share: float, seed: int, empty_items: Sequence[int] = ()
) -> Tensor:
    """int32, (V, 4), shuffled; no voxels in ``empty_items``."""
    generator = torch.Generator().manual_seed(seed)
    active = torch.rand((batch_size, *shape), generator=generator) < share
    active[list(empty_items)] = False
    coordinates = active.nonzero().to(torch.int32)
    return coordinates[torch.randperm(len(coordinates), generator=generator)]


def random_tensor(
    channels: int,
    shape: Sequence[int] = GRID,
    batch_size: int = 2,
    share: float = 0.25,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    empty_items: Sequence[int] = (),
) -> SparseTensor:
    """Random features at shuffled voxels of a bounded grid."""
    coordinates = random_coordinates(shape, batch_size, share, seed, empty_items)
    features = random_values((len(coordinates), channels), dtype, seed)
    return SparseTensor(features, coordinates, shape, batch_size)


def lattice_tensor(
    channels: int,
    low: Sequence[int] = (-4, -3, -5),
    shape: Sequence[int] = GRID,
    batch_size: int = 2,
    share: float = 0.25,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    empty_items: Sequence[int] = (),
) -> SparseTensor:
    """Random features on an unbounded lattice, from ``low`` on, on both sides of zero."""
    coordinates = random_coordinates(shape, batch_size, share, seed, empty_items)
    coordinates[:, 1:] += torch.tensor(low, dtype=torch.int32)
    features = random_values((len(coordinates), channels), dtype, seed)
    return SparseTensor(features, coordinates, None, batch_size)


def random_values(
    shape: Sequence[int], dtype: torch.dtype = torch.float64, seed: int = 0
) -> Tensor:
    """Normal numbers."""
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def empty_tensor(channels: int, shape: Sequence[int] | None = GRID, batch_size: int = 2):
    """A batch without voxels."""
    coordinates = torch.zeros((0, 4), dtype=torch.int32)
    return SparseTensor(torch.zeros(0, channels), coordinates, shape, batch_size)


class Box:
    """A dense stretch of the lattice, for comparison with dense operations.

    Args:
        low: first cell of every axis.
        shape: cells per axis.
    """

    def __init__(self, low: Sequence[int], shape: Sequence[int]) -> None:
        self.low = torch.tensor(low)
        self.shape = tuple(int(n) for n in shape)

    @classmethod
    def around(cls, x: SparseTensor, multiple: int = 1, margin: int = 0) -> Box:
        """All voxels with a margin; corners are multiples, so that coarse cells fit in."""
        cells = x.coordinates[:, 1:].long()
        low = torch.div(cells.amin(0) - margin, multiple, rounding_mode='floor') * multiple
        high = -torch.div(-(cells.amax(0) + 1 + margin), multiple, rounding_mode='floor') * multiple
        return cls(low.tolist(), (high - low).tolist())

    def coarse(self, stride: int) -> Box:
        """The same stretch in cells of ``stride``."""
        return Box((self.low // stride).tolist(), [n // stride for n in self.shape])

    def fill(self, x: SparseTensor, features: Tensor | None = None, absent: float = 0.0) -> Tensor:
        """(B, C, X, Y, Z) of the features at their voxels, ``absent`` elsewhere."""
        features = x.features if features is None else features
        dense = features.new_full((x.batch_size, features.shape[1], *self.shape), absent)
        b, i, j, k = self._places(x)
        dense[b, :, i, j, k] = features
        return dense

    def occupancy(self, x: SparseTensor) -> Tensor:
        """(B, 1, X, Y, Z), 1 at every voxel."""
        return self.fill(x, x.features.new_ones(len(x), 1))

    def at_voxels(self, dense: Tensor, x: SparseTensor) -> Tensor:
        """(V, C), the dense values at the voxels."""
        b, i, j, k = self._places(x)
        return dense[b, :, i, j, k]

    def _places(self, x: SparseTensor) -> tuple[Tensor, ...]:
        cells = x.coordinates[:, 1:].long() - self.low
        return x.coordinates[:, 0].long(), *cells.unbind(1)


def grid_of(x: SparseTensor) -> Box:
    """The whole bounded grid."""
    return Box((0, 0, 0), x.spatial_shape)


def spconv_kernel(weight: Tensor) -> Tensor:
    """(K, C_in, C_out) with z fastest, as (C_out, C_in, k, k, k) of ``conv3d``."""
    edge = round(weight.shape[0] ** (1 / 3))
    return weight.reshape(edge, edge, edge, *weight.shape[1:]).permute(4, 3, 0, 1, 2)


def minkowski_kernel(weight: Tensor) -> Tensor:
    """(K, C_in, C_out) with x fastest, or (C_in, C_out), as (C_out, C_in, k, k, k)."""
    weight = weight.reshape(-1, *weight.shape[-2:])
    edge = round(weight.shape[0] ** (1 / 3))
    return weight.reshape(edge, edge, edge, *weight.shape[1:]).permute(4, 3, 2, 1, 0)


def set_of_voxels(coordinates: Tensor) -> set[tuple[int, ...]]:
    """Voxels without their order; fails if one occurs twice."""
    rows = [tuple(row) for row in coordinates.tolist()]
    assert len(set(rows)) == len(rows)
    return set(rows)


def repeated(run: Callable[[], Tensor]) -> Tensor:
    """The result of a run, after making sure that threads and repetitions change no bit of it."""
    torch.set_num_threads(1)
    first = run()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        assert torch.equal(run(), first), f'other bits with {threads} threads'
    return first


def pad_to(dense: Tensor, shape: Sequence[int]) -> Tensor:
    """Zeros behind, or cut, until the last three axes have a shape."""
    missing = [n - have for n, have in zip(shape, dense.shape[2:])]
    return F.pad(dense, [n for m in reversed(missing) for n in (0, m)])
