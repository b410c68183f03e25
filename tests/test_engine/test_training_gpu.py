"""Half precision on CUDA: weights stay float32, and the loss scale survives a resume."""

from __future__ import annotations

import pytest
import torch

from tests.test_engine.scenes import scene_runner
from tests.test_engine.test_runner import finish, stop_at
from tests.test_engine.toy import make_runner
from unison3d.engine import read_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]

OPTIMIZER = {'type': 'AdamW', 'lr': 1e-3}
FLOAT16 = {'type': 'AmpOptimWrapper', 'optimizer': OPTIMIZER, 'loss_scale': 'dynamic'}


@pytest.mark.parametrize('kind', ['BFloat16OptimWrapper', 'AmpOptimWrapper'])
def test_training_in_half_precision(tmp_path, kind):
    hooks = {'throughput': {'type': 'ThroughputHook', 'interval': 1}}
    optim_wrapper = {'type': kind, 'optimizer': OPTIMIZER}
    runner = scene_runner(tmp_path, optim_wrapper=optim_wrapper, default_hooks=hooks)
    runner.train()
    for name, value in runner.model.named_parameters():
        assert value.dtype == torch.float32, name
        assert torch.isfinite(value).all(), name
    assert runner.message_hub.get_scalar('train/peak_gpu_mb').current() > 1


def test_the_loss_scale_is_resumed(tmp_path):
    train_cfg = {'by_epoch': False, 'max_iters': 4, 'val_interval': 2}
    scale = {'init_scale': 64.0, 'growth_interval': 2}
    changes = {'optim_wrapper': {**FLOAT16, 'loss_scale': scale}}
    stop_at(tmp_path, train_cfg, 3, **changes)
    stopped = read_checkpoint(tmp_path / 'iter_3.pth')['optimizer']['loss_scaler']
    assert stopped['scale'] == 128.0
    finished = finish(make_runner(tmp_path, train_cfg, resume=True, **changes))
    # Grown once more after the fourth iteration, which counts the third.
    assert finished['optimizer']['loss_scaler']['scale'] == 256.0
