"""Sparse convolution on a GPU by Triton kernels that wait for nothing on the host."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from unison3d.sparse.engines import _triton_launch as launch
from unison3d.sparse.engines.triton_support import (
    allows_tf32,
    is_interpreter_on,
    launch_on,
    triton_version,
    why_not,
)
from unison3d.sparse.engines.triton_tuning import (
    Tuner,
    convolve_tiles,
    gradient_tiles,
    packed_tiles,
)
from unison3d.sparse.kernel_map import KernelMap

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# Fewer channels would leave most of the smallest product of the tensor cores empty.
PACKED_BELOW = 16
# Sorting a kernel of few cells takes longer than it saves, unless there is much to do per row.
FEW_CELLS = 8
MUCH_WORK = 128 * 128


class TritonEngine:
    """Implicit GEMM over the table of a kernel map, with both gradients.

    Float32 uses TF32 products if PyTorch was told to. Sums are kept in float32 and nothing is added
    atomically: the same input gives the same bits, as long as the tiles are the same.

    The first call with a kind of layer compiles and measures candidates. To capture a CUDA graph,
    run once before; this also fills what is derived from the kernel maps.

    Args:
        interpreted: take tensors on the CPU, for Triton's interpreter (``TRITON_INTERPRET=1``).
        sort_from: output rows from which sorting them by their neighbours pays.
        tuner: chooses the tiles.
    """

    name = 'triton'

    def __init__(
        self, interpreted: bool = False, sort_from: int = 2048, tuner: Tuner | None = None
    ) -> None:
        self.interpreted = interpreted
        self.sort_from = sort_from
        self._tuner = tuner

    def refuses(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> str:
        """Why it cannot run here; empty if it can."""
        if features.dtype not in DTYPES:
            return f'computes in float32, float16 or bfloat16, features are {features.dtype}'
        reason = why_not(features.device, self.interpreted)
        if reason:
            return reason
        if kernel_map.num_cells * max(kernel_map.num_inputs, kernel_map.num_outputs) >= 2**31:
            return 'the kernel map has 2^31 entries or more'
        return ''

    def convolve(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """One program per block of output rows and channels."""
        num_cells, c_in, c_out = weight.shape
        num_outputs = kernel_map.num_outputs
        if 0 in (num_outputs, c_out, *features.shape):
            return features.new_zeros((num_outputs, c_out))
        features = _rows(features)
        out = features.new_empty((num_outputs, c_out))
        # The map of a submanifold backward pass is that of its forward pass with opposite cells.
        origin = getattr(kernel_map, 'origin', None) if kernel_map.is_symmetric else None
        source = kernel_map if origin is None else origin
        dtype, size = features.dtype, _size(num_outputs)
        options = _arithmetic(dtype)
        options['MIRRORED'] = origin is not None
        if c_in < PACKED_BELOW:
            kind, start = 'packed', launch.convolve_packed
            candidates = partial(packed_tiles, c_out)
        else:
            options['TILED'] = self._sorts(num_outputs, num_cells, c_in * c_out)
            kind, start = 'tiled' if options['TILED'] else 'table', launch.convolve
            is_wide = dtype == torch.float32
            # The rounded size, so that all levels that share a key have the same candidates.
            candidates = partial(convolve_tiles, 1 << size, c_in, c_out, is_wide)
        # A transposed view is read in another order, which other tiles may suit.
        shape = (num_cells, c_in, c_out, weight.stride(2))
        key = (kind, *shape, dtype, options['PRECISION'], size)
        with launch_on(features.device):

            def run(tile):
                start(tile, features, weight, source, out, options)

            run(self._tuning().pick(features.device, key, candidates, run))
        return out

    def weight_gradient(
        self, features: Tensor, grad_output: Tensor, kernel_map: KernelMap
    ) -> Tensor:
        """Partial sums over shares of the pairs, added in a fixed order."""
        shape = (kernel_map.num_cells, features.shape[1], grad_output.shape[1])
        if 0 in (*features.shape, *grad_output.shape):
            return features.new_zeros(shape)
        features, grad_output = _rows(features), _rows(grad_output)
        options = _arithmetic(features.dtype)
        if shape[1] < PACKED_BELOW:
            kind, start = 'packed gradient', launch.weight_gradient_packed
            candidates = partial(packed_tiles, shape[2])
        else:
            kind, start = 'gradient', launch.weight_gradient
            is_wide = features.dtype == torch.float32
            candidates = partial(gradient_tiles, shape[1], shape[2], is_wide)
        size = _size(kernel_map.num_outputs)
        key = (kind, *shape, features.dtype, options['PRECISION'], size)
        with launch_on(features.device):

            def run(tile):
                return start(tile, features, grad_output, kernel_map, options)

            shares = run(self._tuning().pick(features.device, key, candidates, run))
            total = shares[0] if len(shares) == 1 else shares.sum(0)
        return total.to(features.dtype)

    def _sorts(self, num_outputs: int, num_cells: int, work: int) -> bool:
        if num_outputs < self.sort_from or num_cells == 1:
            return False
        return num_cells > FEW_CELLS or work >= MUCH_WORK

    def _tuning(self) -> Tuner:
        if self._tuner is None:
            self._tuner = Tuner(triton_version())
        return self._tuner


def _rows(features: Tensor) -> Tensor:
    """With the channels of a row next to each other."""
    return features if features.stride(1) == 1 else features.contiguous()


def _arithmetic(dtype: torch.dtype) -> dict[str, Any]:
    is_wide = dtype == torch.float32
    return dict(
        PRECISION='tf32' if is_wide and allows_tf32() else 'ieee',
        # NumPy has no bfloat16.
        UPCAST=not is_wide and is_interpreter_on(),
    )


def _size(num_outputs: int) -> int:
    """Logarithm of the power of two nearest to a number of rows; small levels are all the same."""
    return max(round(math.log2(num_outputs)), 10)
