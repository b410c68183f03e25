"""The half of the runner that reads: starting from weights, and continuing a training."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import get_rank, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn

from unison3d.engine.checkpoint import load_state, read_checkpoint, read_weights
from unison3d.engine.checkpoint_folder import checkpoints_newest_first, find_checkpoint
from unison3d.engine.plain import on_cpu, restore_random_state, unpack_message_hub
from unison3d.engine.scheduler_states import set_states
from unison3d.engine.sharding import shard_optimizer, sharded_like
from unison3d.errors import UnreadableCheckpointError


class CheckpointReading:
    """Part of :class:`~unison3d.engine.runner.SafeRunner`; not for use on its own."""

    _random_state_to_continue: dict[str, Any] | None = None

    @property
    def _bare_model(self) -> nn.Module:
        return self.model.module if is_model_wrapper(self.model) else self.model

    @property
    def _trust(self) -> bool:
        return bool(self.cfg.get('trust', False))

    def load_or_resume(self) -> None:
        """Load or resume as the config says; see the base class."""
        if self._has_loaded:
            return
        if self._resume and self._load_from in (None, 'latest'):
            self._resume_newest()
        elif self._resume:
            self.resume(self._load_from)
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from, strict=self.cfg.get('load_strict', True))

    def _resume_newest(self) -> None:
        """Resume the newest checkpoint; where it cannot be read, the one before it."""
        candidates = checkpoints_newest_first(self.work_dir)
        if not candidates:
            self.logger.info(f'No checkpoint in {self.work_dir}: starting from the beginning.')
            return
        for path, before in zip(candidates, [*candidates[1:], None], strict=True):
            try:
                self.resume(str(path))
                return
            except UnreadableCheckpointError as error:
                if before is None:
                    raise UnreadableCheckpointError(
                        f'{error}\nIt is the last of {len(candidates)} checkpoints in '
                        f'{self.work_dir} that were tried. To start from the beginning, leave '
                        'resume out or choose another work folder.'
                    ) from error
                self.logger.warning(f'{error}\nGoing on from the checkpoint before it, {before}.')

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = 'cpu',
        strict: bool = True,
        revise_keys: list | None = None,
    ) -> dict[str, Any]:
        """Load weights from ``.safetensors`` or ``.pth`` into the model.

        Args:
            filename: a local file, or ``'latest'`` or ``'best'`` of the work folder.
            map_location: as for :func:`torch.load`; used for ``.pth``.
            strict: raise when a name or shape does not fit.
            revise_keys: accepted for MMEngine's callers; a leading ``module.`` is always dropped.

        Returns:
            The content of the file.

        Raises:
            CheckpointError: the file cannot be read, or does not fit.
        """
        filename = find_checkpoint(filename, self.work_dir)
        if filename.suffix == '.safetensors':
            weights, meta = read_weights(filename)
            checkpoint: dict[str, Any] = {'state_dict': weights, 'meta': meta}
        else:
            checkpoint = read_checkpoint(filename, map_location=map_location, trust=self._trust)
            if 'state_dict' not in checkpoint:
                checkpoint = {'state_dict': checkpoint}
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        weights = sharded_like(self._bare_model, checkpoint['state_dict'])
        report = load_state(self._bare_model, weights, strict=strict, source=str(filename))
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
            CheckpointError: the file lacks what is to be continued, or does not fit.
        """
        place = get_device() if map_location == 'default' else map_location
        checkpoint = self.load_checkpoint(filename, map_location=place, strict=True)
        meta = checkpoint.get('meta', {})
        if 'epoch' not in meta or 'message_hub' not in checkpoint:
            raise UnreadableCheckpointError(
                f'{filename}: holds weights, but no state of a training run to continue. '
                'To start from these weights, set load_from and leave resume out.'
            )
        # Without them the optimiser or the schedule would begin anew, and nobody would know.
        scheduled = resume_param_scheduler and self.param_schedulers is not None
        for key, wanted in (('optimizer', resume_optimizer), ('param_schedulers', scheduled)):
            if wanted and key not in checkpoint:
                raise UnreadableCheckpointError(
                    f'{filename}: holds weights and counters, but no {key!r} to continue, as the '
                    'best checkpoints do and those of save_optimizer=False or '
                    'save_param_scheduler=False. Resume the latest one, or start from these '
                    'weights: set load_from and leave resume out.'
                )
        self.train_loop._epoch = int(meta['epoch'])
        self.train_loop._iter = int(meta['iter'])
        if hasattr(self.train_loop, 'enter_epoch'):
            self.train_loop.enter_epoch(meta)
        self._compare_settings(meta)
        self.message_hub.load_state_dict(unpack_message_hub(on_cpu(checkpoint['message_hub'])))
        if resume_optimizer:
            self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
            self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
            if isinstance(self.optim_wrapper, OptimWrapper):
                shard_optimizer(self.optim_wrapper.optimizer)
            self._continue_accumulation(checkpoint.get('gradients', {}))
        if scheduled:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
            set_states(self.param_schedulers, on_cpu(checkpoint['param_schedulers']))
        self._random_state_to_continue = self._own_random_state(checkpoint)
        self.logger.info(f'Resumed {filename}: epoch {self.epoch}, iteration {self.iter}.')

    def _own_random_state(self, checkpoint: dict[str, Any]) -> dict[str, Any] | None:
        states = checkpoint.get('random_states')
        if states is None:
            # Of an earlier version, which kept that of a single process.
            states = [checkpoint['random_state']] if 'random_state' in checkpoint else []
        if len(states) == get_world_size():
            return on_cpu(states[get_rank()])
        # One saved state for many processes would make them draw the same numbers.
        self.logger.warning(
            f'The checkpoint has the random state of {len(states)} processes and this run has '
            f'{get_world_size()}: it goes on with random numbers of its own.'
        )
        return None

    def take_random_state(self) -> dict[str, Any] | None:
        """The resumed checkpoint's state of the generators; once, and only when resumed."""
        state, self._random_state_to_continue = self._random_state_to_continue, None
        return state

    def continue_random_state(self) -> None:
        """Set the generators to the resumed checkpoint's state; once, and only when resumed."""
        state = self.take_random_state()
        if state is not None:
            restore_random_state(state)

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
