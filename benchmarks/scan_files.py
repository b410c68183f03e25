"""The real scans of a data folder, found by what lies in their folders.

- labelled mesh: ``*_vh_clean_2.ply`` with ``labels_v2.npz`` (``nyu40``, ``instance`` per vertex);
- labelled points: ``points.npz`` with ``xyz``, ``instance``, perhaps ``rgb``, and the classes as
  ``nyu40`` per point or as names of the instances in ``objects.json``;
- sentences: ``referring*.json`` next to a labelled scan;
- unlabelled mesh: ``*_mesh.ply``.

An instance whose name is not known may be a wall as well as a chair. It is no object, and its
points count neither for nor against a prediction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison3d.datasets.transforms.clicks import farthest_inside_clicks
from unison3d.structures import SCANNET20, PointScene

STRUCTURE_IDS = (1, 2, 22)  # NYU40 wall, floor, ceiling
STRUCTURE_NAMES = ('wall', 'floor', 'ceiling')
MIN_POINTS = 100


@dataclass(frozen=True)
class LabelledScan:
    """A scan and its annotation.

    Attributes:
        name: folder name without the prefix of the data set.
        scene: the scan.
        semantic: int64, (N,). ScanNet20 class, 20 unknown.
        objects: int64, (N,). Object ``0..M-1``, -1 for none.
        clicks: int64, (O,). Clicked point of each object that is large enough.
        targets: int64, (O,). The object of each click.
        sentences: T sentences.
        described: bool, (T, N). The points each sentence means.
    """

    name: str
    scene: PointScene
    semantic: np.ndarray
    objects: np.ndarray
    clicks: np.ndarray
    targets: np.ndarray
    sentences: list[str]
    described: np.ndarray


def labelled_scans(root: Path) -> Iterator[LabelledScan]:
    """The labelled scans below a data folder, one at a time."""
    for folder in sorted(path for path in root.glob('*') if path.is_dir()):
        for mesh in sorted(folder.glob('*_vh_clean_2.ply')):
            if (folder / 'labels_v2.npz').exists():
                labels = np.load(folder / 'labels_v2.npz')
                scene = PointScene.from_file(mesh)
                yield _with_ids(folder, scene, labels['nyu40'], labels['instance'])
        if (folder / 'points.npz').exists():
            arrays = np.load(folder / 'points.npz')
            if not {'xyz', 'instance'} <= set(arrays.files):
                continue
            colors = arrays['rgb'] if 'rgb' in arrays.files else None
            scene = PointScene.from_arrays(arrays['xyz'], colors, name=_name(folder))
            if 'nyu40' in arrays.files:
                yield _with_ids(folder, scene, arrays['nyu40'], arrays['instance'])
            elif (folder / 'objects.json').exists():
                yield _with_names(folder, scene, arrays['instance'])


def unlabelled_meshes(root: Path) -> list[Path]:
    """Meshes nobody has annotated."""
    return sorted(root.glob('*/*_mesh.ply'))


def _name(folder: Path) -> str:
    return folder.name.removeprefix('scannet_')


def _with_ids(
    folder: Path, scene: PointScene, nyu40: np.ndarray, instances: np.ndarray
) -> LabelledScan:
    """A scan with a NYU40 class per point; the class of an instance is its most frequent one."""
    nyu40, instances = nyu40.astype(np.int64), instances.astype(np.int64)
    objects = []
    for instance in np.unique(instances[instances > 0]):
        if np.bincount(nyu40[instances == instance]).argmax() not in STRUCTURE_IDS:
            objects.append(instance)
    return _scan(folder, scene, SCANNET20.from_raw(nyu40), instances, objects)


def _with_names(folder: Path, scene: PointScene, instances: np.ndarray) -> LabelledScan:
    """A scan with names of instances, some of which are missing (null)."""
    instances = instances.astype(np.int64)
    semantic = np.full(len(instances), SCANNET20.ignore_index, dtype=np.int64)
    objects = []
    for entry in _read_json(folder / 'objects.json'):
        label = entry['label'] or ''
        semantic[instances == entry['instance']] = SCANNET20.guess(label)
        if label and label not in STRUCTURE_NAMES:
            objects.append(entry['instance'])
    return _scan(folder, scene, semantic, instances, objects)


def _scan(
    folder: Path,
    scene: PointScene,
    semantic: np.ndarray,
    instances: np.ndarray,
    object_instances: list[int],
) -> LabelledScan:
    objects = np.full(len(instances), -1, dtype=np.int64)
    for index, instance in enumerate(object_instances):
        objects[instances == instance] = index
    count = len(object_instances)
    clicks = farthest_inside_clicks(scene.points, objects, count)
    large = np.bincount(objects[objects >= 0], minlength=count) >= MIN_POINTS
    targets = np.flatnonzero(large & (clicks >= 0))
    sentences, described = _sentences(folder, instances)
    return LabelledScan(
        _name(folder), scene, semantic, objects, clicks[targets], targets, sentences, described
    )


def _sentences(folder: Path, instances: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Sentences about instances of the scan; object ids count from 0, instances from 1."""
    sentences, masks = [], [np.zeros((0, len(instances)), dtype=bool)]
    for path in sorted(folder.glob('referring*.json')):
        for entry in _read_json(path):
            text = entry.get('caption') or entry.get('description')
            target = entry.get('target_id', entry.get('object_id'))
            if text and target is not None and (instances == target + 1).any():
                sentences.append(text.strip())
                masks.append(instances[None] == target + 1)
    return sentences, np.concatenate(masks)


def _read_json(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding='utf-8'))
