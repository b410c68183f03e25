"""Gathers, dense products and scatters in plain PyTorch: right on any device, in any type."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from unison3d.native.memory import with_smaller_chunks
from unison3d.sparse.kernel_map import KernelMap


class TorchEngine:
    """The reference of the other engines, and what runs where they cannot."""

    name = 'torch'

    def refuses(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> str:
        """Nothing."""
        return ''

    def convolve(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """One gather, product and scatter per cell.

        Sums are kept in float32 at least: 27 of them in bfloat16 would add up.
        """
        pairs = kernel_map.pairs
        dtype = torch.promote_types(features.dtype, torch.float32)
        out = features.new_zeros((kernel_map.num_outputs, weight.shape[2]), dtype=dtype)
        for cell in range(kernel_map.num_cells):
            rows_in, rows_out = pairs.cell(cell)
            if len(rows_in):
                product = with_smaller_chunks(
                    partial(_gathered_product, features, rows_in, weight[cell], dtype),
                    len(rows_in),
                    'sparse convolution',
                )
                # Unique rows inside one cell: deterministic on every device.
                out.index_add_(0, rows_out, product)
        return out.to(features.dtype)

    def weight_gradient(
        self, features: Tensor, grad_output: Tensor, kernel_map: KernelMap
    ) -> Tensor:
        """One gathered product per cell."""
        pairs = kernel_map.pairs
        shape = (kernel_map.num_cells, features.shape[1], grad_output.shape[1])
        grad = features.new_zeros(shape)
        for cell in range(kernel_map.num_cells):
            rows_in, rows_out = pairs.cell(cell)
            if len(rows_in):
                block = features.index_select(0, rows_in)
                grad[cell] = block.t() @ grad_output.index_select(0, rows_out)
        return grad


def _gathered_product(
    features: Tensor, rows: Tensor, weight: Tensor, dtype: torch.dtype, chunk: int
) -> Tensor:
    """``features[rows] @ weight``, so many rows at a time, (len(rows), C_out)."""
    if chunk >= len(rows):
        return (features.index_select(0, rows) @ weight).to(dtype)
    out = features.new_empty((len(rows), weight.shape[1]), dtype=dtype)
    for first in range(0, len(rows), chunk):
        part = slice(first, first + chunk)
        out[part] = features.index_select(0, rows[part]) @ weight
    return out
