"""A training that test_stopping.py sends signals to."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from mmengine.hooks import Hook

from tests.test_engine.toy import make_runner
from unison3d.errors import Unison3DError


class Tell(Hook):
    """Says how far the training is; and waits at one place, so that the signal meets it there."""

    def __init__(self, wait_at: str, pipe: Connection) -> None:
        self.wait_at, self.pipe = wait_at, pipe

    def _reach(self, place: str) -> None:
        self.pipe.send(place)
        if place == self.wait_at:
            self.pipe.recv()

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self._reach(f'train {runner.iter}')

    def before_val_iter(self, runner, batch_idx, data_batch=None) -> None:
        self._reach(f'val {runner.iter}')


class KillWorker(Hook):
    """Ends a data-loading worker as the system does when memory runs out."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter == 1:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
            time.sleep(0.2)


def train(folder: Path, kind: str, wait_at: str, workers: int, pipe: Connection) -> None:
    """Train in a process group of its own, to its end or that of the process."""
    os.setsid()
    by_epoch = kind == 'epochs'
    train_cfg = (
        {'by_epoch': True, 'max_epochs': 4, 'val_interval': 1}
        if by_epoch
        else {'by_epoch': False, 'max_iters': 8, 'val_interval': 3}
    )
    runner = make_runner(
        folder,
        train_cfg,
        resume=True,
        custom_hooks=[KillWorker() if wait_at == 'kill worker' else Tell(wait_at, pipe)],
        default_hooks={
            'ema': {'type': 'EMAHook', 'momentum': 0.1},
            'checkpoint': {'type': 'CheckpointHook', 'by_epoch': by_epoch, 'interval': 2},
        },
    )
    runner._train_dataloader['num_workers'] = workers
    try:
        runner.train()
    except Unison3DError as error:
        pipe.send(f'{type(error).__name__}: {error}')
        sys.exit(error.exit_code)
    except BaseException:
        pipe.send(traceback.format_exc())
        raise
