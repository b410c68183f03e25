"""Matterport3D as it is downloaded: houses cut into regions, whose faces belong to segments.

==================================================  ===============================================
below the root                                      used for
==================================================  ===============================================
``v1/scans/<house>/region_segmentations/``
``region<k>.ply``                                   points, colours, faces
``region<k>.fsegs.json``                            segment of every face
``region<k>.semseg.json``                           objects, their names and segments
``category_mapping.tsv``                            NYU40 ids of the names
``splits/{train,val,test}.txt``                     optional: names of houses, one a line
==================================================  ===============================================

A region is one scan, ``<house>_region<k>``. ``v1`` may be left out, and ``category_mapping.tsv``
may lie in ``metadata/``.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from unison3d.datasets.prepare.faces import objects_of_points
from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.datasets.prepare.meshes import colors_of, faces_of, points_of
from unison3d.datasets.prepare.scannet import read_class_ids, read_split_lists
from unison3d.errors import FileFormatError, SceneWarning
from unison3d.io.ply import read_ply_faces
from unison3d.io.scannet import read_segment_groups, read_segments

MAPPING = 'category_mapping.tsv'
UNLISTED = 'unlisted'


class Matterport3DLayout(DatasetLayout):
    """Matterport3D by regions, with NYU40 ids.

    A point gets the object that most of its faces have; faces without an object have no vote.
    Names that the mapping does not know keep their object, get the semantic id 0, and are named in
    a warning.
    """

    name = 'matterport3d'
    label_space = 'scannet20'
    largest_semantic_id = 40

    def __init__(self) -> None:
        self._table: dict[str, int] = {}

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every region of which a file is there, by house and number."""
        folders = sorted(root.glob('v1/scans/*/region_segmentations')) or sorted(
            root.glob('scans/*/region_segmentations')
        )
        # One that lacks a file has to fail, not to vanish.
        meshes = {
            path.with_name(f'{path.name.split(".")[0]}.ply')
            for folder in folders
            for path in folder.glob('region*.*')
        }
        if not meshes:
            raise FileFormatError(
                f'{root}: holds no region of Matterport3D. Expected v1/scans/<house>/'
                'region_segmentations/region0.ply, unpacked from region_segmentations.zip.'
            )
        tables = [path for path in (root / MAPPING, root / 'metadata' / MAPPING) if path.is_file()]
        if not tables:
            raise FileFormatError(
                f'{root / MAPPING}: is missing. Take it from the metadata folder of the '
                'Matterport repository; it gives the NYU40 ids of the names.'
            )
        self._table = read_class_ids(tables[0], 'nyu40id', self.largest_semantic_id)
        split_of = read_split_lists(
            {split: root / 'splits' / f'{split}.txt' for split in ('train', 'val', 'test')}
        )
        units = []
        for mesh in sorted(meshes, key=_house_and_number):
            house, number = _house_and_number(mesh)
            split = split_of.get(house, UNLISTED)
            units.append(ScanUnit(f'{house}_region{number}', split, mesh))
        return units

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one region."""
        mesh, polygons, _ = read_ply_faces(unit.path)
        if mesh.colors is None or polygons is None:
            raise FileFormatError(
                f'{unit.path}: has no colours or no faces. Take the file of the release.'
            )
        # The files of a region differ in what follows "region<k>" only.
        segments_path = unit.path.with_suffix('.fsegs.json')
        groups_path = unit.path.with_suffix('.semseg.json')
        segments = read_segments(segments_path, len(polygons.counts), 'faces')
        objects = np.full(len(segments), -1, np.int64)
        groups = read_segment_groups(groups_path)
        most = max((object_id for object_id, *_ in groups), default=-1)
        if most >= len(segments):
            raise FileFormatError(
                f'{groups_path}: objectId {most} in a region of {len(segments)} faces.'
            )
        names = [''] * (1 + most)
        for object_id, label, ids in groups:
            mine = np.isin(segments, ids)
            if len(ids) and not mine.any():
                raise FileFormatError(
                    f'{groups_path}: object {object_id} has none of the segments of '
                    f'{segments_path.name}. Take both files from the same region.'
                )
            objects[mine] = object_id
            names[object_id] = label
        unknown = sorted({label for _, label, _ in groups} - self._table.keys())
        if unknown:
            warnings.warn(
                f'{groups_path}: {", ".join(unknown)}: not in {MAPPING}, without a class.',
                SceneWarning,
                stacklevel=2,
            )
        point_objects = objects_of_points(polygons, objects, len(mesh), unit.path)
        classes = np.array([*(self._table.get(name, 0) for name in names), 0], np.int64)
        return PreparedScan(
            points=points_of(mesh, unit.path),
            colors=colors_of(mesh, unit.path),
            faces=faces_of(mesh, unit.path),
            semantic_ids=classes[point_objects],  # -1, no object, picks the zero at the end
            instance_ids=point_objects + 1,
            instance_names=names,
        )


def _house_and_number(mesh: Path) -> tuple[str, int]:
    match = re.fullmatch(r'region(\d{1,6})', mesh.stem)
    if match is None:
        raise FileFormatError(f'{mesh}: expected a name such as region0.ply.')
    return mesh.parents[1].name, int(match[1])
