"""Long work on a thread of its own, with progress, cancel, and errors that are kept for display."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from unison3d.errors import Unison3DError

__all__ = ['BackgroundWork', 'Cancelled', 'Progress']


class Cancelled(Exception):
    """Somebody cancelled the work; ends the thread and nothing else."""


@dataclass(frozen=True)
class Progress:
    """How far work is.

    Attributes:
        state: ``'idle'`` before the start, then ``'working'``, then how it ended.
        fraction: 0 to 1.
        text: one line for people; the message of the error where it failed.
    """

    state: Literal['idle', 'working', 'ready', 'cancelled', 'failed']
    fraction: float
    text: str


class BackgroundWork:
    """Work that is done once; it can be started again after it was cancelled or failed.

    Args:
        function: the work; it calls :meth:`report` now and then, which is where it is cancelled.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._callbacks: dict[object, Callable[[Progress], None]] = {}
        self.progress = Progress('idle', 0.0, 'not started')
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin; nothing happens while it runs or when it is done."""
        with self._lock:
            if self.progress.state in ('working', 'ready'):
                return
            self._cancelled.clear()
            self._ended.clear()
            self.error = None
            self.progress = Progress('working', 0.0, 'starting')
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Stop at the next report."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; gives whether the work is done and good.

        Args:
            timeout: seconds, None for as long as it takes.
        """
        if self.progress.state == 'working':
            self._ended.wait(timeout)
        return self.progress.state == 'ready'

    def report(self, fraction: float, text: str) -> None:
        """Say how far it is; for the working thread.

        Raises:
            Cancelled: the work is to stop.
        """
        if self._cancelled.is_set():
            raise Cancelled
        self._tell(Progress('working', fraction, text))

    def subscribe(self, callback: Callable[[Progress], None]) -> Callable[[], None]:
        """Be told of every step, on the working thread; returns what ends it.

        A callback must not raise: that would end the work.
        """
        key = object()
        self._callbacks[key] = callback
        return lambda: self._callbacks.pop(key, None)

    def _run(self) -> None:
        last = Progress('failed', 0.0, 'an internal error; the terminal shows it')
        try:
            self._function()
            last = Progress('ready', 1.0, 'ready')
        except Cancelled:
            last = Progress('cancelled', 0.0, 'cancelled')
        except (Unison3DError, OSError, MemoryError, RuntimeError, ValueError) as error:
            self.error = error
            last = Progress('failed', 0.0, f'{type(error).__name__}: {error}')
        finally:
            self.progress = last
            self._ended.set()
            self._tell(last)

    def _tell(self, progress: Progress) -> None:
        self.progress = progress
        for callback in list(self._callbacks.values()):
            callback(progress)
