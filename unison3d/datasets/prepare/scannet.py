"""ScanNet v2 as it is downloaded, with the 20 or the 200 classes.

====================================================  =========================================
below the root, ``scans/<scan>/``                     used for
====================================================  =========================================
``<scan>_vh_clean_2.ply``                             points, colours, faces
``<scan>_vh_clean_2.0.010000.segs.json``              superpoints, and what the labels refer to
``<scan>.aggregation.json``                           objects, their names and segments
``<scan>.txt``                                        axis alignment
``scans_test/<scan>/``                                test scans: the mesh alone
``scannetv2-labels.combined.tsv`` (at the root)       ids of the names; a copy ships
``scannetv2_<split>.txt`` (root or ``meta_data/``)    lists of scans; copies ship
====================================================  =========================================
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np

from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.datasets.prepare.meshes import colors_of, faces_of, points_of, read_mesh, rigid
from unison3d.errors import FileFormatError
from unison3d.io import read_bytes, read_label_table
from unison3d.io.scannet import read_axis_alignment, read_segment_groups, read_segments

TABLES = Path(__file__).parents[2] / 'assets' / 'labels'
SPLITS = ('train', 'val', 'test')
#: Of scans that no list names.
UNLISTED = 'unlisted'
_TABLE_NAME = 'scannetv2-labels.combined.tsv'


class ScanNetLayout(DatasetLayout):
    """ScanNet v2; semantic ids are NYU40 ids."""

    name = 'scannet'
    label_space = 'scannet20'
    largest_semantic_id = 40
    id_column = 'nyu40id'

    def __init__(self) -> None:
        self._table = TABLES / 'scannetv2_categories.tsv'
        self._class_ids: dict[str, int] | None = None

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every scan folder, sorted by name."""
        own = root / _TABLE_NAME
        if own.exists():
            self._table = own
        self._class_ids = self._read_class_ids()
        folders = [root / name for name in ('scans', 'scans_test') if (root / name).is_dir()]
        split_of = _splits(root)
        paths = [p for folder in folders or [root] for p in _scan_folders(folder, split_of)]
        if not paths:
            raise FileFormatError(
                f'{root}: holds no ScanNet scan. Expected scans/<scan>/<scan>_vh_clean_2.ply below '
                'it (scans_test/ for those of the test), as the download script of ScanNet makes.'
            )
        units = []
        for path in paths:
            by_folder = 'test' if path.parent.name == 'scans_test' else UNLISTED
            units.append(ScanUnit(path.name, split_of.get(path.name, by_folder), path))
        return sorted(units, key=lambda unit: unit.name)

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one scan; those of the test have no labels."""
        stem = unit.path / unit.name
        mesh_path = stem.with_name(f'{unit.name}_vh_clean_2.ply')
        mesh = read_mesh(mesh_path)
        scan = PreparedScan(
            points=points_of(mesh, mesh_path),
            colors=colors_of(mesh, mesh_path),
            faces=faces_of(mesh, mesh_path),
        )
        alignment = read_axis_alignment(unit.path, unit.name)
        segments_path = stem.with_name(f'{unit.name}_vh_clean_2.0.010000.segs.json')
        if unit.split != 'test' or segments_path.exists():
            segments = read_segments(segments_path, len(mesh))
            ids, place = np.unique(segments, return_inverse=True)
            scan.superpoints = place.reshape(-1).astype(np.int64)
        if unit.split != 'test':
            if alignment is None:
                raise FileFormatError(
                    f'{unit.path / f"{unit.name}.txt"}: has no line "axisAlignment = ...". '
                    'Download the .txt of the scan; only test scans have none.'
                )
            self._add_labels(scan, ids, stem.with_name(f'{unit.name}.aggregation.json'))
        if alignment is not None:
            scan.axis_align_matrix = rigid(alignment, unit.path / f'{unit.name}.txt')
        return scan

    def _read_class_ids(self) -> dict[str, int]:
        return read_class_ids(self._table, self.id_column, self.largest_semantic_id)

    def _add_labels(self, scan: PreparedScan, segment_ids: np.ndarray, path: Path) -> None:
        """Paint labels and objects over the segments, in the order of the published exporter.

        Segments may belong to several objects. Labels are painted name by name, in the order in
        which names appear first; objects one after the other. What is painted later wins.
        """
        table = self._class_ids or self._read_class_ids()
        groups = []
        for object_id, label, segments in read_segment_groups(path):
            if label not in table:
                raise FileFormatError(
                    f'{path}: object {object_id} has the label "{label}", which is not a '
                    f'raw_category of {self._table}. Take both files from the same release.'
                )
            if object_id >= len(scan.points):
                raise FileFormatError(
                    f'{path}: objectId {object_id} in a scan of {len(scan.points)} vertices.'
                )
            rows = np.minimum(np.searchsorted(segment_ids, segments), len(segment_ids) - 1)
            lost = segments[segment_ids[rows] != segments]
            if len(lost):
                raise FileFormatError(
                    f'{path}: object {object_id} has the segment {lost[0]}, which the .segs.json '
                    'does not have. Take both files from the same release of the scan.'
                )
            groups.append((object_id, label, rows))
        semantic = np.zeros(len(segment_ids), np.int64)
        for name in dict.fromkeys(label for _, label, _ in groups):
            for _, label, rows in groups:
                if label == name:
                    semantic[rows] = table[name]
        instance = np.zeros(len(segment_ids), np.int64)
        names = [''] * (1 + max((object_id for object_id, _, _ in groups), default=-1))
        for object_id, label, rows in groups:
            instance[rows] = object_id + 1
            names[object_id] = label
        scan.semantic_ids = semantic[scan.superpoints]
        scan.instance_ids = instance[scan.superpoints]
        scan.instance_names = names


class ScanNet200Layout(ScanNetLayout):
    """The same files; semantic ids are those of the ``id`` column.

    On disk chair is 2 and floor is 3, as in the table. Programs of the OneFormer3D family swap the
    two when they read, so that stuff comes first; here the label space does that.
    """

    name = 'scannet200'
    label_space = 'scannet200'
    largest_semantic_id = 1357
    id_column = 'id'


def read_name_list(path: Path) -> list[str]:
    """Names of scans, one a line; ``#`` begins a comment."""
    text = read_bytes(path).decode('utf-8', 'replace')
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != '#']


