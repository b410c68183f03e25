"""ARKitScenes as it is downloaded: meshes of a tablet with boxes around the furniture.

===============================  ==================================================================
in the folder of a scan          used for
===============================  ==================================================================
``<scan>_3dod_mesh.ply``         points, colours, faces
``<scan>_3dod_annotation.json``  boxes of the objects
===============================  ==================================================================

The folders are ``{Training,Validation}/<scan>/`` below the root, or below ``3dod/`` or ``raw/`` in
it, of which the first that is there is taken.

The dataset labels boxes, not points: which points belong to an object is a rule of ours, see
`points_in_boxes`. Of the two boxes of an object ``obbAligned`` is read, which lies in the frame of
the mesh (z up); ``obb`` does not.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.datasets.prepare.layout import DatasetLayout, PreparedScan, ScanUnit
from unison3d.datasets.prepare.meshes import colors_of, faces_of, points_of, read_mesh
from unison3d.errors import FileFormatError, SceneWarning
from unison3d.io import read_bytes, read_json
from unison3d.structures.label_space import ARKITSCENES

SPLITS = {'Training': 'train', 'Validation': 'val'}
MESH, ANNOTATION = '_3dod_mesh.ply', '_3dod_annotation.json'
#: Split of the scans that the annotators left out: they have no labels.
SKIPPED = 'skipped'
_SKIPPED_TEXT = re.compile(rb'"skipped"\s*:\s*true')
#: metres, and part of the height, whichever is less: so much above its bottom face a box begins.
FLOOR_MARGIN, FLOOR_PART = 0.05, 0.1
#: How far the products of the axes may be from those of right angles and unit lengths.
_AXES_TOLERANCE = 1e-3
_RAW_IDS = {name.replace(' ', '_'): i for name, i in zip(ARKITSCENES.classes, ARKITSCENES.raw_ids)}


@dataclass(frozen=True, eq=False)
class LabelledBox:
    """A box around an object.

    Args:
        label: as the file has it.
        center: float64, (3,), metres.
        sizes: float64, (3,), metres, full lengths along the axes.
        axes: float64, (3, 3); each row is an axis of length 1.
    """

    label: str
    center: np.ndarray
    sizes: np.ndarray
    axes: np.ndarray


class ARKitScenesLayout(DatasetLayout):
    """ARKitScenes; object ids are the places of the boxes in the annotation.

    Labels that are none of the 17 classes keep their object, get the semantic id 0, and are named
    in a warning.
    """

    name = 'arkitscenes'
    label_space = ARKITSCENES.name

    def scans(self, root: Path) -> list[ScanUnit]:
        """Every scan, training first, sorted by name."""
        places = [
            place
            for place in (root, root / '3dod', root / 'raw')
            if any((place / fold).is_dir() for fold in SPLITS)
        ]
        top = places[0] if places else root
        if len(places) > 1:
            warnings.warn(
                f'{root}: scans lie in {" and ".join(str(p) for p in places)}. Those in {top} are '
                f'read; give one of the others as the root to read it.',
                SceneWarning,
                stacklevel=2,
            )
        folders = [
            (split, path)
            for fold, split in SPLITS.items()
            for path in sorted((top / fold).glob('[!.]*'))
            if path.is_dir()
        ]
        if not folders:
            raise FileFormatError(
                f'{root}: holds no scan of ARKitScenes. Expected Training/<scan>/<scan>{MESH} '
                'here, in 3dod or in raw, as the download script of ARKitScenes makes.'
            )
        return [
            ScanUnit(path.name, SKIPPED if _is_skipped(path) else split, path)
            for split, path in folders
        ]

    def read(self, unit: ScanUnit) -> PreparedScan:
        """Read one scan; skipped ones have no labels."""
        path = unit.path / f'{unit.name}{MESH}'
        boxes = read_boxes(unit.path / f'{unit.name}{ANNOTATION}')
        mesh = read_mesh(path)
        scan = PreparedScan(
            points=points_of(mesh, path),
            colors=colors_of(mesh, path),
            faces=faces_of(mesh, path),
        )
        if boxes is not None:
            labels = [re.sub('[ /-]', '_', box.label) for box in boxes]
            unknown = sorted(set(labels) - _RAW_IDS.keys())
            if unknown:
                warnings.warn(
                    f'{unit.path}: {", ".join(unknown)}: no class of ARKitScenes, without a class.',
                    SceneWarning,
                    stacklevel=2,
                )
            objects = points_in_boxes(scan.points, boxes)
            classes = np.array([*(_RAW_IDS.get(label, 0) for label in labels), 0], np.int64)
            scan.semantic_ids = classes[objects]  # -1, no object, picks the zero at the end
            scan.instance_ids = objects + 1
            scan.instance_names = labels
        return scan


def points_in_boxes(points: np.ndarray, boxes: list[LabelledBox]) -> np.ndarray:
    """The box of every point: the smallest one by volume that holds it, else the first in the file.

    Boxes are loose and stand on the floor, so that the floor below a table is inside its box. A box
    therefore begins 5 cm above its bottom face, or a tenth of its height where that is less: a
    flat object keeps most of its points, and legs lose their feet.

    Args:
        points: float, (N, 3), metres, z up.
        boxes: M boxes.

    Returns:
        int64, (N,), 0 .. M-1; -1 is none.
    """
    owners = np.full(len(points), -1, np.int64)
    volumes = np.array([box.sizes.prod() for box in boxes])
    # The smallest is written last, and of equally small ones the first of the file.
    for number in np.argsort(volumes, kind='stable')[::-1]:
        box = boxes[number]
        high = box.sizes / 2
        low = -high
        up = int(np.abs(box.axes[:, 2]).argmax())
        margin = min(FLOOR_MARGIN, FLOOR_PART * box.sizes[up])
        if box.axes[up, 2] > 0:
            low[up] += margin
        else:
            high[up] -= margin
        inside = np.ones(len(points), bool)
        offset = points.astype(np.float64) - box.center
        for axis, least, most in zip(box.axes, low, high):
            # Written out: a matrix product may round differently with another number of threads.
            along = offset[:, 0] * axis[0] + offset[:, 1] * axis[1] + offset[:, 2] * axis[2]
            inside &= (least <= along) & (along <= most)
        owners[inside] = number
    return owners


def read_boxes(path: Path) -> list[LabelledBox] | None:
    """The boxes of an annotation; None where the annotators skipped the scan.

    Raises:
        FileFormatError: missing, of another form, or a box that is none; entry and value are named.
    """
    content = read_json(path)
    skipped = content.get('skipped') if isinstance(content, dict) else None
    if type(skipped) is not bool:
        raise FileFormatError(
            f'{path}: "skipped" is {_short(skipped)}, expected true or false. Take the file of the '
            'release.'
        )
    if skipped:
        return None
    rows = content.get('data')
    if not isinstance(rows, list):
        raise FileFormatError(f'{path}: expected a list called "data". The file is damaged.')
    return [_box(row, f'{path}, entry {number} of "data"') for number, row in enumerate(rows)]


def _box(row: Any, where: str) -> LabelledBox:
    label = row.get('label') if isinstance(row, dict) else None
    if not isinstance(label, str) or not label:
        raise FileFormatError(f'{where}: "label" is {_short(label)}, expected a name.')
    where = f'{where} ({_short(label)})'
    segments = row.get('segments')
    box = segments.get('obbAligned') if isinstance(segments, dict) else None
    if not isinstance(box, dict):
        raise FileFormatError(
            f'{where}: "segments" has no "obbAligned", the box in the frame of the mesh. '
            'Take the file of the release.'
        )
    center = _numbers(box, 'centroid', 3, where)
    sizes = _numbers(box, 'axesLengths', 3, where)
    axes = _numbers(box, 'normalizedAxes', 9, where).reshape(3, 3)
    if not (sizes > 0).all():
        raise FileFormatError(f'{where}: "axesLengths" is {sizes.tolist()}, expected above 0.')
    products = np.einsum('ik,jk->ij', axes, axes)
    if not np.abs(products - np.eye(3)).max() <= _AXES_TOLERANCE:
        raise FileFormatError(
            f'{where}: "normalizedAxes" is {np.round(axes, 4).tolist()}, expected three rows of '
            'length 1 at right angles. The file is damaged.'
        )
    return LabelledBox(label, center, sizes, axes)


def _numbers(box: dict, key: str, count: int, where: str) -> np.ndarray:
    values = box.get(key)
    # Nothing in a building is a million metres away, and whole numbers of JSON know no end.
    right = isinstance(values, list) and len(values) == count
    if not right or not all(type(v) in (int, float) and abs(v) < 1e6 for v in values):
        raise FileFormatError(
            f'{where}: "{key}" is {_short(values)}, expected {count} finite numbers.'
        )
    return np.array(values, np.float64)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def _is_skipped(folder: Path) -> bool:
    path = folder / f'{folder.name}{ANNOTATION}'
    try:
        # Parsing thousands of annotations takes minutes, and few or none are skipped.
        return bool(_SKIPPED_TEXT.search(read_bytes(path))) and read_boxes(path) is None
    except FileFormatError:
        return False  # reading the scan brings it up
