"""A folder of labelled scans as a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unison3d.datasets.scene_dataset import SceneDataset
from unison3d.errors import FileFormatError
from unison3d.registry import DATASETS
from unison3d.structures import SCANNET20, PointScene
from unison3d.superpoints import compute_superpoints, estimate_normals


@DATASETS.register_module()
class SceneFolderDataset(SceneDataset):
    """Scans in one folder: ``.ply`` and ``.npz`` files, or ScanNet scan folders.

    Labels are those in the files. Without labels a scene is all unlabelled; it can be predicted
    and not scored. Walls and floors lose their instance id. Sentences may lie beside a scan in
    ``<stem>.sentences.json``: a list of objects with ``text``, ``targets`` (instance ids as in
    the scan) and optionally ``kind``.

    Args:
        data_root: the folder.
        names: file or folder names to take, in this order; None takes all, sorted.
        normals: ``'estimate'`` from the points, ``'scan'`` prefers those in the file.
        use_faces: cut superpoints along the mesh where there is one.
        **kwargs: of :class:`SceneDataset`.
    """

    def __init__(
        self,
        data_root: str,
        *,
        names: list[str] | None = None,
        normals: Literal['estimate', 'scan'] = 'estimate',
        use_faces: bool = True,
        **kwargs: Any,
    ) -> None:
        self.names = names
        self.normals = normals
        self.use_faces = use_faces
        super().__init__(data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One entry per scan.

        Raises:
            FileFormatError: the folder or a named scan is missing.
        """
        root = Path(self.data_root).expanduser()
        if not root.is_dir():
            raise FileFormatError(f'{root}: is not a folder. Check data_root.')
        if self.names is None:
            paths = sorted(path for path in root.iterdir() if _is_scan(path))
        else:
            paths = [root / name for name in self.names]
        for path in paths:
            if not path.exists():
                raise FileFormatError(f'{path}: not found. Check names.')
        return [{'name': _name(path, root), 'path': str(path)} for path in paths]

    def scene_key(self, info: dict) -> list:
        """Path, size and time of the file, and the options."""
        status = Path(info['path']).stat()
        sentences = _sentence_file(info['path'])
        extra = sentences.stat().st_mtime_ns if sentences.exists() else 0
        options = [self.normals, self.use_faces, extra]
        return ['scene-folder', info['path'], status.st_size, status.st_mtime_ns, *options]

    def build_scene(self, info: dict) -> dict:
        """Read a scan and cut it into superpoints."""
        scene = PointScene.from_file(info['path'], on_bad='drop')
        count = len(scene)
        semantic = scene.semantic_ids
        if semantic is None:
            semantic = np.full(count, SCANNET20.ignore_index, np.int64)
        known = (semantic >= 0) & (semantic < SCANNET20.num_classes)
        semantic = np.where(known, semantic, SCANNET20.ignore_index)
        ids = scene.instance_ids
        ids = np.full(count, -1, np.int64) if ids is None else ids.copy()
        ids[np.isin(semantic, SCANNET20.stuff)] = -1
        values = np.unique(ids[ids >= 0])
        instances = np.where(ids >= 0, np.searchsorted(values, ids), -1)
        classes = _majority(instances, semantic, len(values))
        names = scene.instance_names
        normals = scene.normals if self.normals == 'scan' else None
        if normals is None:
            normals = estimate_normals(scene.points)[0]
        superpoints = scene.superpoints
        if superpoints is None:
            faces = scene.faces if self.use_faces else None
            superpoints = compute_superpoints(scene.points, scene.colors, faces=faces)
        return {
            'name': info['name'],
            'points': scene.points,
            'colors': scene.colors,
            'normals': normals,
            'superpoints': superpoints,
            'semantic': semantic,
            'instances': instances,
            'instance_semantic': classes,
            'instance_names': [
                names[value]
                if names is not None and value < len(names)
                else SCANNET20.name_of(int(label))
                for value, label in zip(values, classes, strict=True)
            ],
            'sentences': _read_sentences(_sentence_file(info['path']), values),
        }


def _is_scan(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob('*_vh_clean_2.ply'))
    return path.suffix.lower() in ('.ply', '.npz')


def _name(path: Path, root: Path) -> str:
    # Folders belong to the name: many data sets call every scan the same.
    path = path.with_suffix('') if path.is_file() else path
    return '_'.join(path.relative_to(root).parts)


def _sentence_file(path: str) -> Path:
    return Path(path).with_suffix('.sentences.json')


def _majority(instances: np.ndarray, semantic: np.ndarray, num_instances: int) -> np.ndarray:
    num_classes = SCANNET20.num_classes + 1
    named = instances >= 0
    pair = instances[named] * num_classes + semantic[named]
    counts = np.bincount(pair, minlength=num_instances * num_classes)
    return counts.reshape(num_instances, num_classes).argmax(1).astype(np.int64)


def _read_sentences(path: Path, values: np.ndarray) -> list[dict]:
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))
        sentences = [
            {
                'text': str(entry['text']),
                'targets': [int(target) for target in entry['targets']],
                'kind': str(entry.get('kind', '')),
            }
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(
            f'{path}: is not a list of objects with text and targets ({error!r}).'
        ) from error
    place = {int(value): row for row, value in enumerate(values)}
    kept = [s for s in sentences if all(target in place for target in s['targets'])]
    return [{**s, 'targets': [place[target] for target in s['targets']]} for s in kept]
