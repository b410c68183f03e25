"""Single layers of the Triton engine on a GPU: errors, times, and those of spconv."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unison3d.sparse import Kernel, KernelMap, SparseTensor, sparse_conv, use_engine

LAYERS = [('subm k3', c, c) for c in (32, 64, 96, 160, 256)]
LAYERS += [('down k2', 32, 64), ('down k2', 128, 256), ('up k2', 64, 32), ('up k2', 256, 128)]
LAYERS += [('stem k5', 3, 32), ('stem k3', 6, 32)]
TYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16, 'tf32': torch.float32}
# Largest norm of a difference over the norm of the exact result.
TOLERANCE = {'bf16': 8e-3, 'fp16': 1e-3, 'tf32': 1e-3}


def device_ms(run: Callable[[], object], calls: int = 20, rounds: int = 5) -> float:
    """Milliseconds of a call on the device: the best of some rounds of calls in a row."""
    for _ in range(3):
        run()
    best = float('inf')
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        best = min(best, start.elapsed_time(end) / calls)
    return best


def layer_map(kind: str, x: SparseTensor) -> KernelMap:
    """The map of a kind of layer."""
    if kind in ('subm k3', 'stem k3'):
        return x.kernel_map(Kernel.centered(3))
    if kind == 'stem k5':
        return x.kernel_map(Kernel.centered(5))
    down = x.kernel_map(Kernel(2, 0), x.cache.grid_level(x.key, Kernel(2, 0), 2))
    return down if kind == 'down k2' else down.transposed()


def layer_row(kind: str, c_in: int, c_out: int, type_name: str, x: SparseTensor) -> dict:
    """Error against float64 and times of one layer; a stem needs no gradient of its input."""
    dtype, kernel_map = TYPES[type_name], layer_map(kind, x)
    device = kernel_map.device
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device).to(dtype)

    features = normal(kernel_map.num_inputs, c_in)
    weight = normal(kernel_map.num_cells, c_in, c_out).requires_grad_()
    cotangent = normal(kernel_map.num_outputs, c_out)
    features.requires_grad_(not kind.startswith('stem'))
    leaves = [leaf for leaf in (features, weight) if leaf.requires_grad]

    def results(engine: str, as_type: torch.dtype) -> list[Tensor]:
        with use_engine(engine):
            out = sparse_conv(features.to(as_type), weight.to(as_type), kernel_map)
        gradients = torch.autograd.grad(out, leaves, cotangent.to(as_type))
        return [out.detach().double(), *(g.double() for g in gradients)]

    def forward() -> None:
        with torch.no_grad(), use_engine('triton'):
            sparse_conv(features, weight, kernel_map)

    def both() -> None:
        with use_engine('triton'):
            out = sparse_conv(features, weight, kernel_map)
        torch.autograd.grad(out, leaves, cotangent)

    ours, again = results('triton', dtype), results('triton', dtype)
    exact = results('torch', torch.float64)
    error = max(float((a - b).norm() / b.norm()) for a, b in zip(ours, exact, strict=True))
    return {
        'layer': f'{kind} {c_in}-{c_out}',
        'type': type_name,
        'error': error,
        'right': error < TOLERANCE[type_name],
        'repeatable': all(map(torch.equal, ours, again)),
        'forward ms': device_ms(forward),
        'both ms': device_ms(both),
        **_spconv_times(kind, c_in, c_out, type_name, x),
    }


def _spconv_times(kind: str, c_in: int, c_out: int, type_name: str, x: SparseTensor) -> dict:
    """The same layer of spconv by its default algorithm, with its own maps in place."""
    try:
        from spconv import constants
    except ImportError as error:
        return {'spconv': f'not measured: {error}'}
    constants.SPCONV_ALLOW_TF32 = type_name == 'tf32'
    try:
        layer, tensor = _spconv_layer(kind, c_in, c_out, TYPES[type_name], x)
        cotangent = torch.ones_like(layer(tensor).features)
        features = tensor.features.detach().requires_grad_(not kind.startswith('stem'))
        leaves = [leaf for leaf in (features, layer.weight) if leaf.requires_grad]

        def forward() -> None:
            with torch.no_grad():
                layer(tensor)

        def both() -> None:
            out = layer(tensor.replace_feature(features)).features
            torch.autograd.grad(out, leaves, cotangent)

        return {'spconv forward ms': device_ms(forward), 'spconv both ms': device_ms(both)}
    except (RuntimeError, AssertionError, NotImplementedError, KeyError, ValueError) as error:
        return {'spconv': f'not measured: {type(error).__name__} {error}'[:200]}


def _spconv_layer(kind: str, c_in: int, c_out: int, dtype: torch.dtype, x: SparseTensor) -> tuple:
    """A layer of spconv and a tensor that goes into it."""
    import spconv.pytorch as spconv

    def to_device(layer: torch.nn.Module) -> torch.nn.Module:
        return layer.to(x.features.device, dtype)

    def tensor_of(channels: int) -> spconv.SparseConvTensor:
        features = x.features.new_ones((len(x), channels), dtype=dtype)
        return spconv.SparseConvTensor(
            features, x.coordinates.contiguous(), list(x.spatial_shape), x.batch_size
        )

    if kind == 'up k2':
        down = spconv.SparseConv3d(16, c_in, 2, 2, bias=False, indice_key='down')
        up = spconv.SparseInverseConv3d(c_in, c_out, 2, bias=False, indice_key='down')
        with torch.no_grad():
            return to_device(up), to_device(down)(tensor_of(16))
    if kind == 'down k2':
        layer = spconv.SparseConv3d(c_in, c_out, 2, 2, bias=False, indice_key='down')
    else:
        size = 5 if kind == 'stem k5' else 3
        layer = spconv.SubMConv3d(c_in, c_out, size, bias=False, indice_key='same')
    return to_device(layer), tensor_of(c_in)
