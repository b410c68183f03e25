"""``unison3d infer --tile``."""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
import pytest

from unison3d.apis.tiles import survey as survey_module
from unison3d.cli.infer_tiles import check_tile_options, parse_length, parse_window
from unison3d.cli.main import main, parse_arguments
from unison3d.errors import ConfigError
from unison3d.io import read_npz_arrays
from unison3d.structures import PointScene


def parse(*words: str):
    return parse_arguments(['infer', 'scan.ply', '--out', 'out', *words])


def test_lengths():
    for text in ('8', '8m', '8.0 m', '800cm', '8000mm', '8M'):
        assert parse_length(text) == pytest.approx(8.0)
    assert parse_window('all') == math.inf and parse_window('.5m') == 0.5
    for text in ('', '-8m', '8km', 'all', 'nan', '8m8'):
        with pytest.raises(argparse.ArgumentTypeError, match='is no length'):
            parse_length(text)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--tile-overlap', '1m'], '--tile-overlap is given without --tile'),
        (['--decode-window', 'all'], '--decode-window is given without --tile'),
        (['--tile', '8m', '--click', '1,2,3'], '--click needs the whole scan'),
        (['--tile', '8m', '--text', 'the chair', '--export', 'glb'], '--text, --export needs'),
        (['--tile', '8m', '--heat-map', 'a place to sleep'], '--heat-map needs the whole scan'),
        (['--tile', '8m', '--picture'], '--picture needs the whole scan'),
    ],
)
def test_what_does_not_go_together(words, message):
    with pytest.raises(ConfigError, match=message):
        check_tile_options(parse(*words), many=False)


def test_tiles_are_of_one_scan():
    with pytest.raises(ConfigError, match='holds many'):
        check_tile_options(parse('--tile', '8m'), many=True)


def test_a_scan_of_one_tile_and_of_several(scan, weights, tmp_path, capsys, monkeypatch):
    options = ['--weights', str(weights), '--device', 'cpu', '--task', 'semantic', 'panoptic']
    for name, more in (('plain', []), ('one', ['--tile', '8m'])):
        assert main(['infer', str(scan), '--out', str(tmp_path / name), *options, *more]) == 0
    plain, one = (read_npz_arrays(tmp_path / name / 'result.npz') for name in ('plain', 'one'))
    assert plain.keys() == one.keys()
    assert all(np.array_equal(plain[name], one[name]) for name in plain)
    capsys.readouterr()
    several = ['--tile', '2m', '--tile-overlap', '50cm', '--json']
    out = tmp_path / 'several'
    assert main(['infer', str(scan), '--out', str(out), *options, *several]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report['summary']['tiles']['num_tiles'] == 4
    assert sorted(path.name for path in out.iterdir()) == [
        *('.tiles.lock', 'panoptic.ply', 'result.json', 'result.npz', 'semantic.ply')
    ]
    assert np.array_equal(read_npz_arrays(out / 'result.npz')['points'], plain['points'])
    # The scan is not looked at again first.
    monkeypatch.setattr(survey_module, 'survey', None)
    assert main(['infer', str(scan), '--out', str(out), *options, *several]) == 2
    assert 'already holds a result' in capsys.readouterr().err


def test_the_viewer_opens_a_result_of_tiles(scan, weights, tmp_path, monkeypatch):
    from unison3d.viewer.library import Library

    out = tmp_path / 'out'
    words = ['--weights', str(weights), '--device', 'cpu', '--tile', '2m', '--tile-overlap', '50cm']
    assert main(['infer', str(scan), '--out', str(out), *words]) == 0
    library = Library([out])
    (entry,) = (e for e in library.entries if e.kind == 'result')
    scene = library.load(entry.key)
    assert len(scene) == len(PointScene.from_file(scan))
    assert scene.instance_ids is not None and scene.semantic_ids is not None
