"""A small data set in the processed form, made of the hand-made rooms."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from test_datasets.fakes import fake_scene

from unison3d.structures import SCANNET20

#: NYU40 id of an object that none of the 20 classes covers.
OTHER_ID = 40


def raw_labels(scene) -> tuple[np.ndarray, np.ndarray]:
    """Semantic and instance ids as on disk; the floor has an instance there."""
    table = np.array([*SCANNET20.raw_ids, OTHER_ID])
    instance_ids = np.where(scene.instances >= 0, 2 * scene.instances + 3, 0)
    instance_ids[scene.semantic == 1] = 1
    return table[scene.semantic].astype(np.int64), instance_ids.astype(np.int64)


def superpoints_of(scene) -> np.ndarray:
    cells = np.floor(scene.points / 0.3).astype(np.int64)
    return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def write_scan(root: Path, name: str, seed: int = 0, labelled: bool = True):
    """Write the files of one scan and give back the scene."""
    scene = fake_scene(seed)
    table = np.concatenate([scene.points, np.rint(scene.colors * 255)], axis=1)
    files = {'points': table.astype('<f4'), 'super_points': superpoints_of(scene)}
    if labelled:
        files['semantic_mask'], files['instance_mask'] = raw_labels(scene)
    for folder, array in files.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f'{name}.bin').write_bytes(array.tobytes())
    return scene


def info_entry(root: Path, name: str, labelled: bool = True, **more) -> dict:
    """Entry of the info file for a written scan."""
    data = (root / 'super_points' / f'{name}.bin').read_bytes()
    masks = {}
    if labelled:
        masks = {f'pts_{kind}_mask_path': f'{name}.bin' for kind in ('semantic', 'instance')}
    return {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{name}.bin'},
        **masks,
        'super_pts_path': f'{name}.bin',
        'super_pts_sha256': hashlib.sha256(data).hexdigest(),
        'axis_align_matrix': np.eye(4).tolist(),
        'instances': [],
        **more,
    }


def write_infos(root: Path, entries: list[dict], name: str = 'infos.json') -> str:
    """Write an info file and give back its name."""
    content = {'metainfo': {'dataset': 'scannet', 'info_version': '1.1'}, 'data_list': entries}
    (root / name).write_text(json.dumps(content))
    return name


#: Sentences of objects 2 and 6 (the first chair and the coffee table), and of one of no class.
TEXT_INFO = {
    '2': {'text': ['the chair in the corner', 'a chair'], 'label_id': 2, 'text_token': [[1], [2]]},
    '6': {'text': ['the low table'], 'label_id': 4, 'text_token': [[3]]},
    '8': {'text': ['the laptop'], 'label_id': 0, 'text_token': [[4]]},
}
