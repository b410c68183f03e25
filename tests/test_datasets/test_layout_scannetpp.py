"""Raw ScanNet++: classes and splits are those of the download."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from unison3d.cli.main import main
from unison3d.datasets.prepare import get_layout, prepare_dataset, read_infos, verify_folder
from unison3d.datasets.prepare.scannetpp import ScanNetPPLayout
from unison3d.errors import FileFormatError
from unison3d.io import write_ply

SCENE = '0a5c013435'
GROUPS = [
    {'id': 1, 'objectId': 1, 'label': 'table', 'segments': [700, 40]},
    {'id': 2, 'objectId': 2, 'label': 'cup', 'segments': [40]},
    {'id': 4, 'label': 'office chair', 'segments': [99]},
    {'id': 5, 'objectId': 5, 'label': 'REMOVE', 'segments': [512]},
]
SEGMENTS = [700, 40, 99, 512, 3]
STRIPE = np.arange(100) // 20


def write_metadata(root):
    folder = root / 'metadata' / 'semantic_benchmark'
    folder.mkdir(parents=True)
    (folder / 'top100.txt').write_text('wall\ntable\nchair\ncup\n')
    (root / 'splits').mkdir()
    (root / 'splits' / 'nvs_sem_train.txt').write_text(f'{SCENE}\nnot_downloaded\n')
    (root / 'splits' / 'nvs_sem_val.txt').write_text('val0\n')
    (root / 'splits' / 'sem_test.txt').write_text('test0\n')
    return folder


def write_scene(root, name=SCENE, groups=GROUPS):
    x, y = np.meshgrid(np.arange(10), np.arange(10), indexing='ij')
    points = np.stack([x, y, x * y % 3], -1).reshape(-1, 3).astype(np.float32)
    corner = (10 * x[:-1, :-1] + y[:-1, :-1]).reshape(-1)
    folder = root / 'data' / name / 'scans'
    colors = np.tile(np.arange(100, dtype=np.uint8)[:, None], 3)
    faces = np.stack([corner, corner + 10, corner + 1], 1)
    write_ply(folder / 'mesh_aligned_0.05.ply', points, colors=colors, faces=faces)
    content = {'segIndices': np.repeat(SEGMENTS, 20).tolist()}
    (folder / 'segments.json').write_text(json.dumps(content))
    (folder / 'segments_anno.json').write_text(json.dumps({'segGroups': groups}))
    return folder


def ids_of(tmp_path, folder, name=SCENE):
    return np.fromfile(tmp_path / 'out' / folder / f'{name}.bin', '<i8')


def prepare(tmp_path):
    return prepare_dataset(ScanNetPPLayout(), tmp_path, tmp_path / 'out')


def the_reason(tmp_path):
    (failure,) = prepare(tmp_path).failures
    return failure.reason


def test_a_scene(tmp_path):
    write_metadata(tmp_path)
    write_scene(tmp_path)
    out = str(tmp_path / 'out')
    assert main(['prepare', 'scannetpp', '--root', str(tmp_path), '--out', out]) == 0
    # The cup lies within the table: the smaller object has the shared segment. Labels that are no
    # class of the list keep their object.
    np.testing.assert_array_equal(
        ids_of(tmp_path, 'instance_mask'), np.array([2, 3, 5, 6, 0])[STRIPE]
    )
    np.testing.assert_array_equal(
        ids_of(tmp_path, 'semantic_mask'), np.array([2, 4, 0, 0, 0])[STRIPE]
    )
    np.testing.assert_array_equal(
        ids_of(tmp_path, 'super_points'), np.array([4, 1, 2, 3, 0])[STRIPE]
    )
    infos = read_infos(tmp_path / 'out' / 'scannetpp_infos_train.pkl')
    assert infos['metainfo']['largest_semantic_id'] == 4
    names = {box['object_id']: box['object_name'] for box in infos['data_list'][0]['instances']}
    assert names == {1: 'table', 2: 'cup', 4: 'office chair', 5: 'REMOVE'}
    assert not verify_folder(out).findings


def test_a_worker_knows_the_classes(tmp_path):
    write_metadata(tmp_path)
    write_scene(tmp_path)
    layout = ScanNetPPLayout()
    (unit,) = layout.scans(tmp_path)
    scan = pickle.loads(pickle.dumps(layout)).read(unit)
    assert set(scan.semantic_ids.tolist()) == {0, 2, 4}


def test_labels_are_mapped_as_the_benchmark_does(tmp_path):
    folder = write_metadata(tmp_path)
    table = 'class,count,semantic_map_to,instance_map_to\noffice chair,9,chair,\ncup,5,None,\n'
    (folder / 'map_benchmark.csv').write_text(table + 'table,7,,\n')
    write_scene(tmp_path)
    assert not prepare(tmp_path).failures
    np.testing.assert_array_equal(
        ids_of(tmp_path, 'semantic_mask'), np.array([2, 0, 3, 0, 0])[STRIPE]
    )
    (folder / 'map_benchmark.csv').write_text('class,count\ncup,5\n')
    with pytest.raises(FileFormatError, match=r'map_benchmark\.csv: expected the columns'):
        prepare(tmp_path)


def test_all_classes_stand_in_for_the_benchmark(tmp_path):
    folder = write_metadata(tmp_path)
    write_scene(tmp_path)
    (folder / 'top100.txt').unlink()
    (tmp_path / 'metadata' / 'semantic_classes.txt').write_text('office chair\ncup\n')
    assert not prepare(tmp_path).failures
    np.testing.assert_array_equal(
        ids_of(tmp_path, 'semantic_mask'), np.array([0, 2, 1, 0, 0])[STRIPE]
    )
    (tmp_path / 'metadata' / 'semantic_classes.txt').write_text('cup\ncup\n')
    with pytest.raises(FileFormatError, match='2 class names, 1 of them different'):
        prepare(tmp_path)
    (tmp_path / 'metadata' / 'semantic_classes.txt').unlink()
    with pytest.raises(FileFormatError, match='Download the metadata'):
        prepare(tmp_path)


def test_splits_and_scenes_without_labels(tmp_path):
    write_metadata(tmp_path)
    for name in ('val0', 'test0', 'zzz', SCENE):
        folder = write_scene(tmp_path, name)
        if name in ('test0', 'zzz'):
            (folder / 'segments.json').unlink()
            (folder / 'segments_anno.json').unlink()
    units = get_layout('scannetpp').scans(tmp_path)
    expected = [(SCENE, 'train'), ('test0', 'test'), ('val0', 'val'), ('zzz', 'unlisted')]
    assert [(u.name, u.split) for u in units] == expected
    assert not prepare(tmp_path).failures
    assert not (tmp_path / 'out' / 'semantic_mask' / 'test0.bin').exists()
    assert ids_of(tmp_path, 'super_points', 'test0').shape == (100,)
    for path in (tmp_path / 'splits').iterdir():
        path.unlink()
    with pytest.raises(FileFormatError, match='Download the splits'):
        prepare(tmp_path)
    with pytest.raises(FileFormatError, match=r'no scene of ScanNet\+\+'):
        get_layout('scannetpp').scans(tmp_path / 'splits')


@pytest.mark.parametrize(
    ('file', 'text', 'reason'),
    [
        ('segments_anno.json', None, 'not found'),
        ('segments.json', None, 'not found'),
        ('mesh_aligned_0.05.ply', None, 'not found'),
        ('segments.json', '{"segIndices": [1, 2]}', '2 segment ids for 100'),
        ('segments.json', '{"segIndices": [1, 2', 'not valid JSON'),
        ('segments_anno.json', '[]', 'list called "segGroups"'),
        ('segments_anno.json', '{"segGroups": [3]}', 'group 0 has objectId None'),
        (
            'segments_anno.json',
            '{"segGroups": [{"id": 1, "label": "cup", "segments": ["40"]}]}',
            'group 0 has objectId 1',
        ),
        (
            'segments_anno.json',
            '{"segGroups": [{"id": 99999999, "label": "cup", "segments": [40]}]}',
            'group 0 has objectId 99999999',
        ),
        (
            'segments_anno.json',
            '{"segGroups": [{"id": 1, "label": "cup", "segments": [41]}]}',
            'object 1 has the segment 41',
        ),
        (
            'segments_anno.json',
            json.dumps({'segGroups': GROUPS[:1] * 2}),
            'object 1 is there twice',
        ),
    ],
)
def test_damaged_scenes_say_why(tmp_path, file, text, reason):
    write_metadata(tmp_path)
    path = write_scene(tmp_path) / file
    path.unlink() if text is None else path.write_text(text)
    found = the_reason(tmp_path)
    assert reason in found and path.name in found
