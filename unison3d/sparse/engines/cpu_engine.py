"""The CPU engine: gathered matrix products in register tiles, compiled at the first call.

Outputs are cut into blocks whose sums stay in the cache; a block takes the pairs of one kernel cell
after the other. A weight is packed into panels once per call. Every sum is one thread's, in a fixed
order, so results are the same bits with any number of threads.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unison3d.sparse.engines import _cpu_kernels as kernels
from unison3d.sparse.engines._cpu_kernels import HAS_BF16_DOT
from unison3d.sparse.kernel_map import KernelMap

# Rows of a block: enough pairs per cell to use a panel of the weight many times, few enough that
# the sums stay in the second-level cache (see benchmarks/sparse_conv.py).
BLOCK_ROWS = 512
# Outputs of a stretch, for weight gradients: its rows of both sides stay in the cache while all
# cells read them. And numbers that the sums of all stretches may take (32 MB).
STRETCH_ROWS = 4096
STRETCH_SUMS = 1 << 23
# Up to this many channels of both sides together a weight gradient reads the rows where they are,
# from shorter stretches; longer rows are packed first.
GATHERED_CHANNELS = 96
GATHERED_STRETCH_ROWS = 2048


class CpuEngine:
    """float32, float64 and bfloat16 (sums in float32) on any CPU that numba knows.

    Args:
        pairs_of_bfloat16: multiply bfloat16 two channels at a time, as CPUs with AVX512-BF16 can.
            Elsewhere widening to float32 first is twice as fast, and the same bits count.
    """

    name = 'cpu'

    def __init__(self, pairs_of_bfloat16: bool = HAS_BF16_DOT) -> None:
        self.pairs_of_bfloat16 = pairs_of_bfloat16

    def refuses(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> str:
        """Another device, or a type without a kernel."""
        if features.device.type != 'cpu':
            return f'the features are on {features.device}'
        if features.dtype not in kernels.CONVOLVE:
            return f'no kernel for {features.dtype}'
        return ''

    def convolve(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """See :mod:`unison3d.sparse.engines`."""
        pairs, dtype = kernel_map.pairs, features.dtype
        if 0 in weight.shape:
            return features.new_zeros((kernel_map.num_outputs, weight.shape[2]))
        features = self._prepared(features)
        panels, columns = pack_weight(weight.to(features.dtype))
        if features.dtype == torch.bfloat16:
            features = _padded(features, 2)
        # Rows of a block are neighbours in memory only if the voxels are sorted.
        is_sorted = kernel_map.output_ranks is None
        allocate = torch.empty if is_sorted else torch.zeros
        out = allocate((kernel_map.num_outputs, columns), dtype=_sum_type(dtype))
        blocks = _output_blocks(kernel_map)
        row_bytes = features.shape[1] * features.element_size()
        kernels.CONVOLVE[features.dtype].run(
            len(blocks) - 1,
            blocks.ctypes.data,
            kernel_map.num_cells,
            len(blocks) - 1,
            pairs.inputs.data_ptr(),
            pairs.outputs.data_ptr(),
            features.data_ptr(),
            row_bytes,
            panels.data_ptr(),
            row_bytes // out.element_size(),
            out.data_ptr(),
            columns,
            kernel_map.num_outputs,
            BLOCK_ROWS if is_sorted else 0,
        )
        return _narrow(out, weight.shape[2]).to(dtype)

    def weight_gradient(
        self, features: Tensor, grad_output: Tensor, kernel_map: KernelMap
    ) -> Tensor:
        """See :mod:`unison3d.sparse.engines`."""
        pairs, dtype = kernel_map.pairs, features.dtype
        in_channels, out_channels = features.shape[1], grad_output.shape[1]
        if 0 in (in_channels, out_channels):
            return features.new_zeros((kernel_map.num_cells, in_channels, out_channels))
        lanes = _lanes(dtype)
        features = _padded(self._prepared(features), lanes)
        grad_output = _padded(self._prepared(grad_output), lanes)
        first_row = 0
        if features.dtype == torch.bfloat16:
            # The row of zeros that the kernel asks for.
            features, grad_output = (F.pad(x, (0, 0, 1, 0)) for x in (features, grad_output))
            first_row = 1
        is_gathered = (
            features.dtype != torch.bfloat16
            and features.shape[1] >= kernels.TILE_ROWS
            and features.shape[1] + grad_output.shape[1] <= GATHERED_CHANNELS
        )
        stretch_rows = GATHERED_STRETCH_ROWS if is_gathered else STRETCH_ROWS
        matrix_size = features.shape[1] * grad_output.shape[1]
        starts = _stretches(kernel_map, stretch_rows, matrix_size)
        num_stretches = len(starts) - 1
        shape = (num_stretches, kernel_map.num_cells, features.shape[1], grad_output.shape[1])
        out = torch.zeros(shape, dtype=_sum_type(dtype))
        group = _group_width(shape[3], num_stretches * kernel_map.num_cells, lanes)
        num_groups = -(-shape[3] // group)
        kernels.WEIGHT_GRADIENT[features.dtype].run(
            num_stretches * kernel_map.num_cells * num_groups,
            starts.ctypes.data,
            kernel_map.num_cells,
            num_stretches,
            pairs.inputs.data_ptr(),
            pairs.outputs.data_ptr(),
            features[first_row:].data_ptr(),
            shape[2],
            grad_output[first_row:].data_ptr(),
            shape[3],
            out.data_ptr(),
            group,
            num_groups,
            is_gathered,
        )
        return out.sum(0)[:, :in_channels, :out_channels].to(dtype).contiguous()

    def _prepared(self, values: Tensor) -> Tensor:
        if values.dtype == torch.bfloat16 and not self.pairs_of_bfloat16:
            values = values.float()
        return values.contiguous()


def pack_weight(weight: Tensor) -> tuple[Tensor, int]:
    """Weight as the tiles read it.

    Args:
        weight: (K, C_in, C_out), any strides.

    Returns:
        (K, ...) panels of two vectors of columns, the last of one vector if their number is odd,
        each with its rows one after the other; bfloat16 holds the two channels of a step next to
        each other. And C_out rounded up to vectors.
    """
    cells = weight.shape[0]
    lanes = _lanes(weight.dtype)
    weight = _padded(weight, lanes)
    if weight.dtype == torch.bfloat16:
        weight = F.pad(weight, (0, 0, 0, weight.shape[1] % 2))
        weight = weight.reshape(cells, -1, 2, weight.shape[2]).transpose(2, 3)
    else:
        weight = weight[..., None]
    _, steps, columns, per_step = weight.shape
    wide = columns // (2 * lanes) * 2 * lanes
    panels = weight[:, :, :wide].reshape(cells, steps, -1, 2 * lanes, per_step).transpose(1, 2)
    if wide == columns:
        return panels.contiguous(), columns
    rest = weight[:, :, wide:].reshape(cells, -1)
    return torch.cat([panels.reshape(cells, -1), rest], dim=1), columns


def _lanes(dtype: torch.dtype) -> int:
    """Sums in a vector."""
    return kernels.VECTOR_BYTES // (8 if dtype == torch.float64 else 4)


def _sum_type(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _padded(values: Tensor, multiple: int) -> Tensor:
    """With zeros behind the last axis up to a multiple, contiguous."""
    missing = -values.shape[-1] % multiple
    return F.pad(values, (0, missing)) if missing else values.contiguous()


def _narrow(values: Tensor, columns: int) -> Tensor:
    return values if values.shape[-1] == columns else values[..., :columns].contiguous()


def _group_width(columns: int, num_items: int, lanes: int) -> int:
    """Columns of a work item: all of them, unless that leaves threads without work."""
    wanted = -(-4 * torch.get_num_threads() // max(num_items, 1))
    panels = -(-columns // (2 * lanes))
    return -(-panels // min(wanted, panels)) * 2 * lanes


def _output_blocks(kernel_map: KernelMap) -> np.ndarray:
    """int64, (num_blocks + 1, K): first pair of every block in every cell."""
    if 'output blocks' not in kernel_map.derived:
        pairs, ranks = kernel_map.pairs, kernel_map.output_ranks
        places = pairs.outputs if ranks is None else ranks.index_select(0, pairs.outputs)
        num_blocks = -(-kernel_map.num_outputs // BLOCK_ROWS)
        bounds = torch.arange(num_blocks + 1, dtype=torch.int32) * BLOCK_ROWS
        starts = [
            torch.searchsorted(places[a:b], bounds) + a
            for a, b in zip(pairs.starts, pairs.starts[1:])
        ]
        kernel_map.derived['output blocks'] = torch.stack(starts, dim=1).contiguous().numpy()
    return kernel_map.derived['output blocks']


def _stretches(kernel_map: KernelMap, stretch_rows: int, matrix_size: int) -> np.ndarray:
    """int64, (S + 1, K): first pair of every stretch of ``stretch_rows`` outputs in every cell.

    Every stretch has sums of its own: ``matrix_size`` numbers for each cell. Their number does not
    depend on the number of threads, so neither does the result.
    """
    blocks = _output_blocks(kernel_map)
    most = max(1, STRETCH_SUMS // (kernel_map.num_cells * matrix_size))
    per_stretch = max(stretch_rows // BLOCK_ROWS, -(-(len(blocks) - 1) // most))
    inner = blocks[:-1:per_stretch]
    return np.ascontiguousarray(np.concatenate([inner, blocks[-1:]]))
