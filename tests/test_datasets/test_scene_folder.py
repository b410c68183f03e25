from __future__ import annotations

import json

import numpy as np
import pytest
from test_datasets.fakes import fake_scene

from unison3d.datasets import SceneFolderDataset
from unison3d.errors import FileFormatError
from unison3d.structures import PointScene


def _save(path, **changes) -> PointScene:
    scene = fake_scene(0)
    # Instance ids of a file have gaps, and the floor is an instance there.
    ids = np.where(scene.instances >= 0, scene.instances * 2 + 5, -1)
    ids[scene.semantic == 1] = 2
    fields = dict(semantic_ids=scene.semantic, instance_ids=ids, **changes)
    saved = PointScene.from_arrays(scene.points, scene.colors, **fields)
    saved.save(path)
    return saved


@pytest.mark.parametrize('ending', ['npz', 'ply'])
def test_labelled_scans(tmp_path, ending):
    _save(tmp_path / f'b.{ending}')
    _save(tmp_path / f'a.{ending}')
    (tmp_path / 'notes.txt').write_text('not a scan')
    dataset = SceneFolderDataset(str(tmp_path))
    assert [dataset.get_data_info(i)['name'] for i in range(len(dataset))] == ['a', 'b']
    results, scene = dataset[0], fake_scene(0)
    np.testing.assert_array_equal(results['instances'], scene.instances)
    np.testing.assert_array_equal(results['semantic'], scene.semantic)
    np.testing.assert_array_equal(results['instance_semantic'], scene.instance_semantic)
    assert results['instance_names'] == ['chair', 'chair', 'table', 'unlabeled']
    assert results['superpoints'].shape == (len(scene.points),)
    assert results['sentences'] == []


def test_sentences_beside_the_scan(tmp_path):
    _save(tmp_path / 'a.npz')
    entries = [
        {'text': 'the table', 'targets': [9], 'kind': 'unique'},
        {'text': 'the floor', 'targets': [2]},
        {'text': 'the chairs', 'targets': [5, 7]},
    ]
    (tmp_path / 'a.sentences.json').write_text(json.dumps(entries))
    sentences = SceneFolderDataset(str(tmp_path))[0]['sentences']
    assert sentences == [
        {'text': 'the table', 'targets': [2], 'kind': 'unique'},
        {'text': 'the chairs', 'targets': [0, 1], 'kind': ''},
    ]
    (tmp_path / 'a.sentences.json').write_text('{"text": 3}')
    with pytest.raises(FileFormatError, match='a.sentences.json'):
        SceneFolderDataset(str(tmp_path))[0]


def test_superpoints_and_names_of_the_file_are_used(tmp_path):
    superpoints = np.arange(len(fake_scene(0).points)) % 7
    names = [f'thing {i}' for i in range(12)]
    _save(tmp_path / 'a.npz', superpoints=superpoints, instance_names=names)
    results = SceneFolderDataset(str(tmp_path))[0]
    np.testing.assert_array_equal(results['superpoints'], superpoints)
    assert results['instance_names'] == ['thing 5', 'thing 7', 'thing 9', 'thing 11']


def test_a_bare_scan(tmp_path):
    PointScene.from_arrays(fake_scene(0).points).save(tmp_path / 'bare.ply')
    results = SceneFolderDataset(str(tmp_path))[0]
    assert results['colors'] is None
    assert (results['semantic'] == 20).all()
    assert (results['instances'] == -1).all()
    assert results['instance_names'] == []


def test_a_changed_file_is_read_again(tmp_path):
    PointScene.from_arrays(fake_scene(0).points).save(tmp_path / 'a.npz')
    options = dict(cache_dir=str(tmp_path / 'cache'))
    first = SceneFolderDataset(str(tmp_path), **options)[0]
    PointScene.from_arrays(fake_scene(1).points[:50]).save(tmp_path / 'a.npz')
    second = SceneFolderDataset(str(tmp_path), **options)[0]
    assert len(first['points']) != len(second['points']) == 50


def test_missing_folder_and_missing_scan(tmp_path):
    with pytest.raises(FileFormatError, match='not a folder'):
        SceneFolderDataset(str(tmp_path / 'nowhere'))
    with pytest.raises(FileFormatError, match='not found'):
        SceneFolderDataset(str(tmp_path), names=['b.ply'])


def test_scans_in_folders_get_different_names(tmp_path):
    for folder in ('one', 'two'):
        PointScene.from_arrays(fake_scene(0).points).save(tmp_path / folder / 'points.npz')
    dataset = SceneFolderDataset(str(tmp_path), names=['one/points.npz', 'two/points.npz'])
    assert [dataset.get_data_info(i)['name'] for i in range(2)] == ['one_points', 'two_points']
