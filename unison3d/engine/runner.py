"""The runner of MMEngine with checkpoints that can be trusted.

What differs: a checkpoint is written atomically, holds tensors and plain containers only, is read
with a tensors-only reader, and carries the state of the random number generators. With it a
run can be resumed bit for bit, see :class:`SafeRunner`. Config text inside a checkpoint is shown,
never executed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.dist import (
    all_gather_object,
    get_world_size,
    is_distributed,
    is_main_process,
    master_only,
)
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from unison3d.engine.checkpoint import write_checkpoint
from unison3d.engine.checkpoint_folder import latest_checkpoint, remove_unfinished
from unison3d.engine.checkpoint_reading import CheckpointReading
from unison3d.engine.failures import explained_failures
from unison3d.engine.hooks.average_buffers_hook import average_buffers
from unison3d.engine.plain import (
    keep_plain,
    pack_message_hub,
    random_state,
    to_plain,
)
from unison3d.engine.safe_loading import tensors_only_loading
from unison3d.engine.scheduler_states import states_of
from unison3d.engine.sharding import WRAPPER, check_hooks, gathered, shard_model
from unison3d.engine.stopping import LingeringWorker, StopRequest
from unison3d.errors import (
    ConfigError,
    MissingDependencyError,
)
from unison3d.io.atomic import atomic_path
from unison3d.io.file_lock import FileLock
from unison3d.operations import set_engines
from unison3d.registry import RUNNERS
from unison3d.version import __version__

# What MMEngine's backends import when the first number arrives.
_PACKAGES_OF_BACKENDS = {'TensorboardVisBackend': 'tensorboard', 'WandbVisBackend': 'wandb'}


__all__ = ['SafeRunner', 'latest_checkpoint']


@RUNNERS.register_module()
class SafeRunner(CheckpointReading, Runner):
    """Trains, tests and resumes; see the module for what differs from MMEngine.

    Three keys of the config are read besides those of MMEngine: ``load_strict`` (True) says whether
    ``load_from`` must fit name by name, ``trust`` (False) whether checkpoints may hold Python
    objects, whose code is then run, and ``engines`` which engine computes which operation, see
    :func:`unison3d.operations.set_engines`. ``load_from`` may be ``'latest'`` or ``'best'``.

    On the CPU a resumed run gives the same bits as one that was never stopped, with as many
    processes as before,

    - in the epoch-based loop, unless workers are persistent: workers that outlive an epoch keep
      random state that no checkpoint can see;
    - in the iteration-based loop with :class:`~unison3d.engine.ResumableSampler`, with any number
      of workers, given a data set that takes its random numbers from the place in the run
      (:class:`~unison3d.engine.Draw`, as :class:`~unison3d.datasets.SceneDataset` does);
    - in the iteration-based loop with any other sampler, with ``num_workers=0``.
    """

    stop_request: StopRequest

    # -- construction ------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict) -> None:
        """Join the other processes, through gloo where there is no GPU; see the base class."""
        set_engines(self.cfg.get('engines') or {})
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
        """Wrap the model for several processes, or spread it over them; see the base class."""
        if (model_wrapper_cfg or {}).get('type') == WRAPPER:
            with tensors_only_loading(self._trust):
                return shard_model(model)
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
        # None takes one out, also where MMEngine has none by this name.
        own = ('checkpoint', 'logger', 'param_scheduler', 'runtime_info', 'sampler_seed', 'timer')
        hooks = {k: v for k, v in (hooks or {}).items() if v is not None or k in own}
        checkpoint = hooks.get('checkpoint', {'type': 'CheckpointHook', 'interval': 1})
        if isinstance(checkpoint, dict) and checkpoint.get('type') == 'CheckpointHook':
            checkpoint = {**checkpoint, 'type': 'unison3d.AtomicCheckpointHook'}
        hooks['checkpoint'] = checkpoint
        hooks.setdefault('random_state', {'type': 'unison3d.RandomStateHook'})
        hooks.setdefault('stop', {'type': 'unison3d.StopHook'})
        if self.distributed:
            # Statistics of batch norms, which each process has made of its own batches.
            hooks.setdefault('average_buffers', {'type': 'unison3d.AverageBuffersHook'})
            hooks.setdefault('mean_losses', {'type': 'unison3d.MeanLossesHook'})
        super().register_default_hooks(hooks)

    @staticmethod
    def build_dataloader(*args: Any, **options: Any) -> DataLoader:
        """Build a data loader whose workers outlive SIGTERM for a while; see the base class."""
        loader = Runner.build_dataloader(*args, **options)
        if loader.num_workers:
            loader.worker_init_fn = LingeringWorker(loader.worker_init_fn)
        return loader

    def build_train_loop(self, loop: Any) -> Any:
        """Use the resumable loops where the config names those of MMEngine, or none."""
        if isinstance(loop, dict):
            by_epoch = loop.get('by_epoch', True)
            kind = loop.get('type') or ('EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop')
            if kind in ('EpochBasedTrainLoop', 'IterBasedTrainLoop'):
                loop = {key: value for key, value in loop.items() if key != 'by_epoch'}
                loop['type'] = f'unison3d.Resumable{kind}'
        return super().build_train_loop(loop)

    def dump_config(self) -> None:
        """Nothing yet: the base class asks before it is known whether the work folder is free."""

    # -- running -----------------------------------------------------------------------------

    def train(self) -> nn.Module:
        """Launch training and return the model.

        Raises:
            ConfigError: another training is at work in this work folder.
            TrainingStopped: after SIGTERM, when everything is saved.
            Unison3DError: memory has run out, or a data-loading worker has ended.
        """
        if self._spreads:
            check_hooks(self.hooks)
        self.stop_request = StopRequest()
        with self._work_dir_held(), explained_failures(), self.stop_request.listening():
            self._write_config()
            with tensors_only_loading(self._trust):
                return super().train()

    def val(self) -> dict:
        """Launch validation; see the base class."""
        self._write_config()
        return super().val()

    def test(self) -> dict:
        """Launch the test; see the base class."""
        self._write_config()
        return super().test()

    @property
    def _spreads(self) -> bool:
        return (self.cfg.get('model_wrapper_cfg') or {}).get('type') == WRAPPER

    def _init_model_weights(self) -> None:
        if not self._spreads:
            super()._init_model_weights()

    @contextmanager
    def _work_dir_held(self) -> Iterator[None]:
        if not is_main_process():
            yield
            return
        taken = (
            f'{self.work_dir}: a training is at work in this folder ({{holder}}). Wait for its '
            'end, end it, or give this one another --work-dir.'
        )
        lock = FileLock(Path(self.work_dir) / 'training', taken)
        try:
            remove_unfinished(self.work_dir)
            yield
        finally:
            lock.release()

    @master_only
    def _write_config(self) -> None:
        name = Path(self.cfg.filename).name if self.cfg.filename else f'{self.timestamp}.py'
        with atomic_path(Path(self.work_dir) / name) as temporary:
            self.cfg.dump(temporary)

    # -- writing -----------------------------------------------------------------------------

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

        Called by all processes, of which the first one writes. Arguments are those of
        :meth:`mmengine.runner.Runner.save_checkpoint`; the file is local.
        """
        average_buffers(self)
        random_states = all_gather_object(self._random_state())
        weights = gathered(self._bare_model.state_dict())
        optimizer = gathered(self.optim_wrapper.state_dict()) if save_optimizer else {}
        if not is_main_process():
            return
        meta = dict(meta or {})
        # The hook asks at the end of an epoch or iteration, before the loop has counted it.
        meta.setdefault('epoch', self.epoch + 1 if by_epoch else self.epoch)
        meta.setdefault('iter', self.iter if by_epoch else self.iter + 1)
        if hasattr(self.train_loop, 'place_in_epoch'):
            meta.update(self.train_loop.place_in_epoch(meta))
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
            'state_dict': weights,
            'message_hub': message_hub,
            'random_states': random_states,
        }
        if save_optimizer:
            checkpoint['optimizer'] = optimizer
            checkpoint.update(self._unfinished_gradients())
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = states_of(self.param_schedulers)
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        write_checkpoint(Path(out_dir) / filename, to_plain(checkpoint))

    def _random_state(self) -> dict[str, Any]:
        state = random_state()
        start = getattr(self.train_loop, 'random_state_of_epoch', None)
        return state if start is None else {**state, 'epoch_start': start}

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
