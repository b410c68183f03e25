from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from conftest import REPO_ROOT
from mmengine.config import Config
from mmengine.logging import MessageHub

from tests.test_engine.scenes import scene_runner
from tests.test_engine.toy import make_runner
from unison3d.engine import ThroughputHook
from unison3d.engine.hooks import throughput_hook
from unison3d.errors import ConfigError


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(throughput_hook, 'time', made)
    return made


def batch(*sizes: int) -> dict:
    return {'inputs': {'points': [torch.zeros(size, 3) for size in sizes]}, 'data_samples': None}


def test_rates_count_every_iteration_and_no_validation(clock):
    hub = MessageHub.get_instance('throughput')
    runner = SimpleNamespace(hooks=[], iter=0, message_hub=hub, train_dataloader=range(9))
    hook = ThroughputHook(interval=2)
    hook.before_train(runner)
    for iteration, (seconds, data) in enumerate([(1, batch(100, 200)), (3, batch(500))]):
        runner.iter = iteration
        clock.now += seconds
        hook.after_train_iter(runner, iteration, data)
        if iteration == 0:
            assert 'train/scenes_per_s' not in hub.log_scalars
            clock.now += 0.5
            hook.before_val(runner)
            clock.now += 1000
            hook.after_val(runner)
    assert hub.get_scalar('train/scenes_per_s').current() == pytest.approx(3 / 4.5)
    assert hub.get_scalar('train/points_per_s').current() == pytest.approx(800 / 4.5)


def test_other_batches_count_samples_only():
    assert throughput_hook.batch_size({'x': torch.zeros(4, 3)}) == (4, 0)
    assert throughput_hook.batch_size([1, 2]) == (2, 0)
    assert throughput_hook.batch_size(None) == (0, 0)


def test_an_interval_of_nothing():
    with pytest.raises(ConfigError, match='interval is 0'):
        ThroughputHook(interval=0)


def test_every_line_of_the_log_has_losses_per_task_speed_and_memory(tmp_path):
    hooks = {
        'throughput': {'type': 'ThroughputHook'},
        'logger': {'type': 'LoggerHook', 'interval': 1},
    }
    runtime = Config.fromfile(REPO_ROOT / 'configs' / '_base_' / 'default_runtime.py')
    processor = {'type': 'LogProcessor', **runtime.log_processor}
    runner = scene_runner(tmp_path, default_hooks=hooks, log_processor=processor)
    runner.train()
    (log,) = tmp_path.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 2
    losses = {'loss', 'loss_instance', 'loss_semantic', 'loss_click', 'loss_text', 'loss_name'}
    speed = {'scenes_per_s', 'points_per_s', 'peak_rss_mb'}
    for line in lines:
        assert losses | speed <= line.keys()
        assert line['points_per_s'] == pytest.approx(6900 * line['scenes_per_s'])
        assert 50 < line['peak_rss_mb'] < 1e6
        parts = [line[name] for name in ('loss_instance', 'loss_semantic', 'loss_quality')]
        assert line['task/closed_set'] == pytest.approx(sum(parts), rel=1e-4)
        tasks = [value for name, value in line.items() if name.startswith('task/')]
        assert len(tasks) == 4
        assert sum(tasks) == pytest.approx(line['loss'], rel=1e-4)


def test_it_takes_the_interval_of_the_logger(tmp_path):
    hooks = {'throughput': {'type': 'ThroughputHook'}, 'logger': {'type': 'LoggerHook'}}
    hooks['logger']['interval'] = 3
    runner = make_runner(tmp_path, {'by_epoch': True, 'max_epochs': 1}, default_hooks=hooks)
    runner.train()
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, ThroughputHook)]
    assert hook.interval == 3
    assert len(runner.message_hub.get_scalar('train/scenes_per_s').data[0]) == 1
