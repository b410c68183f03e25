"""Engines that compute a sparse convolution, and the choice between them.

An engine is an object with

- ``name``: what :func:`use_engine` calls it;
- ``refuses(features, weight, kernel_map) -> str``: why it cannot run this case, empty if it can;
- ``convolve(features, weight, kernel_map) -> Tensor``: ``out[o] = sum of features[i] @ weight[k]``
  over all pairs (i, o) of all cells k, (V_out, C_out) in the type of ``features``;
- ``weight_gradient(features, grad_output, kernel_map) -> Tensor``: ``grad[k] = sum of
  features[i]^T grad_output[o]``, (K, C_in, C_out) in the type of ``features``.

The gradient of the features is a convolution with the transposed map and the transposed weight.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import torch
from mmengine.logging import print_log
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.native.choice import AUTO, Choice
from unison3d.sparse.coordinates import SortedKeys
from unison3d.sparse.engines.cpu_engine import CpuEngine
from unison3d.sparse.engines.minkowski_engine import MinkowskiEngine
from unison3d.sparse.engines.spconv_engine import SpconvEngine
from unison3d.sparse.engines.torch_engine import TorchEngine
from unison3d.sparse.engines.triton_engine import TritonEngine
from unison3d.sparse.kernel_map import Kernel, KernelMap, build_kernel_map


class Engine(Protocol):
    """See the module."""

    name: str

    def refuses(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> str: ...

    def convolve(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor: ...

    def weight_gradient(
        self, features: Tensor, grad_output: Tensor, kernel_map: KernelMap
    ) -> Tensor: ...


# Other libraries, which run only if they are asked for by name.
PEERS: dict[str, Engine] = {engine.name: engine for engine in (SpconvEngine(), MinkowskiEngine())}
# In the order in which `auto` tries those that are not peers.
ENGINES: dict[str, Engine] = {
    engine.name: engine for engine in (CpuEngine(), TritonEngine(), TorchEngine())
}
ENGINES |= PEERS
CHOICE = Choice(
    'sparse convolution', {name: getattr(e, 'missing', None) for name, e in ENGINES.items()}
)

_announced: set[str] = set()


def set_engine(name: str) -> None:
    """Choose the engine of all sparse convolutions from here on, in all threads.

    Args:
        name: ``'auto'`` or one of :data:`ENGINES`.

    Raises:
        ConfigError: no such engine.
        MissingDependencyError: its package is not installed or does not load.
    """
    CHOICE.set(name)


def use_engine(name: str) -> AbstractContextManager[None]:
    """Choose the engine inside a ``with`` block, in this thread; see :func:`set_engine`."""
    return CHOICE.use(name)


def select_engine(features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Engine:
    """The engine for one convolution.

    Raises:
        ConfigError: the engine that was asked for cannot run this case.
    """
    wanted = CHOICE.wanted
    if wanted != AUTO:
        reason = ENGINES[wanted].refuses(features, weight, kernel_map)
        if reason:
            raise ConfigError(f'engine {wanted!r} cannot run here: {reason}. Use {AUTO!r}.')
        return ENGINES[wanted]
    engine, reasons = _first_that_runs(features, weight, kernel_map)
    _announce(engine.name, reasons)
    return engine


def _first_that_runs(
    features: Tensor, weight: Tensor, kernel_map: KernelMap
) -> tuple[Engine, list[str]]:
    """What ``auto`` takes, and why not what comes before it."""
    reasons = []
    for engine in ENGINES.values():
        if engine.name in PEERS:
            continue
        reason = engine.refuses(features, weight, kernel_map)
        if not reason:
            return engine, reasons
        reasons.append(f'{engine.name}: {reason}')
    raise ConfigError(f'no engine can run this convolution: {"; ".join(reasons)}')


def automatic_engine(device: str) -> str:
    """Name of the engine that ``auto`` takes for float32 on a device."""
    return _first_that_runs(*_probe(device))[0].name


def availability() -> dict[str, str]:
    """For every engine why it cannot run on this machine, empty if it can on some device."""
    found = {}
    for name, engine in ENGINES.items():
        reasons = []
        for device in ('cuda', 'cpu') if torch.cuda.is_available() else ('cpu',):
            reasons.append(engine.refuses(*_probe(device)))
        found[name] = '' if '' in reasons else reasons[0]
    return found


def _probe(device: str) -> tuple[Tensor, Tensor, KernelMap]:
    """One voxel with one channel."""
    voxel = SortedKeys(torch.zeros(1, dtype=torch.int64, device=device))
    features = torch.zeros((1, 1), device=device)
    return features, features[None], build_kernel_map(voxel, voxel, Kernel.centered(1))


def _announce(name: str, reasons: list[str]) -> None:
    """Say once which engine runs and why not another."""
    message = f'sparse convolution: engine {name}' + (f' ({"; ".join(reasons)})' if reasons else '')
    if message not in _announced:
        _announced.add(message)
        print_log(message, logger='current')
