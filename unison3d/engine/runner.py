"""The runner of MMEngine with checkpoints that can be trusted.

What differs: a checkpoint is written atomically, holds tensors and plain containers only, is read
with a tensors-only reader, and carries the state of the random number generators. With it a
run can be resumed bit for bit, see :class:`SafeRunner`. Config text inside a checkpoint is shown,
never executed.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size, is_distributed, master_only
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from unison3d.engine.checkpoint import load_state, read_checkpoint, read_weights, write_checkpoint
from unison3d.engine.hooks.atomic_checkpoint_hook import POINTER
from unison3d.engine.plain import (
    keep_plain,
    pack_message_hub,
    random_state,
    restore_random_state,
    to_plain,
    unpack_message_hub,
)
from unison3d.errors import CheckpointError, ConfigError, MissingDependencyError
from unison3d.registry import RUNNERS
from unison3d.version import __version__

# What MMEngine's backends import when the first number arrives.
_PACKAGES_OF_BACKENDS = {'TensorboardVisBackend': 'tensorboard', 'WandbVisBackend': 'wandb'}


@RUNNERS.register_module()
class SafeRunner(Runner):
    """Trains, tests and resumes; see the module for what differs from MMEngine.

    One key of the config is read besides those of MMEngine: ``load_strict`` (True) says whether
    ``load_from`` must fit name by name.

    On the CPU and in one process, a resumed run gives the same bits as one that was never stopped

    - in the epoch-based loop, for checkpoints at the end of an epoch, unless workers are
      persistent: workers that outlive an epoch keep random state that no checkpoint can see;
    - in the iteration-based loop with :class:`~unison3d.engine.ResumableSampler`, with any number
      of workers, given a data set that takes its random numbers from the place in the run
      (:class:`~unison3d.engine.Draw`, as :class:`~unison3d.datasets.SceneDataset` does);
    - in the iteration-based loop with any other sampler, with ``num_workers=0``.
    """

    _random_state_to_continue: dict[str, Any] | None = None

    @property
    def _bare_model(self) -> nn.Module:
        return self.model.module if is_model_wrapper(self.model) else self.model

    # -- construction ------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict) -> None:
        """Join the other processes, through gloo where there is no GPU; see the base class."""
        if self.distributed and not is_distributed() and not torch.cuda.is_available():
            if self.launcher != 'pytorch':
                raise ConfigError(
                    f'The launcher {self.launcher!r} needs a CUDA device and none was found. On '
                    'CPUs start the processes with torchrun and --launcher pytorch.'
                )
            # MMEngine selects a GPU first.
            torch.distributed.init_process_group('gloo')
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap the model for several processes; see the base class."""
        if self.distributed and model_wrapper_cfg is None and not torch.cuda.is_available():
            model_wrapper_cfg = {
                'type': 'MMDistributedDataParallel',
                'device_ids': None,
                'broadcast_buffers': False,
                'find_unused_parameters': self.cfg.get('find_unused_parameters', False),
            }
        return super().wrap_model(model_wrapper_cfg, model)

    def build_visualizer(self, visualizer: Any = None) -> Any:
        """Build what shows curves; see the base class.

        Raises:
            MissingDependencyError: the config asks for a service whose package is not installed.
        """
        settings = visualizer if isinstance(visualizer, dict) else {}
        for backend in settings.get('vis_backends') or ():
            kind = str(backend.get('type')).rpartition('.')[2] if isinstance(backend, dict) else ''
            package = _PACKAGES_OF_BACKENDS.get(kind)
            if package is not None and find_spec(package) is None:
                raise MissingDependencyError(package, 'tracking', kind)
        return super().build_visualizer(visualizer)

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """Put the safe checkpoint hook in place of MMEngine's, and keep random state steady."""
        hooks = dict(hooks or {})
        checkpoint = hooks.get('checkpoint', {'type': 'CheckpointHook', 'interval': 1})
        if isinstance(checkpoint, dict) and checkpoint.get('type') == 'CheckpointHook':
            checkpoint = {**checkpoint, 'type': 'unison3d.AtomicCheckpointHook'}
        hooks['checkpoint'] = checkpoint
        hooks.setdefault('random_state', {'type': 'unison3d.RandomStateHook'})
        super().register_default_hooks(hooks)

    def build_train_loop(self, loop: Any) -> Any:
        """Use the resumable loop where the config asks for iterations without naming a loop."""
        if isinstance(loop, dict) and 'type' not in loop and loop.get('by_epoch') is False:
            loop = {key: value for key, value in loop.items() if key != 'by_epoch'}
            loop['type'] = 'unison3d.ResumableIterBasedTrainLoop'
        elif isinstance(loop, dict) and loop.get('type') == 'IterBasedTrainLoop':
            loop = {**loop, 'type': 'unison3d.ResumableIterBasedTrainLoop'}
        return super().build_train_loop(loop)

    # -- writing -----------------------------------------------------------------------------

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
    ) -> None:
        """Write everything that resuming needs, atomically.

        Arguments are those of :meth:`mmengine.runner.Runner.save_checkpoint`; the file is local.
        """
        meta = dict(meta or {})
        # The hook asks at the end of an epoch or iteration, before the loop has counted it.
        meta.setdefault('epoch', self.epoch + 1 if by_epoch else self.epoch)
        meta.setdefault('iter', self.iter if by_epoch else self.iter + 1)
        meta.update(
            cfg=self.cfg.pretty_text,
            seed=self.seed,
            experiment_name=self.experiment_name,
            time=time.strftime('%Y%m%d_%H%M%S', time.localtime()),
            mmengine_version=mmengine.__version__,
            unison3d_version=__version__,
        )
        dataset_meta = getattr(self.train_dataloader.dataset, 'metainfo', None)
        if dataset_meta is not None:
            meta['dataset_meta'], _ = keep_plain(dataset_meta)
        message_hub, dropped = pack_message_hub(self.message_hub.state_dict())
        if dropped:
            self.logger.warning(f'Not kept in the checkpoint, since not plain data: {dropped}')
        checkpoint: dict[str, Any] = {
            'meta': meta,
            'state_dict': self._bare_model.state_dict(),
            'message_hub': message_hub,
            'random_state': random_state(),
        }
        if save_optimizer:
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
            checkpoint.update(self._unfinished_gradients())
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = _states_of(self.param_schedulers)
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        write_checkpoint(Path(out_dir) / filename, to_plain(checkpoint))

    def _unfinished_gradients(self) -> dict[str, dict[str, torch.Tensor]]:
        """Gradients that the next update of the weights has collected so far, by parameter."""
        if not isinstance(self.optim_wrapper, OptimWrapper) or self.optim_wrapper.should_update():
            return {}
        if get_world_size() > 1:
            self.logger.warning(
                'This checkpoint falls between two updates of the weights. The gradients since the '
                'last one belong to all processes and are not kept: a resumed run goes on without '
                'them. Choose a checkpoint interval that is a multiple of accumulative_counts.'
            )
            return {}
        parameters = self._bare_model.named_parameters()
        return {'gradients': {n: p.grad for n, p in parameters if p.grad is not None}}

    # -- reading -----------------------------------------------------------------------------

    def load_or_resume(self) -> None:
        """Load or resume as the config says; see the base class."""
        if self._has_loaded:
            return
        if self._resume and self._load_from is None:
            newest = latest_checkpoint(self.work_dir)
            if newest is None:
                self.logger.info(f'No checkpoint in {self.work_dir}: starting from the beginning.')
            else:
                self.resume(str(newest))
        elif self._resume:
            self.resume(self._load_from)
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from, strict=self.cfg.get('load_strict', True))

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = 'cpu',
        strict: bool = True,
        revise_keys: list | None = None,
    ) -> dict[str, Any]:
        """Load weights from ``.safetensors`` or ``.pth`` into the model.

        Args:
            filename: a local file.
            map_location: as for :func:`torch.load`; used for ``.pth``.
            strict: raise when a name or shape does not fit.
            revise_keys: accepted for MMEngine's callers; a leading ``module.`` is always dropped.

        Returns:
            The content of the file.

        Raises:
            CheckpointError: the file cannot be read, or does not fit.
        """
        if str(filename).endswith('.safetensors'):
            weights, meta = read_weights(filename)
            checkpoint: dict[str, Any] = {'state_dict': weights, 'meta': meta}
        else:
            checkpoint = read_checkpoint(filename, map_location=map_location)
            if 'state_dict' not in checkpoint:
                checkpoint = {'state_dict': checkpoint}
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        report = load_state(
            self._bare_model, checkpoint['state_dict'], strict=strict, source=str(filename)
        )
        self._has_loaded = True
        self.logger.info(f'Loaded {len(report.loaded)} tensors from {filename}.')
        if not report.complete:
            self.logger.warning(f'{filename} fits in part:\n{report.describe()}')
        return checkpoint

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: Any = 'default',
    ) -> None:
        """Continue a run: weights, optimiser, schedulers, counters, logs and random state.

        Raises:
            CheckpointError: the file holds weights only, or does not fit.
        """
        place = get_device() if map_location == 'default' else map_location
        checkpoint = self.load_checkpoint(filename, map_location=place, strict=True)
        meta = checkpoint.get('meta', {})
        if 'epoch' not in meta or 'message_hub' not in checkpoint:
            raise CheckpointError(
                f'{filename}: holds weights, but no state of a training run to continue. '
                'To start from these weights, set load_from and leave resume out.'
            )
        self.train_loop._epoch = int(meta['epoch'])
        self.train_loop._iter = int(meta['iter'])
        self._compare_settings(meta)
        self.message_hub.load_state_dict(unpack_message_hub(_on_cpu(checkpoint['message_hub'])))
        if resume_optimizer and 'optimizer' in checkpoint:
            self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
            self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
            self._continue_accumulation(checkpoint.get('gradients', {}))
        if resume_param_scheduler and 'param_schedulers' in checkpoint:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
            _set_states(self.param_schedulers, _on_cpu(checkpoint['param_schedulers']))
        # One saved state for many processes would make them draw the same numbers.
        if get_world_size() == 1 and 'random_state' in checkpoint:
            self._random_state_to_continue = _on_cpu(checkpoint['random_state'])
        self.logger.info(f'Resumed {filename}: epoch {self.epoch}, iteration {self.iter}.')

    def continue_random_state(self) -> None:
        """Set the generators to the resumed checkpoint's state; once, and only when resumed."""
        if self._random_state_to_continue is not None:
            restore_random_state(self._random_state_to_continue)
            self._random_state_to_continue = None

    def _continue_accumulation(self, gradients: dict[str, torch.Tensor]) -> None:
        """Set the gradients of an accumulation that the checkpoint fell into."""
        if not gradients:
            return
        for name, parameter in self._bare_model.named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(parameter)
        self.logger.info(
            'The gradients of an unfinished accumulation are continued; a warning of MMEngine '
            'about lost gradients does not apply.'
        )

    def _compare_settings(self, meta: dict[str, Any]) -> None:
        if meta.get('cfg') not in (None, self.cfg.pretty_text):
            self.logger.warning(
                'The config differs from the one in the checkpoint; this run uses its own.'
            )
        seed, own_seed = meta.get('seed'), self._randomness_cfg.get('seed')
        if seed is not None and seed != own_seed:
            if own_seed is not None:
                self.logger.warning(f'Seed {seed} of the checkpoint is used instead of {own_seed}.')
            self._randomness_cfg.update(seed=seed)
            self.set_randomness(**self._randomness_cfg)
            # The sampler was built with the seed of this run, before the checkpoint was read.
            sampler = getattr(self.train_dataloader, 'sampler', None)
            if hasattr(sampler, 'seed'):
                sampler.seed = seed


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """The newest complete checkpoint of a work folder, or None.

    The pointer file names it. A work folder that was moved still works: the file is then looked up
    by its name.
    """
    pointer = Path(work_dir) / POINTER
    if not pointer.is_file():
        return None
    named = Path(pointer.read_text(encoding='utf-8').strip())
    for path in (named, pointer.parent / named.name):
        if path.is_file():
            return path
    return None


def _states_of(schedulers: Any) -> Any:
    if isinstance(schedulers, dict):
        return {name: _states_of(group) for name, group in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def _set_states(schedulers: Any, states: Any) -> None:
    if isinstance(schedulers, dict):
        for name, group in schedulers.items():
            _set_states(group, states[name])
        return
    if len(schedulers) != len(states):
        raise CheckpointError(
            f'The checkpoint has {len(states)} parameter schedulers, the config '
            f'{len(schedulers)}. Resume with the config of the run.'
        )
    for scheduler, state in zip(schedulers, states, strict=True):
        scheduler.load_state_dict(state)


def _on_cpu(value: Any) -> Any:
    """Undo ``map_location`` for state that belongs to the host."""
    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_on_cpu(item) for item in value)
    return value
