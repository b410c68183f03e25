"""A folder of own scans: labels, names, splits."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from unison3d.cli.main import main
from unison3d.datasets.custom_dataset import CustomSegDataset
from unison3d.datasets.prepare import prepare_dataset, read_infos, verify_folder
from unison3d.datasets.prepare.custom import CustomLayout
from unison3d.errors import FileFormatError
from unison3d.io import write_ply

COUNT = 60
SEMANTIC = np.repeat([1, 2, 2, -1], 15)
INSTANCE = np.repeat([-1, 0, 1, -1], 15)


def write_scan(root, name='a', **fields):
    rng = np.random.default_rng(3)
    points = rng.random((COUNT, 3)).astype(np.float32) + 5
    colors = rng.integers(0, 256, (COUNT, 3)).astype(np.uint8)
    fields = {
        'semantic_ids': SEMANTIC,
        'instance_ids': INSTANCE,
        'superpoints': np.arange(COUNT) // 5 * 7,
        **fields,
    }
    root.mkdir(exist_ok=True)
    write_ply(root / f'{name}.ply', points, colors=colors, **fields)
    return points, colors


def prepare(tmp_path):
    return prepare_dataset(CustomLayout(), tmp_path / 'in', tmp_path / 'out')


def the_reason(tmp_path):
    (failure,) = prepare(tmp_path).failures
    return failure.reason


def ids_of(tmp_path, folder, name='a'):
    return np.fromfile(tmp_path / 'out' / folder / f'{name}.bin', '<i8')


def test_fields_of_a_scan(tmp_path):
    points, colors = write_scan(tmp_path / 'in', instance_names=['chair', 'table'])
    out = str(tmp_path / 'out')
    assert main(['prepare', 'custom', '--root', str(tmp_path / 'in'), '--out', out]) == 0
    table = np.fromfile(tmp_path / 'out' / 'points' / 'a.bin', '<f4').reshape(-1, 6)
    np.testing.assert_array_equal(table, np.concatenate([points, colors], 1).astype(np.float32))
    np.testing.assert_array_equal(ids_of(tmp_path, 'semantic_mask'), np.maximum(SEMANTIC, 0))
    np.testing.assert_array_equal(ids_of(tmp_path, 'instance_mask'), INSTANCE + 1)
    np.testing.assert_array_equal(ids_of(tmp_path, 'super_points'), np.arange(COUNT) // 5)
    (entry,) = read_infos(tmp_path / 'out' / 'custom_infos_all.pkl')['data_list']
    assert [box['object_name'] for box in entry['instances']] == ['chair', 'table']
    assert not verify_folder(out).findings
    sample = CustomSegDataset(out, classes=['wall', 'chair'], num_stuff=1)[0]
    np.testing.assert_array_equal(sample['semantic'], np.repeat([0, 1, 1, 2], 15))
    np.testing.assert_array_equal(sample['instances'], INSTANCE)


def test_npz_and_scans_without_labels(tmp_path):
    (tmp_path / 'in').mkdir()
    points = np.random.default_rng(0).random((COUNT, 3))
    np.savez(tmp_path / 'in' / 'b.npz', points=points, semantic=np.ones(COUNT, np.int64))
    np.savez(tmp_path / 'in' / 'c.npz', xyz=points)
    np.savez(tmp_path / 'in' / 'd.npz', xyz=points, instance=np.full(COUNT, 3))
    assert not prepare(tmp_path).failures
    assert (ids_of(tmp_path, 'semantic_mask', 'b') == 1).all()
    assert (ids_of(tmp_path, 'instance_mask', 'b') == 0).all()
    assert not (tmp_path / 'out' / 'semantic_mask' / 'c.bin').exists()
    assert (ids_of(tmp_path, 'semantic_mask', 'd') == 0).all()
    assert (ids_of(tmp_path, 'instance_mask', 'd') == 4).all()
    table = np.fromfile(tmp_path / 'out' / 'points' / 'c.bin', '<f4').reshape(-1, 6)
    assert (table[:, 3:] == 0).all()


def test_names_name_objects_and_find_unknown_ids(tmp_path):
    write_scan(tmp_path / 'in')
    path = tmp_path / 'in' / 'labels.json'
    path.write_text(json.dumps({'1': 'wall', '2': 'chair'}))
    assert not prepare(tmp_path).failures
    infos = read_infos(tmp_path / 'out' / 'custom_infos_all.pkl')
    assert infos['metainfo']['largest_semantic_id'] == 2
    boxes = infos['data_list'][0]['instances']
    assert [box['object_name'] for box in boxes] == ['chair', 'chair']
    write_scan(tmp_path / 'in', 'b', semantic_ids=np.where(SEMANTIC == 2, 9, SEMANTIC))
    assert 'point 15 has the semantic id 9' in the_reason(tmp_path)
    path.write_text(json.dumps({'1': 'wall', '2': 'chair', '9': None}))
    assert not prepare(tmp_path).failures
    np.testing.assert_array_equal(ids_of(tmp_path, 'semantic_mask', 'b'), SEMANTIC == 1)


def test_a_worker_knows_the_names(tmp_path):
    write_scan(tmp_path / 'in')
    (tmp_path / 'in' / 'labels.json').write_text('{"0": "floor", "1": "wall", "2": "chair"}')
    layout = CustomLayout()
    (unit,) = layout.scans(tmp_path / 'in')
    scan = pickle.loads(pickle.dumps(layout)).read(unit)
    np.testing.assert_array_equal(scan.semantic_ids, np.where(SEMANTIC < 0, 3, SEMANTIC))
    assert list(scan.instance_names) == ['chair', 'chair']


def test_id_0_may_be_a_class(tmp_path):
    write_scan(tmp_path / 'in', semantic_ids=np.where(SEMANTIC == 2, 0, SEMANTIC))
    (tmp_path / 'in' / 'labels.json').write_text('{"0": "floor", "1": "wall"}')
    assert not prepare(tmp_path).failures
    np.testing.assert_array_equal(ids_of(tmp_path, 'semantic_mask'), np.repeat([1, 0, 0, 2], 15))
    assert not verify_folder(tmp_path / 'out').findings


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('[1, 2]', 'expected names by id'),
        ('{}', 'expected names by id'),
        ('{"one": "wall"}', 'expected a number from 0'),
        ('{"-1": "wall"}', 'expected a number from 0'),
        ('{"1": 2}', 'expected a number from 0'),
        ('{"1": "wall", "01": "chair"}', 'there twice'),
        ('{"1": "wall", "2": "wall"}', 'there twice'),
        ('{"1": "wall"', 'not valid JSON'),
    ],
)
def test_damaged_names_are_told(tmp_path, text, problem):
    write_scan(tmp_path / 'in')
    (tmp_path / 'in' / 'labels.json').write_text(text)
    with pytest.raises(FileFormatError, match=problem) as error:
        prepare(tmp_path)
    assert 'labels.json' in str(error.value)


def test_splits(tmp_path):
    for name in 'abc':
        write_scan(tmp_path / 'in', name)
    folder = tmp_path / 'in' / 'splits'
    folder.mkdir()
    (folder / 'train.txt').write_text('b\n')
    (folder / 'val.txt').write_text('a\n')
    units = CustomLayout().scans(tmp_path / 'in')
    assert [(u.name, u.split) for u in units] == [('a', 'val'), ('b', 'train'), ('c', 'unlisted')]
    (folder / 'val.txt').write_text('a\nb\n')
    with pytest.raises(FileFormatError, match=r'val\.txt: names b, which train\.txt has too'):
        CustomLayout().scans(tmp_path / 'in')
    (folder / 'val.txt').write_text('a.ply\n')
    with pytest.raises(FileFormatError, match=r'val\.txt: names a\.ply'):
        CustomLayout().scans(tmp_path / 'in')


def test_scans_that_cannot_be_right(tmp_path):
    source = tmp_path / 'in'
    source.mkdir()
    with pytest.raises(FileFormatError, match='holds no scan'):
        prepare(tmp_path)
    points = np.random.default_rng(0).random((COUNT, 3))
    np.savez(source / 'a.npz', points=points, semantic_ids=np.ones(COUNT - 1, np.int64))
    assert 'expected a number for each of 60 points' in the_reason(tmp_path)
    np.savez(source / 'a.npz', points=points, faces=np.array([[0, 1, COUNT]]))
    assert 'faces name vertices 0 to 60' in the_reason(tmp_path)
    np.savez(source / 'a.npz', points=np.where(points > 0.99, np.nan, points * 0 + np.nan))
    assert 'not finite' in the_reason(tmp_path)
    (source / 'a.npz').write_bytes(b'nothing')
    assert 'a.npz' in the_reason(tmp_path)
