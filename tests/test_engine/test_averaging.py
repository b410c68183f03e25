"""Averaged weights: in checkpoints, after a resume, in validation and in the exported file."""

from __future__ import annotations

import pytest
import torch

from tests.test_engine.test_runner import Stop, StopAfter, assert_same, finish
from tests.test_engine.toy import make_runner
from unison3d.engine import read_checkpoint, read_weights
from unison3d.errors import ConfigError

EPOCHS = {'by_epoch': True, 'max_epochs': 4, 'val_interval': 1}
ITERATIONS = {'by_epoch': False, 'max_iters': 6, 'val_interval': 2}


def averaging(work_dir, train_cfg, stop=None, **changes):
    checkpoint = {'type': 'CheckpointHook', 'interval': 1, 'by_epoch': train_cfg['by_epoch']}
    hooks = {'checkpoint': checkpoint, 'ema': {'type': 'EMAHook', 'momentum': 0.1}}
    custom = [] if stop is None else [StopAfter(stop, train_cfg['by_epoch'])]
    settings = {'default_hooks': hooks, 'custom_hooks': custom, **changes}
    return make_runner(work_dir, train_cfg, **settings)


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERATIONS], ids=['epochs', 'iterations'])
def test_resume_is_bit_exact(tmp_path, train_cfg):
    whole = finish(averaging(tmp_path / 'whole', train_cfg))
    with pytest.raises(Stop):
        averaging(tmp_path / 'parts', train_cfg, stop=3).train()
    parts = finish(averaging(tmp_path / 'parts', train_cfg, resume=True))
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'random_states'):
        assert_same(parts[key], whole[key], key)
    # The file answers with the averaged weights; those of the last step are the other ones.
    name = 'net.0.weight'
    assert not torch.equal(whole['state_dict'][name], whole['ema_state_dict'][f'module.{name}'])


def test_everything_at_once_resumes_bit_exactly(tmp_path):
    """bfloat16, accumulation and averaging, stopped inside an accumulation."""
    optim_wrapper = {
        'type': 'BFloat16OptimWrapper',
        'optimizer': {'type': 'AdamW', 'lr': 0.05},
        'clip_grad': {'max_norm': 1.0},
        'accumulative_counts': 2,
    }
    options = {'optim_wrapper': optim_wrapper}
    whole = finish(averaging(tmp_path / 'whole', ITERATIONS, **options))
    with pytest.raises(Stop):
        averaging(tmp_path / 'parts', ITERATIONS, stop=3, **options).train()
    assert 'gradients' in read_checkpoint(tmp_path / 'parts' / 'iter_3.pth')
    parts = finish(averaging(tmp_path / 'parts', ITERATIONS, resume=True, **options))
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'random_states'):
        assert_same(parts[key], whole[key], key)


def test_the_checkpoint_answers_with_the_average(tmp_path):
    runner = averaging(tmp_path, {**ITERATIONS, 'max_iters': 2})
    runner.train()
    (ema,) = [hook for hook in runner.hooks if hasattr(hook, 'ema_model')]
    tester = make_runner(tmp_path / 'test', ITERATIONS, load_from=str(tmp_path / 'iter_2.pth'))
    tester.load_or_resume()
    assert_same(dict(tester.model.state_dict()), dict(ema.ema_model.module.state_dict()))


@pytest.mark.parametrize('averaged', [None, True, False])
def test_which_weights_are_exported(tmp_path, averaged):
    export = {'type': 'ExportWeightsHook', 'dtype': 'float32', 'averaged': averaged}
    train_cfg = {**ITERATIONS, 'max_iters': 2}
    runner = averaging(tmp_path, train_cfg, custom_hooks=[export])
    runner.train()
    (ema,) = [hook for hook in runner.hooks if hasattr(hook, 'ema_model')]
    model = runner.model if averaged is False else ema.ema_model.module
    weights, _ = read_weights(tmp_path / 'weights.safetensors')
    assert torch.equal(weights['net.0.weight'], model.net[0].weight)
    assert not torch.equal(runner.model.net[0].weight, ema.ema_model.module.net[0].weight)


def test_averaged_weights_of_a_run_that_does_not_average(tmp_path):
    export = {'type': 'ExportWeightsHook', 'averaged': True}
    runner = make_runner(tmp_path, ITERATIONS, custom_hooks=[export])
    with pytest.raises(ConfigError, match='no EMAHook'):
        runner.train()
