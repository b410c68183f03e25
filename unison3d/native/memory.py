"""When memory runs out: try again in smaller pieces, and if that fails say what to turn.

    >>> with_smaller_chunks(lambda rows: attend_in_pieces_of(rows), num_rows, 'attention')
    >>> with memory_explained('this scan', 'Cut it into tiles.'):
    ...     encode(scan)

Nothing here is asked before memory has run out, so results are those of the usual way until then.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from mmengine.logging import print_log

from unison3d.errors import OutOfMemoryError

__all__ = ['is_out_of_memory', 'memory_explained', 'with_smaller_chunks']

T = TypeVar('T')
#: Pieces do not get smaller than this: what fails then fails for something else.
SMALLEST = 64
# PyTorch tells the lack of memory of a CPU, and of Apple's devices, only in words.
_WORDS = ("can't allocate memory", 'not enough memory', 'out of memory', 'Cannot allocate memory')


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy or PyTorch says that memory has run out."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def with_smaller_chunks(work: Callable[[int], T], count: int, what: str) -> T:
    """``work(count)``; where memory runs out, with half as many rows at a time, and so on.

    Every halving is announced in the log: the pieces are computed by other shapes of the same
    products, which may round differently in the last digit.

    Args:
        work: does all of the work, so many rows at a time.
        count: rows in all.
        what: for the log.

    Raises:
        MemoryError, RuntimeError: as ``work`` raised it, where pieces of :data:`SMALLEST` rows do
            not fit either. Anything else it raises passes through.
    """
    chunk = count
    while True:
        try:
            return work(chunk)
        except (MemoryError, RuntimeError) as error:
            if chunk <= SMALLEST or not is_out_of_memory(error):
                raise
        # Outside of the handler: the error keeps the frames alive, and they the tensors.
        free_memory()
        chunk = max(chunk // 2, SMALLEST)
        print_log(f'{what}: memory ran out, now {chunk:,} of {count:,} rows at a time', 'current')


def free_memory() -> None:
    """Give back what nobody uses any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextlib.contextmanager
def memory_explained(what: str, advice: str) -> Iterator[None]:
    """Turn the lack of memory into an error that says what to do.

    Args:
        what: that needs the memory.
        advice: which knobs to turn, as sentences.

    Raises:
        OutOfMemoryError: the block ran out of memory.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [''])[0][:200] or type(error).__name__
        raise OutOfMemoryError(
            f'{what} needs more memory than there is ({reason}). {advice}'
        ) from error
