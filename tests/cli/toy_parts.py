"""Parts that the toy config of the command line tests names."""

from __future__ import annotations

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils.data import Dataset

from unison3d.registry import DATASETS, METRICS, MODELS, OPTIM_WRAPPERS


@DATASETS.register_module(force=True)
class CliToyData(Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict:
        return {'x': torch.tensor([float(index), 1.0])}


@MODELS.register_module(force=True)
class CliToyModel(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 1)

    def forward(self, x, mode='tensor'):
        out = self.net(x)
        return {'loss': out.square().mean()} if mode == 'loss' else list(out)


@OPTIM_WRAPPERS.register_module(force=True)
class CliToyOptimWrapper(OptimWrapper):
    pass


@METRICS.register_module(force=True)
class CliToyMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(float(row) for row in data_samples)

    def compute_metrics(self, results):
        return {'mean': sum(results) / len(results), 'undefined': float('nan')}
