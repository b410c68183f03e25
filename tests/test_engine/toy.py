"""A training run of a second: noise in the data, dropout in the model, momentum, a schedule."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from unison3d.engine import SafeRunner


class ToyData(Dataset):
    """Samples that draw from all three generators, as augmentation does."""

    metainfo = {'classes': ('a', 'b'), 'palette': np.eye(2, 3, dtype=np.uint8)}

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict:
        rng_numpy = float(np.random.rand())  # noqa: NPY002
        noise = rng_numpy + random.random() + float(torch.rand(()))
        x = torch.tensor([index, noise, 1.0, -index * 0.5])
        return {'x': x, 'y': torch.tensor([float(index % 2)])}


class DrawnData(ToyData):
    """Samples that depend on their index and place in the run alone; counts what it makes."""

    made = 0

    def __getitem__(self, index: int) -> dict:
        DrawnData.made += 1
        noise = float(np.random.default_rng([int(index), index.draw]).random())
        return {'x': torch.tensor([index, noise, 1.0, 0.0]), 'y': torch.tensor([float(index % 2)])}


class ToyModel(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        # The runner seeds itself when it is made, and this model is made before it.
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1)
        )

    def forward(self, x, y, mode='tensor'):
        out = self.net(x)
        if mode == 'loss':
            return {'loss': nn.functional.mse_loss(out, y)}
        return list(out)


class ToyMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(float(row) for row in data_samples)

    def compute_metrics(self, results):
        return {'mean': float(np.mean(results))}


def make_runner(work_dir, train_cfg: dict, **changes) -> SafeRunner:
    by_epoch = train_cfg.get('by_epoch', True)
    infinite = {'type': 'InfiniteSampler' if not by_epoch else 'DefaultSampler', 'shuffle': True}
    loader = {'batch_size': 2, 'num_workers': 0, 'dataset': ToyData()}
    loader['collate_fn'] = {'type': 'default_collate'}
    settings = dict(
        model=ToyModel(),
        work_dir=str(work_dir),
        train_dataloader={**loader, 'sampler': infinite},
        train_cfg=train_cfg,
        optim_wrapper={
            'optimizer': {'type': 'AdamW', 'lr': 0.05, 'weight_decay': 0.01},
            'clip_grad': {'max_norm': 1.0},
        },
        param_scheduler=[
            {'type': 'LinearLR', 'start_factor': 0.1, 'end': 4, 'by_epoch': False},
            {'type': 'CosineAnnealingLR', 'T_max': 20, 'by_epoch': False},
        ],
        val_dataloader={**loader, 'sampler': {'type': 'DefaultSampler', 'shuffle': True}},
        val_cfg={},
        val_evaluator=[ToyMetric()],
        default_hooks={
            'checkpoint': {
                'type': 'CheckpointHook',
                'interval': 1,
                'by_epoch': by_epoch,
                'max_keep_ckpts': 2,
            }
        },
        default_scope='unison3d',
        randomness={'seed': 7},
        log_level='ERROR',
        experiment_name=str(work_dir),
    )
    settings.update(changes)
    return SafeRunner(**settings)
