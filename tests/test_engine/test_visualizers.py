"""Numbers of a training reach the backends of MMEngine; a missing package is named at once."""

from __future__ import annotations

import pytest
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend

from tests.test_engine.toy import make_runner
from unison3d.errors import MissingDependencyError

TRAIN = {'by_epoch': False, 'max_iters': 2}
HOOKS = {
    'logger': {'type': 'LoggerHook', 'interval': 1},
    'throughput': {'type': 'ThroughputHook'},
}


@VISBACKENDS.register_module()
class ListBackend(BaseVisBackend):
    """Keeps what it is given."""

    written: list[tuple[int, dict]] = []

    @property
    def experiment(self):
        return self

    def _init_env(self) -> None:
        pass

    def add_scalars(self, scalar_dict, step=0, file_path=None, **options) -> None:
        self.written.append((step, dict(scalar_dict)))


def with_backend(work_dir, **backend):
    return make_runner(
        work_dir,
        TRAIN,
        default_hooks=HOOKS,
        log_processor={'type': 'LogProcessor', 'by_epoch': False},
        visualizer={'type': 'Visualizer', 'vis_backends': [backend]},
    )


def test_numbers_reach_the_backend(tmp_path):
    ListBackend.written.clear()
    with_backend(tmp_path, type='ListBackend').train()
    training = [(step, row) for step, row in ListBackend.written if 'loss' in row]
    assert [step for step, _ in training] == [1, 2]
    for _, row in training:
        assert {'lr', 'loss', 'grad_norm', 'scenes_per_s', 'peak_rss_mb'} <= row.keys()


@pytest.mark.parametrize(
    ('backend', 'package'),
    [('TensorboardVisBackend', 'tensorboard'), ('mmengine.WandbVisBackend', 'wandb')],
)
def test_a_missing_package(tmp_path, monkeypatch, backend, package):
    monkeypatch.setattr('unison3d.engine.runner.find_spec', lambda name: None)
    with pytest.raises(MissingDependencyError) as caught:
        with_backend(tmp_path, type=backend)
    assert package in str(caught.value)
    assert '[tracking]' in str(caught.value)


def test_tensorboard(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with_backend(tmp_path, type='TensorboardVisBackend').train()
    (folder,) = {path.parent for path in tmp_path.rglob('events.out.tfevents.*')}
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars('loss')] == [1, 2]
    assert events.Scalars('scenes_per_s')[0].value > 0
