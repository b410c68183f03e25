"""One of two processes that torchrun starts for test_torchrun.py."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from mmengine.hooks import Hook

from tests.test_engine.test_accumulation import PlainModel, Rows
from tests.test_engine.toy import DrawnData, ToyData, ToyMetric, make_runner
from unison3d.engine.processes import leave_process_group

ITERATIONS = 6
SHARDED = {'model_wrapper_cfg': {'type': 'FullySharded'}}


def plain(folder: Path, batch_size: int, **changes):
    """A model without batch norms and drop-outs: scenes do not meet in it."""
    loader = {
        'batch_size': batch_size,
        'num_workers': 0,
        'dataset': Rows(),
        'collate_fn': {'type': 'default_collate'},
        'sampler': {'type': 'ResumableSampler', 'seed': 3},
    }
    settings = {
        'model': PlainModel(),
        'train_dataloader': loader,
        'param_scheduler': None,
        'val_dataloader': None,
        'val_cfg': None,
        'val_evaluator': None,
        'custom_hooks': [KeepLosses()],
        **changes,
    }
    train_cfg = {'by_epoch': False, 'max_iters': ITERATIONS}
    checkpoint = {'type': 'CheckpointHook', 'interval': 2, 'by_epoch': False}
    return make_runner(folder, train_cfg, default_hooks={'checkpoint': checkpoint}, **settings)


def noisy(folder: Path, hooks: list[Hook]):
    """Batch norms, drop-outs, random data, averaged weights, validation: all that has a state."""
    loader = {
        'batch_size': 2,
        'num_workers': 0,
        'dataset': DrawnData(),
        'collate_fn': {'type': 'default_collate'},
        'sampler': {'type': 'ResumableSampler'},
    }
    # Two batches in one process and one in the other.
    validation = {
        **loader,
        'dataset': Five(),
        'sampler': {'type': 'DefaultSampler', 'round_up': False},
    }
    checkpoint = {'type': 'CheckpointHook', 'interval': 2, 'by_epoch': False}
    return make_runner(
        folder,
        {'by_epoch': False, 'max_iters': 8, 'val_interval': 4},
        train_dataloader=loader,
        val_dataloader=validation,
        default_hooks={'checkpoint': checkpoint, 'ema': {'type': 'EMAHook', 'momentum': 0.1}},
        custom_hooks=hooks,
        resume=True,
        launcher='pytorch',
    )


class Five(ToyData):
    def __len__(self) -> int:
        return 5


class KeepLosses(Hook):
    """Writes what the log is given."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.losses.append(float(outputs['loss'].detach()))

    def after_train(self, runner) -> None:
        if runner.rank == 0:
            Path(runner.work_dir, 'losses.json').write_text(json.dumps(self.losses))


class DieOnce(Hook):
    """The second process is killed, in the middle of the sixth iteration of the first attempt."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / 'died'

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.rank == 1 and runner.iter == 5 and not self.mark.exists():
            self.mark.write_text('')
            os.kill(os.getpid(), signal.SIGKILL)


class Began(Hook):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        path = self.folder / f'began_{os.environ["TORCHELASTIC_RESTART_COUNT"]}_{runner.rank}'
        if not path.exists():
            path.write_text(str(runner.iter))


def measure(folder: Path) -> None:
    """Metrics of five and of six samples, which two processes cannot always share evenly."""
    for count in (5, 6):
        data = Rows()
        type(data).__len__ = lambda self, count=count: count
        loader = {
            'batch_size': 2, 'num_workers': 0, 'dataset': data,
            'collate_fn': {'type': 'default_collate'},
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        }  # fmt: skip
        runner = make_runner(
            folder, {'max_epochs': 1}, model=Outputs(), val_dataloader=loader,
            val_evaluator=[ToyMetric()], launcher='pytorch' if 'RANK' in os.environ else 'none',
        )  # fmt: skip
        found = float(runner.val()['mean'])
        if runner.rank == 0:
            (folder / f'mean_{count}').write_text(repr(found))
    del type(data).__len__
    type(data).__len__ = lambda self: 12


class Outputs(PlainModel):
    def forward(self, x, y, mode='tensor'):
        return [row.sum() for row in x.double()]


def main(folder: Path, what: str) -> None:
    if what == 'restart':
        noisy(folder / 'restarted', [DieOnce(folder), Began(folder)]).train()
        leave_process_group()
        return
    plain(folder / 'two', 2, launcher='pytorch').train()
    measure(folder)
    noisy(folder / 'whole', []).train()
    wrapper = {'cfg': SHARDED, 'launcher': 'pytorch'}
    runner = plain(folder / 'sharded', 2, **wrapper)
    runner.train()
    parts = sum(p.to_local().numel() for p in runner.model.parameters())
    (folder / f'parts_{runner.rank}').write_text(str(parts))
    (folder / 'sharded' / 'last_checkpoint').write_text(str(folder / 'sharded' / 'iter_2.pth'))
    plain(folder / 'sharded', 2, resume=True, **wrapper).train()
    leave_process_group()


if __name__ == '__main__':
    main(Path(sys.argv[1]), sys.argv[2])
