"""The checkpoints of a work folder: which is the newest, which the best, and what came before.

===================  ==============================================================================
``last_checkpoint``  path of the newest complete checkpoint; moved after that file is written
``best_checkpoint``  path of the best one so far, where the hook has ``save_best``
===================  ==============================================================================
"""

from __future__ import annotations

import re
from pathlib import Path

from unison3d.errors import UnreadableCheckpointError

__all__ = [
    'BEST_POINTER',
    'POINTER',
    'checkpoints_newest_first',
    'find_checkpoint',
    'latest_checkpoint',
    'remove_unfinished',
]

POINTER = 'last_checkpoint'
BEST_POINTER = 'best_checkpoint'
# As unison3d.io.atomic names files that are being written.
_UNFINISHED = re.compile(r'\..+\.\d+-[0-9a-f]+\.tmp(\.\w+)?')
_POINTERS = {'latest': POINTER, 'best': BEST_POINTER}


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """The newest complete checkpoint of a work folder, or None.

    The pointer file names it. A work folder that was moved still works: the file is then looked up
    by its name.
    """
    return _follow(Path(work_dir) / POINTER)


def find_checkpoint(name: str | Path, work_dir: str | Path) -> Path:
    """The file that ``name`` means: ``'latest'`` and ``'best'`` of the work folder, or a path.

    Raises:
        UnreadableCheckpointError: the work folder has no such checkpoint.
    """
    path = Path(name)
    if str(name) not in _POINTERS or path.exists():
        return path
    found = _follow(Path(work_dir) / _POINTERS[str(name)])
    if found is None:
        hint = ' (the checkpoint hook needs save_best)' if name == 'best' else ''
        raise UnreadableCheckpointError(
            f'{work_dir}: there is no {name} checkpoint here{hint}. Name a file, or the work '
            'folder of the training with --work-dir.'
        )
    return found


def checkpoints_newest_first(work_dir: str | Path) -> list[Path]:
    """The checkpoint that the pointer names, then the others it could be replaced by.

    Nothing where there is no pointer: no checkpoint was ever complete then.
    """
    pointer = Path(work_dir) / POINTER
    if not pointer.is_file():
        return []
    newest = _follow(pointer)
    named = Path(pointer.read_text(encoding='utf-8', errors='replace').strip())
    folders = {path.resolve() for path in (named.parent, pointer.parent) if path.is_dir()}
    others = {
        path
        for folder in folders
        for path in folder.glob('*.pth')
        if not path.name.startswith(('.', 'best_'))
    }
    if newest is not None:
        others = {path for path in others if path.resolve() != newest.resolve()}
    ordered = sorted(others, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    # A name that leads nowhere stays in the list, so that it is said to be missing.
    return [newest or pointer.parent / named.name, *ordered]


def remove_unfinished(folder: str | Path) -> None:
    """Remove what a killed training has left of files it was writing; for the only one at work."""
    for path in Path(folder).glob('.*'):
        if _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _follow(pointer: Path) -> Path | None:
    if not pointer.is_file():
        return None
    named = Path(pointer.read_text(encoding='utf-8', errors='replace').strip())
    for path in (named, pointer.parent / named.name):
        if path.is_file():
            return path
    return None
