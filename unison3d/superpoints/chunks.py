"""Ranges of a loop on several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def run_in_chunks(work: Callable[[int, int], object], count: int, chunk: int) -> None:
    """Call ``work(first, last)`` for every stretch of ``range(count)``.

    As many threads as torch uses take the stretches, so ``work`` has to release the interpreter
    lock (compiled kernels do) and may write nothing that another stretch reads or writes. The
    result then depends on neither the threads nor their number.

    Args:
        work: what to do with a stretch.
        count: length of the loop.
        chunk: length of a stretch.
    """
    firsts = range(0, count, chunk)
    threads = min(torch.get_num_threads(), len(firsts))
    if threads <= 1:
        for first in firsts:
            work(first, min(first + chunk, count))
        return
    with ThreadPoolExecutor(threads) as pool:
        # The list waits for all and raises what a thread raised.
        list(pool.map(lambda first: work(first, min(first + chunk, count)), firsts))
