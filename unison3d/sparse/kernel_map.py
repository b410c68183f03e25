"""Which input voxel meets which output voxel under which kernel cell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from unison3d.sparse.keys import key_offset, pack_coordinates


@dataclass(frozen=True)
class KernelMap:
    """Pairs of rows, grouped by kernel cell.

    Inside one cell every input row and every output row occurs at most once, which makes the
    scatter of :func:`~unison3d.sparse.sparse_conv` deterministic on every device.

    Attributes:
        inputs: K tensors int64, row of the input for each pair of the cell.
        outputs: K tensors int64, row of the output for each pair.
        num_inputs: rows of the input.
        num_outputs: rows of the output.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    num_inputs: int
    num_outputs: int

    def transposed(self) -> KernelMap:
        """The map of the convolution that runs backwards."""
        return KernelMap(self.outputs, self.inputs, self.num_outputs, self.num_inputs)


def build_submanifold_map(coordinates: Tensor, kernel_size: int = 3) -> KernelMap:
    """Neighbours of every active voxel among the active voxels.

    Kernel cells run over offsets ``(dx, dy, dz)`` with z fastest, each from ``-(k//2)`` to
    ``k//2``; the sum over cells is a correlation (no flip), as in spconv.

    Args:
        coordinates: int32, (V, 4), unique rows in any order.
        kernel_size: odd edge of the kernel.

    Raises:
        ValueError: ``kernel_size`` is even.
    """
    if kernel_size % 2 == 0:
        raise ValueError(f'submanifold kernels are odd, got kernel_size={kernel_size}')
    num_voxels = len(coordinates)
    keys, order = torch.sort(pack_coordinates(coordinates))
    radius = kernel_size // 2
    cells = list(product(range(-radius, radius + 1), repeat=3))
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    for cell, (dx, dy, dz) in enumerate(cells):
        if cell >= len(cells) // 2:
            break
        wanted = keys + key_offset(dx, dy, dz)
        position = torch.searchsorted(keys, wanted).clamp_(max=max(num_voxels - 1, 0))
        found = (keys[position] == wanted).nonzero()[:, 0]
        inputs.append(order[position[found]])
        outputs.append(order[found])
    identity = torch.arange(num_voxels, device=coordinates.device)
    # p + d is active for p exactly if p' - d is active for p' = p + d: the second half of the
    # kernel repeats the first with input and output exchanged.
    all_inputs = (*inputs, identity, *reversed(outputs))
    all_outputs = (*outputs, identity, *reversed(inputs))
    return KernelMap(all_inputs, all_outputs, num_voxels, num_voxels)


def build_strided_map(
    coordinates: Tensor, spatial_shape: tuple[int, int, int], stride: int = 2
) -> tuple[KernelMap, Tensor, tuple[int, int, int]]:
    """Map of a convolution whose kernel size equals its stride (no padding).

    The output grid has ``(n - stride) // stride + 1`` cells per axis, so a partial last cell has
    no parent and its voxels are dropped (spconv's rule; choose ``spatial_shape`` divisible by
    the total stride to keep every voxel).

    Args:
        coordinates: int32, (V, 4), non-negative.
        spatial_shape: cells of the input grid per axis.
        stride: edge of the kernel.

    Returns:
        The map, int32 (V', 4) parent coordinates in sorted order, and the output grid.
    """
    out_shape = tuple(max((n - stride) // stride + 1, 0) for n in spatial_shape)
    axes = coordinates[:, 1:]
    parents = torch.div(axes, stride, rounding_mode='floor')
    inside = (parents < torch.tensor(out_shape, device=axes.device)).all(dim=1)
    kept = inside.nonzero()[:, 0]
    parent_rows = torch.cat([coordinates[kept, :1], parents[kept].to(coordinates.dtype)], dim=1)
    unique_keys, parent_ids = torch.unique(pack_coordinates(parent_rows), return_inverse=True)
    cell = (axes[kept] - parents[kept] * stride).to(torch.int64)
    cell = (cell[:, 0] * stride + cell[:, 1]) * stride + cell[:, 2]
    out_coordinates = torch.zeros(
        (len(unique_keys), 4), dtype=coordinates.dtype, device=coordinates.device
    )
    out_coordinates[parent_ids] = parent_rows
    inputs, outputs = [], []
    for index in range(stride**3):
        rows = (cell == index).nonzero()[:, 0]
        inputs.append(kept[rows])
        outputs.append(parent_ids[rows])
    kernel_map = KernelMap(tuple(inputs), tuple(outputs), len(coordinates), len(unique_keys))
    return kernel_map, out_coordinates, out_shape
