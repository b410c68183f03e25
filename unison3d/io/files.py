"""Opening input files with errors that say what to do."""

from __future__ import annotations

import difflib
import os
from decimal import Decimal
from pathlib import Path

from unison3d.errors import FileFormatError

__all__ = ['check_file', 'human_bytes', 'read_bytes']


def check_file(path: str | os.PathLike[str]) -> Path:
    """The path, if it is a file that exists.

    Raises:
        FileFormatError: nothing there (similar names in the folder are listed), or a folder.
    """
    path = Path(path)
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


def human_bytes(count: int, unit: str = 'bytes') -> str:
    """``1234567`` as ``1,234,567 bytes``; very large counts in powers of ten."""
    # Decimal, because a claim in a damaged header may be too large for a float.
    return f'{count:,} {unit}' if count < 10**15 else f'about {Decimal(count):.1e} {unit}'
