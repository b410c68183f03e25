"""Integer coordinates as sortable 64-bit keys."""

from __future__ import annotations

import torch
from torch import Tensor

from unison3d.errors import SceneError

# 9 bits of batch, 18 bits per axis: 512 scenes, 131 000 voxels from the origin each way (2.6 km at
# 2 cm).
AXIS_BITS = 18
AXIS_OFFSET = 1 << (AXIS_BITS - 1)
MAX_BATCH = 1 << 9
# Room for the cells of a kernel around a voxel at the rim, so that no axis runs into the next one.
MARGIN = 64
# One margin for the cells, one for coarse coordinates times their stride.
AXIS_LIMIT = AXIS_OFFSET - 2 * MARGIN


def pack_coordinates(coordinates: Tensor) -> Tensor:
    """Pack ``[batch, x, y, z]`` rows so that sorted keys are sorted coordinates.

    One step along z, y and x adds 1, ``2**18`` and ``2**36``, so the key of a neighbour is the
    key of the voxel plus a constant.

    Args:
        coordinates: int, (V, 4). Axes in ``[-131072, 131072)``, batch in ``[0, 512)``.

    Returns:
        int64, (V,).
    """
    batch, x, y, z = coordinates.to(torch.int64).unbind(1)
    return (
        (((batch << AXIS_BITS) + (x + AXIS_OFFSET)) << (2 * AXIS_BITS))
        + ((y + AXIS_OFFSET) << AXIS_BITS)
        + (z + AXIS_OFFSET)
    )


def unpack_coordinates(keys: Tensor) -> Tensor:
    """Inverse of :func:`pack_coordinates`; returns int32, (V, 4)."""
    mask = (1 << AXIS_BITS) - 1
    z = (keys & mask) - AXIS_OFFSET
    y = ((keys >> AXIS_BITS) & mask) - AXIS_OFFSET
    x = ((keys >> (2 * AXIS_BITS)) & mask) - AXIS_OFFSET
    batch = keys >> (3 * AXIS_BITS)
    return torch.stack([batch, x, y, z], dim=1).to(torch.int32)


def check_coordinate_range(coordinates: Tensor) -> tuple[list[int], list[int]]:
    """Refuse coordinates that do not fit a key, with room for a kernel around them.

    Waits for the device once.

    Returns:
        Smallest and largest number of every column; zeros if there are no rows.

    Raises:
        SceneError: the scene is too large for its voxel size, or the batch too large.
    """
    if coordinates.numel() == 0:
        return [0] * 4, [0] * 4
    smallest, largest = torch.stack(torch.aminmax(coordinates, dim=0)).tolist()
    low, high = min(smallest[1:]), max(largest[1:])
    if low < -AXIS_LIMIT or high > AXIS_LIMIT:
        raise SceneError(
            f'voxel indices run from {low} to {high}, at most ±{AXIS_LIMIT} can be handled. '
            'The scene is very large for this voxel size: check the unit (metres expected) '
            'or cut it into tiles.'
        )
    if smallest[0] < 0:
        raise SceneError(
            f'the batch column of the coordinates holds {smallest[0]}, expected 0 or more'
        )
    if largest[0] >= MAX_BATCH:
        raise SceneError(f'more than {MAX_BATCH} scenes in one batch; use a smaller batch')
    return smallest, largest


def key_offset(dx: int, dy: int, dz: int) -> int:
    """What one step adds to a key."""
    return (dx << (2 * AXIS_BITS)) + (dy << AXIS_BITS) + dz


# Key of the voxel at the origin of the first scene.
ORIGIN = key_offset(AXIS_OFFSET, AXIS_OFFSET, AXIS_OFFSET)


def scale_keys(keys: Tensor, stride: int) -> Tensor:
    """Keys of the voxels with every axis multiplied by ``stride``."""
    # Offsets of the axes and the batch must not be multiplied. What passes 64 bits on the way comes
    # back with the difference.
    batch = keys >> (3 * AXIS_BITS) << (3 * AXIS_BITS)
    return keys * stride - (batch + ORIGIN) * (stride - 1)
