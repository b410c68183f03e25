"""One scan in the layout of the ScanNet release.

====================================  ==============================================
file                                  used for
====================================  ==============================================
``<scan>_vh_clean_2.ply``             points, colours, faces (needed)
``<scan>_vh_clean_2.*.segs.json``     superpoints
``<scan>.aggregation.json``           instances and their names (with the segments)
``<scan>.txt``                        axis alignment; kept as data, not applied
``*labels.combined.tsv``              NYU40 ids of the names, when it lies there too
====================================  ==============================================
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.json_files import read_json
from unison3d.io.ply import read_ply
from unison3d.io.raw_scene import RawScene

__all__ = [
    'read_axis_alignment',
    'read_label_table',
    'read_scannet_folder',
    'read_segment_groups',
    'read_segments',
]

_MESH = '_vh_clean_2.ply'


def read_scannet_folder(folder: str | os.PathLike[str]) -> RawScene:
    """Read the mesh of a scan and whatever annotation lies next to it.

    Raises:
        FileFormatError: no mesh, several scans, or annotation that does not fit the mesh.
    """
    folder = Path(folder)
    scan = _scan_name(folder)
    scene = read_ply(folder / f'{scan}{_MESH}')
    segments_file = _only(folder, f'{scan}_vh_clean_2.*.segs.json')
    groups_file = _only(folder, f'{scan}.aggregation.json') or _only(
        folder, f'{scan}*.aggregation*.json'
    )
    if segments_file is None and groups_file is not None:
        raise FileFormatError(
            f'{groups_file}: names segments, but {scan}_vh_clean_2.*.segs.json, which has them, is '
            'missing. Copy it beside this file, or take this file away.'
        )
    if segments_file is not None:
        segments = read_segments(segments_file, len(scene))
        scene.superpoints = np.unique(segments, return_inverse=True)[1].reshape(-1)
        if groups_file is not None:
            _add_instances(scene, segments, groups_file)
            table = _only(folder, '*labels.combined.tsv')
            if table is not None:
                _add_nyu40(scene, table, groups_file)
    scene.axis_alignment = read_axis_alignment(folder, scan)
    return scene


def _scan_name(folder: Path) -> str:
    scans = sorted(f.name.removesuffix(_MESH) for f in folder.glob(f'*{_MESH}'))
    if len(scans) > 1 and folder.name in scans:
        scans = [folder.name]
    if len(scans) != 1:
        seen = f'holds {len(scans)} scans ({", ".join(scans[:3])})' if scans else 'holds none'
        raise FileFormatError(
            f'{folder}: expected one file *{_MESH} (a ScanNet scan folder), {seen}. '
            'Give the path of the file itself.'
        )
    return scans[0]


def _only(folder: Path, pattern: str) -> Path | None:
    return next(iter(sorted(folder.glob(pattern))), None)


def _member(content: Any, key: str, path: Path) -> list:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, list):
        raise FileFormatError(f'{path}: expected a list called "{key}".')
    return value


def _whole_numbers(content: Any, key: str, path: Path) -> np.ndarray:
    values = _member(content, key, path)
    # Asked one by one: NumPy would cut fractions off, and make room for the longest of any texts.
    strays = [value for value in values if type(value) is not int or not -(2**63) <= value < 2**63]
    if strays:
        raise FileFormatError(
            f'{path}: "{key}" does not hold whole numbers of 64 bits ({str(strays[0])[:40]}). The '
            'file is damaged.'
        )
    return np.array(values, dtype=np.int64)


def read_segments(path: Path, count: int, of: str = 'vertices') -> np.ndarray:
    """``segIndices`` of a ``.segs.json``: int64, (count,), as they are numbered there.

    ``of`` names what has a segment each, for the message.
    """
    segments = _whole_numbers(read_json(path), 'segIndices', path)
    if segments.shape != (count,):
        raise FileFormatError(
            f'{path}: {len(segments):,} segment ids for {count:,} {of}. Take both files from '
            'the same release of the scan.'
        )
    return segments


def read_segment_groups(path: Path) -> list[tuple[int, str, np.ndarray]]:
    """``segGroups`` of an ``.aggregation.json``: object id, label and segments (int64) of each.

    Raises:
        FileFormatError: another form, or two groups with one object id: which of the labels the
            object has, and whether it is one object, the file does not say.
    """
    groups: list[tuple[int, str, np.ndarray]] = []
    label_of: dict[int, str] = {}
    for number, group in enumerate(_member(read_json(path), 'segGroups', path)):
        segments = _whole_numbers(group, 'segments', path)
        object_id, label = group.get('objectId'), group.get('label')
        if type(object_id) is not int or object_id < 0 or not isinstance(label, str):
            raise FileFormatError(
                f'{path}: group {number} has objectId {str(object_id)[:40]} and label '
                f'{str(label)[:40]!r}, expected '
                'a number from 0 and a name.'
            )
        if object_id in label_of:
            raise FileFormatError(
                f'{path}: objectId {object_id} is there twice, as "{label_of[object_id][:40]}" and '
                f'as "{label[:40]}", expected one group per object. Take the file of the release, '
                'or give one of the two an id of its own.'
            )
        label_of[object_id] = label
        groups.append((object_id, label, segments))
    return groups


def _add_instances(scene: RawScene, segments: np.ndarray, path: Path) -> None:
    """Groups of segments become instances 0 .. M-1 in the order of the file; a later one wins."""
    groups = _member(read_json(path), 'segGroups', path)
    ids, place = np.unique(segments, return_inverse=True)
    owner = np.full(len(ids), -1, dtype=np.int64)
    names: list[str] = []
    for number, group in enumerate(groups):
        owner[np.isin(ids, _whole_numbers(group, 'segments', path))] = number
        names.append(str(group.get('label', 'object')))
    scene.instance_ids = owner[place.reshape(-1)]
    scene.instance_names = tuple(names)


def _add_nyu40(scene: RawScene, table_file: Path, groups_file: Path) -> None:
    table = read_label_table(table_file)
    unknown = sorted(set(scene.instance_names) - table.keys())
    if unknown:
        raise FileFormatError(
            f'{groups_file}: the label "{unknown[0]}" has no NYU40 id in {table_file.name}. Take '
            'both files from the same release, or take the table away.'
        )
    ids = np.array([*(table[name] for name in scene.instance_names), 0], dtype=np.int64)
    scene.nyu40_ids = ids[scene.instance_ids]  # -1, no instance, picks the zero at the end


def read_label_table(path: str | os.PathLike[str], column: str = 'nyu40id') -> dict[str, int]:
    """Raw category names to ids, from ``scannetv2-labels.combined.tsv``.

    Raises:
        FileFormatError: missing, or without the columns.
    """
    text = read_bytes(path).decode('utf-8', errors='replace')
    lines = [line for line in text.splitlines() if not line.startswith('#')]
    rows = csv.DictReader(lines, delimiter='\t')
    try:
        # The first release calls the column "category".
        names = rows.fieldnames or []
        key = 'raw_category' if 'raw_category' in names else 'category'
        if key not in names or column not in names:
            raise FileFormatError(f'{path}: expected columns raw_category and {column}.')
        ids = {row[key]: row[column] or '' for row in rows}
    except csv.Error as error:
        raise FileFormatError(f'{path}: not a table of labels ({error}). It is damaged.') from error
    # Eighteen digits are more than any table has and fit into 64 bits.
    return {name: int(i) for name, i in ids.items() if i.isdecimal() and len(i) <= 18}


def read_axis_alignment(folder: Path, scan: str) -> np.ndarray | None:
    """float64, (4, 4), from ``axisAlignment = 16 numbers``; test scans have none."""
    for path in (folder / f'{scan}.txt', folder / 'axis_alignment.txt'):
        if not path.is_file():
            continue
        text = read_bytes(path).decode('utf-8', errors='replace')
        for line in text.splitlines():
            key, _, value = line.partition('=')
            if key.strip() == 'axisAlignment':
                return _matrix(value, path)
        if '=' not in text:
            return _matrix(text, path)
    return None


def _matrix(text: str, path: Path) -> np.ndarray:
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError as error:
        raise FileFormatError(f'{path}: axis alignment holds no number ({error}).') from error
    if values.shape != (16,) or not np.isfinite(values).all():
        raise FileFormatError(
            f'{path}: axis alignment has {len(values)} numbers, expected 16 finite ones.'
        )
    return values.reshape(4, 4)
