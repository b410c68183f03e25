"""Ends a training between two iterations, with everything saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

from unison3d.engine.checkpoint_folder import POINTER
from unison3d.engine.hooks.atomic_checkpoint_hook import STOPPED
from unison3d.engine.hooks.random_state_hook import RandomStateHook
from unison3d.errors import TrainingStopped
from unison3d.io.atomic import atomic_write
from unison3d.registry import HOOKS


@HOOKS.register_module()
class StopHook(Hook):
    """After SIGTERM: saves ``stopped_iter_<n>.pth``, moves the pointer to it and ends the run.

    The next run with ``resume`` goes on from there; its first regular checkpoint takes the place
    of the file. In the middle of a validation the training state before it is saved.

    Raises:
        TrainingStopped: when all is on disk.
    """

    # After the checkpoint hook, and whatever else belongs to the iteration.
    priority = 'LOWEST'

    # Iterations of the running validation after which all processes ask together.
    _num_asked = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if runner.stop_request.requested():
            self._stop(runner, runner.iter + 1)

    def before_val_epoch(self, runner: Runner) -> None:
        self._num_asked = 0
        if _in_training(runner):
            self._num_asked = _least_of_all(len(runner.val_dataloader))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if _in_training(runner) and runner.stop_request.requested():
            self._stop(runner, runner.iter)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if batch_idx >= self._num_asked or not runner.stop_request.requested():
            return
        # Weights and random numbers of training come back, as at the end of the validation.
        for hook in runner.hooks:
            if isinstance(hook, (EMAHook, RandomStateHook)):
                hook.after_val_epoch(runner)
        self._stop(runner, runner.iter)

    def _stop(self, runner: Runner, done: int) -> None:
        name = STOPPED.format(done)
        meta = dict(epoch=runner.epoch, iter=done)
        runner.save_checkpoint(runner.work_dir, name, meta=meta, by_epoch=False)
        path = Path(runner.work_dir) / name
        if is_main_process():
            with atomic_write(Path(runner.work_dir) / POINTER, 'w') as file:
                file.write(str(path))
        raise TrainingStopped(
            f'SIGTERM has stopped the training after {done} iterations. Everything is saved in '
            f'{path}; continue with --resume.'
        )


def _in_training(runner: Runner) -> bool:
    return runner.iter > 0


def _least_of_all(count: int) -> int:
    """The smallest count of any process; they may have unequal shares of the data."""
    least = torch.tensor(count)
    all_reduce(least, op='min')
    return int(least)
