"""Boxes, sentences at clicks and simulated users on the command line."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from mmengine.config import Config

from unison3d.cli.infer import choose_tasks, count_clicked, make_clicks
from unison3d.cli.main import main, parse_arguments
from unison3d.cli.prompt_options import make_boxes, make_click_texts
from unison3d.cli.test import simulate_clicks
from unison3d.errors import ConfigError
from unison3d.structures import Box


def parse(*words: str):
    return parse_arguments(['infer', 'scan.ply', '--out', 'out', *words])


def test_boxes_follow_the_clicks():
    args = parse(
        *['--box', '-1.5', '0', '2', '1', '2', '3', '--click', '1,2,3', '-2:0,0,1'],
        *['--box', '1', '-2', '.5', '1', '1', '1', '-90', '--exclusive'],
    )
    boxes = make_boxes(args.box, count_clicked(args.click))
    assert boxes[0] == Box((-1.5, 0.0, 2.0), (1.0, 2.0, 3.0), 0.0, object=1)
    assert boxes[1].object == 2 and boxes[1].yaw == pytest.approx(-math.pi / 2)
    clicks = make_clicks(args.click, len(args.box))
    assert [(click.object, click.positive) for click in clicks] == [(0, True), (2, False)]
    assert args.exclusive
    assert 'interactive' in choose_tasks(parse('--box', '0', '0', '0', '1', '1', '1'))
    with pytest.raises(ConfigError, match='object 3 does not exist'):
        make_clicks(parse('--click', '1,2,3', '+3:1,2,3').click, 2)


@pytest.mark.parametrize('count', [5, 8])
def test_a_box_has_six_or_seven_numbers(count):
    with pytest.raises(ConfigError, match=f'{count} numbers'):
        make_boxes([[1.0] * count], 0)


def test_sentences_name_their_object():
    args = parse('--click-text', '0', 'the chair', '--click-text', '2', 'a lamp')
    assert make_click_texts(args.click_text) == {0: 'the chair', 2: 'a lamp'}
    for pairs in ([['the chair', '0']], [['0', 'a'], ['0', 'b']], [['-1', 'a']]):
        with pytest.raises(ConfigError):
            make_click_texts(pairs)


def test_a_box_on_a_scan(scan, weights, tmp_path, capsys):
    out = tmp_path / 'out'
    words = ['infer', str(scan), '--weights', str(weights), '--out', str(out), '--json']
    words += ['--task', 'interactive', '--box', '1.3', '1.3', '0.6', '1.5', '1.5', '1.5', '20']
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)['summary']['tasks']['interactive']
    assert [mask['label'] for mask in answer['masks']] == ['object 0']
    assert answer['boxes'][0]['yaw'] == pytest.approx(math.radians(20))
    saved = np.load(out / 'result.npz')
    assert saved['interactive_masks'].shape[0] == 1
    words[-7:] = ['90', '90', '90', '1', '1', '1', '0']
    assert main([*words, '--overwrite']) == 3
    assert 'holds no point' in capsys.readouterr().err


def test_a_simulated_user_is_switched_on_everywhere():
    click, metric = {'type': 'ClickTask'}, {'type': 'InteractiveMetric'}
    config = Config(
        {'model': {'tasks': {'click': click}}, 'test_evaluator': [{'type': 'X'}, metric]}
    )
    simulate_clicks(config, 7)
    assert config.model.tasks.click.test_clicks == 7
    assert config.test_evaluator[1].limit == 7
    for tasks, evaluators in (({}, [metric]), ({'click': click}, [{'type': 'X'}])):
        bare = Config({'model': {'tasks': tasks}, 'test_evaluator': evaluators})
        with pytest.raises(ConfigError, match='--clicks needs'):
            simulate_clicks(bare, 7)
    with pytest.raises(ConfigError, match='1 or more'):
        simulate_clicks(config, 0)
