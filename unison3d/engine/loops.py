"""Training loops that continue exactly where a checkpoint was taken."""

from __future__ import annotations

from typing import Any

from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from unison3d.engine.hooks.atomic_checkpoint_hook import VALIDATED
from unison3d.engine.plain import random_state, restore_random_state
from unison3d.engine.stopping import workers_closed
from unison3d.registry import LOOPS


@LOOPS.register_module()
class ResumableIterBasedTrainLoop(IterBasedTrainLoop):
    """The iteration-based loop of MMEngine, continued exactly.

    On resume MMEngine makes every earlier sample again and throws it away. With a sampler that
    has ``start_at`` (:class:`~unison3d.engine.samplers.ResumableSampler`) nothing is made again;
    with any other sampler the replay stays. In both cases the random number generators are then
    put to the state in the checkpoint, so that the next sample, and everything after it, is the
    one that an uninterrupted run would have seen.

    Arguments are those of :class:`mmengine.runner.IterBasedTrainLoop`.
    """

    continues_random_state = True

    def run(self) -> Any:
        """Launch training and return the model."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter > 0:
            self._skip_seen_data()
        self.runner.continue_random_state()
        if _misses_validation(self.runner, self._iter) and self._validates_now():
            self.runner.val_loop.run()
        with workers_closed(getattr(self.dataloader_iterator, '_iterator', None)):
            while self._iter < self._max_iters and not self.stop_training:
                self.runner.model.train()
                self.run_iter(next(self.dataloader_iterator))
                self._decide_current_val_interval()
                if self._validates_now():
                    self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _skip_seen_data(self) -> None:
        sampler = self.dataloader.sampler
        if hasattr(sampler, 'start_at'):
            sampler.start_at(self._iter * self.dataloader.batch_size)
            # The iterator made with the loop has begun at the first sample.
            self.dataloader_iterator = type(self.dataloader_iterator)(self.dataloader)
            return
        self.runner.logger.info(
            f'Replaying the data of {self._iter} iterations; '
            'the sampler "ResumableSampler" would skip them.'
        )
        for _ in range(self._iter):
            next(self.dataloader_iterator)

    def _validates_now(self) -> bool:
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        return self.runner.val_loop is not None and self._iter >= self.val_begin and due


@LOOPS.register_module()
class ResumableEpochBasedTrainLoop(EpochBasedTrainLoop):
    """The epoch-based loop of MMEngine, which a checkpoint inside of an epoch can continue too.

    The batches of the epoch that were seen are made again and thrown away, under the random
    numbers that the epoch began with; then the generators are put to the state in the checkpoint.
    Where an epoch has become shorter or longer (another batch size, number of processes or data
    set), there is no such place in it: it begins again. Iterations count on either way.

    Arguments are those of :class:`mmengine.runner.EpochBasedTrainLoop`.

    Attributes:
        epoch_began: the iterations that were done when the running epoch began.
        random_state_of_epoch: that of the generators when the running epoch began; None between
            two epochs.
    """

    continues_random_state = True
    epoch_began: int = 0
    random_state_of_epoch: dict[str, Any] | None = None

    def place_in_epoch(self, meta: dict[str, Any]) -> dict[str, int]:
        """What a checkpoint keeps for :meth:`enter_epoch`, given its ``epoch`` and ``iter``."""
        ended = meta['epoch'] > self._epoch
        return {
            'epoch_length': len(self.dataloader),
            'epoch_began': meta['iter'] if ended else self.epoch_began,
        }

    def enter_epoch(self, meta: dict[str, Any]) -> None:
        """Go on where a checkpoint was taken; epoch and iteration are set already."""
        length = len(self.dataloader)
        # Earlier versions kept neither.
        length_before = int(meta.get('epoch_length', length))
        seen = self._iter - int(meta.get('epoch_began', self._epoch * length_before))
        if length_before != length and seen == length_before:
            # All of the epoch but its end, at which hooks and validation may be due.
            seen = length
        elif seen and (length_before != length or not 0 <= seen <= length):
            self.runner.logger.warning(
                f'The checkpoint was taken inside of epoch {self._epoch + 1}, when an epoch had '
                f'another length than its {length} iterations now: this epoch begins again.'
            )
            seen = 0
        self.epoch_began = self._iter - seen
        self._max_iters = self.epoch_began + (self._max_epochs - self._epoch) * length

    def run(self) -> Any:
        """Launch training and return the model."""
        self.runner.call_hook('before_train')
        between = self._iter == self.epoch_began
        if between and _misses_validation(self.runner, self._iter) and self._validates_now():
            self.runner.val_loop.run()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            if self._validates_now():
                self.runner.val_loop.run()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """One epoch, or what is left of it."""
        seen = self._iter - self.epoch_began
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        resumed = self.runner.take_random_state()
        if resumed is not None:
            restore_random_state(resumed.get('epoch_start', resumed))
        self.random_state_of_epoch = random_state()
        batches = iter(self.dataloader)
        with workers_closed(batches):
            for _ in range(seen):
                next(batches)
            if seen and resumed is not None:
                restore_random_state(resumed)
            for index, batch in enumerate(batches, seen):
                self.run_iter(index, batch)
        self.random_state_of_epoch = None
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self.epoch_began = self._iter

    def _validates_now(self) -> bool:
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        return self.runner.val_loop is not None and self._epoch >= self.val_begin and due


def _misses_validation(runner: Any, iteration: int) -> bool:
    """Whether a kill came between a checkpoint and the validation that chooses the best."""
    validated = runner.message_hub.runtime_info.get(VALIDATED)
    return validated is not None and validated < iteration
