"""One process at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
import weakref
from pathlib import Path
from typing import Any

from unison3d.errors import ConfigError

__all__ = ['FileLock']

_HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


class FileLock:
    """Hold the file ``.<name>.lock`` beside a file until :meth:`release` or the end of the process.

    A lock file of its own, since the locked file itself may be replaced by a new one. It tells who
    holds it. One that is left behind by a process that was killed is no lock: the system has
    released it, and the next process takes it over.

    Args:
        path: what is locked.
        taken: the message when another holds it. ``{holder}`` in it becomes what is known of the
            other, such as "process 4711 on this machine, since 14:03:05".

    Raises:
        ConfigError: another process, or another part of this one, holds it.
        OSError: the folder cannot be written, or its file system has no locks.
    """

    def __init__(self, path: Path, taken: str | None = None) -> None:
        self.path = path.with_name(f'.{path.name}.lock')
        self._file = open(self.path, 'a+b')
        try:
            _lock(self._file.fileno())
        except OSError as error:
            holder = self._read_holder()
            self._file.close()
            if error.errno not in _HELD:
                raise
            taken = taken or (
                f'{path}: is open in another window or process ({{holder}}). Close that one first, '
                'or give another path.'
            )
            raise ConfigError(taken.replace('{holder}', holder)) from error
        _locks.add(self)
        self._write_holder()

    def release(self) -> None:
        """Let others have it; again does nothing."""
        _locks.discard(self)
        self._file.close()

    def _write_holder(self) -> None:
        now = time.strftime('%Y-%m-%d %H:%M:%S')
        holder = {'pid': os.getpid(), 'host': socket.gethostname(), 'since': now}
        # For messages only: a full disk is no reason not to hold the lock.
        with contextlib.suppress(OSError):
            self._file.truncate(0)
            self._file.write(json.dumps(holder).encode())
            self._file.flush()

    def _read_holder(self) -> str:
        try:
            self._file.seek(0)
            holder: Any = json.loads(self._file.read(1000))
            here = holder['host'] == socket.gethostname()
            place = 'this machine' if here else holder['host']
            return f'process {int(holder["pid"])} on {place}, since {holder["since"]}'
        except (OSError, ValueError, LookupError, TypeError):
            return 'a process that has not told its number'


def _close_in_child() -> None:
    """A forked worker that outlives its killed parent must not keep the lock."""
    for lock in list(_locks):
        lock._file.close()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_close_in_child)


def _lock(handle: int) -> None:
    if os.name == 'nt':
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
