"""Own scans: a folder of ``.ply`` and ``.npz`` files.

==================================  ===============================================================
below the root                      used for
==================================  ===============================================================
``<scan>.ply`` or ``<scan>.npz``    points, colours, faces, labels; names: unison3d.io.field_names
``splits/{train,val,test}.txt``     optional lists, a scan a line; without them the split is "all"
``labels.json``                     optional names of the semantic ids: ``{"1": "wall", ...}``
==================================  ===============================================================

Semantic ids go to disk as they are; 0 and negative ids are none. Where ``labels.json`` names 0, it
is a class, and none becomes the largest id + 1. An id whose name is ``null`` is none as well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.datasets.prepare.meshes import colors_of, faces_of, points_of, rigid
from unison3d.datasets.prepare.scannet import read_split_lists
from unison3d.errors import FileFormatError
from unison3d.io import RawScene, read_json, read_npz, read_ply
from unison3d.io.field_names import LABEL_FIELDS, pick

SPLITS = ('train', 'val', 'test')
UNLISTED = 'unlisted'
_READERS = {'.ply': read_ply, '.npz': read_npz}


class CustomLayout(DatasetLayout):
    """Scans in files that hold their labels; classes are those of ``labels.json``."""

    name = 'custom'
    label_space = 'custom'

    def __init__(self) -> None:
        self.largest_semantic_id = None
        self._names: dict[int, str | None] | None = None
        self._none = 0
        self._names_path = Path('labels.json')

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every ``.ply`` and ``.npz`` directly in the folder, by name."""
        paths = sorted(path for path in root.iterdir() if path.suffix.lower() in _READERS)
        paths = [path for path in paths if path.is_file() and not path.name.startswith('.')]
        if not paths:
            raise FileFormatError(
                f'{root}: holds no scan. Expected <scan>.ply or <scan>.npz directly in it.'
            )
        self._names, self._none, self.largest_semantic_id = None, 0, None
        self._names_path = root / 'labels.json'
        if self._names_path.exists():
            self._names = read_names(self._names_path)
            # 0 stays free for none unless it has a name.
            self._none = 1 + max(self._names) if self._names.get(0) is not None else 0
            self.largest_semantic_id = max(*self._names, self._none)
        split_of = _splits(root / 'splits', {path.stem for path in paths})
        rest = UNLISTED if split_of else 'all'
        return [ScanUnit(path.stem, split_of.get(path.stem, rest), path) for path in paths]

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one scan; without semantic and instance ids it is unlabelled."""
        raw = _READERS[unit.path.suffix.lower()](unit.path)
        count = len(raw)
        _refuse_fractions(raw, unit.path)
        scan = PreparedScan(
            points=points_of(raw, unit.path),
            colors=colors_of(raw, unit.path),
            superpoints=_whole(raw.superpoints, 'superpoints', count, unit.path),
            faces=faces_of(raw, unit.path),
        )
        if scan.superpoints is not None and scan.superpoints.min() < 0:
            point = int(np.flatnonzero(scan.superpoints < 0)[0])
            raise FileFormatError(
                f'{unit.path}: point {point} has the superpoint {scan.superpoints[point]}, '
                'expected 0 or more.'
            )
        if raw.axis_alignment is not None:
            scan.axis_align_matrix = rigid(raw.axis_alignment, unit.path)
        semantic = raw.semantic_ids if raw.semantic_ids is not None else raw.nyu40_ids
        semantic = _whole(semantic, 'semantic ids', count, unit.path)
        instances = _whole(raw.instance_ids, 'instance ids', count, unit.path)
        if semantic is None and instances is None:
            return scan
        if semantic is None:
            semantic = np.full(count, self._none, np.int64)
        scan.semantic_ids = self._settle(semantic, unit.path)
        scan.instance_ids = np.zeros(count, np.int64)
        if instances is not None:
            scan.instance_ids = np.maximum(instances, -1) + 1
        scan.instance_names = raw.instance_names or self._object_names(scan)
        return scan

    def _settle(self, ids: np.ndarray, path: Path) -> np.ndarray:
        """Semantic ids as they go to disk; ids that ``labels.json`` does not know are an error."""
        if self._names is None:
            return np.maximum(ids, 0)
        nameless = [number for number, name in self._names.items() if name is None]
        none = (ids < 0) | np.isin(ids, nameless)
        if self._none == 0:
            none |= ids == 0
        known = none | np.isin(ids, list(self._names))
        if not known.all():
            point = int(np.flatnonzero(~known)[0])
            raise FileFormatError(
                f'{path}: point {point} has the semantic id {ids[point]}, which is not in '
                f'{self._names_path}. Add its name there, or null if it means no class.'
            )
        return np.where(none, self._none, ids)

    def _object_names(self, scan: PreparedScan) -> list[str]:
        """Class name of the first point of every object, '' where that has none."""
        if self._names is None:
            return []
        ids, first = np.unique(scan.instance_ids, return_index=True)
        highest = int(ids[-1])
        if highest > len(scan.instance_ids):
            return []  # a table of names by id would be longer than the scan
        names = [''] * highest
        for number, row in zip(ids, first, strict=True):
            if number > 0:
                names[number - 1] = self._names.get(int(scan.semantic_ids[row])) or ''
        return names


def read_names(path: Path) -> dict[int, str | None]:
    """Names of semantic ids from ``{"1": "wall", "2": "floor", "255": null}``.

    Raises:
        FileFormatError: not an object of names by whole numbers, a number or name twice, or empty.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise FileFormatError(f'{path}: expected names by id, such as {{"1": "wall"}}.')
    names: dict[int, str | None] = {}
    for key, name in content.items():
        number = int(key) if key.isascii() and key.isdecimal() and len(key) <= 9 else None
        if number is None or not (name is None or (isinstance(name, str) and name.strip())):
            raise FileFormatError(
                f'{path}: {key!r} is {name!r}, expected a number from 0 and a name or null.'
            )
        if number in names or (name is not None and name in names.values()):
            raise FileFormatError(f'{path}: {key!r} ({name!r}) is there twice. Keep one of them.')
        names[number] = name
    return names


