"""SIGTERM as a request: the iteration in hand is finished and its state saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size

__all__ = ['LingeringWorker', 'StopRequest', 'workers_closed']

# Seconds that a data-loading worker lives on after SIGTERM. The signal often reaches the whole
# group, and the iteration in hand may need one more batch.
WORKER_GRACE = 30


class StopRequest:
    """Whether this process, or another one of the same training, has got SIGTERM."""

    def __init__(self) -> None:
        self._requested = False
        self._pid = os.getpid()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note SIGTERM in this block in place of what it does otherwise.

        In another thread than the main one, where Python allows no handlers, nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._pid = os.getpid()
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)

    def requested(self) -> bool:
        """The same answer in all processes, which have to ask together."""
        if get_world_size() == 1:
            return self._requested
        device = 'cuda' if torch.distributed.get_backend() == 'nccl' else 'cpu'
        count = torch.tensor(int(self._requested), device=device)
        all_reduce(count, op='sum')
        return bool(count)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._pid:
            self._requested = True


class LingeringWorker:
    """What a data-loading worker does first: make it outlive a SIGTERM to the whole group.

    PyTorch lets workers end at once, and the iteration in hand would fail for want of its next
    batch. They end when the loader is closed, or after :data:`WORKER_GRACE` seconds.

    Args:
        first: what is called before, with the number of the worker.
    """

    def __init__(self, first: Callable[[int], object] | None) -> None:
        self._first = first

    def __call__(self, worker: int) -> None:
        if self._first is not None:
            self._first(worker)
        signal.signal(signal.SIGTERM, _linger)


def _linger(number: int, frame: FrameType | None) -> None:
    if signal.getitimer(signal.ITIMER_REAL)[0] == 0:
        # PyTorch raises in the main process, wherever that is (in a save, for one), when a signal
        # ends a worker. It minds a worker that exits well when it asks for its next batch.
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        signal.setitimer(signal.ITIMER_REAL, WORKER_GRACE)


@contextmanager
def workers_closed(batches: Any) -> Iterator[None]:
    """Close the workers behind an iterator over batches when the block raises."""
    try:
        yield
    except BaseException:
        # Of PyTorch's iterator over workers; without them there is nothing to close. Left alone,
        # they would wait for what a traceback keeps alive.
        close = getattr(batches, '_shutdown_workers', None)
        if close is not None:
            close()
        raise
