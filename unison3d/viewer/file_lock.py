"""One process at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import os
from pathlib import Path

from unison3d.errors import ConfigError

__all__ = ['FileLock']


class FileLock:
    """Hold the file ``.<name>.lock`` beside a file until :meth:`release` or the end of the process.

    A lock file of its own, since the locked file itself may be replaced by a new one.

    Args:
        path: what is locked.

    Raises:
        ConfigError: another process, or another part of this one, holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f'.{path.name}.lock')
        self._file = open(self.path, 'ab')
        try:
            _lock(self._file.fileno())
        except OSError as error:
            self._file.close()
            raise ConfigError(
                f'{path}: is open in another window or process. Close that one first, or give '
                f'another path ({error}).'
            ) from error

    def release(self) -> None:
        """Let others have it; again does nothing."""
        self._file.close()


def _lock(handle: int) -> None:
    if os.name == 'nt':
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
