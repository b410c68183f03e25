"""Labels as files that other programs read, and back.

===========  =====================================================================================
format       files
===========  =====================================================================================
``ply``      the scan in the colours of its objects, with instance ids and their names
``glb``      one node per object, and one for the rest of the scan
``npz``      arrays of everything; the only format that keeps colours, scores and hidden objects
``scannet``  a scan folder: mesh, ``.segs.json`` and ``.aggregation.json``
``coco``     masks over the points, run-length encoded
===========  =====================================================================================
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from unison3d.errors import ConfigError, FileFormatError
from unison3d.io import (
    CocoMask,
    GlbPart,
    read_coco_masks,
    read_gltf,
    read_npz_arrays,
    read_ply,
    read_scannet_folder,
    write_coco_masks,
    write_glb,
    write_json,
    write_npz,
    write_ply,
)
from unison3d.io.raw_scene import RawScene
from unison3d.structures import PointScene
from unison3d.viewer.label_edits import LabelObject, Replace
from unison3d.viewer.label_source import make_objects
from unison3d.viewer.labels import SceneLabels
from unison3d.viewer.layers import color_layer, object_layer

__all__ = ['FORMATS', 'export_labels', 'import_labels']

#: Formats and their endings; ScanNet takes a folder.
FORMATS = {'ply': '.ply', 'glb': '.glb', 'npz': '.npz', 'scannet': '', 'coco': '.json'}
#: metres. Points of a file that are farther from every point of the scan belong to another scan.
SAME_PLACE = 0.001


def export_labels(
    scene: PointScene,
    labels: SceneLabels,
    path: str | os.PathLike[str],
    format: str,
    *,
    scale: float = 1.0,
) -> list[Path]:
    """Write labels; every file is either complete or not there.

    Args:
        scene: the scan they belong to.
        labels: the labels.
        path: the file, or the folder of ``'scannet'``.
        format: one of :data:`FORMATS`.
        scale: metres per unit of the file of the scan; PLY is written in that unit, the other
            formats in metres.

    Returns:
        The files.

    Raises:
        ConfigError: another format, or a file name with another ending.
    """
    path = Path(path)
    if format not in FORMATS:
        raise ConfigError(f'export {format!r} is not known; expected {", ".join(FORMATS)}.')
    ending = FORMATS[format]
    if ending and path.suffix.lower() != ending:
        raise ConfigError(f'{path}: a file of the format {format} ends in {ending}.')
    _, ids, objects = labels.snapshot()
    writers = {'ply': _ply, 'glb': _glb, 'npz': _npz, 'scannet': _scannet, 'coco': _coco}
    return writers[format](scene, ids, objects, path, scale)


def import_labels(
    path: str | os.PathLike[str], scene: PointScene, format: str | None = None
) -> Replace:
    """Read what :func:`export_labels` wrote.

    Args:
        path: the file or folder.
        scene: the scan the labels belong to.
        format: one of :data:`FORMATS`; by default that of the ending.

    Returns:
        The edit that loads them.

    Raises:
        ConfigError: the format is not known.
        FileFormatError: missing, damaged, or made for another scan.
    """
    path = Path(path)
    if format is None:
        endings = {ending: name for name, ending in FORMATS.items() if ending}
        format = 'scannet' if path.is_dir() else endings.get(path.suffix.lower(), '')
    if format not in FORMATS:
        raise ConfigError(f'{path}: labels are read from {", ".join(FORMATS)}.')
    if format == 'npz':
        ids, objects = _read_npz(path, scene)
    elif format == 'coco':
        ids, objects = _read_coco(path, scene)
    elif format == 'glb':
        ids, objects = _read_parts(path, scene)
    else:
        raw = read_ply(path) if format == 'ply' else read_scannet_folder(path)
        _check_count(path, len(raw), scene)
        ids, objects = _from_raw(raw, path)
    return Replace(ids, objects, f'load {len(objects)} objects of {path.name}')


# ---------------------------------------------------------------------------- writing


def _dense(ids: np.ndarray, objects: tuple[LabelObject, ...]) -> np.ndarray:
    """int64, (N,): place of each point's object in the table, -1 for none."""
    numbers = np.array([0, *(item.id for item in objects)], np.int64)
    return np.searchsorted(numbers, ids) - 1


def _names(objects: tuple[LabelObject, ...]) -> tuple[str, ...]:
    return tuple(item.name for item in objects)


def _shown_colors(
    scene: PointScene, ids: np.ndarray, objects: tuple[LabelObject, ...]
) -> np.ndarray:
    return object_layer(ids, objects, background=color_layer(scene).colors).colors


def _ply(scene, ids, objects, path: Path, scale: float) -> list[Path]:
    points = scene.world_points if scene.origin.any() else scene.points
    return [
        write_ply(
            path,
            points if scale == 1 else points / scale,
            colors=_shown_colors(scene, ids, objects),
            normals=scene.normals,
            faces=scene.faces,
            instance_ids=_dense(ids, objects),
            instance_names=_names(objects),
        )
    ]


def _npz(scene, ids, objects, path: Path, scale: float) -> list[Path]:
    arrays = {
        'points': scene.points,
        'origin': scene.origin,
        'scale': np.float64(scale),
        'object_ids': ids,
        'ids': np.array([item.id for item in objects], np.int32),
        'names': np.array(_names(objects), np.str_),
        'colors': np.array([item.color for item in objects], np.uint8).reshape(-1, 3),
        'scores': np.array([item.score for item in objects], np.float32),
        'origins': np.array([item.origin for item in objects], np.str_),
        'visible': np.array([item.visible for item in objects], np.bool_),
    }
    return [write_npz(path, arrays)]


def _glb(scene, ids, objects, path: Path, scale: float) -> list[Path]:
    colors = color_layer(scene).colors if scene.colors is not None else None
    used = np.zeros(0 if scene.faces is None else len(scene.faces), np.bool_)
    parts = []
    for number, item in enumerate(objects):
        mask = ids == item.id
        faces = np.zeros(0, np.bool_) if scene.faces is None else mask[scene.faces].all(axis=1)
        used |= faces
        facts = {'instance': number, 'class': item.name, 'score': item.score}
        own = np.broadcast_to(np.array(item.color, np.uint8), (len(ids), 3))
        parts.append(
            _part(scene, f'{item.name} {number}', mask, faces, own if colors is None else colors)
        )
        parts[-1].extras.update(facts, color=list(item.color))
    # Triangles across the border of two objects belong to neither, and must not be lost.
    rest = ids == 0
    if scene.faces is not None:
        rest[scene.faces[~used].reshape(-1)] = True
    if rest.any():
        grey = color_layer(scene).colors if colors is None else colors
        parts.append(_part(scene, 'rest', rest, ~used, grey))
    return [write_glb(path, parts, name=scene.name, origin=scene.origin)]


def _part(
    scene: PointScene, name: str, mask: np.ndarray, faces: np.ndarray, colors: np.ndarray
) -> GlbPart:
    triangles = None if scene.faces is None else (np.cumsum(mask) - 1)[scene.faces[faces]]
    normals = None if scene.normals is None else scene.normals[mask]
    return GlbPart(name, scene.points[mask], colors[mask], normals, triangles)


def _scannet(scene, ids, objects, path: Path, scale: float) -> list[Path]:
    name = re.sub(r'[^\w-]+', '_', scene.name) or 'scan'
    dense = _dense(ids, objects)
    # Every object has to be a union of segments: superpoints that objects share are cut there.
    pieces = dense[:, None]
    if scene.superpoints is not None:
        pieces = np.stack([dense, scene.superpoints], axis=1)
    owners, segments = np.unique(pieces, axis=0, return_inverse=True)
    groups = [
        {
            'id': number,
            'objectId': number,
            'segments': np.flatnonzero(owners[:, 0] == number).tolist(),
            'label': item.name,
        }
        for number, item in enumerate(objects)
    ]
    segments_name = f'{name}_vh_clean_2.0.010000.segs.json'
    points = scene.world_points if scene.origin.any() else scene.points
    mesh = write_ply(
        path / f'{name}_vh_clean_2.ply', points, colors=scene.colors, faces=scene.faces
    )
    segments_file = write_json(
        path / segments_name, {'sceneId': name, 'segIndices': segments.reshape(-1).tolist()}
    )
    # Last, since it is what says that the scan has labels.
    content = {'sceneId': name, 'segmentsFile': segments_name, 'segGroups': groups}
    return [mesh, segments_file, write_json(path / f'{name}.aggregation.json', content)]