def _splits(folder: Path, scans: set[str]) -> dict[str, str]:
    split_of = read_split_lists({split: folder / f'{split}.txt' for split in SPLITS})
    for name, split in split_of.items():
        if name not in scans:
            raise FileFormatError(
                f'{folder / split}.txt: names {name}, but there is no {name}.ply or {name}.npz in '
                f'{folder.parent}. Correct the list; names are without ending.'
            )
    return split_of


def _refuse_fractions(raw: RawScene, path: Path) -> None:
    """The readers pass over labels that are no whole numbers; in a dataset they are a mistake."""
    names = {**LABEL_FIELDS, 'superpoints': ('superpoints', 'superpoint')}
    for field in ('semantic_ids', 'nyu40_ids', 'instance_ids', 'superpoints'):
        name = pick(raw.extra, names[field]) if getattr(raw, field) is None else None
        if name is not None and raw.extra[name].dtype.kind == 'f':
            raise FileFormatError(
                f'{path}: {name} holds numbers that are not whole. Write ids, or give it another '
                'name if it is no label.'
            )


def _whole(ids: np.ndarray | None, what: str, count: int, path: Path) -> np.ndarray | None:
    """int64, (N,); None where the file has none."""
    if ids is None:
        return None
    if ids.shape != (count,):
        raise FileFormatError(f'{path}: {what} have shape {ids.shape}, expected ({count},).')
    if ids.dtype.kind not in 'biuf':
        raise FileFormatError(f'{path}: {what} are {ids.dtype}, expected whole numbers.')
    # Short of 64 bits, because 1 is added to instance ids.
    fits = (ids >= -(2**62)) & (ids <= 2**62)
    if ids.dtype.kind == 'f':
        fits &= ids == np.rint(ids)
    if not fits.all():
        point = int(np.flatnonzero(~fits)[0])
        raise FileFormatError(
            f'{path}: point {point} has {ids[point]} for {what}, expected a whole number.'
        )
    return ids.astype(np.int64)
