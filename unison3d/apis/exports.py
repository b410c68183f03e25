"""A result in the forms that other programs read.

Everything goes to ``exports/`` in the folder of the result:

=================  ==============================================================================
format             files
=================  ==============================================================================
``glb``            ``glb/<task>.glb``: one node per object, and one for the rest of the scan
``scannet``        ``scannet/semantic/`` and ``scannet/instance/``: ScanNet benchmark submissions
``coco``           ``coco/<task>.json``: masks over the points, run-length encoded
``semantickitti``  ``semantickitti/<scan>.label``: semantic id and instance of every point
``crops``          ``crops/<task>/<number>_<class>.ply``: the points of each object
=================  ==============================================================================

Label ids in ``scannet``, ``semantickitti`` and the categories of ``coco`` are those of the data set
(NYU40 for ScanNet), see :attr:`LabelSpace.raw_ids`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unison3d.apis.colors import instance_colors
from unison3d.apis.superpoint_table import best_mask
from unison3d.errors import ConfigError
from unison3d.evaluation.benchmark_files import (
    write_benchmark_ids,
    write_benchmark_predictions,
)
from unison3d.io.coco import CocoMask, write_coco_masks
from unison3d.io.glb import GlbPart, write_glb
from unison3d.io.ply import write_ply
from unison3d.io.semantickitti import write_semantickitti_labels

if TYPE_CHECKING:
    from unison3d.apis.scene_result import SceneResult
    from unison3d.structures import PointScene

__all__ = ['EXPORTS', 'EXPORT_FOLDER', 'check_exports', 'remove_exports', 'write_exports']

#: Folder of all exports inside the folder of a result; it belongs to the result.
EXPORT_FOLDER = 'exports'
#: Tasks of which a format needs at least one.
EXPORTS: dict[str, tuple[str, ...]] = {
    'glb': ('panoptic', 'instance', 'open_vocabulary', 'interactive', 'referring'),
    'scannet': ('semantic', 'instance'),
    'coco': ('panoptic', 'instance', 'open_vocabulary', 'interactive', 'referring'),
    'semantickitti': ('panoptic', 'semantic'),
    'crops': ('panoptic', 'instance', 'open_vocabulary', 'interactive', 'referring'),
}
#: Weaker masks are not painted and no objects of their own; those of prompts always are. Lists of
#: results keep all of them, as evaluators want.
PAINTED = 0.1


@dataclass
class _Object:
    """One segment or mask: its class, the class's id in files, and the points it covers."""

    number: int
    label: str
    label_id: int
    score: float
    #: Gives bool, (N,). Made when needed: hundreds of masks over millions of points are too many.
    points: Callable[[], np.ndarray]


def check_exports(formats: Sequence[str], tasks: Sequence[str]) -> None:
    """Refuse early what :func:`write_exports` could not write.

    Raises:
        ConfigError: a format that is not known, or none of the tasks it shows was asked.
    """
    for name in formats:
        if name not in EXPORTS:
            raise ConfigError(f'export {name!r} is not known; expected {", ".join(EXPORTS)}.')
        if not set(EXPORTS[name]) & set(tasks):
            raise ConfigError(
                f'export {name} shows {" or ".join(EXPORTS[name])}, and the tasks are '
                f'{", ".join(tasks)}. Add one of them, or leave the export out.'
            )


def remove_exports(out: Path) -> None:
    """Remove what an earlier result exported."""
    if (out / EXPORT_FOLDER).exists():
        shutil.rmtree(out / EXPORT_FOLDER)


def write_exports(result: SceneResult, out: Path, formats: Sequence[str]) -> list[Path]:
    """Write a result in the given formats below ``out / EXPORT_FOLDER``.

    Returns:
        Files, and folders where a format takes many files.

    Raises:
        ConfigError: see :func:`check_exports`.
    """
    check_exports(formats, result.tasks)
    writers = {
        'glb': _write_glb,
        'scannet': _write_scannet,
        'coco': _write_coco,
        'semantickitti': _write_semantickitti,
        'crops': _write_crops,
    }
    return [
        path
        for name in dict.fromkeys(formats)
        for path in writers[name](result, out / EXPORT_FOLDER / name)
    ]


