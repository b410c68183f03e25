"""Loops compiled at their first call (numba), and the threads they run on."""

from unison3d.native.jit import kernel
from unison3d.native.parallel import ParallelTask, array_at, next_item, read_argument

__all__ = ['ParallelTask', 'array_at', 'kernel', 'next_item', 'read_argument']
