"""The log of several processes shows the mean of their losses."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from unison3d.registry import HOOKS


@HOOKS.register_module()
class MeanLossesHook(Hook):
    """Replaces what a training step reports by its mean over all processes.

    The step of the first process alone says little where batches are small. The names have to be
    the same in all processes, as those of :class:`~unison3d.models.UnifiedSegmentor` are.
    """

    # Before the hook that hands the numbers to the log.
    priority = 'HIGHEST'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if get_world_size() == 1 or not outputs:
            return
        names = sorted(k for k, v in outputs.items() if torch.is_tensor(v) and v.numel() == 1)
        values = torch.stack([outputs[name].detach().float().reshape(()) for name in names])
        all_reduce(values, op='mean')
        outputs.update(zip(names, values.unbind()))
