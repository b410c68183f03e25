from __future__ import annotations

import json
from pathlib import Path

import pytest

from unison3d.cli.configs import read_config
from unison3d.cli.main import main, parse_arguments
from unison3d.errors import ConfigError

TOY = """
custom_imports = dict(imports=['tests.cli.toy_parts'])
model = dict(type='CliToyModel')
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='CliToyData'),
    sampler=dict(type='ResumableSampler'), collate_fn=dict(type='default_collate'))
train_cfg = dict(by_epoch=False, max_iters=4)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
test_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='CliToyData'),
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='default_collate'))
test_cfg = dict()
test_evaluator = [dict(type='CliToyMetric')]
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2))
custom_hooks = [dict(type='ExportWeightsHook')]
randomness = dict(seed=1)
default_scope = 'unison3d'
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / 'toy.py'
    path.write_text(TOY)
    return path


def read(config, *words):
    return read_config(parse_arguments(['train', str(config), *words]))


def test_overrides(config):
    words = ['--cfg-options', 'optim_wrapper.optimizer.lr=0.5', 'randomness.seed=9', 'x=[1,2]']
    settings = read(config, *words)
    assert settings.optim_wrapper.optimizer.lr == 0.5
    assert settings.randomness.seed == 9
    assert settings.x == [1, 2]
    assert Path(settings.work_dir) == Path('work_dirs/toy')
    assert read(config, '--work-dir', 'here').work_dir == 'here'


@pytest.mark.parametrize(
    ('content', 'message'), [('model = dict(', 'not a usable config'), (None, 'does not exist')]
)
def test_configs_that_cannot_be_read(tmp_path, capsys, content, message):
    path = tmp_path / 'broken.py'
    if content is not None:
        path.write_text(content)
    assert main(['train', str(path)]) == 2
    assert message in capsys.readouterr().err


def test_an_override_without_a_value(config):
    with pytest.raises(ConfigError, match='not KEY=VALUE'):
        read(config, '--cfg-options', 'lr')


def test_mixed_precision_without_a_gpu(config, capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert main(['train', str(config), '--amp']) == 2
    assert '--amp needs a CUDA device' in capsys.readouterr().err


def test_train_resume_and_test(unison3d, config, tmp_path):
    work = ['--work-dir', tmp_path / 'work']
    first = unison3d('train', config, *work)
    assert first.returncode == 0, first.stderr
    weights = tmp_path / 'work' / 'weights.safetensors'
    assert weights.is_file()
    assert (tmp_path / 'work' / 'last_checkpoint').read_text().endswith('iter_4.pth')
    more = unison3d('train', config, *work, '--resume', '--cfg-options', 'train_cfg.max_iters=6')
    assert more.returncode == 0, more.stderr
    assert (tmp_path / 'work' / 'iter_6.pth').is_file()
    numbers = tmp_path / 'numbers.json'
    measured = unison3d('test', config, weights, *work, '--out', numbers, '--json')
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout) == json.loads(numbers.read_text())


def test_weights_of_another_architecture(config, tmp_path, capsys):
    import torch

    torch.save({'state_dict': {'net.weight': torch.zeros(7, 7)}}, tmp_path / 'other.pth')
    words = ['test', str(config), str(tmp_path / 'other.pth'), '--work-dir', str(tmp_path / 'w')]
    assert main(words) == 5
    assert 'another architecture' in capsys.readouterr().err
