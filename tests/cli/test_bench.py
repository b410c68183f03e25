from __future__ import annotations

import json

import pytest

from tests.test_apis.api_samples import HashEncoder, room, weights_file
from unison3d.apis import Segmenter
from unison3d.bench import measure_prediction, measure_start_up, parts, prediction
from unison3d.cli.main import main
from unison3d.errors import ConfigError
from unison3d.structures import PointScene

FACTS = {'points', 'all six tasks', 'further click', 'further sentence', 'peak memory'}


@pytest.fixture
def segmenter(tmp_path):
    made = Segmenter.from_pretrained(weights_file(tmp_path), 'cpu')
    made.model.tasks['text']._text_encoder = HashEncoder()
    return made


def test_a_scan(tmp_path, monkeypatch, capsys, segmenter):
    scan = room().save(tmp_path / 'scan.ply')
    monkeypatch.setattr(Segmenter, 'from_pretrained', lambda weights, device: segmenter)
    monkeypatch.setattr(prediction.subprocess, 'run', lambda command, check: None)
    assert main(['bench', str(scan), '--repeats', '1', '--json']) == 0
    report = json.loads(capsys.readouterr().out)
    assert report['facts']['points'] == '600'
    assert report['facts'].keys() >= FACTS
    rows = {row['part']: row for row in report['parts']}
    assert list(rows) == list(parts.PARTS)
    assert sum(row['share'] for row in rows.values()) == pytest.approx(1)
    # Of these something is always done, so that a function that was renamed is noticed.
    for part in ('read', 'superpoints', 'voxelise', 'maps', 'backbone', 'pool', 'decoder', 'merge'):
        assert rows[part]['ms'] > 0, part
    assert rows['backbone']['gflop'] > 0
    assert rows['decoder']['floor_ms'] > 0


def test_start_up(tmp_path):
    assert measure_start_up(str(weights_file(tmp_path)), 'cpu') > 0


def test_weights_that_are_not_there(capsys):
    assert main(['bench', '--weights', 'nope.safetensors']) == 5
    assert 'nope.safetensors' in capsys.readouterr().err


def test_the_tables(tmp_path, segmenter):
    scan = room().save(tmp_path / 'scan.ply')
    text = measure_prediction(segmenter, scan, repeats=1).markdown()
    assert '| points           |        600 |' in text
    assert '| backbone    |' in text


def test_nothing_to_measure(tmp_path, segmenter):
    scan = PointScene.from_arrays([]).save(tmp_path / 'empty.ply')
    with pytest.raises(ConfigError, match='no points'):
        measure_prediction(segmenter, scan)


@pytest.mark.parametrize('option', ['--points', '--threads', '--repeats'])
def test_numbers_that_make_no_sense(option, capsys):
    assert main(['bench', option, '0']) == 2
    assert f'{option} is 0, expected 1 or more' in capsys.readouterr().err
