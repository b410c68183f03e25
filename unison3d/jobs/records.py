"""Which units are done: one small file each, written after all other files of the unit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unison3d.errors import FileFormatError
from unison3d.io import read_json, write_json

# Files as unison3d.io.atomic names them, and folders that are named likewise, without a stem.
_UNFINISHED = re.compile(r'\.(?:(.+)\.)?\d+-[0-9a-f]+\.tmp(?:\.\w+)?')


class Records:
    """The records of a job, ``<folder>/<name of the unit>.json``.

    Args:
        folder: made with the first record.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, name: str) -> Path:
        """File of a record."""
        return self.folder / f'{name}.json'

    def read(self, name: str) -> dict[str, Any] | None:
        """The record of a unit; None if it has none that can be read."""
        try:
            record = read_json(self.path(name))
        except FileFormatError:
            return None
        return record if isinstance(record, dict) else None

    def write(self, name: str, record: dict[str, Any]) -> None:
        """Say that a unit is done."""
        write_json(self.path(name), record)

    def forget(self, name: str) -> None:
        """Say that a unit is not done; before its files are touched."""
        self.path(name).unlink(missing_ok=True)


def remove_leftovers(folders: Iterable[Path], stems: set[str] | None = None) -> None:
    """Remove what a killed run left of unfinished files and folders.

    Args:
        folders: where to look, not below them. Folders that are missing are passed over.
        stems: only files that were to have these names, without their endings. Another job may be
            at work on other files of the same folders. None removes all.
    """
    # As unison3d.io.atomic shortens them.
    wanted = None if stems is None else {stem[:80] for stem in stems}
    for path in (path for folder in folders if folder.is_dir() for path in folder.iterdir()):
        match = _UNFINISHED.fullmatch(path.name)
        if match and (wanted is None or match[1] in wanted):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
