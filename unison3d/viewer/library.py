"""What can be opened, and nothing else: scans, results and data sets below given folders."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import ConfigError, FileFormatError, InputError, SceneError
from unison3d.io import SCENE_SUFFIXES, checked_reading, read_json, read_npz_arrays
from unison3d.structures import SCANNET20, PointScene
from unison3d.viewer.limits import MAX_LABEL_FILE

__all__ = ['Library', 'LibraryEntry', 'PathError']

#: Name of the folder of exports and journals. Scans that are exported there are not listed.
OUTPUT = 'unison3d_labels'
_PREPARED = 'points'  # folder of the points of a prepared data set
_RESULT = ('result.json', 'result.npz')


class PathError(InputError):
    """A path leads out of the folders that were opened."""


@dataclass(frozen=True)
class LibraryEntry:
    """One scene that can be opened.

    Attributes:
        key: short and unique, letters, digits, ``-``, ``_`` and ``.``; for menus and addresses.
        name: for people.
        path: file or folder.
        kind: ``'scan'``, ``'result'`` (a folder of :meth:`SceneResult.save`), ``'capture'``
            (posed depth images) or ``'prepared'`` (a scan of a prepared data set).
    """

    key: str
    name: str
    path: Path
    kind: str


class Library:
    """Scenes below some files and folders.

    Every path is resolved, links included, before it is compared, so neither ``..`` nor a link
    leads out. That goes for every single file that is opened, whether it lies in the folder of a
    scan or another file names it.

    Args:
        paths: scans, scan folders, result folders, captures, prepared data sets, or folders of any
            of them.
        output: folder of exports and journals; by default ``unison3d_labels`` in the first folder
            of scans given, or beside the first scan.

    Raises:
        FileFormatError: a path is missing, or there is nothing to open.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        output: str | os.PathLike[str] | None = None,
    ) -> None:
        self.roots = tuple(_resolved(path) for path in paths)
        if not self.roots:
            raise FileFormatError('no scan was given. Name a file or a folder to open.')
        for root in self.roots:
            if not root.exists():
                raise FileFormatError(f'{root}: does not exist. Check the path.')
        first = self.roots[0]
        beside = first if _is_collection(first) else first.parent
        self.output = _resolved(output or beside / OUTPUT)
        self.entries = self._list()

    def refresh(self) -> tuple[LibraryEntry, ...]:
        """Look again what there is."""
        self.entries = self._list()
        return self.entries

    def entry(self, key: str) -> LibraryEntry:
        """The entry of a key.

        Raises:
            SceneError: there is none.
        """
        for entry in self.entries:
            if entry.key == key:
                return entry
        keys = [entry.key for entry in self.entries]
        near = difflib.get_close_matches(key, keys, n=3, cutoff=0.4) or keys[:5]
        raise SceneError(f'no scene {key!r} here; there is {", ".join(near)}.')

    def load(self, key: str, *, scale: float = 1.0) -> PointScene:
        """Read a scene.

        Args:
            key: of the entry.
            scale: metres per unit of the file (scans only).

        Raises:
            PathError: it, or a file that belongs to it, lies outside of the library.
            FileFormatError, SceneError: see :meth:`PointScene.from_file`.
            ConfigError: a scale for something that is in metres.
        """
        entry = self.entry(key)
        path = self.readable(entry.path)
        with self.reading(entry.key):
            if entry.kind == 'scan':
                return PointScene.from_file(path, scale=scale)
            if scale != 1:
                raise ConfigError(f'{path}: a {entry.kind} is in metres; leave the scale out.')
            readers = {'capture': _fused, 'prepared': _prepared_scan, 'result': self._result}
            return readers[entry.kind](path).replace(name=entry.name)

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator[None]:
        """Inside the ``with``, and in this thread, no file outside of the library is read.

        Args:
            key: of the entry that is read. Where it is a single file that was named, the files
                beside it are read too, as a glTF document keeps its data there.

        Raises:
            PathError: inside the ``with``, for such a file.
        """
        path = self.entry(key).path
        beside = (path.parent,) if path in self.roots and path.is_file() else ()
        with checked_reading(lambda file: self._within(file, *beside)):
            yield

    @contextlib.contextmanager
    def reading_labels(self, name: str) -> Iterator[Path]:
        """The path of a file or folder of labels in the output folder, to be read in the ``with``.

        Raises:
            PathError: it, or a file that belongs to it, lies outside of the library.
            FileFormatError: a file is larger than :data:`~unison3d.viewer.limits.MAX_LABEL_FILE`.
        """

        def check(file: Path) -> None:
            found = self.readable(file)
            size = found.stat().st_size if found.is_file() else 0
            if size > MAX_LABEL_FILE:
                raise FileFormatError(
                    f'{file}: {size:,} bytes, labels are read from files of up to '
                    f'{MAX_LABEL_FILE:,} bytes.'
                )

        path = self.readable(self.output / name)
        with checked_reading(check):
            yield path

    def readable(self, path: str | os.PathLike[str]) -> Path:
        """The resolved path of something to read.

        Raises:
            PathError: it is in none of the folders of the library, nor in that of its output.
        """
        return self._within(path)

    def _within(self, path: str | os.PathLike[str], *more: Path) -> Path:
        found = _resolved(path)
        if not any(_lies_in(found, root) for root in (*self.roots, self.output, *more)):
            raise PathError(
                f'{path}: lies outside {", ".join(map(str, self.roots))}. Only what is in there '
                'can be opened; start the viewer with the folder you need.'
            )
        return found

    def writable(self, path: str | os.PathLike[str]) -> Path:
        """The resolved path of a file to write; relative paths are below the output folder.

        Raises:
            PathError: it is outside the output folder.
        """
        found = _resolved(self.output / path)
        if not _lies_in(found, self.output):
            raise PathError(
                f'{path}: lies outside {self.output}. Files are written in there only; start the '
                'viewer with another output folder if you need one.'
            )
        return found

    def journal_path(self, key: str) -> Path:
        """Where the edits of an entry are kept."""
        return self.writable(f'{self.entry(key).key}.labels.jsonl')

    # ------------------------------------------------------------------ listing

    def _list(self) -> tuple[LibraryEntry, ...]:
        entries: dict[str, LibraryEntry] = {}
        for root in self.roots:
            for path, kind in _scenes(root):
                # A link that leads out is no part of the library.
                if not _lies_in(_resolved(path), root):
                    continue
                name = path.name if path.is_dir() else path.stem
                key = _free_key(re.sub(r'[^\w.-]+', '_', name), entries)
                entries[key] = LibraryEntry(key, name, path, kind)
        if not entries:
            raise FileFormatError(
                f'{", ".join(map(str, self.roots))}: nothing to open. Expected scans '
                f'({", ".join(SCENE_SUFFIXES)}), ScanNet scan folders, results of unison3d infer, '
                'captures of posed depth images, or prepared data sets.'
            )
        return tuple(entries.values())

    def _result(self, path: Path) -> PointScene:
        """The scan of a result with its segments as instances; in colour where its file is here."""
        facts = read_json(path / 'result.json').get('scene', {})
        arrays = read_npz_arrays(path / 'result.npz')
        if missing := {'points', 'superpoints', 'origin'} - arrays.keys():
            raise FileFormatError(f'{path}: {", ".join(sorted(missing))} are missing in result.npz')
        points = arrays['points']
        scene = PointScene(
            points,
            superpoints=arrays['superpoints'],
            semantic_ids=arrays.get('semantic'),
            instance_ids=arrays.get('panoptic_instance'),
            origin=arrays['origin'],
        )
        source = self._source(facts, path, 'scan')
        if source is None:
            return scene
        scan = PointScene.from_file(source, scale=float(arrays.get('scale', 1.0)))
        same = len(scan) == len(scene) and np.allclose(scan.points, points, atol=1e-4)
        return scene.replace(colors=scan.colors, faces=scan.faces) if same else scene

    def capture_of(self, key: str) -> tuple[Path, Any] | None:
        """The capture that a result was made of, where it lies here; to be used in :meth:`reading`.

        Returns:
            Its folder, and ``scene.T_world_capture`` as the result has it; None for everything that
            is no result of a capture.
        """
        entry = self.entry(key)
        if entry.kind != 'result':
            return None
        facts = read_json(entry.path / 'result.json').get('scene', {})
        folder = self._source(facts, entry.path, 'capture')
        return None if folder is None else (folder, facts.get('T_world_capture'))

    def _source(self, facts: dict[str, Any], result: Path, kind: str) -> Path | None:
        """What a result was made of: by the side of its folder, in a folder given, or given.

        Only things of one kind: a capture is no scan before it is fused, with options that are not
        known here.
        """
        name = str(facts.get('source') or '')
        if name in ('', '.', '..') or Path(name).name != name:
            return None
        beside = (result, result.parent, *self.roots, *(root.parent for root in self.roots))
        for folder in beside:
            candidate = _resolved(folder / name)
            inside = any(_lies_in(candidate, root) for root in self.roots)
            if inside and _kind(candidate) == kind:
                return candidate
        return None


