"""Statistics that every process has made of its own batches, brought together."""

from __future__ import annotations

from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

from unison3d.registry import HOOKS


@HOOKS.register_module()
class AverageBuffersHook(Hook):
    """Gives all processes the mean of their running statistics before these are used.

    Before every validation and at the end of an epoch or a training; the runner does the same
    before every checkpoint, which holds the statistics of one process. In one process nothing
    happens.
    """

    # Before the EMAHook swaps its weights in, and before what is saved at the end of an epoch.
    priority = 'HIGH'

    def before_val_epoch(self, runner: Runner) -> None:
        average_buffers(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        average_buffers(runner)


def average_buffers(runner: Runner) -> None:
    """Replace floating-point buffers of the model, and of its average, by their mean."""
    if get_world_size() == 1:
        return
    averages = [hook.ema_model.module for hook in runner.hooks if isinstance(hook, EMAHook)]
    for model in (runner.model, *averages):
        for buffer in model.buffers():
            if buffer.is_floating_point():
                all_reduce(buffer, op='mean')