def read_class_ids(path: Path, column: str, largest: int) -> dict[str, int]:
    """Ids of names from a table of labels, 0 .. ``largest``.

    Raises:
        FileFormatError: missing, without the columns, without an id, or with one that is too large.
    """
    ids = read_label_table(path, column)
    if not ids or max(ids.values()) > largest:
        seen = f'ids up to {max(ids.values())}' if ids else 'no ids'
        raise FileFormatError(
            f'{path}: the column {column} has {seen}, expected 0 to {largest}. Take the file of '
            'the release.'
        )
    return ids


def read_split_lists(paths: dict[str, Path]) -> dict[str, str]:
    """Split of every name in the lists that are there.

    Raises:
        FileFormatError: a name is in two lists.
    """
    split_of: dict[str, str] = {}
    for split, path in paths.items():
        for name in read_name_list(path) if path.exists() else ():
            other = split_of.setdefault(name, split)
            if other != split:
                raise FileFormatError(
                    f'{path}: names {name}, which {paths[other].name} has too. A scan '
                    'belongs to one split; keep one of the two.'
                )
    return split_of


def _scan_folders(folder: Path, listed: Container[str]) -> list[Path]:
    """Folders that hold a file of a scan; one of a listed scan that is empty has to fail."""
    found = (path for path in folder.iterdir() if path.is_dir())
    return [
        path
        for path in found
        if path.name in listed or any(f.name.startswith(path.name) for f in path.iterdir())
    ]


def _splits(root: Path) -> dict[str, str]:
    for folder in (root, root / 'meta_data', TABLES):
        lists = {split: folder / f'scannetv2_{split}.txt' for split in SPLITS}
        if any(path.exists() for path in lists.values()):
            return read_split_lists(lists)
    raise FileFormatError(f'{TABLES}: the lists of scans are missing. Install unison3d again.')
