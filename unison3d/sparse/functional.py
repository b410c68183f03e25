"""Sparse convolution as one differentiable function."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from unison3d.errors import SceneError
from unison3d.sparse.engines import Engine, select_engine
from unison3d.sparse.engines.cpu_engine import HAS_BF16_DOT
from unison3d.sparse.kernel_map import KernelMap


def sparse_conv(
    features: Tensor, weight: Tensor, kernel_map: KernelMap, bias: Tensor | None = None
) -> Tensor:
    """``out[o] = sum over cells k and pairs (i, o) of k: features[i] @ weight[k]``.

    Which engine computes it is chosen by :func:`~unison3d.sparse.use_engine`.

    Args:
        features: (V_in, C_in), floating, any device.
        weight: (K, C_in, C_out).
        kernel_map: the pairs.
        bias: (C_out,) or (1, C_out), added to every output.

    Returns:
        (V_out, C_out), in the type of ``features`` (of autocast, if that is on).

    Raises:
        SceneError: sizes, types or devices do not fit each other.
    """
    _check_devices(features, weight, kernel_map.device)
    features, weight = _autocast(features, weight)
    _check(features, weight, kernel_map)
    engine = select_engine(features, weight, kernel_map)
    out = _SparseConv.apply(features, weight, kernel_map, engine)
    return out if bias is None else out + bias.to(out.dtype)


def multiply_rows(features: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """``features @ matrix + bias``, the convolution of a single cell.

    Args:
        features: (V, C_in), floating, any device.
        matrix: (C_in, C_out).
        bias: (C_out,) or (1, C_out).

    Returns:
        (V, C_out), in the type of ``features`` (of autocast, if that is on).

    Raises:
        SceneError: types or devices do not fit each other.
    """
    _check_devices(features, matrix, features.device)
    features, matrix = _autocast(features, matrix)
    _check_types(features, matrix)
    if features.dtype == torch.bfloat16 and features.device.type == 'cpu' and not HAS_BF16_DOT:
        # Torch emulates the product a hundred times slower; its sums are float32 as well.
        with torch.autocast('cpu', enabled=False):
            out = (features.float() @ matrix.float()).to(torch.bfloat16)
    else:
        out = features @ matrix
    return out if bias is None else out + bias.to(out.dtype)


def _autocast(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    device_type = features.device.type
    # As torch does: who computes in float64 wants its digits.
    if features.dtype == torch.float64 or not torch.is_autocast_enabled(device_type):
        return features, weight
    dtype = torch.get_autocast_dtype(device_type)
    return features.to(dtype), weight.to(dtype)


def _check(features: Tensor, weight: Tensor, kernel_map: KernelMap) -> None:
    if features.shape[0] != kernel_map.num_inputs:
        raise SceneError(
            f'{features.shape[0]} rows of features meet a kernel map of {kernel_map.num_inputs} '
            'inputs'
        )
    if weight.ndim != 3 or weight.shape[:2] != (kernel_map.num_cells, features.shape[1]):
        raise SceneError(
            f'weight has shape {tuple(weight.shape)}, expected '
            f'({kernel_map.num_cells}, {features.shape[1]}, C_out)'
        )
    _check_types(features, weight)


def _check_types(features: Tensor, weight: Tensor) -> None:
    if weight.dtype != features.dtype:
        raise SceneError(f'features are {features.dtype}, weight {weight.dtype}; convert one')


def _check_devices(features: Tensor, weight: Tensor, device: torch.device) -> None:
    if not features.device == weight.device == device:
        raise SceneError(
            f'features are on {features.device}, weight on {weight.device}, the kernel map on '
            f'{device}; move them to one device'
        )


class _SparseConv(Function):
    @staticmethod
    def forward(
        ctx, features: Tensor, weight: Tensor, kernel_map: KernelMap, engine: Engine
    ) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.kernel_map = kernel_map
        ctx.engine = engine
        return engine.convolve(features, weight, kernel_map)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        features, weight = ctx.saved_tensors
        kernel_map, engine = ctx.kernel_map, ctx.engine
        grad_output = grad_output.contiguous()
        grad_features = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_features = engine.convolve(
                grad_output, weight.transpose(1, 2), kernel_map.transposed()
            )
        if ctx.needs_input_grad[1]:
            grad_weight = engine.weight_gradient(features, grad_output, kernel_map)
        return grad_features, grad_weight, None, None
