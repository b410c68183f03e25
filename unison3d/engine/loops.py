"""Training loops that continue exactly where a checkpoint was taken."""

from __future__ import annotations

from typing import Any

from mmengine.runner import IterBasedTrainLoop

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

    def run(self) -> Any:
        """Launch training and return the model."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter > 0:
            self._skip_seen_data()
        self.runner.continue_random_state()
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
