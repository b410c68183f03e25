"""Which units are done: one small file each, written after all other files of the unit."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from unison3d.errors import FileFormatError
from unison3d.io import read_json, write_json
from unison3d.io.atomic import STEM_CHARACTERS
from unison3d.io.file_lock import FileLock

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

    def names(self) -> list[str]:
        """All units that have a record."""
        paths = sorted(self.folder.glob('*.json'))
        return [path.stem for path in paths if not _UNFINISHED.fullmatch(path.name)]

    def read(self, name: str) -> dict[str, Any] | None:
        """The record of a unit; None if it has none that can be read."""
        try:
            record = read_json(self.path(name))
        except (FileFormatError, OSError):
            # The system refuses some names, such as very long ones. That is for `write` to tell.
            return None
        return record if isinstance(record, dict) else None

    def write(self, name: str, record: dict[str, Any]) -> None:
        """Say that a unit is done."""
        write_json(self.path(name), record)

    def forget(self, name: str) -> None:
        """Say that a unit is not done; before its files are touched."""
        self.path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def only_job(folder: Path) -> Iterator[None]:
    """Hold the folder of a job, so that no other removes what this one has half written.

    Args:
        folder: what the job notes about itself, inside of its output; made if missing.

    Raises:
        ConfigError: another job holds it.
        OSError: it cannot be written, or its file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken = (
        f'{folder.parent}: another job is at work in this folder ({{holder}}). Wait for its end, '
        'end it, or give this one another --out.'
    )
    lock = FileLock(folder / 'job', taken)
    try:
        yield
    finally:
        lock.release()


def remove_leftovers(folders: Iterable[Path], stems: set[str] | None = None) -> None:
    """Remove what a killed run left of unfinished files and folders.

    Args:
        folders: where to look, not below them. Folders that are missing are passed over.
        stems: only files that were to have these names, without their endings. Other programs may
            be at work in the same folders. None removes all.
    """
    wanted = None if stems is None else {stem[:STEM_CHARACTERS] for stem in stems}
    for path in (path for folder in folders if folder.is_dir() for path in folder.iterdir()):
        match = _UNFINISHED.fullmatch(path.name)
        if match and (wanted is None or match[1] in wanted):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
