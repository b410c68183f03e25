from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from mmengine.optim import OptimWrapper

from unison3d.cli.configs import read_config
from unison3d.cli.main import main, parse_arguments
from unison3d.cli.train import _use_mixed_precision
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


def test_overrides_of_several_options_add_up(config):
    words = ['--cfg-options', 'x=1', 'y=2', '--cfg-options', 'x=3']
    settings = read(config, *words)
    assert (settings.x, settings.y) == (3, 2)


@pytest.mark.parametrize('spelling', ['--local_rank', '--local-rank'])
def test_launchers_that_pass_the_rank_in_words(config, monkeypatch, spelling):
    monkeypatch.setenv('LOCAL_RANK', '5')
    read(config, f'{spelling}=3')
    assert os.environ['LOCAL_RANK'] == '5'  # what the environment says holds
    monkeypatch.delenv('LOCAL_RANK')
    read(config, f'{spelling}=3')
    assert os.environ['LOCAL_RANK'] == '3'


def test_a_config_of_an_installed_package(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = read('unison3d::unified/unified-s_smoke.py')
    assert settings.train_cfg.max_iters == 2
    assert Path(settings.work_dir) == Path('work_dirs/unified-s_smoke')


def test_scaling_the_rate_needs_the_batch_it_is_made_for(config, capsys):
    assert main(['train', str(config), '--auto-scale-lr']) == 2
    assert 'auto_scale_lr.base_batch_size is missing' in capsys.readouterr().err


BROKEN = [
    ('a.py', 'model = dict(', 'SyntaxError'),
    ('b.py', 'x = 1 / 0', 'ZeroDivisionError: division by zero'),
    ('c.py', 'raise RuntimeError("no data here")', 'no data here'),
    ('e.py', "_base_ = ['none.py']", 'none.py'),
    ('f.py', 'x = {{_base_.nothing}}', 'nothing'),
    ('g.py', "_base_ = ['g.py']", 'RecursionError'),
    ('h.yaml', 'model: [1,', 'ParserError'),
    ('i.yaml', '- 1', 'AttributeError'),
    ('j.json', '{"model":', 'JSONDecodeError'),
    ('k.txt', 'model = 1', 'py/yml/yaml/json'),
    ('l.py', None, 'does not exist'),
    ('m.py', "custom_imports = dict(imports=['nonexistent_package'])", 'nonexistent_package'),
]


@pytest.mark.parametrize(('name', 'content', 'message'), BROKEN, ids=[row[0] for row in BROKEN])
def test_configs_that_cannot_be_read(tmp_path, capsys, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert main(['train', str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f'unison3d: {path}: ')
    assert message in error


def test_a_config_without_a_model(tmp_path, capsys):
    path = tmp_path / 'empty.py'
    path.write_text('x = 1')
    for words in (['train', str(path)], ['test', str(path), 'x.pth']):
        assert main(words) == 2
        assert "'model' is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('setting', 'seen'),
    [
        ('model.type=UnifiedSegmentr', 'model.type is'),
        ('model.type=UnifiedSegmentr', 'Did you mean UnifiedSegmentor'),
        ('train_dataloader.dataset.type=CliToyDat', 'Did you mean CliToyData'),
        ('train_dataloader.sampler.type=ResumeableSampler', 'Did you mean ResumableSampler'),
        ('optim_wrapper.optimizer.type=SGDD', 'Did you mean SGD'),
        ('custom_hooks.0.type=ExportWeightHook', 'custom_hooks.0.type is'),
        ('model.depth=3', "unexpected keyword argument 'depth'"),
        ('train_dataloader.dataset.depth=3', 'takes no arguments'),
        ('optim_wrapper.optimizer.rate=3', "unexpected keyword argument 'rate'"),
        ('model=3', 'model should be'),
    ],
)
def test_settings_that_cannot_be_used(config, tmp_path, capsys, setting, seen):
    words = ['train', str(config), '--work-dir', str(tmp_path / 'w'), '--cfg-options', setting]
    assert main(words) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f'unison3d: {config}: ')
    assert seen in error


def test_a_config_that_imports_what_is_not_there(config, tmp_path, capsys):
    text = config.read_text().replace(
        "dict(type='CliToyModel')", 'dict(type=nonexistent_package.Net)'
    )
    config.write_text('import nonexistent_package\n' + text)
    assert main(['train', str(config), '--work-dir', str(tmp_path / 'w')]) == 2
    assert 'nonexistent_package' in capsys.readouterr().err


def test_mistakes_inside_parts_are_not_blamed_on_the_config(config, tmp_path, monkeypatch):
    from tests.cli.toy_parts import CliToyModel

    def forward(self, x, mode='tensor'):
        raise ValueError('of ours')

    monkeypatch.setattr(CliToyModel, 'forward', forward)
    with pytest.raises(ValueError, match='of ours'):
        main(['train', str(config), '--work-dir', str(tmp_path / 'w')])


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('lr', 'not KEY=VALUE'),
        ('=3', 'not KEY=VALUE'),
        ('model.type.deeper=1', 'does not fit'),
        ('custom_hooks.7.type=X', 'does not fit'),
        ('custom_hooks.type=X', 'does not fit'),
        ('model=[1,2', 'does not fit'),
    ],
)
def test_overrides_that_do_not_fit(config, option, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read(config, '--cfg-options', 'x=1', option)
    assert repr(option) in str(caught.value)


@pytest.mark.parametrize(
    ('gpu', 'has_bfloat16', 'wrapper'),
    [
        (False, False, 'BFloat16OptimWrapper'),
        (True, True, 'BFloat16OptimWrapper'),
        (True, False, 'AmpOptimWrapper'),
    ],
)
def test_mixed_precision(config, monkeypatch, gpu, has_bfloat16, wrapper):
    import torch

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **options: has_bfloat16)
    for name in ('OptimWrapper', 'mmengine.OptimWrapper', OptimWrapper, None):
        settings = read(config)
        if name is not None:
            settings.optim_wrapper.type = name
        _use_mixed_precision(settings)
        assert settings.optim_wrapper.type == wrapper


