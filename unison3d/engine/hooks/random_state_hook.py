"""Random numbers as if nothing had happened in between."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from unison3d.engine.plain import random_state, restore_random_state
from unison3d.registry import HOOKS


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Keeps validation and resuming from changing the random numbers of training.

    Validation draws numbers (a data loader takes a seed for its workers), and a resumed run does
    not repeat the validation that came before its checkpoint. So the generators are put back after
    every validation, and set to the state of the checkpoint before the first resumed epoch.

    It runs before the checkpoint hook, so that the state in a checkpoint is that of training.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._before_val: dict[str, Any] | None = None

    def before_train_epoch(self, runner: Runner) -> None:
        # The loops of this package make seen data again first, and then continue by themselves.
        if not getattr(runner.train_loop, 'continues_random_state', False):
            runner.continue_random_state()

    def before_val(self, runner: Runner) -> None:
        self._before_val = random_state()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if self._before_val is not None:
            restore_random_state(self._before_val)

    def after_val(self, runner: Runner) -> None:
        self.after_val_epoch(runner)
        self._before_val = None
