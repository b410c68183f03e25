"""The small file at the end of a training: weights, config and label space, nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from unison3d.engine.checkpoint import save_weights
from unison3d.engine.sharding import gathered
from unison3d.errors import ConfigError
from unison3d.registry import HOOKS, without_own_scope
from unison3d.version import __version__


@HOOKS.register_module()
class ExportWeightsHook(Hook):
    """Writes ``<work_dir>/<filename>`` when training ends, as safetensors.

    The metadata holds ``unison3d_version``, ``epoch``, ``iter``, ``seed``, the model part of the
    config as JSON under ``model``, and what ``metadata`` adds.

    Args:
        filename: name of the file inside the work folder.
        dtype: ``'float16'`` halves the file, ``'float32'`` keeps every bit.
        exclude: names that start with one of these prefixes are left out, for modules that only
            training needs.
        averaged: True exports the weights that an :class:`mmengine.hooks.EMAHook` has averaged,
            False those of the last step; None averages where the run does.
        metadata: further text to store, by name.

    Raises:
        ConfigError: another dtype, or ``averaged`` in a run that does not average.
    """

    priority = 'LOWEST'

    def __init__(
        self,
        filename: str = 'weights.safetensors',
        *,
        dtype: str = 'float16',
        exclude: tuple[str, ...] = (),
        averaged: bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        if dtype not in ('float16', 'float32'):
            raise ConfigError(
                f'ExportWeightsHook: dtype is {dtype!r}, expected "float16" or "float32".'
            )
        self._filename = filename
        self._dtype = getattr(torch, dtype)
        self._exclude = tuple(exclude)
        self._averaged = averaged
        self._metadata = dict(metadata or {})

    def before_train(self, runner: Runner) -> None:
        # Said now, and not when the training is over.
        if self._averaged and not _averages(runner):
            raise ConfigError(
                'ExportWeightsHook: averaged is True, but no EMAHook is in the run. Add one '
                '(default_hooks.ema.type=EMAHook) or leave averaged out.'
            )

    def after_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        averages = _averages(runner)
        if averages and self._averaged is not False:
            model = averages[-1]
        state = {
            name: value
            for name, value in gathered(model.state_dict()).items()
            if not name.startswith(self._exclude)
        }
        if not is_main_process():
            return
        path = Path(runner.work_dir) / self._filename
        save_weights(path, state, self._describe(runner), dtype=self._dtype)
        runner.logger.info(f'Weights exported to {path} ({path.stat().st_size / 1e6:.1f} MB).')

    def _describe(self, runner: Runner) -> dict[str, str]:
        model_config = runner.cfg.get('model')
        facts = {
            'unison3d_version': __version__,
            'epoch': str(runner.epoch),
            'iter': str(runner.iter),
            'seed': str(runner.seed),
        }
        if isinstance(model_config, dict):
            facts['model'] = json.dumps(without_own_scope(model_config), default=str)
        return {**facts, **self._metadata}


def _averages(runner: Runner) -> list[nn.Module]:
    """Averaged models of the run."""
    return [hook.ema_model.module for hook in runner.hooks if isinstance(hook, EMAHook)]
