"""All levels of a U-Net from its finest voxels, waiting for the device once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import mul

import torch
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.sparse.coordinates import Level, Shape3, SortedKeys
from unison3d.sparse.keys import AXIS_BITS, AXIS_OFFSET, unpack_coordinates

# Sorted behind every key: no coordinates are as large as this.
_NO_PARENT = torch.iinfo(torch.int64).max
_SHIFTS = (2 * AXIS_BITS, AXIS_BITS, 0)
_BATCH = -1 << (3 * AXIS_BITS)


def build_pyramid(level: Level, strides: Sequence[int], in_grid: bool) -> list[Level]:
    """Coarser levels, each the parents of the one before.

    The same as repeated :func:`~unison3d.sparse.coordinates.coarsen`, or with ``in_grid`` as
    repeated :func:`~unison3d.sparse.coordinates.coarsen_in_grid` with a kernel as large as the
    stride, no padding and no dilation. Those wait for the device at every level to learn how many
    voxels there are; here all numbers are fetched together.

    Args:
        level: the finest voxels.
        strides: voxels per axis that become one, level after level; powers of two.
        in_grid: stay on the bounded grid of ``level``: a cell that sticks out of it, such as the
            last plane of an odd axis, is no parent. Otherwise every voxel has one.

    Raises:
        ConfigError: a stride is not a power of two or their product is larger than any axis, or a
            grid is wanted where there is none.
    """
    if in_grid and level.spatial_shape is None:
        raise ConfigError('a pyramid on a grid needs voxels with a spatial shape')
    factors = list(accumulate(strides, mul))
    if any(s < 1 or s & (s - 1) for s in strides) or max(factors, default=1) > AXIS_OFFSET:
        raise ConfigError(
            f'strides are {list(strides)}, expected powers of two with a product of at most '
            f'{AXIS_OFFSET}'
        )
    if not factors:
        return []
    # A floor of a floor is the floor of the product, so every level comes from the finest one.
    shapes = [_coarse_shape(level.spatial_shape, f) if in_grid else None for f in factors]
    finest = level.sorted_keys.keys
    parents = [_parent_keys(finest, f, shape) for f, shape in zip(factors, shapes)]
    counts, keys = _unique_rows(torch.stack(parents))
    counts = counts.tolist()
    # One array that is exactly as long as needed: rows of the other one would keep all of it.
    keys = torch.cat([row[:count] for row, count in zip(keys, counts)])
    coordinates = unpack_coordinates(keys).split(counts)
    return [
        Level(rows, level.stride * factor, shape, SortedKeys(level_keys))
        for rows, factor, shape, level_keys in zip(coordinates, factors, shapes, keys.split(counts))
    ]


def _coarse_shape(shape: Shape3, factor: int) -> Shape3:
    return tuple(cells // factor for cells in shape)


def _parent_keys(keys: Tensor, factor: int, shape: Shape3 | None) -> Tensor:
    """Key of ``floor(c / factor)`` of every key; the largest number where a grid has no such cell.

    On the packed keys, since on a GPU each operation on short lists costs the same: an axis is
    stored as ``c + offset``, and ``floor(c / 2^n) = ((c + offset) >> n) - (offset >> n)``.
    """
    bits = factor.bit_length() - 1
    # The shift moves the last bits of an axis to the first ones of the next, where they go.
    kept = _on_each_axis((1 << (AXIS_BITS - bits)) - 1)
    moved = _on_each_axis(AXIS_OFFSET - (AXIS_OFFSET >> bits))
    parents = ((keys >> bits) & kept) + ((keys & _BATCH) + moved)
    if shape is None:
        return parents
    # Subtracting the cells of the grid leaves the top bit of an axis set where a cell lies outside.
    cells = [min(n, AXIS_OFFSET) for n in shape]
    outside = (parents - _on_axes(cells)) & _on_each_axis(AXIS_OFFSET)
    return parents.masked_fill(outside != 0, _NO_PARENT)


def _on_axes(numbers: Sequence[int]) -> int:
    return sum(number << shift for number, shift in zip(numbers, _SHIFTS))


def _on_each_axis(number: int) -> int:
    return _on_axes((number,) * 3)


def _unique_rows(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Sort every row and drop repetitions and :data:`_NO_PARENT`.

    Args:
        keys: int64, (L, V).

    Returns:
        How many are left in each row, int64 (L,), and they themselves at the start of the rows of
        an int64 (L, V + 1) array.
    """
    keys = torch.sort(keys, dim=1).values
    is_first = keys != _NO_PARENT
    is_first[:, 1:] &= keys[:, 1:] != keys[:, :-1]
    places = is_first.cumsum(1) - 1
    # The rest goes to one place too many, because leaving it out would mean to wait for its number.
    spare = keys.shape[1]
    unique = keys.new_empty((len(keys), spare + 1))
    unique.scatter_(1, places.masked_fill_(~is_first, spare), keys)
    return is_first.sum(1), unique
