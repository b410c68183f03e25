"""Layouts of stored sparse-convolution kernels."""

from __future__ import annotations

from torch import Tensor


def kernel_from_krsc(weight: Tensor) -> Tensor:
    """spconv 2.x layout (C_out, kx, ky, kz, C_in) to ours (K, C_in, C_out).

    A 1x1x1 kernel is the exception: spconv multiplies by the same memory read as
    (C_in, C_out), which is not the transpose, and weights were trained that way.
    """
    out_channels, *kernel, in_channels = weight.shape
    if kernel == [1, 1, 1]:
        return weight.reshape(1, in_channels, out_channels)
    return weight.permute(1, 2, 3, 4, 0).reshape(-1, in_channels, out_channels)


def kernel_to_krsc(weight: Tensor) -> Tensor:
    """Inverse of :func:`kernel_from_krsc`."""
    num_cells, in_channels, out_channels = weight.shape
    if num_cells == 1:
        return weight.reshape(out_channels, 1, 1, 1, in_channels)
    edge = round(num_cells ** (1 / 3))
    kernel = weight.reshape(edge, edge, edge, in_channels, out_channels)
    return kernel.permute(4, 0, 1, 2, 3).contiguous()
