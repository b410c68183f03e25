"""A folder of depth images is an input of ``infer``."""

from __future__ import annotations

import json

import pytest

from tests.test_io.frame_samples import frame_files, write
from unison3d.cli.infer import capture_options
from unison3d.cli.main import main, parse_arguments


def test_a_capture_is_fused_and_segmented(weights, tmp_path, capsys):
    capture = write(tmp_path / 'capture', frame_files())
    words = ['infer', str(capture), '--weights', str(weights), '--device', 'cpu']
    words += ['--fusion-voxel', '0.1', '--task', 'semantic', '--out', str(tmp_path / 'out')]
    assert main(words) == 0
    summary = json.loads((tmp_path / 'out' / 'result.json').read_text('utf-8'))
    assert 'capture' in json.dumps(summary)
    assert (tmp_path / 'out' / 'semantic.ply').is_file()
    assert 'semantic' in capsys.readouterr().out


def test_options_reach_the_fusion():
    words = ['infer', 'x', '--up=-y', '--every', '3', '--max-depth', '4', '--depth-scale', '0.01']
    assert capture_options(parse_arguments(words)) == {
        'up': '-y',
        'every': 3,
        'max_depth': 4.0,
        'depth_scale': 0.01,
    }
    assert capture_options(parse_arguments(['infer', 'x'])) == {}


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--scale', '0.001'], 'depth_scale'),
        (['--every', '0'], '0-th'),
        (['--max-depth', '0.3'], 'no surface'),
        (['--depth-scale', '-1'], 'depth_scale is -1'),
    ],
)
def test_options_out_of_range(words, message, weights, tmp_path, capsys):
    capture = write(tmp_path / 'capture', frame_files())
    out = ['--out', str(tmp_path / 'out'), '--weights', str(weights), '--device', 'cpu']
    assert main(['infer', str(capture), *out, *words]) in (2, 3)
    assert message in capsys.readouterr().err


def test_options_of_captures_with_a_scan(scan, weights, tmp_path, capsys):
    out = ['--out', str(tmp_path / 'out'), '--weights', str(weights), '--device', 'cpu']
    assert main(['infer', str(scan), *out, '--up', 'y']) == 2
    assert 'captures' in capsys.readouterr().err
