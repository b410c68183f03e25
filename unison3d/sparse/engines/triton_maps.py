"""Kernel maps on a GPU: built, sorted and listed without waiting for the device.

Every function works on whatever device Triton can launch on, which with its interpreter is the CPU.
What is derived from a map is kept in :attr:`KernelMap.derived`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unison3d.sparse.coordinates import SortedKeys
from unison3d.sparse.engines._triton_map_kernels import load_map_kernels
from unison3d.sparse.engines.triton_support import launch_on
from unison3d.sparse.kernel_map import Kernel, KernelMap
from unison3d.sparse.keys import AXIS_BITS

# Sorting by int32 keys takes half the passes of int64, and bytes a quarter of that.
MASK_BITS = 31
_BLOCK = 128


@dataclass(frozen=True)
class Tiles:
    """A kernel map cut into blocks of sorted rows, each with the cells it uses.

    Attributes:
        order: int64, (V_out,). Output row at every place of the sorted order.
        rows_in: int32, (blocks, K, rows). Input rows under the used cells of a block, -1 for none.
        cells: int32, (blocks, K). Used cells.
        counts: int32, (blocks,). Number of used cells.
    """

    order: Tensor
    rows_in: Tensor
    cells: Tensor
    counts: Tensor


@dataclass(frozen=True)
class DevicePairs:
    """All pairs, cell after cell, with their number known to the device only.

    Attributes:
        inputs: int32, (room,). Row of the input; only the first ``starts[K]`` are written.
        outputs: int32, (room,). Row of the output.
        starts: int32, (K + 1,). Cell k owns the pairs from ``starts[k]`` to ``starts[k + 1]``.
    """

    inputs: Tensor
    outputs: Tensor
    starts: Tensor


def build_table(source: SortedKeys, target: SortedKeys, kernel: Kernel, stride: int = 1) -> Tensor:
    """Input row under every cell of every output, int32 (V_out, K), -1 if there is none.

    Args:
        source: the input voxels.
        target: the output voxels.
        kernel: the cells.
        stride: input steps per output step.
    """
    keys = source.keys
    table = torch.empty((len(target), kernel.size**3), dtype=torch.int32, device=keys.device)
    if len(source) == 0 or len(target) == 0:
        return table.fill_(-1)
    grid = (-(-len(target) // _BLOCK), kernel.size**2)
    with launch_on(keys.device):
        load_map_kernels().find_cells[grid](
            keys,
            keys if source.order is None else source.order,
            target.keys,
            target.keys if target.order is None else target.order,
            table,
            len(source),
            len(target),
            kernel.size**3,
            kernel.start,
            kernel.dilation,
            stride,
            len(source).bit_length(),
            HAS_SOURCE_ORDER=source.order is not None,
            HAS_TARGET_ORDER=target.order is not None,
            X_FASTEST=kernel.x_fastest,
            SIZE=kernel.size,
            BITS=AXIS_BITS,
            ROWS=_BLOCK,
        )
    return table


def transpose_table(table: Tensor, num_inputs: int) -> Tensor:
    """Output row under every cell of every input, int32 (V_in, K), -1 if there is none."""
    out = table.new_full((num_inputs, table.shape[1]), -1)
    if table.numel() and num_inputs:
        grid = (-(-table.numel() // 1024),)
        with launch_on(table.device):
            load_map_kernels().transpose_table[grid](
                table, out, table.numel(), table.shape[1], ENTRIES=1024
            )
    return out


def sort_rows(kernel_map: KernelMap) -> Tensor:
    """Output rows with equal neighbourhoods next to each other, int64 (V_out,).

    The key has a bit per cell, or per few cells of a large kernel.
    """
    if 'order' not in kernel_map.derived:
        table = kernel_map.table
        num_rows, num_cells = table.shape
        dtype = torch.uint8 if num_cells <= 8 else torch.int32
        masks = torch.empty(num_rows, dtype=dtype, device=table.device)
        load_map_kernels().mask_rows[(-(-num_rows // _BLOCK),)](
            table, masks, num_rows, num_cells, GROUP=-(-num_cells // MASK_BITS), ROWS=_BLOCK
        )
        # Falling, so that blocks with much work tend to start first.
        kernel_map.derived['order'] = torch.sort(masks, descending=True, stable=True).indices
    return kernel_map.derived['order']


def make_tiles(kernel_map: KernelMap, rows: int) -> Tiles:
    """Blocks of ``rows`` sorted output rows (a power of two), of a map that has outputs."""
    name = f'tiles of {rows}'
    if name not in kernel_map.derived:
        table, order = kernel_map.table, sort_rows(kernel_map)
        num_rows, num_cells = table.shape
        blocks = -(-num_rows // rows)
        rows_in = table.new_empty((blocks, num_cells, rows))
        cells, counts = table.new_empty((blocks, num_cells)), table.new_empty(blocks)
        padded = 1 << (num_cells - 1).bit_length()
        load_map_kernels().arrange_tiles[(blocks,)](
            table,
            order,
            rows_in,
            cells,
            counts,
            num_rows,
            num_cells,
            ROWS=rows,
            PART=min(rows, max(4096 // padded, 1)),
            CELLS=padded,
        )
        kernel_map.derived[name] = Tiles(order, rows_in, cells, counts)
    return kernel_map.derived[name]


def list_pairs(kernel_map: KernelMap) -> DevicePairs:
    """Pairs of a map that has inputs and outputs, each cell in the order of the output rows."""
    if 'device pairs' not in kernel_map.derived:
        origin = getattr(kernel_map, 'origin', None)
        if origin is None:
            pairs = _list_pairs(kernel_map)
        else:
            pairs = list_pairs(origin)
            pairs = DevicePairs(pairs.outputs, pairs.inputs, pairs.starts)
        kernel_map.derived['device pairs'] = pairs
    return kernel_map.derived['device pairs']


def _list_pairs(kernel_map: KernelMap) -> DevicePairs:
    table = kernel_map.table
    num_rows, num_cells = table.shape
    # One long sum instead of one per cell, which would leave most of the device idle.
    ranks = (table.t() >= 0).reshape(-1).cumsum(0, dtype=torch.int32)
    starts = ranks.new_zeros(num_cells + 1)
    starts[1:] = ranks.view(num_cells, num_rows)[:, -1]
    # A row occurs once in a cell, so this is room enough without asking how many there are.
    room = num_cells * min(num_rows, kernel_map.num_inputs)
    inputs, outputs = table.new_empty(room), table.new_empty(room)
    grid = (-(-num_rows // _BLOCK), -(-num_cells // 8))
    load_map_kernels().list_pairs[grid](
        table, ranks, inputs, outputs, num_rows, num_cells, ROWS=_BLOCK, CELLS=8
    )
    return DevicePairs(inputs, outputs, starts)
