"""Opening input files with errors that say what to do."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from decimal import Decimal
from pathlib import Path, PurePosixPath

from unison3d.errors import FileFormatError

__all__ = ['check_file', 'checked_reading', 'human_bytes', 'named_file', 'read_bytes']

_check: ContextVar[Callable[[Path], object] | None] = ContextVar('check of files', default=None)


@contextlib.contextmanager
def checked_reading(check: Callable[[Path], object]) -> Iterator[None]:
    """Show every file to ``check``, which raises where it may not be read, before it is opened.

    All readers of this package open files behind :func:`check_file`, also those that another file
    names. It holds in this thread, for what is read inside the ``with``.
    """
    before = _check.set(check)
    try:
        yield
    finally:
        _check.reset(before)


def check_file(path: str | os.PathLike[str]) -> Path:
    """The path, if it is a file that exists.

    Raises:
        FileFormatError: nothing there (similar names in the folder are listed), or a folder.
        Exception: see :func:`checked_reading`.
    """
    path = Path(path)
    # Before anything is told about the place it lies in.
    if (check := _check.get()) is not None:
        check(path)
    if path.is_dir():
        raise FileFormatError(f'{path}: is a folder, expected a file.')
    if not path.exists():
        if not path.parent.is_dir():
            raise FileFormatError(f'{path}: not found; the folder {path.parent} does not exist.')
        names = sorted(entry.name for entry in path.parent.iterdir())
        near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
        hint = f' Did you mean {" or ".join(near)}?' if near else ' Check the spelling.'
        raise FileFormatError(f'{path}: not found.{hint}')
    return path


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole content of a file.

    Raises:
        FileFormatError: missing, a folder, or not readable.
    """
    path = check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f'{path}: cannot be read ({error.strerror or error}).') from error


def named_file(folder: str | os.PathLike[str], name: str, where: object) -> Path:
    """The file of a folder that another file names; it does not have to exist.

    Args:
        folder: where the names are meant.
        name: as the other file has it.
        where: the other file, for the message.

    Raises:
        FileFormatError: the name leads out of the folder, or is none.
    """
    place = PurePosixPath(str(name).replace('\\', '/'))
    can_be = place.parts and '..' not in place.parts and '\0' not in str(name)
    if not can_be or place.is_absolute() or ':' in place.parts[0]:
        raise FileFormatError(
            f'{where}: names the file "{str(name)[:80]}", which lies outside {folder} and is not '
            'opened. Copy it there and give its place in that folder.'
        )
    return Path(folder) / name


def human_bytes(count: int, unit: str = 'bytes') -> str:
    """``1234567`` as ``1,234,567 bytes``; very large counts in powers of ten."""
    # Decimal, because a claim in a damaged header may be too large for a float.
    return f'{count:,} {unit}' if count < 10**15 else f'about {Decimal(count):.1e} {unit}'
