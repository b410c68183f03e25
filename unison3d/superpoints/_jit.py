"""Compiled loops that also work where nothing can be written."""

from __future__ import annotations

from collections.abc import Callable

from numba import njit


def kernel(function: Callable) -> Callable:
    """Compile at the first call and keep the machine code on disk where that is possible.

    Numba refuses to decorate at all when neither the package folder nor the user's cache folder
    can be written, as in a read-only container.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)
