"""How each kernel of the convolution is started: grids, strides and derived arrays."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unison3d.sparse.engines import triton_maps
from unison3d.sparse.engines._triton_kernels import load_kernels
from unison3d.sparse.engines.triton_support import num_processors
from unison3d.sparse.engines.triton_tuning import Tile
from unison3d.sparse.kernel_map import KernelMap

# Bytes that the partial sums of a weight gradient may take.
PARTIAL_BYTES = 1 << 26
# Programs per processor that hide each other's waiting.
PROGRAMS = 8


def convolve(
    tile: Tile,
    features: Tensor,
    weight: Tensor,
    kernel_map: KernelMap,
    out: Tensor,
    options: dict[str, Any],
) -> None:
    """Start ``implicit_gemm``; with ``options['TILED']`` on sorted rows."""
    num_outputs, c_out = out.shape
    num_cells, c_in = weight.shape[:2]
    if options['TILED']:
        tiles = triton_maps.make_tiles(kernel_map, tile.rows)
        arrays = tiles.rows_in, tiles.order, tiles.cells, tiles.counts
    else:
        arrays = (kernel_map.table,) * 4
    load_kernels().implicit_gemm[_grid(out, tile)](
        features,
        weight,
        *arrays,
        out,
        num_outputs,
        num_cells,
        c_in,
        c_out,
        features.stride(0),
        *weight.stride(),
        EVEN_IN=c_in % tile.depth == 0,
        EVEN_OUT=c_out % tile.columns == 0,
        **_sizes(tile),
        **options,
    )


def convolve_packed(
    tile: Tile,
    features: Tensor,
    weight: Tensor,
    kernel_map: KernelMap,
    out: Tensor,
    options: dict[str, Any],
) -> None:
    """Start ``packed_gemm``."""
    num_outputs, c_out = out.shape
    num_cells, c_in = weight.shape[:2]
    load_kernels().packed_gemm[_grid(out, tile)](
        features,
        weight,
        kernel_map.table,
        out,
        num_outputs,
        num_cells,
        c_in,
        c_out,
        features.stride(0),
        *weight.stride(),
        **_sizes(tile),
        **options,
    )


def weight_gradient(
    tile: Tile,
    features: Tensor,
    grad_output: Tensor,
    kernel_map: KernelMap,
    options: dict[str, Any],
) -> Tensor:
    """Start ``weight_gradient``; partial sums, float32 (S, K, C_in, C_out)."""
    c_in, c_out = features.shape[1], grad_output.shape[1]
    num_cells = kernel_map.num_cells
    pairs = triton_maps.list_pairs(kernel_map)
    blocks = _blocks(c_in, tile.rows) * _blocks(c_out, tile.columns)
    longest = min(kernel_map.num_inputs, kernel_map.num_outputs)
    shape = (num_cells, c_in, c_out)
    partial = _partial_sums(features, shape, blocks * num_cells, longest, tile.depth)
    load_kernels().weight_gradient[(blocks, num_cells, len(partial))](
        features,
        grad_output,
        pairs.inputs,
        pairs.outputs,
        pairs.starts,
        partial,
        num_cells,
        c_in,
        c_out,
        len(partial),
        features.stride(0),
        grad_output.stride(0),
        EVEN_IN=c_in % tile.rows == 0,
        EVEN_OUT=c_out % tile.columns == 0,
        **_sizes(tile),
        **options,
    )
    return partial


def weight_gradient_packed(
    tile: Tile,
    features: Tensor,
    grad_output: Tensor,
    kernel_map: KernelMap,
    options: dict[str, Any],
) -> Tensor:
    """Start ``packed_weight_gradient``; partial sums, float32 (S, K, C_in, C_out)."""
    c_in, c_out = features.shape[1], grad_output.shape[1]
    num_cells, num_outputs = kernel_map.num_cells, kernel_map.num_outputs
    blocks = _blocks(num_cells * c_in, tile.rows) * _blocks(c_out, tile.columns)
    shape = (num_cells, c_in, c_out)
    partial = _partial_sums(features, shape, blocks, num_outputs, tile.depth)
    load_kernels().packed_weight_gradient[(blocks, len(partial))](
        features,
        grad_output,
        kernel_map.table,
        partial,
        num_outputs,
        num_cells,
        c_in,
        c_out,
        len(partial),
        features.stride(0),
        grad_output.stride(0),
        **_sizes(tile),
        **options,
    )
    return partial


def _partial_sums(
    features: Tensor, shape: tuple[int, ...], programs: int, length: int, depth: int
) -> Tensor:
    """Room for as many shares as fill the device, each of four steps at least."""
    wanted = _blocks(PROGRAMS * num_processors(features.device), programs)
    size = 4 * shape[0] * shape[1] * shape[2]
    splits = max(1, min(wanted, _blocks(length, 4 * depth), PARTIAL_BYTES // size))
    return features.new_empty((splits, *shape), dtype=torch.float32)


def _blocks(length: int, size: int) -> int:
    return -(-length // size)


def _grid(out: Tensor, tile: Tile) -> tuple[int]:
    return (_blocks(out.shape[0], tile.rows) * _blocks(out.shape[1], tile.columns),)


def _sizes(tile: Tile) -> dict[str, int]:
    return dict(
        ROWS=tile.rows,
        COLUMNS=tile.columns,
        DEPTH=tile.depth,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )
