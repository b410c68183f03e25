"""3RScan as it is downloaded: rescans of changing rooms, labelled point by point.

===============================================  =================================================
below the root                                   used for
===============================================  =================================================
``3RScan.json``                                  splits, and which scans show the same room
``<scan>/labels.instances.annotated.v2.ply``     points, faces, ``objectId``, ``NYU40`` of points
``<scan>/semseg.v2.json``                        names of the objects
``<scan>/mesh.refined.v2.obj``,                  colours of the points: the textured mesh, its
``mesh.refined.mtl``, ``mesh.refined_0.png``     materials and its texture; without them zeros
===============================================  =================================================

The scans may lie in ``scans/`` as well. The colours of the annotated mesh are those of the labels,
so they are left out: a model must not see the answer. The textured mesh lies in the same frame, but
its vertices are split where the texture is, so each point takes the colour of the nearest of them.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.datasets.prepare.meshes import faces_of, points_of
from unison3d.errors import FileFormatError, SceneWarning
from unison3d.io import read_bytes, read_json, read_ply
from unison3d.io.obj_texture import read_textured_obj
from unison3d.io.ply_header import parse_header
from unison3d.io.scannet import read_segment_groups

MESH, NAMES = 'labels.instances.annotated.v2.ply', 'semseg.v2.json'
TEXTURED = ('mesh.refined.v2.obj', 'mesh.refined.mtl', 'mesh.refined_0.png')
#: Metres within which a point takes the colour of a vertex of the textured mesh.
REACH = 0.05
#: Largest part of the points that may be without; more means the meshes are not of one scan.
MOST_WITHOUT = 0.1
SPLITS = {'train': 'train', 'validation': 'val', 'test': 'test'}
UNLISTED = 'unlisted'


class RScan3Layout(DatasetLayout):
    """3RScan with NYU40 ids; colours are zeros where the textured mesh is not there.

    The hidden test scans come without an annotated mesh and are left out; any other scan without
    one fails.
    """

    name = '3rscan'
    label_space = 'scannet20'
    largest_semantic_id = 40

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every scan that is there, sorted by name."""
        folder = root / 'scans' if (root / 'scans').is_dir() else root
        split_of = read_splits(root / '3RScan.json')
        found = [
            path
            for path in sorted(folder.iterdir())
            if path.is_dir() and (path.name in split_of or _holds_labels(path))
        ]
        units = [ScanUnit(path.name, split_of.get(path.name, UNLISTED), path) for path in found]
        units = [unit for unit in units if unit.split != 'test' or (unit.path / MESH).exists()]
        if not units:
            raise FileFormatError(
                f'{folder}: holds no labelled scan of 3RScan. Expected <scan>/{MESH}, as the '
                'download script of 3RScan makes.'
            )
        return units

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one scan."""
        path = unit.path / MESH
        mesh = read_ply(path)
        faces = faces_of(mesh, path)
        if faces is None or mesh.instance_ids is None or mesh.nyu40_ids is None:
            raise FileFormatError(
                f'{path}: has no faces, no objectId or no NYU40. Take the file of the release.'
            )
        points = points_of(mesh, path)
        objects = _object_ids(mesh.instance_ids, path)
        semantic = mesh.nyu40_ids.astype(np.int64)
        if len(semantic) and not 0 <= semantic.min() <= semantic.max() <= 40:
            raise FileFormatError(
                f'{path}: NYU40 reaches from {semantic.min()} to {semantic.max()}, expected 0 to '
                '40. The file is damaged.'
            )
        names_path = unit.path / NAMES
        names = {object_id: label for object_id, label, _ in read_segment_groups(names_path)}
        unknown = np.setdiff1d(objects[objects > 0], list(names))
        if len(unknown):
            raise FileFormatError(
                f'{path}: has points of object {unknown[0]}, which {NAMES} does not list. Take '
                'both files from the same scan.'
            )
        # Objects count from 1 here and 0 is none, so the id on disk is that of the files.
        most = int(objects.max(initial=0))
        return PreparedScan(
            points=points,
            colors=texture_colors(unit.path, points),
            faces=faces,
            semantic_ids=semantic,
            instance_ids=objects,
            instance_names=[names.get(object_id, '') for object_id in range(1, most + 1)],
        )


def _holds_labels(folder: Path) -> bool:
    """Also with one file of the two: a scan that lacks the other has to fail, not to vanish."""
    return any((folder / name).exists() for name in (MESH, NAMES))


def texture_colors(folder: Path, points: np.ndarray) -> np.ndarray:
    """Colours of points from the textured mesh of a scan.

    Args:
        folder: of the scan.
        points: (N, 3), metres, in the frame of the scan.

    Returns:
        uint8, (N, 3): the colour of the nearest textured vertex within 5 cm, zeros where there is
        none (with a :class:`SceneWarning`) or where none of the three files of the mesh is there.

    Raises:
        FileFormatError: some of the files are missing, one is damaged, or more than a tenth of the
            points are far from the mesh.
    """
    colors = np.zeros((len(points), 3), np.uint8)
    missing = [name for name in TEXTURED if not (folder / name).exists()]
    if len(missing) == len(TEXTURED):
        return colors
    path = folder / TEXTURED[0]
    if missing:
        raise FileFormatError(
            f'{folder / missing[0]}: is missing, and colours need it. Download it, or take '
            f'{", ".join(TEXTURED)} away to have zeros for colours.'
        )
    vertices, palette = read_textured_obj(path)
    distance, row = cKDTree(vertices).query(points, distance_upper_bound=REACH)
    near = np.isfinite(distance)
    colors[near] = palette[row[near]]
    without = int((~near).sum())
    if without > MOST_WITHOUT * len(points):
        raise FileFormatError(
            f'{path}: {without} of {len(points)} points of {MESH} have no textured vertex within '
            f'{REACH} m. Take both files from the same scan.'
        )
    if without:
        warnings.warn(
            f'{path}: {without} of {len(points)} points have no textured vertex within {REACH} m; '
            'their colours are zeros.',
            SceneWarning,
            stacklevel=2,
        )
    return colors


def read_splits(path: Path) -> dict[str, str]:
    """Split of every scan and rescan of ``3RScan.json``.

    Raises:
        FileFormatError: missing, or of another form.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise FileFormatError(f'{path}: expected a list of rooms. Take the file of the release.')
    split_of = {}
    for row, room in enumerate(content):
        split = SPLITS.get(str(room.get('type'))) if isinstance(room, dict) else None
        if split is None:
            raise FileFormatError(
                f'{path}, entry {row}: expected a type of {", ".join(SPLITS)}. The file is damaged.'
            )
        for scan in (room, *_list(room.get('scans', []), path, row)):
            reference = scan.get('reference') if isinstance(scan, dict) else None
            if not isinstance(reference, str):
                raise FileFormatError(f'{path}, entry {row}: a scan has no reference.')
            split_of[reference] = split
    return split_of


def _list(value: Any, path: Path, row: int) -> list:
    if not isinstance(value, list):
        raise FileFormatError(f'{path}, entry {row}: "scans" is no list. The file is damaged.')
    return value


def _object_ids(ids: np.ndarray, path: Path) -> np.ndarray:
    """``objectId`` as it stands in the file; the reader moves unsigned ids down by one."""
    header = parse_header(read_bytes(path), path)
    kinds = {p.name.lower(): p.dtype.kind for e in header.elements for p in e.properties}
    objects = ids + (kinds.get('objectid') == 'u')
    if len(objects) and not 0 <= objects.min() <= objects.max() <= len(objects):
        raise FileFormatError(
            f'{path}: objectId reaches from {objects.min()} to {objects.max()} in a scan of '
            f'{len(objects)} points. The file is damaged.'
        )
    return objects
