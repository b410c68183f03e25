"""One setting lays scenes over each other in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.test_engine.scenes import FakeScenes, scene_runner
from tests.test_engine.test_runner import Stop, StopAfter, assert_same, finish
from unison3d.datasets import SynthRoomsDataset
from unison3d.errors import ConfigError

ONE_ROOM = 6900


@pytest.mark.parametrize(('prob', 'scenes'), [(1.0, 2), (0.0, 1)])
def test_training_on_mixed_scenes(tmp_path, monkeypatch, prob, scenes):
    runner = scene_runner(tmp_path, dataset={'mix_scenes': {'prob': prob}})
    sizes, objects = [], []
    loss = runner.model.loss

    def watched(batch, samples):
        sizes.extend(len(superpoints) for superpoints in batch.superpoints)
        objects.extend(len(sample.sp_masks) for sample in samples)
        return loss(batch, samples)

    monkeypatch.setattr(runner.model, 'loss', watched)
    runner.train()
    assert sizes == [scenes * ONE_ROOM] * 4
    assert objects == [scenes * 4] * 4
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())


def test_tests_are_not_mixed():
    with pytest.raises(ConfigError, match='mix_scenes'):
        FakeScenes(mix_scenes={'prob': 0.5}, test_mode=True)


def test_everything_at_once_resumes_bit_exactly(tmp_path):
    """Mixing, bfloat16, accumulation and averaging, stopped inside an accumulation."""

    def runner(name: str, hooks: tuple = (), **changes):
        checkpoint = {'type': 'CheckpointHook', 'interval': 1, 'by_epoch': False}
        return scene_runner(
            tmp_path / name,
            max_iters=3,
            dataset={'mix_scenes': {'prob': 0.5}},
            optim_wrapper={
                'type': 'BFloat16OptimWrapper',
                'optimizer': {'type': 'AdamW', 'lr': 1e-3},
                'accumulative_counts': 2,
            },
            default_hooks={'checkpoint': checkpoint, 'ema': {'type': 'EMAHook', 'momentum': 0.1}},
            custom_hooks=list(hooks),
            **changes,
        )

    whole = finish(runner('whole'))
    with pytest.raises(Stop):
        runner('parts', (StopAfter(1, False),)).train()
    parts = finish(runner('parts', resume=True))
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'random_states'):
        assert_same(parts[key], whole[key], key)


def test_endless_rooms_mix_with_rooms_that_a_resumed_run_finds_again(monkeypatch):
    data = SynthRoomsDataset(3, seed=50, endless=True)
    monkeypatch.setattr(data, 'load_scene', lambda info: info['scene_seed'])
    draws = [[data.draw_scene(np.random.default_rng(seed)) for seed in range(30)] for _ in range(2)]
    assert draws[0] == draws[1]
    assert set(draws[0]) == {50, 51, 52}
