"""The example trains and is measured with parts that the package does not have."""

from __future__ import annotations

import json
import math

import pytest
from conftest import REPO_ROOT

from unison3d.cli.main import main, parse_arguments

PROJECT = REPO_ROOT / 'projects' / 'example'
CONFIG = PROJECT / 'configs' / 'ground_hills.py'


def test_two_iterations_and_a_test_from_another_folder(tmp_path, monkeypatch, capsys):
    # What PYTHONPATH does for a command; the folder it is started in plays no part.
    monkeypatch.syspath_prepend(REPO_ROOT)
    monkeypatch.chdir(tmp_path)
    short = ['--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2']
    assert main(['train', str(CONFIG), '--work-dir', 'work', *short]) == 0
    (scalars,) = (tmp_path / 'work').glob('*/vis_data/scalars.json')
    log = [json.loads(line) for line in scalars.read_text('utf-8').splitlines()]
    losses = [entry['loss_ground'] for entry in log if 'loss_ground' in entry]
    assert len(losses) == 2
    assert all(0 < loss < math.inf for loss in losses)

    capsys.readouterr()
    weights = 'work/ground_hills.safetensors'
    assert main(['test', str(CONFIG), weights, '--work-dir', 'work', '--json']) == 0
    metrics = json.loads(capsys.readouterr().out)
    validated = [entry['ground/IoU'] for entry in log if 'ground/IoU' in entry]
    assert metrics == {'ground/IoU': pytest.approx(validated[-1], abs=1e-3)}


def test_the_commands_on_the_page_parse():
    pages = (REPO_ROOT / 'projects').rglob('*.md')
    lines = [line for page in pages for line in page.read_text('utf-8').splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith('unison3d ')]
    assert {words[0] for words in commands} == {'train', 'test'}
    for words in commands:
        assert (REPO_ROOT / parse_arguments(words).config).is_file()


def test_it_is_short():
    lines = [line for path in PROJECT.rglob('*.py') for line in path.read_text().splitlines()]
    assert sum(bool(line.strip()) for line in lines) < 100


def test_a_module_that_is_not_found_says_what_to_do(tmp_path, capsys):
    config = tmp_path / 'c.py'
    config.write_text("custom_imports = dict(imports=['projects.nothing_there'])")
    assert main(['train', str(config)]) == 2
    assert 'PYTHONPATH' in capsys.readouterr().err
