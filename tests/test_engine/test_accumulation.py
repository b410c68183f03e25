"""Gradients of several small batches are those of one large batch, also across a resume."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from tests.test_engine.test_runner import Stop, StopAfter, assert_same, finish
from tests.test_engine.toy import make_runner
from unison3d.engine import read_checkpoint


class Rows(Dataset):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(int(index))
        return {'x': torch.randn(4, generator=generator), 'y': torch.randn(1, generator=generator)}


class PlainModel(BaseModel):
    """Nothing in it looks at the rest of the batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))

    def forward(self, x, y, mode='tensor'):
        return {'loss': nn.functional.mse_loss(self.net(x), y)}


def accumulating(work_dir, batch_size, count, max_iters, **changes):
    loader = {
        'batch_size': batch_size,
        'num_workers': 0,
        'dataset': Rows(),
        'collate_fn': {'type': 'default_collate'},
        'sampler': {'type': 'ResumableSampler', 'shuffle': False},
    }
    settings = {
        'model': PlainModel(),
        'train_dataloader': loader,
        'optim_wrapper': {
            'optimizer': {'type': 'AdamW', 'lr': 0.05},
            'clip_grad': {'max_norm': 0.5},
            'accumulative_counts': count,
        },
        'param_scheduler': None,
        'val_dataloader': None,
        'val_cfg': None,
        'val_evaluator': None,
        **changes,
    }
    return make_runner(work_dir, {'by_epoch': False, 'max_iters': max_iters}, **settings)


def test_the_same_as_a_larger_batch(tmp_path):
    large = accumulating(tmp_path / 'large', 6, 1, 4)
    start = large.model.net[0].weight.detach().clone()
    large.train()
    small = accumulating(tmp_path / 'small', 2, 3, 12)
    small.train()
    assert not torch.allclose(large.model.net[0].weight, start, atol=0.1)
    for ours, expected in zip(small.model.parameters(), large.model.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('stop', [3, 4, 5])
def test_resume_inside_an_accumulation(tmp_path, stop):
    whole = finish(accumulating(tmp_path / 'whole', 2, 3, 7))
    with pytest.raises(Stop):
        accumulating(tmp_path / 'parts', 2, 3, 7, custom_hooks=[StopAfter(stop, False)]).train()
    kept = read_checkpoint(tmp_path / 'parts' / f'iter_{stop}.pth')
    assert ('gradients' in kept) == (stop % 3 != 0)
    parts = finish(accumulating(tmp_path / 'parts', 2, 3, 7, resume=True))
    for key in ('state_dict', 'optimizer'):
        assert_same(parts[key], whole[key], key)
    assert 'gradients' not in whole  # The last iteration always updates.


def test_gradients_of_several_processes_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr('unison3d.engine.runner.get_world_size', lambda: 2)
    runner = accumulating(tmp_path, 2, 2, 3)
    warnings = []
    monkeypatch.setattr(runner.logger, 'warning', warnings.append)
    runner.train()
    assert len(warnings) == 1
    assert 'multiple of accumulative_counts' in warnings[0]
    assert 'gradients' not in read_checkpoint(tmp_path / 'iter_2.pth')
