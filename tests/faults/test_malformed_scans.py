"""Broken ScanNet folders and label files: a typed error that names the file at fault."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.test_io.ply_samples import POLYGONS, make_ply, vertex_rows
from unison3d.errors import FileFormatError, InputError
from unison3d.evaluation.benchmark_files import (
    read_benchmark_predictions,
    write_benchmark_predictions,
)
from unison3d.io import (
    CocoMask,
    read_coco_masks,
    read_scannet_folder,
    read_semantickitti_labels,
    write_coco_masks,
    write_semantickitti_labels,
)
from unison3d.structures import PointScene

pytestmark = pytest.mark.fault

NUM_CUTS = 64
SCAN = 'scene0001_00'
MESH = f'{SCAN}_vh_clean_2.ply'
SEGMENTS = f'{SCAN}_vh_clean_2.0.010000.segs.json'
GROUPS = f'{SCAN}.aggregation.json'
INFO = f'{SCAN}.txt'
TABLE = 'scannetv2-labels.combined.tsv'


def scan_files() -> dict[str, bytes]:
    groups = [
        {'objectId': 0, 'label': 'office chair', 'segments': [40]},
        {'objectId': 1, 'label': 'wall', 'segments': [7, 99]},
    ]
    matrix = ' '.join(f'{v:.6f}' for v in np.eye(4).reshape(-1))
    return {
        MESH: make_ply('binary_little_endian', vertex_rows(), faces=POLYGONS),
        SEGMENTS: json.dumps({'sceneId': SCAN, 'segIndices': [40, 40, 7, 7, 99]}).encode(),
        GROUPS: json.dumps({'sceneId': SCAN, 'segGroups': groups}).encode(),
        INFO: f'axisAlignment = {matrix} \n'.encode(),
        TABLE: b'id\traw_category\tnyu40id\n1\twall\t1\n2\toffice chair\t5\n',
    }


def write_scan(folder: Path, **changes: bytes | None) -> Path:
    """The folder with some files replaced, or left out (None)."""
    scan = folder / SCAN
    scan.mkdir(exist_ok=True)
    for name, data in (scan_files() | changes).items():
        if data is not None:
            (scan / name).write_bytes(data)
    return scan


def test_the_whole_scan_is_read(tmp_path):
    scene = read_scannet_folder(write_scan(tmp_path))
    assert scene.nyu40_ids.tolist() == [5, 5, 1, 1, 1]
    np.testing.assert_array_equal(scene.axis_alignment, np.eye(4))


@pytest.fixture(scope='module')
def whole_scan(tmp_path_factory) -> Path:
    return write_scan(tmp_path_factory.mktemp('scan'))


@pytest.mark.parametrize('cut', range(NUM_CUTS))
@pytest.mark.parametrize('name', [MESH, SEGMENTS, GROUPS, INFO, TABLE])
def test_truncated(whole_scan, name: str, cut: int):
    data = scan_files()[name]
    # The last digits of the text files and their line feed can be lost unseen.
    tail = {INFO: 10, TABLE: 2}.get(name, 1)
    offset = cut * (len(data) - tail) // (NUM_CUTS - 1)
    (whole_scan / name).write_bytes(data[:offset])
    try:
        if name == INFO and b'=' not in data[:offset]:
            assert _refused_or_without_alignment(whole_scan)
            return
        with pytest.raises(FileFormatError) as caught:
            read_scannet_folder(whole_scan)
        # A table that ends early is told by the label that is missing in it.
        assert name in str(caught.value)
    finally:
        (whole_scan / name).write_bytes(data)


def _refused_or_without_alignment(scan: Path) -> bool:
    try:
        return read_scannet_folder(scan).axis_alignment is None
    except FileFormatError as error:
        return INFO in str(error)


def groups_of(*groups: object) -> bytes:
    return json.dumps({'segGroups': list(groups)}).encode()


def segments_of(*ids: object) -> bytes:
    return json.dumps({'segIndices': list(ids)}).encode()


MISFITS: dict[str, tuple[str, bytes | None, str]] = {
    'missing mesh': (MESH, None, 'holds none'),
    'missing segs': (SEGMENTS, None, 'segs.json'),
    'segs for four': (SEGMENTS, segments_of(1, 2, 3, 4), '4 segment ids for 5'),
    'segs for six': (SEGMENTS, segments_of(1, 2, 3, 4, 5, 6), '6 segment ids'),
    'no segs': (SEGMENTS, segments_of(), '0 segment ids'),
    'segs as text': (SEGMENTS, segments_of('a', 'b', 'c', 'd', 'e'), 'whole numbers'),
    'segs as digits': (SEGMENTS, segments_of('1', '2', '3', '4', '5'), 'whole numbers'),
    'segs with a fraction': (SEGMENTS, segments_of(1, 2, 3, 4, 5.5), '5.5'),
    'segs with null': (SEGMENTS, segments_of(1, 2, 3, 4, None), 'None'),
    'segs with NaN': (SEGMENTS, b'{"segIndices": [1, 2, 3, 4, NaN]}', 'nan'),
    'segs of 2**80': (SEGMENTS, segments_of(1, 2, 3, 4, 2**80), '64 bits'),
    'segs in lists': (SEGMENTS, segments_of([1], [2], [3], [4], [5]), 'whole numbers'),
    'segs as number': (SEGMENTS, b'{"segIndices": 5}', 'segIndices'),
    'segs under another key': (SEGMENTS, b'{"segs": [1, 2, 3, 4, 5]}', 'segIndices'),
    'segs is a list': (SEGMENTS, b'[1, 2, 3, 4, 5]', 'segIndices'),
    'segs is binary': (SEGMENTS, bytes(range(256)), 'JSON'),
    'segs is deep': (SEGMENTS, b'[' * 100_000, 'JSON'),
    'groups as number': (GROUPS, b'{"segGroups": 1}', 'segGroups'),
    'groups of numbers': (GROUPS, groups_of(1, 2), 'segments'),
    'group without segments': (GROUPS, groups_of({'label': 'wall'}), 'segments'),
    'group of text': (GROUPS, groups_of({'label': 'wall', 'segments': ['x']}), 'whole numbers'),
    'unknown label': (GROUPS, groups_of({'label': 'spaceship', 'segments': [7]}), 'spaceship'),
    'label as number': (GROUPS, groups_of({'label': 7, 'segments': [7]}), '"7"'),
    'table without column': (TABLE, b'id\traw_category\n1\twall\n', 'nyu40id'),
    'table without ids': (TABLE, b'raw_category\tnyu40id\nwall\t\noffice chair\t\n', 'NYU40'),
    'table with odd digits': (TABLE, 'raw_category\tnyu40id\nwall\t²\n'.encode(), 'NYU40'),
    'table with a huge id': (TABLE, b'raw_category\tnyu40id\nwall\t' + b'9' * 5000, 'NYU40'),
    'table with a huge field': (TABLE, b'raw_category\tnyu40id\n' + b'w' * 200_000, TABLE),
    'table is binary': (TABLE, bytes(range(128, 256)), 'columns'),
    'alignment of 15': (INFO, b'axisAlignment = ' + b'1 ' * 15, '15 numbers'),
    'alignment of 17': (INFO, b'axisAlignment = ' + b'1 ' * 17, '17 numbers'),
    'alignment of words': (INFO, b'axisAlignment = one two', 'no number'),
    'alignment with nan': (INFO, b'axisAlignment = ' + b'nan ' * 16, 'finite'),
    'alignment with inf': (INFO, b'axisAlignment = ' + b'1 ' * 15 + b'inf', 'finite'),
    'mesh is another file': (MESH, b'solid thing', 'ply'),
    'mesh with a bad point': (
        MESH,
        make_ply('binary_little_endian', [(float('nan'), *row[1:]) for row in vertex_rows()]),
        'row 0',
    ),
}


@pytest.mark.parametrize('why', MISFITS)
def test_files_that_do_not_fit_together(tmp_path, why: str):
    name, data, says = MISFITS[why]
    scan = write_scan(tmp_path, **{name: data})
    with pytest.raises(InputError) as caught:
        PointScene.from_file(scan)
    message = str(caught.value)
    assert str(tmp_path) in message and says in message and len(message) < 1500


# ---------------------------------------------------------------------------- labels


@pytest.fixture(scope='module')
def labels(tmp_path_factory) -> Path:
    """A folder with one good file of each kind."""
    folder = tmp_path_factory.mktemp('labels')
    ids, mask = np.arange(40), np.arange(40) % 7 < 3
    write_coco_masks(folder / 'a.json', [CocoMask(mask, 5, 0.5, 'chair')], num_points=40,
                     categories={5: 'chair'})  # fmt: skip
    write_semantickitti_labels(folder / 'a.label', ids, ids)
    write_benchmark_predictions(folder / 'a.txt', [(mask, 5, 0.5), (~mask, 7, 0.25)])
    return folder


READERS = {
    'a.json': lambda folder: read_coco_masks(folder / 'a.json', 40),
    'a.label': lambda folder: read_semantickitti_labels(folder / 'a.label', 40),
    'predicted_masks/a_001.txt': lambda folder: read_benchmark_predictions(folder / 'a.txt'),
}


@pytest.mark.parametrize('cut', range(NUM_CUTS))
@pytest.mark.parametrize('name', READERS)
def test_truncated_labels(labels, name: str, cut: int):
    good = (labels / name).read_bytes()
    READERS[name](labels)
    # The last line feed can be lost unseen.
    (labels / name).write_bytes(good[: cut * (len(good) - 2) // (NUM_CUTS - 1)])
    try:
        with pytest.raises(FileFormatError, match=Path(name).name):
            READERS[name](labels)
    finally:
        (labels / name).write_bytes(good)