# ---------------------------------------------------------------------------- objects


def _objects(result: SceneResult) -> Iterator[tuple[str, list[_Object]]]:
    """The objects of every task that has any, in a fixed order."""
    if 'panoptic' in result.tasks:
        yield 'panoptic', _segments(result)
    superpoints = result.scene.superpoints
    for task, (masks, names) in result.mask_sets().items():
        rows = masks.superpoint_masks.numpy()
        first = len(result.label_space.stuff)
        objects = []
        for number, name in enumerate(names):
            label_id = number + 1
            if task == 'instance':
                label_id = result.label_space.raw_ids[first + int(masks.labels[number])]
            elif task == 'open_vocabulary':
                label_id = int(masks.labels[number]) + 1
            score = float(masks.scores[number])
            inside = partial(np.take, rows[number], superpoints)
            objects.append(_Object(number, name, label_id, score, inside))
        yield task, objects


def _segments(result: SceneResult) -> list[_Object]:
    """Panoptic segments, walls and floors among them."""
    ids, space = result.panoptic_instance, result.label_space
    numbers, first = np.unique(ids, return_index=True)
    objects = []
    labels = result.panoptic_semantic[first]
    for number, label in zip(numbers.tolist(), labels.tolist(), strict=True):
        raw = space.raw_ids[label] if 0 <= label < len(space) else 0
        inside = partial(np.equal, ids, number)
        objects.append(_Object(number, space.name_of(label), raw, 1.0, inside))
    return objects


def _shown(task: str, objects: list[_Object]) -> list[_Object]:
    """Without the weak ones; what was asked for by a prompt always counts."""
    if task in ('instance', 'open_vocabulary'):
        return [item for item in objects if item.score >= PAINTED]
    return objects


def _slug(text: str) -> str:
    """A file name of a name: letters, digits and underlines, at most 40."""
    return re.sub(r'[^\w]+', '_', text.lower()).strip('_')[:40] or 'object'


# ---------------------------------------------------------------------------- formats


def _write_glb(result: SceneResult, folder: Path) -> list[Path]:
    scene = result.scene
    paths = []
    for task, objects in _objects(result):
        covered = np.zeros(len(scene), np.bool_)
        used_faces = np.zeros(0 if scene.faces is None else len(scene.faces), np.bool_)
        parts = []
        for item in _shown(task, objects):
            mask = item.points()
            faces = _faces_inside(scene, mask)
            color = instance_colors(np.array([item.number]))[0]
            facts = {'instance': item.number, 'class': item.label, 'class_id': item.label_id}
            facts |= {'score': round(item.score, 4), 'color': color.round(4).tolist()}
            parts.append(_part(scene, f'{item.label} {item.number}', mask, faces, color, facts))
            covered |= mask
            used_faces |= faces
        # Triangles across the border of two objects belong to neither, and must not be lost.
        rest = ~covered
        if scene.faces is not None:
            rest[scene.faces[~used_faces].reshape(-1)] = True
        if rest.any():
            grey = np.full(3, 0.72, np.float32)
            parts.append(_part(scene, 'rest', rest, ~used_faces, grey, {}))
        name = f'{scene.name} {task}'
        paths.append(write_glb(folder / f'{task}.glb', parts, name=name, origin=scene.origin))
    return paths


def _faces_inside(scene: PointScene, mask: np.ndarray) -> np.ndarray:
    """bool, (F,): triangles with all corners in the mask."""
    return np.zeros(0, np.bool_) if scene.faces is None else mask[scene.faces].all(axis=1)


