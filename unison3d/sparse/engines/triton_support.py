"""Whether Triton can run here, and the settings it has to follow."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch

# The one of torch 2.6. Older ones get constants of 64 bits wrong.
OLDEST_TRITON = (3, 2)
OLDEST_CAPABILITY = (8, 0)


def why_not(device: torch.device, interpreted: bool = False) -> str:
    """Why Triton cannot launch on a device; empty if it can.

    Args:
        device: where the tensors are.
        interpreted: it is Triton's interpreter that should run, on any device.
    """
    if not interpreted:
        return _why_not_compiled(device)
    if not is_interpreter_on():
        return 'the interpreter is off, set TRITON_INTERPRET=1 before the start'
    return _why_not_this_version()


@cache
def _why_not_compiled(device: torch.device) -> str:
    # Asked for at every convolution, and always with the same answer.
    if device.type != 'cuda':
        return f'runs on CUDA, features are on {device}'
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CAPABILITY:
        return f'needs compute capability 8.0, {device} has {capability[0]}.{capability[1]}'
    return _why_not_this_version()


def _why_not_this_version() -> str:
    version = triton_version()
    if not version:
        return (
            'the package "triton" is missing. The CUDA builds of torch for Linux bring it; '
            'elsewhere try: pip install triton'
        )
    if tuple(int(part) for part in version.split('.')[:2]) < OLDEST_TRITON:
        return f'triton {version} is too old, torch 2.6 brings 3.2'
    return ''


def is_interpreter_on() -> bool:
    """Whether kernels are run by NumPy; decided when Triton is imported."""
    return os.environ.get('TRITON_INTERPRET') == '1'


@cache
def triton_version() -> str:
    """Version of Triton, empty if it cannot be imported."""
    try:
        import triton
    except ImportError:
        return ''
    return triton.__version__


@cache
def num_processors(device: torch.device) -> int:
    """Multiprocessors of a device."""
    if device.type != 'cuda':
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count


def launch_on(device: torch.device) -> AbstractContextManager:
    """Triton launches on the current device, whatever device the tensors are on."""
    if device.type != 'cuda' or device.index in (None, torch.cuda.current_device()):
        return nullcontext()
    return torch.cuda.device(device)


def allows_tf32() -> bool:
    """Whether products of float32 may be rounded to TF32, as PyTorch was told."""
    matmul = torch.backends.cuda.matmul
    # Torch 2.9 refuses to read the older setting once somebody has used the newer one.
    if hasattr(matmul, 'fp32_precision'):
        return matmul.fp32_precision == 'tf32'
    return matmul.allow_tf32
