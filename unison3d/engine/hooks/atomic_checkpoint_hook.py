"""Checkpoints in an order that never leaves a run without one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from unison3d.engine.checkpoint import read_checkpoint, write_checkpoint
from unison3d.engine.checkpoint_folder import BEST_POINTER, POINTER, remove_unfinished
from unison3d.errors import ConfigError
from unison3d.io.atomic import atomic_write
from unison3d.registry import HOOKS

# What a training that was told to stop leaves; superseded by the next regular checkpoint.
STOPPED = 'stopped_iter_{}.pth'
# Number of the last validated iteration, in the message hub of runs with ``save_best``.
VALIDATED = 'validated'
# Files that were to be removed after the checkpoint was written, likewise.
OUTDATED = 'outdated_ckpts'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """The checkpoint hook of MMEngine with a safe order of steps.

    The new file is complete before the pointer ``last_checkpoint`` moves to it, and older files go
    last. MMEngine removes the old file first: a run killed while it writes the new one would be
    left with nothing when ``max_keep_ckpts=1``. The same order holds for the best checkpoints and
    their pointer ``best_checkpoint``, which follows the first metric of ``save_best``.

    Args:
        keep_best: how many checkpoints with the best values are kept of each metric in
            ``save_best``.
        **options: those of :class:`mmengine.hooks.CheckpointHook`; ``save_best`` names metrics, and
            ``rule`` is ``'greater'`` or ``'less'``.
    """

    def __init__(self, *args: Any, keep_best: int = 1, **options: Any) -> None:
        super().__init__(*args, **options)
        if keep_best < 1:
            raise ConfigError(f'AtomicCheckpointHook: keep_best is {keep_best}, expected 1 or more')
        self.keep_best = keep_best

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if is_main_process() and self.out_dir != runner.work_dir:
            # The runner has done it in the work folder.
            remove_unfinished(self.out_dir)
        # Of the run that is resumed; a validation that follows at once brings it up to date.
        self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
        # A resumed run may have been killed before it came to that.
        self._remove(runner.message_hub.runtime_info.get(OUTDATED, ()))
        if self.save_best and VALIDATED not in runner.message_hub.runtime_info:
            runner.message_hub.update_info(VALIDATED, 0)

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
        self._remove(outdated)
        for stopped in Path(runner.work_dir).glob(STOPPED.format('*')):
            stopped.unlink(missing_ok=True)

    @master_only
    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            Path(self.out_dir, name).unlink(missing_ok=True)

    def _make_room(self, runner: Runner, step: int) -> list[str]:
        """Note the new step among the kept ones and return the files that fall out."""
        if self.max_keep_ckpts <= 0 or (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            return []
        outdated = []
        while len(self.keep_ckpt_ids) >= self.max_keep_ckpts:
            outdated.append(self.keep_ckpt_ids.popleft())
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        names = [self.filename_tmpl.format(old) for old in outdated if old != step]
        runner.message_hub.update_info(OUTDATED, names)
        return names

    # -- the best --------------------------------------------------------------------------------

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        if not self.save_best:
            return
        if 'auto' in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        for place, (indicator, rule) in enumerate(zip(self.key_indicators, self.rules)):
            if indicator not in metrics:
                raise ConfigError(
                    f'save_best of the checkpoint hook names {indicator!r}; validation measures '
                    f'{", ".join(metrics)}.'
                )
            self._keep_if_good(runner, indicator, rule, metrics[indicator], leads=place == 0)
        runner.message_hub.update_info(VALIDATED, runner.iter)
        if self.last_ckpt is not None:
            # Once more, so that a resumed run knows what is best.
            step = runner.epoch if self.by_epoch else runner.iter
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            self._save_checkpoint_with_step(runner, step, meta)

    def _keep_if_good(
        self, runner: Runner, indicator: str, rule: str, score: float | None, *, leads: bool
    ) -> None:
        """Save these weights if they are among the best; of equal ones the earlier are better."""
        hub, name = runner.message_hub, f'best_of_{indicator}'
        kept = [(float(s), str(file)) for s, file in hub.runtime_info.get(name, ())]
        # A metric that does not exist is not better than anything, and neither is NaN.
        if score is None or score != score:
            return
        step = runner.epoch if self.by_epoch else runner.iter
        filename = f'best_{indicator}_{self.filename_tmpl.format(step)}'.replace('/', '_')
        sign = -1 if rule == 'greater' else 1
        kept = [row for row in kept if row[1] != filename] + [(float(score), filename)]
        kept = sorted(kept, key=lambda row: sign * row[0])
        kept, outdated = kept[: self.keep_best], kept[self.keep_best :]
        if filename in [file for _, file in outdated]:
            return
        hub.update_info(name, [list(row) for row in kept])
        best_path = self.file_backend.join_path(self.out_dir, kept[0][1])
        suffix = '' if len(self.key_indicators) == 1 else f'_{indicator}'
        hub.update_info(f'best_score{suffix}', kept[0][0])
        hub.update_info(f'best_ckpt{suffix}', best_path)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=False,
            save_param_scheduler=False,
            meta=dict(epoch=runner.epoch, iter=runner.iter),
            by_epoch=False,
            backend_args=self.backend_args,
        )
        runner.logger.info(f'{indicator} is {score:0.4f}, among the best: {filename}.')
        if not is_main_process():
            return
        if leads:
            with atomic_write(Path(runner.work_dir) / BEST_POINTER, 'w') as file:
                file.write(best_path)
        self._remove(file for _, file in outdated)

    @master_only
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        """Write the entries of ``published_keys`` to a file named by its hash."""
        checkpoint = read_checkpoint(ckpt_path)
        path = Path(ckpt_path).with_suffix('.published.pth')
        write_checkpoint(path, {k: v for k, v in checkpoint.items() if k in self.published_keys})
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        final = Path(ckpt_path).with_name(f'{Path(ckpt_path).stem}-{digest[:8]}.pth')
        path.replace(final)
        runner.logger.info(f'{ckpt_path} is published as {final}.')
