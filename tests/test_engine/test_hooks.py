from __future__ import annotations

import json

import pytest
import torch

from tests.test_engine.toy import make_runner
from unison3d.engine import AtomicCheckpointHook, ExportWeightsHook, RandomStateHook, read_weights
from unison3d.errors import ConfigError

ONE_EPOCH = {'by_epoch': True, 'max_epochs': 1}


def test_the_safe_hooks_are_in_place(tmp_path):
    kinds = [type(hook) for hook in make_runner(tmp_path, ONE_EPOCH).hooks]
    assert kinds.count(AtomicCheckpointHook) == 1
    assert kinds.index(RandomStateHook) < kinds.index(AtomicCheckpointHook)


def test_export(tmp_path):
    hook = {
        'type': 'ExportWeightsHook',
        'filename': 'small.safetensors',
        'exclude': ['net.4'],
        'metadata': {'label_space': 'scannet20'},
    }
    runner = make_runner(tmp_path, ONE_EPOCH, custom_hooks=[hook])
    runner.train()
    weights, metadata = read_weights(tmp_path / 'small.safetensors')
    assert metadata['label_space'] == 'scannet20'
    assert (metadata['epoch'], metadata['iter'], metadata['seed']) == ('1', '3', '7')
    assert not any(name.startswith('net.4') for name in weights)
    own = runner.model.state_dict()
    assert weights['net.0.weight'].dtype == torch.float16
    torch.testing.assert_close(weights['net.0.weight'], own['net.0.weight'].half())


def test_export_takes_the_averaged_weights(tmp_path):
    hooks = [
        {'type': 'EMAHook', 'momentum': 0.5},
        {'type': 'ExportWeightsHook', 'dtype': 'float32'},
    ]
    runner = make_runner(tmp_path, {'by_epoch': True, 'max_epochs': 2}, custom_hooks=hooks)
    runner.train()
    (ema,) = [hook for hook in runner.hooks if hasattr(hook, 'ema_model')]
    weights, _ = read_weights(tmp_path / 'weights.safetensors')
    assert torch.equal(weights['net.0.weight'], ema.ema_model.module.net[0].weight)
    assert not torch.equal(weights['net.0.weight'], runner.model.net[0].weight)


def test_the_model_config_travels_along(tmp_path):
    from mmengine.config import Config

    runner = make_runner(tmp_path, ONE_EPOCH)
    # As it is when the config inherits from one that is named by its package.
    parts = [{'type': 'A', '_scope_': 'unison3d'}, {'type': 'B', '_scope_': 'other'}]
    model = {'type': 'ToyModel', '_scope_': 'unison3d', 'sizes': [1, 2], 'parts': parts}
    runner.cfg = Config({'model': model})
    metadata = ExportWeightsHook()._describe(runner)
    parts = [{'type': 'A'}, {'type': 'B', '_scope_': 'other'}]
    assert json.loads(metadata['model']) == {'type': 'ToyModel', 'sizes': [1, 2], 'parts': parts}


def test_an_unknown_dtype():
    with pytest.raises(ConfigError, match='float8'):
        ExportWeightsHook(dtype='float8')