@pytest.mark.parametrize('name', ['mmengine.AmpOptimWrapper', 'BFloat16OptimWrapper'])
def test_mixed_precision_that_is_there_already(config, name):
    settings = read(config, '--cfg-options', f'optim_wrapper.type={name}')
    _use_mixed_precision(settings)
    assert settings.optim_wrapper.type == name


@pytest.mark.parametrize('name', ['CliToyOptimWrapper', 'OptimWraper'])
def test_mixed_precision_for_other_wrappers(config, capsys, name):
    words = ['train', str(config), '--amp', '--cfg-options', f'optim_wrapper.type={name}']
    assert main(words) == 2
    assert f'optim_wrapper.type, which is {name}, expected OptimWrapper' in capsys.readouterr().err


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
    assert f'unison3d test {config} {weights}' in more.stdout
    out = tmp_path / 'numbers'
    measured = unison3d('test', config, weights, *work, '--out', out, '--json')
    assert measured.returncode == 0, measured.stderr
    numbers = strict_json(measured.stdout)
    assert numbers == strict_json((out / 'metrics.json').read_text())
    assert numbers['undefined'] is None
    assert numbers['mean'] is not None
    again = unison3d('test', config, weights, *work, '--out', out)
    assert again.returncode == 2
    assert '--overwrite' in again.stderr


def strict_json(text: str) -> dict:
    def refuse(word: str):
        raise AssertionError(f'{word} is not JSON')

    return json.loads(text, parse_constant=refuse)


def test_weights_of_another_architecture(config, tmp_path, capsys):
    import torch

    torch.save({'state_dict': {'net.weight': torch.zeros(7, 7)}}, tmp_path / 'other.pth')
    words = ['test', str(config), str(tmp_path / 'other.pth'), '--work-dir', str(tmp_path / 'w')]
    assert main(words) == 5
    assert 'another architecture' in capsys.readouterr().err


def test_a_measurement_needs_all_weights(config, tmp_path, capsys):
    import torch

    # Training may start from a part of them.
    config.write_text(f'{TOY}load_strict = False\n')
    torch.save({'state_dict': {'net.weight': torch.zeros(1, 2)}}, tmp_path / 'part.pth')
    words = ['test', str(config), str(tmp_path / 'part.pth'), '--work-dir', str(tmp_path / 'w')]
    assert main(words) == 5
    assert 'net.bias' in capsys.readouterr().err
    assert main([*words, '--cfg-options', 'load_strict=False']) == 0
