"""Training state as tensors and plain containers, and the random number generators' state.

``torch.load(weights_only=True)`` accepts tensors, numbers, strings, lists, tuples and dicts. Engine
state has a little more in it: numpy arrays and scalars, and the histories of the message hub.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

# bool comes before int, which it is a kind of.
_ATOMS = (bool, int, float, str)


def to_plain(value: Any, where: str = 'checkpoint') -> Any:
    """Rewrite state so that a tensors-only reader accepts it.

    Numpy arrays become tensors, numpy scalars Python numbers, subclasses of the containers the
    containers themselves, devices and dtypes their names.

    Args:
        value: the state.
        where: the place of ``value``, for the message.

    Returns:
        A copy made of CPU tensors and plain containers.

    Raises:
        TypeError: something else is inside; the message says where.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, np.ndarray):
        if value.dtype.kind in 'biuf':
            return torch.from_numpy(np.array(value))
        return to_plain(value.tolist(), where)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (torch.dtype, torch.device)):
        return str(value)
    if value is None:
        return None
    for kind in _ATOMS:
        if isinstance(value, kind):
            # A subclass (an enum of int, a str with methods) would need its class to be read back.
            return kind(value)
    if isinstance(value, Mapping):
        return {_key(k, where): to_plain(v, f'{where}[{k!r}]') for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(to_plain(v, f'{where}[{i}]') for i, v in enumerate(value))
    if isinstance(value, (list, set, frozenset, deque)):
        return [to_plain(v, f'{where}[{i}]') for i, v in enumerate(value)]
    raise TypeError(
        f'{where}: a {type(value).__name__} cannot be kept in a checkpoint; '
        'expected tensors, numbers, strings and containers of them.'
    )


def _key(key: Any, where: str) -> Any:
    if isinstance(key, np.generic):
        key = key.item()
    if not isinstance(key, (str, int, float, bool, tuple, type(None))):
        raise TypeError(f'{where}: a key of type {type(key).__name__}; expected a string or number')
    return key


def keep_plain(info: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The entries that :func:`to_plain` accepts, and the names of those it does not."""
    kept, dropped = {}, []
    for key, value in info.items():
        try:
            kept[key] = to_plain(value, key)
        except TypeError:
            dropped.append(key)
    return kept, dropped


def pack_message_hub(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Message hub state with its histories as tensors, and the names of what cannot be kept."""
    scalars = {}
    for key, buffer in state['log_scalars'].items():
        values, counts = buffer.data
        scalars[key] = {
            'values': torch.as_tensor(np.asarray(values, dtype=np.float64)),
            'counts': torch.as_tensor(np.asarray(counts, dtype=np.float64)),
            'max_length': int(buffer.max_length),
        }
    info, dropped = keep_plain(state['runtime_info'])
    resumed = {key: bool(value) for key, value in state['resumed_keys'].items()}
    return {'log_scalars': scalars, 'runtime_info': info, 'resumed_keys': resumed}, dropped


def unpack_message_hub(state: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`pack_message_hub`."""
    scalars = OrderedDict()
    for key, packed in state['log_scalars'].items():
        buffer = HistoryBuffer([], [], max_length=packed['max_length'])
        # Set directly: the constructor takes shortcuts for long histories and warns.
        buffer._log_history = packed['values'].numpy().copy()
        buffer._count_history = packed['counts'].numpy().copy()
        scalars[key] = buffer
    known = {*scalars, *state['runtime_info']}
    return {
        'log_scalars': scalars,
        'runtime_info': dict(state['runtime_info']),
        'resumed_keys': {k: v for k, v in state['resumed_keys'].items() if k in known},
    }


def random_state() -> dict[str, Any]:
    """State of every generator that training draws from, as plain containers."""
    version, internal, gauss = random.getstate()
    # The legacy generator is what transforms of MMEngine and of others draw from.
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    state = {
        'python': (version, torch.tensor(internal, dtype=torch.int64), gauss),
        'numpy': (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state_all()
    return to_plain(state, 'random state')


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Continue every generator where :func:`random_state` found it."""
    version, internal, gauss = state['python']
    random.setstate((version, tuple(internal.tolist()), gauss))
    name, keys, position, has_gauss, cached = state['numpy']
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state((name, keys, position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())
    generators = state.get('cuda', ())
    # On a machine with another number of devices the extra ones keep the seed of this run.
    if torch.cuda.is_available() and len(generators) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([generator.cpu() for generator in generators])


def on_cpu(value: Any) -> Any:
    """Undo ``map_location`` for state that belongs to the host."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: on_cpu(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(on_cpu(item) for item in value)
    return value
