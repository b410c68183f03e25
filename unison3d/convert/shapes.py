"""Words of the shape tables: which names and shapes a layer has, and how sizes are read off.

A table is a dictionary from name to shape. It is computed from a few numbers (widths, depths),
which are read off the tensors of a file; then every name and shape of the file is compared with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from unison3d.errors import CheckpointError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """What the tensors of a file should be.

    Args:
        summary: one line for the reader of a report.
        shapes: shape by our name, complete.
        kernels: those of ``shapes`` that are kernels of the spconv family, (K, C_in, C_out).
    """

    summary: str
    shapes: Mapping[str, Shape]
    kernels: frozenset[str] = frozenset()


def linear(name: str, in_channels: int, out_channels: int) -> dict[str, Shape]:
    """``torch.nn.Linear`` with a bias."""
    return {f'{name}.weight': (out_channels, in_channels), f'{name}.bias': (out_channels,)}


def layer_norm(name: str, channels: int) -> dict[str, Shape]:
    """``torch.nn.LayerNorm``."""
    return {f'{name}.weight': (channels,), f'{name}.bias': (channels,)}


def batch_norm(name: str, channels: int) -> dict[str, Shape]:
    """``torch.nn.BatchNorm1d`` with running statistics."""
    vectors = ('weight', 'bias', 'running_mean', 'running_var')
    return {
        **{f'{name}.{kind}': (channels,) for kind in vectors},
        f'{name}.num_batches_tracked': (),
    }


def attention(name: str, channels: int) -> dict[str, Shape]:
    """``torch.nn.MultiheadAttention`` with equal widths."""
    return {
        f'{name}.in_proj_weight': (3 * channels, channels),
        f'{name}.in_proj_bias': (3 * channels,),
        **linear(f'{name}.out_proj', channels, channels),
    }


def under(prefix: str, table: Mapping[str, Shape]) -> dict[str, Shape]:
    """The same table one module further down."""
    return {prefix + name: shape for name, shape in table.items()}


def read_size(shapes: Mapping[str, Shape], name: str, axis: int, default: int | None = None) -> int:
    """The size of one axis, from which a width of the architecture is known.

    Args:
        shapes: shape by name.
        name: the tensor.
        axis: its axis.
        default: the published size, for where the tensor is missing. It is then reported as missing
            like any other. None insists on the tensor.

    Raises:
        CheckpointError: the tensor is missing or has too few axes, and there is no default.
    """
    shape = shapes.get(name)
    if shape is not None and -len(shape) <= axis < len(shape):
        return shape[axis]
    if default is not None:
        return default
    seen = 'is missing' if shape is None else f'has the shape {tuple(shape)}'
    raise CheckpointError(
        f'The tensor {name} {seen}, and the architecture is read from it. Is this a checkpoint of '
        f'another system? It holds {len(shapes)} tensors of a known name: {_few(shapes)}.'
    )


def read_count(shapes: Mapping[str, Shape], pattern: str) -> int:
    """How many numbered children there are, whatever their numbers.

    A gap or a number out of line then shows as one name missing and one unexpected, and a damaged
    name cannot ask for a million layers.

    Args:
        shapes: shape by name.
        pattern: regular expression with one group, the number: ``r'layers\\.(\\d+)\\.'``.

    Returns:
        The number of different numbers found; 0 where nothing matches.
    """
    found = (re.match(pattern, name) for name in shapes)
    return len({match[1] for match in found if match})


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return (', '.join(listed[:3]) or 'none') + (', ...' if len(listed) > 3 else '')