def _part(
    scene: PointScene,
    name: str,
    mask: np.ndarray,
    face_mask: np.ndarray,
    color: np.ndarray,
    extras: dict[str, Any],
) -> GlbPart:
    rows = np.flatnonzero(mask)
    colors = np.broadcast_to(color, (len(rows), 3))
    faces = None
    if scene.faces is not None:
        place = np.cumsum(mask) - 1
        faces = place[scene.faces[face_mask]]
    return GlbPart(
        name,
        scene.points[rows],
        colors if scene.colors is None else scene.colors[rows],
        None if scene.normals is None else scene.normals[rows],
        faces,
        extras,
    )


def _write_scannet(result: SceneResult, folder: Path) -> list[Path]:
    name = f'{_slug(result.scene.name)}.txt'
    paths = []
    if 'semantic' in result.tasks:
        path = folder / 'semantic' / name
        paths.append(write_benchmark_ids(path, _raw_ids(result, result.semantic)))
    if 'instance' in result.tasks:
        objects = dict(_objects(result))['instance']
        rows = ((item.points(), item.label_id, item.score) for item in objects)
        write_benchmark_predictions(folder / 'instance' / name, rows)
        paths.append(folder / 'instance')
    return paths


def _raw_ids(result: SceneResult, semantic: np.ndarray) -> np.ndarray:
    """The data set's own ids of semantic ids; 0 where there is no class."""
    table = np.array([*result.label_space.raw_ids, 0])
    known = (semantic >= 0) & (semantic < len(table))
    return table[np.where(known, semantic, len(table) - 1)]


def _write_coco(result: SceneResult, folder: Path) -> list[Path]:
    points = result.file_points
    paths = []
    for task, objects in _objects(result):
        path = write_coco_masks(
            folder / f'{task}.json',
            (_coco_mask(item, points) for item in objects),
            num_points=len(result.scene),
            categories=_categories(result, task, objects),
            scene=result.scene.name,
        )
        paths.append(path)
    return paths


def _categories(result: SceneResult, task: str, objects: list[_Object]) -> dict[int, str]:
    """All classes a task knows by their id, also those that were not found."""
    if task == 'open_vocabulary':
        return dict(enumerate(result.vocabulary, start=1))
    found = {item.label_id: item.label for item in objects}
    if task in ('panoptic', 'instance'):
        space = result.label_space
        return dict(zip(space.raw_ids, space.classes, strict=True)) | found
    return found


def _coco_mask(item: _Object, points: np.ndarray) -> CocoMask:
    mask = item.points()
    inside = points[mask]
    box = np.stack([inside.min(axis=0), inside.max(axis=0)]) if len(inside) else None
    return CocoMask(mask, item.label_id, item.score, item.label, box)


def _write_semantickitti(result: SceneResult, folder: Path) -> list[Path]:
    if 'panoptic' in result.tasks:
        semantic = result.panoptic_semantic
        # Stuff has no instances there; those of things count from 1.
        things = result.panoptic_things
        instance = np.zeros(len(result.scene), np.int64)
        instance[things] = np.unique(result.panoptic_instance[things], return_inverse=True)[1] + 1
    else:
        semantic = result.semantic
        instance = np.zeros(len(result.scene), np.int64)
        if 'instance' in result.tasks:
            rows = result.instances.superpoint_masks.numpy()
            instance = best_mask(rows)[result.scene.superpoints] + 1
    path = folder / f'{_slug(result.scene.name)}.label'
    return [write_semantickitti_labels(path, _raw_ids(result, semantic), instance)]


def _write_crops(result: SceneResult, folder: Path) -> list[Path]:
    scene, points = result.scene, result.file_points
    for task, objects in _objects(result):
        for item in _shown(task, objects):
            mask = item.points()
            rows = np.flatnonzero(mask)
            faces = None
            if scene.faces is not None:
                faces = (np.cumsum(mask) - 1)[scene.faces[_faces_inside(scene, mask)]]
            write_ply(
                folder / task / f'{item.number:03d}_{_slug(item.label)}.ply',
                points[rows],
                colors=None if scene.colors is None else scene.colors[rows],
                normals=None if scene.normals is None else scene.normals[rows],
                faces=faces,
            )
    return [folder] if folder.is_dir() else []
