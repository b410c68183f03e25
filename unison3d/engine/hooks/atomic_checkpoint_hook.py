"""Checkpoints in an order that never leaves a run without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from unison3d.io.atomic import atomic_write
from unison3d.registry import HOOKS

POINTER = 'last_checkpoint'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """The checkpoint hook of MMEngine with a safe order of steps.

    The new file is complete before the pointer ``last_checkpoint`` moves to it, and older files go
    last. MMEngine removes the old file first: a run killed while it writes the new one would be
    left with nothing when ``max_keep_ckpts=1``.

    All arguments are those of :class:`mmengine.hooks.CheckpointHook`.
    """

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        outdated = self._make_room(runner, step)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if not is_main_process():
            return
        with atomic_write(Path(runner.work_dir) / POINTER, 'w') as file:
            file.write(self.last_ckpt)
        for old_step in outdated:
            Path(self.out_dir, self.filename_tmpl.format(old_step)).unlink(missing_ok=True)

    def _make_room(self, runner: Runner, step: int) -> list[int]:
        """Note the new step among the kept ones and return the steps that fall out."""
        if self.max_keep_ckpts <= 0 or (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            return []
        outdated = []
        while len(self.keep_ckpt_ids) >= self.max_keep_ckpts:
            outdated.append(self.keep_ckpt_ids.popleft())
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return [old for old in outdated if old != step]
