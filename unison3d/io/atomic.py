"""Files that are either complete or not there.

    >>> with atomic_write('out/result.json', 'w') as file:
    ...     file.write('{}')

The text goes to a temporary name in the same folder, is flushed and synced, and then takes the
place of the target in one step. A crash in between leaves the old file as it was.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

__all__ = ['atomic_path', 'atomic_write']


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, for libraries that open files by name.

    The temporary keeps the ending of the target, since some libraries choose the format by it.
    Missing folders are made. When the block raises, the temporary is removed.
    """
    # Followed through links, so that a linked output stays a link.
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    temporary = target.with_name(f'.{target.stem[:80]}.{os.getpid()}-{token}.tmp{target.suffix}')
    try:
        yield temporary
        _sync_file(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: Literal['w', 'wb'] = 'wb'
) -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when the block ends well.

    Args:
        path: the file; missing folders are made.
        mode: ``'wb'`` for bytes, ``'w'`` for UTF-8 text with plain line feeds.
    """
    text = {} if 'b' in mode else {'encoding': 'utf-8', 'newline': '\n'}
    with atomic_path(path) as temporary, open(temporary, mode.replace('w', 'x'), **text) as file:
        yield file
        file.flush()


def _sync_file(path: Path) -> None:
    # Append mode is needed for the sync on Windows; nothing is written through it.
    with open(path, 'ab') as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable where the system can (not on Windows, nor on all mounts)."""
    if os.name != 'posix':
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