# ---------------------------------------------------------------------------- paths


def _resolved(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (ValueError, OSError, RuntimeError) as error:
        raise PathError(f'{path!r} is no path ({error}).') from error


def _lies_in(path: Path, root: Path) -> bool:
    return path == root or root in path.parents


def _free_key(key: str, taken: dict[str, LibraryEntry]) -> str:
    number, free = 2, key
    while free in taken:
        free, number = f'{key}-{number}', number + 1
    return free


# ---------------------------------------------------------------------------- kinds


def _scenes(path: Path) -> Iterator[tuple[Path, str]]:
    """The scenes of a path: itself, or those in a folder, sorted by name."""
    kind = _kind(path)
    if kind is not None:
        yield path, kind
    elif (path / _PREPARED).is_dir():
        yield from ((file, 'prepared') for file in sorted((path / _PREPARED).glob('*.bin')))
    elif path.is_dir():
        for child in sorted(path.iterdir()):
            if not child.name.startswith('.') and (kind := _kind(child)) is not None:
                yield child, kind


def _kind(path: Path) -> str | None:
    if path.is_file():
        return 'scan' if path.suffix.lower() in SCENE_SUFFIXES else None
    if not path.is_dir():
        return None
    if all((path / name).is_file() for name in _RESULT):
        return 'result'
    if next(path.glob('*_vh_clean_2.ply'), None) is not None:
        return 'scan'
    # Here and below: what a plain scan does not need is not imported before it is shown.
    from unison3d.fusion import is_capture

    return 'capture' if is_capture(path) else None


def _is_collection(path: Path) -> bool:
    return path.is_dir() and _kind(path) is None


def _fused(path: Path) -> PointScene:
    from unison3d.fusion import fuse_capture

    return fuse_capture(path)


def _prepared_scan(path: Path) -> PointScene:
    """A scan of a prepared data set with its labels, where it has any."""
    from unison3d.datasets.processed_files import read_ids, read_point_table

    table = read_point_table(path)
    folders = path.parent.parent
    ids = {}
    for name in ('super_points', 'instance_mask', 'semantic_mask'):
        file = folders / name / path.name
        ids[name] = read_ids(file, len(table)) if file.is_file() else None
    instance, semantic = ids['instance_mask'], ids['semantic_mask']
    return PointScene.from_arrays(
        table[:, :3],
        table[:, 3:6] / 255,
        superpoints=ids['super_points'],
        semantic_ids=None if semantic is None else SCANNET20.from_raw(semantic),
        instance_ids=None if instance is None else instance - 1,
        name=path.stem,
        source=path,
    )
