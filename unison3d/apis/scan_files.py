"""The scans of a folder or a list, each with a name of its own."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from unison3d.errors import FileFormatError
from unison3d.fusion import is_capture
from unison3d.io import SCENE_SUFFIXES

_MESH = '_vh_clean_2.ply'
_RECORDING = '.sens'
# Beside the scans of ScanNet, and coloured by their labels.
_LABELS = '.labels.ply'
# Bytes of a name. Systems allow 255, of which records and unfinished files need some.
_LONGEST = 180


class ScanFile(NamedTuple):
    """One scan of many.

    Args:
        name: for its folder of results; no other scan has it, in upper or lower case.
        path: file or folder, absolute.
    """

    name: str
    path: Path


def is_single_scan(path: str | os.PathLike[str]) -> bool:
    """Whether a path is to be read as one scan: any file, a ScanNet folder, or a capture."""
    path = Path(path)
    if not path.is_dir():
        return True
    scans = [mesh.name.removesuffix(_MESH) for mesh in path.glob(f'*{_MESH}')]
    return len(scans) == 1 or path.resolve().name in scans or is_capture(path)


def find_scans(folder: str | os.PathLike[str], *, leave_out: Sequence[Path] = ()) -> list[ScanFile]:
    """Every scan in a folder and below, in the order of their paths.

    A ScanNet folder or a capture of posed images is one scan. Hidden folders, folders that hold a
    result, and the buffers of ``.gltf`` files are passed over.

    Args:
        folder: where to look.
        leave_out: folders not to look into.

    Raises:
        FileFormatError: there is none.
    """
    folder = Path(folder).absolute()
    passed = {path.resolve() for path in leave_out}
    paths = list(_walk(folder, passed))
    if not paths:
        endings = ', '.join((*SCENE_SUFFIXES, _RECORDING))
        raise FileFormatError(
            f'{folder}: holds no scan. Looked for files ending in {endings}, '
            'ScanNet folders and folders of depth images with poses, also in the folders below.'
        )
    return _named(paths, folder)


def read_scan_list(path: str | os.PathLike[str]) -> list[ScanFile]:
    """The scans of a text file with one path per line, in its order.

    Paths that are not absolute start at the folder of the list. Empty lines and lines that start
    with ``#`` are passed over. That a scan is missing is found out when it is its turn.

    A scan below the folder of the list is named by the way from there, another one by its whole
    path: what else is in the list makes no difference.

    Raises:
        FileFormatError: no text, no path, or one that comes twice.
    """
    path = Path(path)
    try:
        lines = [line.strip() for line in path.read_text('utf-8-sig').splitlines()]
    except UnicodeDecodeError as error:
        raise FileFormatError(f'{path}: is no UTF-8 text; expected one path per line.') from error
    lines = [line for line in lines if line and not line.startswith('#')]
    if not lines:
        raise FileFormatError(f'{path}: names no scan; expected one path per line.')
    scans = [Path(os.path.abspath(path.parent / Path(line).expanduser())) for line in lines]
    for scan, count in Counter(scans).items():
        if count > 1:
            raise FileFormatError(f'{path}: names {scan} {count} times; name every scan once.')
    return _named(scans, Path(os.path.abspath(path.parent)))


def _walk(folder: Path, passed: set[Path]) -> Iterator[Path]:
    # Through links as well, but into no folder twice.
    passed.add(folder.resolve())
    if (folder / 'result.json').exists() and (folder / 'result.npz').exists():
        return
    entries = sorted(folder.iterdir())
    tables = {entry.stem for entry in entries if entry.suffix.lower() == '.gltf'}
    for entry in entries:
        suffix = entry.suffix.lower()
        if entry.name.startswith('.'):
            continue
        if entry.is_dir():
            if entry.resolve() in passed:
                continue
            if is_single_scan(entry):
                yield entry
            else:
                yield from _walk(entry, passed)
        elif suffix == '.bin' and entry.stem in tables or entry.name.endswith(_LABELS):
            continue
        elif suffix in (*SCENE_SUFFIXES, _RECORDING):
            yield entry


def _named(paths: Sequence[Path], root: Path) -> list[ScanFile]:
    """Names out of the way from ``root``; only where two are the same, with the ending or a number.

    What is not below ``root`` is named by its whole path, and names that are too long are cut.

    A name depends on its own path alone as far as it can, so that a scan keeps its name when
    others come.
    """
    ways = [_way(path, root) for path in paths]
    # os.path.isfile says no where Path.is_file raises: of a name that the system refuses.
    short = [
        way.removesuffix(path.suffix) if os.path.isfile(path) else way
        for way, path in zip(ways, paths)
    ]
    counts = Counter(name.casefold() for name in short)
    taken: set[str] = set()
    scans = []
    for way, name, path in zip(ways, short, paths):
        if counts[name.casefold()] > 1:
            name = way.replace('.', '_')
        name = _shortened(name)
        unique, number = name, 2
        while unique.casefold() in taken:
            unique, number = f'{name}_{number}', number + 1
        taken.add(unique.casefold())
        scans.append(ScanFile(unique, path))
    return scans


def _way(path: Path, root: Path) -> str:
    if path.is_relative_to(root):
        return '__'.join(path.relative_to(root).parts)
    # A drive of Windows becomes a letter.
    drive = re.sub(r'\W+', '_', path.drive).strip('_')
    return '__'.join([*filter(None, [drive]), *path.parts[1:]])


def _shortened(name: str) -> str:
    """Of a name that is too long its end, which tells most, and a hash of all of it."""
    data = os.fsencode(name)
    if len(data) <= _LONGEST:
        return name
    end = data[9 - _LONGEST :].decode('utf-8', 'ignore')
    return f'{end}_{hashlib.sha256(data).hexdigest()[:8]}'
