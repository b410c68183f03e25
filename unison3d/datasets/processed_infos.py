"""Which scans a processed data set has, from its info file or from its folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io import read_bytes
from unison3d.io.files import named_file


def scan_entries(
    root: Path, ann_file: str, split_file: Path | None, prefix: Mapping[str, str]
) -> list[dict]:
    """One entry per scan, in the order of the info file or sorted by name.

    Args:
        root: folder of the data set.
        ann_file: path of the info file; '' lists the points folder.
        split_file: text file with a name per line, or None for all.
        prefix: folders of ``pts``, ``pts_instance_mask``, ``pts_semantic_mask``, ``sp_pts_mask``.

    Returns:
        dicts with ``name``, ``points_path``, ``num_features``, ``semantic_path``,
        ``instance_path``, ``superpoint_path`` (None where there is none), ``superpoint_sha256``,
        ``pseudo_masks`` (bool (Z, S) or None), ``axis_align_matrix``, ``text_info``,
        ``object_names`` by object id, and ``sentences``: dicts with ``text`` and ``object_id``.

    Raises:
        FileFormatError: something named is missing or is not what it has to be.
    """
    if ann_file:
        # Imported late: preparing data is another job.
        from unison3d.datasets.prepare.infos import read_infos

        content = read_infos(ann_file)
        entries = [
            _from_info(info, prefix, f'{ann_file}, entry {row}')
            for row, info in enumerate(content['data_list'])
        ]
    else:
        entries = _from_folder(root, prefix)
    if split_file is None:
        return entries
    by_name = {entry['name']: entry for entry in entries}
    lines = read_bytes(split_file).decode('utf-8', 'replace').splitlines()
    names = [line.strip() for line in lines if line.strip() and not line.startswith('#')]
    missing = [name for name in names if name not in by_name]
    if missing:
        raise FileFormatError(
            f'{split_file}: names {missing[0]}, which is not in {ann_file or prefix["pts"]} '
            f'({len(missing)} of {len(names)} are missing). Prepare these scans or correct the '
            'list.'
        )
    return [by_name[name] for name in names]


def _from_folder(root: Path, prefix: Mapping[str, str]) -> list[dict]:
    folder = Path(prefix['pts'])
    if not folder.is_dir():
        raise FileFormatError(
            f'{folder}: is not a folder. {root} has to hold the processed form; make it with '
            '"unison3d prepare".'
        )
    entries = []
    for path in sorted(folder.glob('*.bin')):
        paths = {
            key: _existing(Path(prefix[key]) / path.name)
            for key in ('pts_semantic_mask', 'pts_instance_mask', 'sp_pts_mask')
        }
        _check_pair(paths['pts_semantic_mask'], paths['pts_instance_mask'], str(path))
        entries.append(_entry(path, paths))
    return entries


def _from_info(info: dict, prefix: Mapping[str, str], where: str) -> dict:
    path = named_file(prefix['pts'], info['lidar_points']['lidar_path'], where)
    num_features = info['lidar_points'].get('num_pts_feats', 6)
    paths = {
        key: _joined(prefix[key], info.get(f'{key}_path'), where)
        for key in ('pts_semantic_mask', 'pts_instance_mask')
    }
    _check_pair(paths['pts_semantic_mask'], paths['pts_instance_mask'], where)
    named = info.get('super_pts_path')
    superpoints = Path(prefix['sp_pts_mask'])
    if named:
        paths['sp_pts_mask'] = str(named_file(superpoints, named, where))
    else:
        paths['sp_pts_mask'] = _existing(superpoints / path.name)
    text_info = info.get('text_info') or {}
    names = {
        int(box['object_id']): str(box['object_name'])
        for box in info.get('instances') or []
        if box.get('object_name') and 'object_id' in box
    }
    return {
        **_entry(path, paths, num_features),
        'superpoint_sha256': info.get('super_pts_sha256') or None,
        'pseudo_masks': info.get('sam3d_pseudo_sp_masks'),
        'axis_align_matrix': _matrix(info.get('axis_align_matrix'), where),
        'text_info': text_info,
        'object_names': names,
        'sentences': [
            {'text': text, 'object_id': int(key)}
            for key, value in text_info.items()
            for text in value['text']
        ],
    }


def _entry(path: Path, paths: Mapping[str, str | None], num_features: int = 6) -> dict:
    return {
        'name': path.stem,
        'points_path': str(path),
        'num_features': num_features,
        'semantic_path': paths['pts_semantic_mask'],
        'instance_path': paths['pts_instance_mask'],
        'superpoint_path': paths['sp_pts_mask'],
        'superpoint_sha256': None,
        'pseudo_masks': None,
        'axis_align_matrix': np.eye(4).tolist(),
        'text_info': {},
        'object_names': {},
        'sentences': [],
    }


def _joined(folder: str, name: str | None, where: str) -> str | None:
    return None if name is None else str(named_file(folder, name, where))


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _check_pair(semantic: str | None, instance: str | None, where: str) -> None:
    if (semantic is None) != (instance is None):
        missing = 'semantic' if semantic is None else 'instance'
        raise FileFormatError(
            f'{where}: there is no {missing} mask, but the other one is there. A labelled scan '
            'needs both, a scan without labels has neither.'
        )


def _matrix(value: Any, where: str) -> list:
    matrix = np.eye(4) if value is None else np.asarray(value, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise FileFormatError(
            f'{where}: axis_align_matrix has shape {matrix.shape}, expected 4 x 4 finite numbers.'
        )
    return matrix.tolist()
