"""Writes the prepared layouts of MMDetection3D 1.4 (binary files, info pickles)."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
from conftest import REPO_ROOT

from unison3d.structures import SCANNET20

FENCE = re.compile(r'^```python\n(.*?)^```', re.MULTILINE | re.DOTALL)


def config_of_the_page(name: str, folder: Path) -> Path:
    """A complete config of docs/mmdet3d.md as a file."""
    page = (REPO_ROOT / 'docs' / 'mmdet3d.md').read_text('utf-8')
    (text,) = (body for body in FENCE.findall(page) if body.startswith(f'# {name}\n'))
    path = folder / name
    path.write_text(text, 'utf-8')
    return path


def write_infos(path: Path, rows: list[dict]) -> None:
    with path.open('wb') as file:
        pickle.dump({'metainfo': {}, 'data_list': rows}, file)


def write_scannet(folder: Path, rooms: list[dict]) -> None:
    """Points with colours 0..255, raw NYU ids, instances from 1 with the walls among them."""
    raw = np.append(SCANNET20.raw_ids, 0)
    rows = []
    for sub in ('points', 'semantic_mask', 'instance_mask', 'seg_info'):
        (folder / sub).mkdir()
    for room in rooms:
        name = f'{room["name"]}.bin'
        points = np.concatenate([room['points'], np.rint(room['colors'] * 255)], axis=1)
        points.astype(np.float32).tofile(folder / 'points' / name)
        raw[room['semantic']].astype(np.int64).tofile(folder / 'semantic_mask' / name)
        instances = room['instances'] + 1
        # Their numbering includes walls and floors, which are no objects here.
        stuff = (instances == 0) & (room['semantic'] < 2)
        instances[stuff] = instances.max() + 1 + room['semantic'][stuff]
        instances.astype(np.int64).tofile(folder / 'instance_mask' / name)
        rows.append(
            {
                'lidar_points': {'num_pts_feats': 6, 'lidar_path': name},
                'pts_semantic_mask_path': name,
                'pts_instance_mask_path': name,
                'axis_align_matrix': np.eye(4),
            }
        )
    write_infos(folder / 'scannet_infos_train.pkl', rows)
    write_infos(folder / 'scannet_infos_val.pkl', rows[:1])
    np.save(folder / 'seg_info' / 'train_resampled_scene_idxs.npy', np.arange(len(rows)))


def write_s3dis(folder: Path, rooms: list[dict], seed: int = 0) -> None:
    """Area 1 with random classes; the folder of every area is there."""
    generator = np.random.default_rng(seed)
    for sub in ('points', 'semantic_mask', 'instance_mask', 'seg_info'):
        (folder / sub).mkdir()
    rows = []
    for room in rooms:
        name, count = f'Area_1_{room["name"]}.bin', len(room['points'])
        points = np.concatenate([room['points'], np.rint(room['colors'] * 255)], axis=1)
        points.astype(np.float32).tofile(folder / 'points' / name)
        generator.integers(0, 13, count).astype(np.int64).tofile(folder / 'semantic_mask' / name)
        (room['instances'] + 1).astype(np.int64).tofile(folder / 'instance_mask' / name)
        rows.append(
            {
                'lidar_points': {'num_pts_feats': 6, 'lidar_path': name},
                'pts_semantic_mask_path': name,
                'pts_instance_mask_path': name,
            }
        )
    write_infos(folder / 's3dis_infos_Area_1.pkl', rows)
    np.save(folder / 'seg_info' / 'Area_1_resampled_scene_idxs.npy', np.arange(len(rows)))


def write_sweep(
    folder: Path, name: str, columns: int, raw_ids: list[int], dtype: type, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """One LiDAR sweep and its labels; returns points (N, columns) and raw labels (N,)."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(-20, 20, (800, columns)).astype(np.float32)
    points[:, 2] /= 10
    points[:, 3] = generator.random(800)
    labels = generator.choice(raw_ids, 800).astype(dtype)
    points.tofile(folder / f'{name}.bin')
    labels.tofile(folder / f'{name}.label')
    return points, labels
