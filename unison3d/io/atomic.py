"""Files that are either complete or not there.

    >>> with atomic_write('out/result.json', 'w') as file:
    ...     file.write('{}')

The text goes to a temporary name in the same folder, is flushed and synced, and then takes the
place of the target in one step. A crash in between leaves the old file as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

from unison3d.errors import FileWriteError

__all__ = ['atomic_path', 'atomic_write', 'writing']

# What to do about each answer of the system.
_ADVICE = {
    errno.ENOSPC: 'Make room on the disk, or choose another folder',
    errno.EDQUOT: 'Your quota is used up: make room, or choose another folder',
    errno.EFBIG: 'The system allows no larger file here (see ulimit -f): choose another folder',
    errno.EROFS: 'The disk is read-only: choose another folder',
    errno.EACCES: 'You may not write there: change the rights of the folder, or choose another',
    errno.EPERM: 'You may not write there: change the rights of the folder, or choose another',
    errno.EISDIR: 'There is a folder of this name: choose another name',
    errno.ENAMETOOLONG: 'Choose a shorter name',
    errno.EIO: 'The disk is failing: save elsewhere, and check it',
}


#: Of a name in that of its temporary file: up to four bytes each, and file systems take 255.
STEM_CHARACTERS = 50


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, for libraries that open files by name.

    The temporary keeps the ending of the target, since some libraries choose the format by it.
    Missing folders are made. When the block raises, the temporary is removed.

    Raises:
        FileWriteError: the system could not write; names the file, the room that is left, and what
            to do. Libraries that hide its answer: see :func:`writing`.
    """
    with writing(path):
        yield from _atomic_path(path)


def _atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    # Followed through links, so that a linked output stays a link.
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    temporary = target.with_name(
        f'.{target.stem[:STEM_CHARACTERS]}.{os.getpid()}-{token}.tmp{target.suffix}'
    )
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


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], *hidden: type[Exception]) -> Iterator[None]:
    """Turn what the system says about writing a file into an error that says what to do.

    Args:
        path: the file.
        hidden: what a library raises in place of the system's error.

    Raises:
        FileWriteError: for an OSError of the block that is not one already, and for ``hidden``.
    """
    try:
        yield
    except FileWriteError:
        raise
    except (OSError, *hidden) as error:
        if not _is_about(Path(path), error):
            raise
        raise _explained(Path(path), error) from error


def _is_about(path: Path, error: Exception) -> bool:
    """Whether it is of writing the file, and not of another one that is read meanwhile."""
    name = getattr(error, 'filename', None)
    if not isinstance(name, (str, os.PathLike)):
        return True
    # A name inside of the folder, or the name of a folder that leads there.
    folder = Path(os.path.realpath(path)).parent
    return folder.is_relative_to(Path(os.path.realpath(name)).parent)


def _explained(path: Path, error: Exception) -> FileWriteError:
    number = getattr(error, 'errno', None) or 0
    # Libraries put the system's words into a text of their own.
    if not number:
        words = {os.strerror(code): code for code in _ADVICE}
        number = next((words[word] for word in words if word in str(error)), 0)
    advice = _ADVICE.get(number, 'Check the disk and the rights of the folder')
    reason = os.strerror(number) if number else str(error).split('\n')[0]
    return FileWriteError(
        f'{path}: cannot be written ({reason}{_room(path)}). {advice}. What was there before is '
        'untouched.',
        number,
    )


def _room(path: Path) -> str:
    """How much room is left, in words, where the system tells."""
    folder = next((p for p in path.absolute().parents if p.is_dir()), None)
    if folder is None:
        return ''
    with contextlib.suppress(OSError):
        return f'; {shutil.disk_usage(folder).free / 1e6:,.1f} MB are free in {folder}'
    return ''


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