def _coco(scene, ids, objects, path: Path, scale: float) -> list[Path]:
    names = list(dict.fromkeys(_names(objects)))
    points = scene.world_points
    masks = []
    for item in objects:
        mask = ids == item.id
        inside = points[mask]
        box = np.stack([inside.min(axis=0), inside.max(axis=0)]) if len(inside) else None
        masks.append(CocoMask(mask, names.index(item.name) + 1, item.score, item.name, box))
    return [
        write_coco_masks(
            path,
            masks,
            num_points=len(scene),
            categories=dict(enumerate(names, start=1)),
            scene=scene.name,
        )
    ]


# ---------------------------------------------------------------------------- reading


def _check_count(path: Path, count: int, scene: PointScene) -> None:
    if count != len(scene):
        raise FileFormatError(
            f'{path}: labels of {count:,} points, and "{scene.name}" has {len(scene):,}. Open the '
            'scan they were made on.'
        )


def _from_raw(raw: RawScene, path: Path) -> tuple[np.ndarray, tuple[LabelObject, ...]]:
    if raw.instance_ids is None:
        raise FileFormatError(f'{path}: holds no instances. Give a file with labels.')
    ids = np.maximum(np.asarray(raw.instance_ids, np.int64), -1) + 1
    known = raw.instance_names or ()
    numbers = np.union1d(np.unique(ids[ids > 0]), np.arange(1, len(known) + 1))
    if ids.max(initial=0) > np.iinfo(np.int32).max:
        raise FileFormatError(f'{path}: instance ids up to {ids.max() - 1} do not fit 31 bits.')
    names = [known[n - 1] if n <= len(known) else 'object' for n in numbers.tolist()]
    return ids.astype(np.int32), make_objects(names, [1.0] * len(names), 'file', numbers)


def _read_parts(path: Path, scene: PointScene) -> tuple[np.ndarray, tuple[LabelObject, ...]]:
    """Points of a GLB come object by object, so they are found again by their positions."""
    from scipy.spatial import cKDTree

    raw = read_gltf(path)
    found, objects = _from_raw(raw, path)
    distance, row = cKDTree(scene.points).query(np.asarray(raw.points) - scene.origin)
    if (distance > SAME_PLACE).any() or len(np.unique(row)) != len(scene):
        raise FileFormatError(
            f'{path}: its points are not those of "{scene.name}" (up to {distance.max():.3f} m '
            'away). Open the scan the labels were made on.'
        )
    ids = np.zeros(len(scene), np.int32)
    # A point of a border is in the rest as well.
    ids[row[found > 0]] = found[found > 0]
    return ids, objects


def _read_npz(path: Path, scene: PointScene) -> tuple[np.ndarray, tuple[LabelObject, ...]]:
    arrays = read_npz_arrays(path)
    needed = {'object_ids', 'ids', 'names', 'colors', 'scores', 'origins', 'visible'}
    if missing := needed - arrays.keys():
        raise FileFormatError(f'{path}: no labels, {", ".join(sorted(missing))} are missing.')
    _check_count(path, len(arrays['object_ids']), scene)
    columns = [arrays[key].tolist() for key in ('ids', 'names', 'colors', 'scores')]
    columns += [arrays['origins'].tolist(), arrays['visible'].tolist()]
    try:
        objects = tuple(
            LabelObject(number, name, tuple(color), score, 0, origin, visible)
            for number, name, color, score, origin, visible in zip(*columns, strict=True)
        )
    except (TypeError, ValueError) as error:
        raise FileFormatError(f'{path}: the table of objects is damaged ({error}).') from error
    return arrays['object_ids'], objects


def _read_coco(path: Path, scene: PointScene) -> tuple[np.ndarray, tuple[LabelObject, ...]]:
    masks, categories = read_coco_masks(path, len(scene))
    ids = np.zeros(len(scene), np.int32)
    # Where masks of another program overlap, the surer one has the points.
    for number in sorted(range(len(masks)), key=lambda i: masks[i].score):
        ids[masks[number].mask] = number + 1
    names = [item.name or categories[item.category] for item in masks]
    return ids, make_objects(names, [item.score for item in masks], 'file')
