"""The folder of a tiled result: who writes there, what it holds, and how a new result gets in."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from unison3d.apis.exports import remove_exports
from unison3d.apis.result_files import RESULT_FILES
from unison3d.apis.tiles.output import OVERVIEW_PLY
from unison3d.errors import ConfigError
from unison3d.io.atomic import writing
from unison3d.io.file_lock import FileLock
from unison3d.io.json_files import read_json, write_json

WORK_FOLDER = 'tiles.work'
_OWN_FILES = (*RESULT_FILES, OVERVIEW_PLY)


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse a folder with a result, as far as that is known without the job.

    Raises:
        ConfigError: a result, and ``overwrite`` is off.
    """
    results = _results(out)
    # Without result.json it may be one that an earlier run of the same job did not finish.
    complete = 'result.json' in results or not _job_file(out).is_file()
    if results and complete and not overwrite:
        raise _occupied(out, results)


@contextlib.contextmanager
def only_run(out: Path) -> Iterator[None]:
    """Hold the folder, so that two runs do not write the same work files; made if missing.

    Raises:
        ConfigError: another run holds it.
        FileWriteError: it cannot be written, or its file system has no locks.
    """
    taken = (
        f'{out}: another run in tiles is at work in this folder ({{holder}}). Wait for its end, '
        'end it, or give this one another --out.'
    )
    with writing(out / '.tiles.lock'):
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / 'tiles', taken)
    try:
        yield
    finally:
        lock.release()


def claim(out: Path, job: dict[str, Any], overwrite: bool) -> Path:
    """Make the work folder, or see whether what is there belongs to this job.

    Returns:
        The work folder.

    Raises:
        ConfigError: a result, or the work files of another job, and ``overwrite`` is off.
    """
    results, work, path = _results(out), out / WORK_FOLDER, _job_file(out)
    known = read_json(path) if path.is_file() else None
    if results and not overwrite and (known != job or 'result.json' in results):
        raise _occupied(out, results)
    if known == job:
        print_log(f'{work}: going on with the work of an earlier run', logger='current')
    elif work.exists():
        if not overwrite:
            raise ConfigError(
                f'{work} holds work files of another scan, other weights or other options. Pass '
                'overwrite=True (--overwrite) to begin anew, or another folder.'
            )
        shutil.rmtree(work)
    write_json(path, job)
    return work


def replace_result(out: Path, paths: Sequence[Path]) -> list[Path]:
    """Remove an earlier result and move a new one, written elsewhere on the same disk, into place.

    Args:
        out: the folder.
        paths: files of the new result, ``result.json`` last.

    Returns:
        Where they are now.
    """
    # result.json goes first and comes last: in between the folder claims nothing.
    for name in _OWN_FILES:
        (out / name).unlink(missing_ok=True)
    remove_exports(out)
    for path in paths:
        os.replace(path, out / path.name)
    return [out / path.name for path in paths]


def _results(out: Path) -> list[str]:
    return [name for name in _OWN_FILES if (out / name).exists()]


def _job_file(out: Path) -> Path:
    return out / WORK_FOLDER / 'job.json'


def _occupied(out: Path, results: list[str]) -> ConfigError:
    return ConfigError(
        f'{out} already holds a result ({results[0]}); pass overwrite=True (--overwrite) or '
        'another folder'
    )
