"""Compiled loops on the threads of torch.

Torch's OpenMP threads keep spinning for some milliseconds after each of its operations. A second
pool of threads beside them (numba's, or Python's) would fight them for the cores in a network that
alternates between the two, so our loops run as a parallel region of the very same runtime. Where
that runtime is not found (torch built without OpenMP, Windows), short-lived threads do the work.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cached_property, lru_cache

import numpy as np
import threadpoolctl
import torch
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from unison3d.native.jit import callback, kernel

# What a task finds at its address: the next item, the number of items, then its arguments.
_HEADER = 2


@intrinsic
def _pointer(typing_context, address, dtype):
    """The pointer to numbers of a type at an integer address."""

    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(dtype.instance_type)(types.int64, dtype), codegen


@intrinsic
def _fetch_and_add_one(typing_context, address):
    """Atomically add one to the int64 at an address; gives the value before."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw('add', pointer, ir.Constant(ir.IntType(64), 1), 'monotonic')

    return types.int64(types.int64), codegen


@kernel
def array_at(address, shape, dtype):
    """The C-contiguous array of a shape and dtype at an integer address."""
    return carray(_pointer(address, dtype), shape)


@kernel
def next_item(context):
    """The next item of a task that nobody has taken yet, or -1."""
    item = _fetch_and_add_one(context)
    return item if item < array_at(context, (_HEADER,), np.int64)[1] else -1


@kernel
def read_argument(context, index):
    """Argument of a task, an int64."""
    return array_at(context, (_HEADER + index + 1,), np.int64)[_HEADER + index]


class ParallelTask:
    """A loop over items that any number of threads share.

    Items are handed out one by one, so uneven items cost no waiting. Results must not depend on
    which thread takes which item.

    Args:
        body: ``body(context)``, compiled by numba at the first run: takes items with
            :func:`next_item` until it gets -1, reads its arguments with :func:`read_argument`.
    """

    def __init__(self, body: Callable[[int], None]) -> None:
        self._body = body

    @cached_property
    def _compiled(self) -> object:
        return callback(self._body, types.void(types.int64))

    def run(self, num_items: int, *arguments: int) -> None:
        """Work on all items; returns when they are done.

        Args:
            num_items: items, numbered from 0.
            arguments: integers: sizes, and addresses of arrays that the caller keeps alive.
        """
        if num_items <= 0:
            return
        context = np.array([0, num_items, *arguments], dtype=np.int64)
        threads = min(torch.get_num_threads(), num_items)
        parallel_region = _openmp_region()
        if threads == 1:
            self._compiled.ctypes(context.ctypes.data)
        elif parallel_region is not None:
            parallel_region(self._compiled.address, context.ctypes.data, threads, 0)
        else:
            _run_on_short_threads(self._compiled.ctypes, context.ctypes.data, threads)


def _run_on_short_threads(body: Callable[[int], None], context: int, threads: int) -> None:
    helpers = [threading.Thread(target=body, args=(context,)) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    body(context)
    for helper in helpers:
        helper.join()


@lru_cache(maxsize=1)
def _openmp_region() -> Callable | None:
    """``GOMP_parallel`` of the OpenMP runtime that torch itself uses, None if there is none.

    GNU and LLVM (also Intel's) runtimes both have it.
    """
    found = [p['filepath'] for p in threadpoolctl.threadpool_info() if p['user_api'] == 'openmp']
    # Other packages may have brought runtimes of their own.
    found.sort(key=lambda path: 'torch' not in path)
    for path in found:
        region = getattr(ctypes.CDLL(path), 'GOMP_parallel', None)
        if region is not None:
            region.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
            region.restype = None
            return region
    return None
