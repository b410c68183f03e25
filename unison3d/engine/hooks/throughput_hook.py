"""How fast a training runs, and how much memory it takes."""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner

from unison3d.errors import ConfigError
from unison3d.registry import HOOKS


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Logs throughput and memory of every interval, beside the losses.

    ==================  ==========================================================================
    ``scenes_per_s``    scenes that training has seen per second, over all processes
    ``points_per_s``    points, likewise; left out where batches carry no ``points``
    ``peak_rss_mb``     largest resident memory of this process since it started, in MB of 10^6
                        bytes; data-loading workers are processes of their own
    ``peak_gpu_mb``     largest memory of tensors on this process's GPU since the last line of the
                        log, in MB; with CUDA only
    ==================  ==========================================================================

    Waiting for data and writing checkpoints count, validation does not.

    Args:
        interval: iterations between two values. None takes that of the ``LoggerHook``, so that
            every line of the log has values of its own.
    """

    # Before the LoggerHook, which prints the values and then resets the peak of the GPU.
    priority = 'NORMAL'

    def __init__(self, interval: int | None = None) -> None:
        if interval is not None and interval < 1:
            raise ConfigError(f'ThroughputHook: interval is {interval}, expected 1 or more.')
        self.interval = interval
        self._scenes = self._points = self._seconds = 0.0
        self._begin: float | None = None

    def before_train(self, runner: Runner) -> None:
        loggers = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self.interval = self.interval or (loggers or [50])[0]
        self._begin = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        scenes, points = batch_size(data_batch)
        self._scenes += scenes
        self._points += points
        self._stop_watch()
        if self._is_time(runner, batch_idx):
            self._log(runner)
        self._begin = time.perf_counter()

    def before_val(self, runner: Runner) -> None:
        self._stop_watch()

    def after_val(self, runner: Runner) -> None:
        self._begin = time.perf_counter()

    def _is_time(self, runner: Runner, batch_idx: int) -> bool:
        """Whether the LoggerHook writes a line now: it counts within an epoch."""
        loader = runner.train_dataloader
        ends = len(loader) <= self.interval and self.end_of_epoch(loader, batch_idx)
        return ends or self.every_n_inner_iters(batch_idx, self.interval)

    def _stop_watch(self) -> None:
        if self._begin is not None:
            self._seconds += time.perf_counter() - self._begin
        self._begin = None

    def _log(self, runner: Runner) -> None:
        totals = torch.tensor([self._scenes, self._points], dtype=torch.float64)
        all_reduce(totals, op='sum')
        scenes, points = totals.tolist()
        values = {'scenes_per_s': scenes / self._seconds, 'peak_rss_mb': peak_rss_mb()}
        if points:
            values['points_per_s'] = points / self._seconds
        if torch.cuda.is_available():
            values['peak_gpu_mb'] = torch.cuda.max_memory_allocated() / 1e6
        for name, value in values.items():
            if value is not None:
                runner.message_hub.update_scalar(f'train/{name}', value)
        self._scenes = self._points = self._seconds = 0.0


def batch_size(batch: Any) -> tuple[int, int]:
    """Scenes and points of a collated batch; a batch of another form is counted as far as known."""
    if not isinstance(batch, dict):
        return (len(batch), 0) if isinstance(batch, (list, tuple)) else (0, 0)
    inputs = batch.get('inputs')
    if isinstance(inputs, dict) and 'points' in inputs:
        return len(inputs['points']), sum(len(points) for points in inputs['points'])
    first = next(iter(batch.values()), ())
    return len(first), 0


def peak_rss_mb() -> float | None:
    """Largest resident memory of this process so far, in MB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
