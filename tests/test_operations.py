"""One dictionary chooses the engines of all operations: in Python, configs and commands."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.test_train import TOY
from unison3d.cli import engine_option
from unison3d.cli.main import main, parse_arguments
from unison3d.datasets.prepare.job import PrepareWork
from unison3d.errors import ConfigError, MissingDependencyError
from unison3d.operations import OPERATIONS, chosen_engines, set_engines, use_engines

AUTO = dict.fromkeys(OPERATIONS, 'auto')


@pytest.fixture(autouse=True)
def _automatic_again():
    yield
    set_engines(AUTO)


def wanted() -> dict[str, str]:
    return {operation: choice.wanted for operation, choice in OPERATIONS.items()}


def test_nothing_is_chosen_unless_somebody_does():
    assert wanted() == chosen_engines() == AUTO


def test_what_is_left_out_stays():
    set_engines({'sparse': 'torch'})
    set_engines({'pooling': 'torch'})
    assert chosen_engines() == {**AUTO, 'sparse': 'torch', 'pooling': 'torch'}
    set_engines({})
    assert chosen_engines() == {**AUTO, 'sparse': 'torch', 'pooling': 'torch'}


def test_a_block_ends_and_stays_in_its_thread():
    with use_engines({'sparse': 'cpu', 'superpoints': 'cpu'}):
        assert wanted() == {**AUTO, 'sparse': 'cpu', 'superpoints': 'cpu'}
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(wanted).result() == AUTO
    assert wanted() == AUTO


@pytest.mark.parametrize('choose', [set_engines, lambda engines: use_engines(engines).__enter__()])
@pytest.mark.parametrize(
    ('second', 'error', 'message'),
    [
        ({'polling': 'torch'}, ConfigError, "unknown operations .'polling'., expected .'sparse'"),
        ({'pooling': 'cpu'}, ConfigError, "pooling: engine is 'cpu', expected one of .'auto', "),
        ({'pooling': 'torch_scatter'}, MissingDependencyError, "Or choose 'auto'"),
    ],
)
def test_a_bad_choice_changes_nothing(choose, second, error, message, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch_scatter', None)
    with pytest.raises(error, match=message):
        choose({'sparse': 'torch', **second})
    assert wanted() == AUTO


@pytest.mark.parametrize(
    ('option', 'status', 'message'),
    [
        ('engines.pooling=torch_scatter', 4, 'pip install'),
        ('engines.pooling=gpu', 2, "pooling: engine is 'gpu'"),
    ],
)
def test_a_config_chooses(option, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'torch_scatter', None)
    config = tmp_path / 'toy.py'
    config.write_text(TOY)
    words = ['train', str(config), '--work-dir', str(tmp_path / 'work'), '--cfg-options']
    assert main([*words, 'engines.sparse=torch', option]) == status
    told = capsys.readouterr().err
    assert message in told
    assert chosen_engines() == AUTO


def test_a_command_chooses(tmp_path, capsys):
    scan = tmp_path / 'missing.ply'
    line = ['superpoints', str(scan), '--use-engine', 'superpoints=cpu', '--use-engine']
    main([*line, 'pooling=torch'])
    assert chosen_engines() == {**AUTO, 'superpoints': 'cpu', 'pooling': 'torch'}
    assert main([*line, 'pooling=torch_scater']) == 2
    assert "engine is 'torch_scater', expected one of" in capsys.readouterr().err


@pytest.mark.parametrize('text', ['pooling', 'pooling=', '=torch', 'polling=torch'])
def test_a_command_refuses_what_is_no_choice(text, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(['infer', 'a.ply', '--use-engine', text])
    assert 'expected OPERATION=ENGINE' in capsys.readouterr().err


def test_the_command_line_knows_all_operations():
    assert set(engine_option.OPERATIONS) == set(OPERATIONS)


def test_workers_get_the_choice(tmp_path):
    set_engines({'superpoints': 'cpu'})
    work = PrepareWork(None, tmp_path)
    set_engines(AUTO)
    work.start(0)  # as in the new process of a worker
    assert chosen_engines() == {**AUTO, 'superpoints': 'cpu'}
