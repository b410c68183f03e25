"""ScanNet++ as it is downloaded.

=====================================================  ============================================
below the root                                         used for
=====================================================  ============================================
``data/<scene>/scans/mesh_aligned_0.05.ply``           points (already aligned), colours, faces
``data/<scene>/scans/segments.json``                   superpoints; what the labels refer to
``data/<scene>/scans/segments_anno.json``              objects, their names and segments
``metadata/semantic_benchmark/top100.txt``             class names, else
``metadata/semantic_classes.txt``                      all class names
``metadata/semantic_benchmark/map_benchmark.csv``      optional: labels that count as another class
``splits/nvs_sem_{train,val}.txt``, ``sem_test.txt``   lists of scenes
=====================================================  ============================================

Nothing of these lists ships with the package; the semantic id of a class is its line number from 1.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.datasets.prepare.meshes import colors_of, faces_of, points_of, read_mesh
from unison3d.datasets.prepare.scannet import read_name_list, read_split_lists
from unison3d.errors import FileFormatError
from unison3d.io import read_bytes, read_json
from unison3d.io.scannet import read_segments

BENCHMARK = Path('metadata', 'semantic_benchmark')
CLASS_FILES = (BENCHMARK / 'top100.txt', Path('metadata', 'semantic_classes.txt'))
SPLIT_FILES = {'train': 'nvs_sem_train.txt', 'val': 'nvs_sem_val.txt', 'test': 'sem_test.txt'}
UNLISTED = 'unlisted'
_MESH = 'mesh_aligned_0.05.ply'
#: Far more objects than any scene has; names are kept in a list by object id.
_MOST_OBJECTS = 1_000_000


class ScanNetPPLayout(DatasetLayout):
    """ScanNet++; labels that are no class of the list have the semantic id 0 and keep their object.

    Where objects share a segment it goes to the one with fewer points, of equally many to the one
    that comes later in the file.
    """

    name = 'scannetpp'
    label_space = 'scannetpp'

    def __init__(self) -> None:
        self.largest_semantic_id = None
        self._class_ids: dict[str, int] = {}

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every scene with a mesh or labels, sorted by name."""
        scenes = sorted(path for path in (root / 'data').glob('*') if path.is_dir())
        if not any((scene / 'scans').is_dir() for scene in scenes):
            raise FileFormatError(
                f'{root}: holds no scene of ScanNet++. Expected data/<scene>/scans/{_MESH} below '
                'it, as the download script of ScanNet++ makes.'
            )
        self._class_ids, self.largest_semantic_id = read_class_ids(root)
        split_of = _splits(root / 'splits')
        # A listed scene that lost its folder has to fail, not to vanish; others may have images
        # only, as those of the test of novel views.
        return [
            ScanUnit(scene.name, split_of.get(scene.name, UNLISTED), scene / 'scans')
            for scene in scenes
            if scene.name in split_of or (scene / 'scans').is_dir()
        ]

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one scene; test and unlisted ones may be without labels."""
        mesh_path = unit.path / _MESH
        mesh = read_mesh(mesh_path)
        scan = PreparedScan(
            points=points_of(mesh, mesh_path),
            colors=colors_of(mesh, mesh_path),
            faces=faces_of(mesh, mesh_path),
        )
        segments_path, groups_path = unit.path / 'segments.json', unit.path / 'segments_anno.json'
        labelled = unit.split in ('train', 'val') or groups_path.exists()
        if labelled or segments_path.exists():
            segments = read_segments(segments_path, len(mesh))
            ids, place = np.unique(segments, return_inverse=True)
            scan.superpoints = place.reshape(-1).astype(np.int64)
        if labelled:
            self._add_labels(scan, ids, groups_path)
        return scan

    def _add_labels(self, scan: PreparedScan, segment_ids: np.ndarray, path: Path) -> None:
        sizes = np.bincount(scan.superpoints, minlength=len(segment_ids))
        groups = []
        for object_id, label, segments in read_groups(path):
            rows = np.minimum(np.searchsorted(segment_ids, segments), len(segment_ids) - 1)
            lost = segments[segment_ids[rows] != segments]
            if len(lost):
                raise FileFormatError(
                    f'{path}: object {object_id} has the segment {lost[0]}, which segments.json '
                    'does not have. Take both files from the same release of the scene.'
                )
            groups.append((object_id, label, np.unique(rows)))
        groups.sort(key=lambda group: -int(sizes[group[2]].sum()))
        semantic = np.zeros(len(segment_ids), np.int64)
        instance = np.zeros(len(segment_ids), np.int64)
        names = [''] * (1 + max((object_id for object_id, _, _ in groups), default=-1))
        for object_id, label, rows in groups:
            semantic[rows] = self._class_ids.get(label, 0)
            instance[rows] = object_id + 1
            names[object_id] = label
        scan.semantic_ids = semantic[scan.superpoints]
        scan.instance_ids = instance[scan.superpoints]
        scan.instance_names = names


def read_class_ids(root: Path) -> tuple[dict[str, int], int]:
    """Semantic ids of labels from the lists of the download.

    Returns:
        ids, 1 .. K, by label (several labels may count as one class), and K.

    Raises:
        FileFormatError: no list of classes, or one that is empty or names a class twice.
    """
    path = next((root / name for name in CLASS_FILES if (root / name).exists()), None)
    if path is None:
        raise FileFormatError(
            f'{root}: has neither {CLASS_FILES[0].as_posix()} nor {CLASS_FILES[1].as_posix()}. '
            'Download the metadata of ScanNet++; the classes are taken from it.'
        )
    names = read_name_list(path)
    if not names or len(set(names)) < len(names):
        raise FileFormatError(
            f'{path}: {len(names)} class names, {len(set(names))} of them different. Take the '
            'file of the release.'
        )
    ids = {name: number for number, name in enumerate(names, start=1)}
    table = root / BENCHMARK / 'map_benchmark.csv'
    if path == root / CLASS_FILES[0] and table.exists():
        targets = read_label_map(table)
        mapped = {label: ids[target] for label, target in targets.items() if target in ids}
        # A label that the table sends elsewhere is not the class of its own name any more.
        ids = {**{name: i for name, i in ids.items() if name not in targets}, **mapped}
    return ids, len(names)


def read_label_map(path: Path) -> dict[str, str]:
    """Labels that count as another class: ``semantic_map_to`` by ``class``; "None" drops one."""
    rows = csv.DictReader(read_bytes(path).decode('utf-8-sig', 'replace').splitlines())
    try:
        if not {'class', 'semantic_map_to'} <= set(rows.fieldnames or ()):
            raise FileFormatError(f'{path}: expected the columns class and semantic_map_to.')
        pairs = [(row['class'], row['semantic_map_to']) for row in rows]
    except csv.Error as error:
        raise FileFormatError(f'{path}: not a table ({error}). It is damaged.') from error
    return {label: target.strip() for label, target in pairs if label and (target or '').strip()}


def read_groups(path: Path) -> list[tuple[int, str, np.ndarray]]:
    """Object id, label and segments (int64) of every group of ``segments_anno.json``."""
    content = read_json(path)
    groups = content.get('segGroups') if isinstance(content, dict) else None
    if not isinstance(groups, list):
        raise FileFormatError(f'{path}: expected a list called "segGroups".')
    result, seen = [], set()
    for number, group in enumerate(groups):
        group = group if isinstance(group, dict) else {}
        object_id, label = group.get('objectId', group.get('id')), group.get('label')
        segments = group.get('segments')
        right = type(object_id) is int and 0 <= object_id < _MOST_OBJECTS
        if not right or not isinstance(label, str) or not _are_ids(segments):
            raise FileFormatError(
                f'{path}: group {number} has objectId {str(object_id)[:40]} and label '
                f'{str(label)[:40]!r}, expected a number from 0, a name and a list of segments.'
            )
        if object_id in seen:
            raise FileFormatError(f'{path}: the object {object_id} is there twice.')
        seen.add(object_id)
        result.append((object_id, label, np.array(segments, np.int64)))
    return result


def _are_ids(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**63 for v in values)


def _splits(folder: Path) -> dict[str, str]:
    paths = {split: folder / name for split, name in SPLIT_FILES.items()}
    if not any(path.exists() for path in paths.values()):
        raise FileFormatError(
            f'{folder}: holds none of {", ".join(SPLIT_FILES.values())}. Download the splits of '
            'ScanNet++.'
        )
    return read_split_lists(paths)
