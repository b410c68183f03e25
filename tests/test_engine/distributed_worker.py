"""One of two processes of a distributed training; started by test_distributed.py.

The processes train on the same hand-made rooms, but those of the second one are bare: no object,
no click, no sentence.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from conftest import REPO_ROOT
from mmengine.config import Config
from mmengine.hooks import Hook

from tests.test_engine.scenes import PIPELINE
from unison3d.registry import RUNNERS


class KeepLosses(Hook):
    """Collects the names of the losses of every iteration."""

    def __init__(self) -> None:
        self.keys: list[list[str]] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.keys.append(list(outputs))


def smoke_config(work_dir: Path, bare: bool) -> Config:
    config = Config.fromfile(REPO_ROOT / 'configs' / 'unified' / 'unified-s_smoke.py')
    config.train_dataloader.batch_size = 1
    boxes = {'type': 'SampleBoxes', 'max_objects': 2}
    pipeline = [*PIPELINE[:2], boxes, *PIPELINE[2:]]
    dataset = dict(type='FakeScenes', bare=bare, pipeline=pipeline, _delete_=True)
    config.merge_from_dict({'train_dataloader.dataset': dataset})
    config.work_dir = str(work_dir)
    config.launcher = 'pytorch'
    for stage in ('val', 'test'):
        for part in ('cfg', 'dataloader', 'evaluator'):
            config[f'{stage}_{part}'] = None
    config.default_hooks.ema = dict(type='EMAHook', momentum=0.1)
    return config


def main(work_dir: Path) -> None:
    rank = int(os.environ['RANK'])
    runner = RUNNERS.build(smoke_config(work_dir, bare=rank == 1))
    losses = KeepLosses()
    runner.register_hook(losses)
    start = {name: value.clone() for name, value in runner.model.module.named_parameters()}
    runner.train()
    torch.save(
        {
            'start': start,
            'end': dict(runner.model.module.named_parameters()),
            'keys': losses.keys,
            'scenes_per_s': float(runner.message_hub.get_scalar('train/scenes_per_s').current()),
        },
        work_dir / f'rank_{rank}.pth',
    )


if __name__ == '__main__':
    main(Path(sys.argv[1]))
