"""Folders of weights: the same model comes back, nothing is executed, changes are noticed."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from tiny import tiny_config, tiny_model

from tests.test_apis.api_samples import room
from unison3d.apis import Segmenter
from unison3d.apis.model_file import SHIPPED_WEIGHTS, load_model
from unison3d.errors import CheckpointError, ConfigError


@pytest.fixture(scope='module')
def segmenter() -> Segmenter:
    return Segmenter(tiny_model(), {'model': json.dumps(tiny_config()), 'seed': '3'})


@pytest.fixture(scope='module')
def folder(segmenter, tmp_path_factory):
    return segmenter.save_pretrained(tmp_path_factory.mktemp('saved') / 'mine')


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / 'copy')


def test_the_same_model_comes_back(segmenter, folder):
    loaded = Segmenter.from_pretrained(folder, 'cpu')
    expected = segmenter.model.state_dict()
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, expected[name]) and value.dtype == expected[name].dtype, name
    for one in (segmenter, loaded):
        one.set_scene(room())
    np.testing.assert_array_equal(segmenter.predict().semantic, loaded.predict().semantic)
    assert loaded.metadata['seed'] == '3'


def test_what_is_in_the_folder(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {'weights.safetensors', 'config.json', 'labels.json', 'README.md', 'SHA256SUMS'}
    assert json.loads((folder / 'config.json').read_text())['model'] == tiny_config()
    labels = json.loads((folder / 'labels.json').read_text())
    assert labels['label_space'] == 'scannet20' and len(labels['classes']) == 20
    card = (folder / 'README.md').read_text()
    assert 'closed_set, click' in card and 'licence' in card
    for line in (folder / 'SHA256SUMS').read_text().splitlines():
        digest, name = line.split('  ')
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert not list(folder.parent.glob('.*'))


def test_the_vocabulary_goes_along(tmp_path):
    segmenter = Segmenter(tiny_model(), {'model': json.dumps(tiny_config())})
    segmenter.set_vocabulary({'sofa': ['sofa', 'chair'], 'lamp': 'lamp'})
    folder = segmenter.save_pretrained(tmp_path / 'sofas', card='# By hand')
    assert (folder / 'README.md').read_text() == '# By hand'
    task = load_model(folder)[0].tasks['open_vocabulary']
    assert task.test_vocabulary == ['sofa', 'lamp']
    assert task._phrases(['sofa', 'lamp']) == [['sofa', 'chair'], ['lamp']]


@pytest.mark.fault
@pytest.mark.parametrize(
    ('name', 'asked'),
    [
        ('weights.safetensors', '.'),
        ('config.json', '.'),
        ('labels.json', '.'),
        ('labels.json', 'weights.safetensors'),
    ],
)
def test_a_changed_file_is_noticed(copy, name, asked):
    data = bytearray((copy / name).read_bytes())
    data[-3] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f'{name}: its SHA-256 is .*changed'):
        load_model(copy / asked)


@pytest.mark.fault
@pytest.mark.parametrize('name', ['weights.safetensors', 'labels.json', 'SHA256SUMS'])
def test_an_incomplete_folder(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f'{name} is missing'):
        load_model(copy)


@pytest.mark.fault
@pytest.mark.parametrize('labels', ['[]', '{"vocabulary": [1], "synonyms": {}}', '{}', 'text'])
def test_labels_of_another_form(copy, labels):
    (copy / 'labels.json').write_text(labels)
    # Whoever changes the hash as well still gets nothing in that is not text.
    (copy / 'SHA256SUMS').write_text('')
    with pytest.raises(CheckpointError, match='labels.json: not usable'):
        load_model(copy)


def test_code_in_a_folder_is_not_run(copy):
    mark = copy / 'executed'
    for name in ('config.py', '__init__.py', 'modeling.py', 'sitecustomize.py'):
        (copy / name).write_text(f'open({str(mark)!r}, "w")')
    load_model(copy)
    assert not mark.exists()


def test_shipped_weights_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_model(SHIPPED_WEIGHTS.stem)[1] == load_model()[1]
    with pytest.raises(CheckpointError, match='no name of weights that ship .*synth-rooms'):
        load_model('unified-xxl')


def test_shipped_weights_have_their_hash():
    line = SHIPPED_WEIGHTS.with_name('SHA256SUMS').read_text().split()
    assert line[1] == SHIPPED_WEIGHTS.name
    assert hashlib.sha256(SHIPPED_WEIGHTS.read_bytes()).hexdigest() == line[0]


def test_nothing_is_overwritten(segmenter, folder, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match='exists already'):
        segmenter.save_pretrained(folder)
    with pytest.raises(ConfigError, match='no description'):
        Segmenter(segmenter.model).save_pretrained(tmp_path / 'x')
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path / 'empty')
    segmenter.save_pretrained('.')
    assert (tmp_path / 'empty' / 'SHA256SUMS').is_file()
    assert (tmp_path / 'empty' / 'SHA256SUMS').is_file()
