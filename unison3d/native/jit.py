"""Compiled loops that also work where nothing can be written.

Numba keeps machine code by the source file of the function alone: keep what a function compiles in
(intrinsics, constants) in its own file, or the code on disk outlives a change.
"""

from __future__ import annotations

from collections.abc import Callable

import numba


def kernel(function: Callable) -> Callable:
    """Compile at the first call and keep the machine code on disk where that is possible.

    Numba refuses to decorate at all when neither the package folder nor the user's cache folder
    can be written, as in a read-only container.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)


def callback(function: Callable, signature: object) -> object:
    """Compile a function that C code can call, kept on disk where that is possible."""
    try:
        return numba.cfunc(signature, cache=True)(function)
    except RuntimeError:
        return numba.cfunc(signature)(function)
