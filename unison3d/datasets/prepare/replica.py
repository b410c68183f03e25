"""Replica as it is downloaded: 18 scenes with objects, each a mesh whose faces name their object.

======================================  ===========================================================
below the root                          used for
======================================  ===========================================================
``<scene>/habitat/mesh_semantic.ply``   points, colours, faces, ``object_id`` of every face
``<scene>/habitat/info_semantic.json``  objects with their class; ids and names of the classes
======================================  ===========================================================

Faces are quads or triangles. A point gets the object that most of its faces have; of equally many
the smallest id. Semantic ids are the class ids of the file. There is no official split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unison3d.datasets.prepare.faces import objects_of_points
from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.datasets.prepare.meshes import colors_of, faces_of, points_of
from unison3d.errors import FileFormatError
from unison3d.io import read_json
from unison3d.io.ply import read_ply_faces

MESH, INFO = Path('habitat', 'mesh_semantic.ply'), Path('habitat', 'info_semantic.json')
#: Far more objects than any scene has; names are kept in a list by object id.
_MOST_OBJECTS = 1_000_000


class ReplicaLayout(DatasetLayout):
    """Replica; all scenes are of the split ``all``. Object ids are those of the files."""

    name = 'replica'
    label_space = 'replica'

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every scene, sorted by name."""
        # One that lacks one of its files has to fail, not to vanish.
        found = {path.parents[1] for file in (MESH, INFO) for path in root.glob(f'*/{file}')}
        scenes = sorted(found)
        if not scenes:
            raise FileFormatError(
                f'{root}: holds no scene of Replica. Expected <scene>/{INFO.as_posix()} and '
                f'{MESH.name} beside it, as the download script of Replica makes.'
            )
        return [ScanUnit(scene.name, 'all', scene) for scene in scenes]

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one scene. Faces of objects that the file does not list have no object."""
        path = unit.path / MESH
        mesh, polygons, fields = read_ply_faces(path)
        if mesh.colors is None or polygons is None or 'object_id' not in fields:
            raise FileFormatError(
                f'{path}: has no colours, no faces or no object_id at its faces. Take '
                f'{MESH.as_posix()} of the release.'
            )
        objects = read_objects(unit.path / INFO)
        ids = _whole_ids(fields['object_id'], path)
        ids = np.where(np.isin(ids, list(objects)), ids, -1)
        if not (ids >= 0).any():
            raise FileFormatError(
                f'{path}: none of its {len(ids):,} faces has an object that {INFO.name} lists. '
                'Take both files from the same scene.'
            )
        points_objects = objects_of_points(polygons, ids, len(mesh), path)
        names = [''] * (1 + max(objects))
        classes = np.zeros(len(names) + 1, np.int64)  # none (-1) picks the zero at the end
        for object_id, (class_id, name) in objects.items():
            names[object_id], classes[object_id] = name, class_id
        return PreparedScan(
            points=points_of(mesh, path),
            colors=colors_of(mesh, path),
            faces=faces_of(mesh, path),
            semantic_ids=classes[points_objects],
            instance_ids=points_objects + 1,
            instance_names=names,
        )


def read_objects(path: Path) -> dict[int, tuple[int, str]]:
    """Class id and name of every object of ``info_semantic.json``.

    Class ids below 1 mean no class and become 0.

    Raises:
        FileFormatError: missing, of another form, or an object whose class is not in the list.
    """
    content = read_json(path)
    classes = {
        _number(row, 'id', path): _text(row, 'name', path)
        for row in _rows(content, 'classes', path)
    }
    objects: dict[int, tuple[int, str]] = {}
    for row in _rows(content, 'objects', path):
        object_id, class_id = _number(row, 'id', path), _number(row, 'class_id', path)
        if not 0 <= object_id < _MOST_OBJECTS or object_id in objects:
            raise FileFormatError(
                f'{path}: the object id {object_id} is out of range or there twice. The file is '
                'damaged.'
            )
        if class_id > 0 and class_id not in classes:
            raise FileFormatError(
                f'{path}: object {object_id} is of class {class_id}, which is not in the list of '
                'classes. The file is damaged.'
            )
        objects[object_id] = (class_id, classes[class_id]) if class_id > 0 else (0, '')
    if not objects:
        raise FileFormatError(f'{path}: lists no object. Take the file of the release.')
    return objects


def _whole_ids(ids: Any, path: Path) -> np.ndarray:
    if not isinstance(ids, np.ndarray) or ids.dtype.kind not in 'iu':
        raise FileFormatError(f'{path}: object_id of the faces is not a whole number a face.')
    return ids.astype(np.int64)


def _rows(content: Any, key: str, path: Path) -> list:
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise FileFormatError(f'{path}: expected a list called "{key}".')
    return rows


def _number(row: Any, key: str, path: Path) -> int:
    value = row.get(key) if isinstance(row, dict) else None
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise FileFormatError(f'{path}: "{key}" is {str(value)[:40]}, expected a whole number.')
    return value


def _text(row: dict, key: str, path: Path) -> str:
    if not isinstance(row.get(key), str):
        raise FileFormatError(f'{path}: "{key}" is {str(row.get(key))[:40]}, expected a name.')
    return row[key]
