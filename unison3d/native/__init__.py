"""Loops compiled at their first call (numba), and the threads they run on."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from unison3d.native.jit import kernel

if TYPE_CHECKING:
    from unison3d.native.parallel import ParallelTask, array_at, next_item, read_argument

__all__ = ['ParallelTask', 'array_at', 'kernel', 'next_item', 'read_argument']


def __getattr__(name: str) -> object:
    # At first use (PEP 562): the threads are those of torch, which takes seconds to import, and
    # most loops need none.
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module('unison3d.native.parallel'), name)
    globals()[name] = value
    return value
