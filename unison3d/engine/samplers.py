"""The order of samples as a function of the seed, so that a run can continue anywhere in it."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from unison3d.registry import DATA_SAMPLERS


class Draw(int):
    """An index that knows how many samples the run has drawn before it.

    A data set that seeds its augmentation with ``draw`` gives the same sample to a resumed run as
    to an uninterrupted one, whatever the number of worker processes:

        rng = numpy.random.default_rng([seed, int(index), getattr(index, 'draw', 0)])

    Args:
        index: the index in the data set.
        draw: the number of earlier samples, over all processes.
    """

    draw: int

    def __new__(cls, index: int, draw: int) -> Draw:
        self = super().__new__(cls, index)
        self.draw = draw
        return self

    def __getnewargs__(self) -> tuple[int, int]:
        return int(self), self.draw


@DATA_SAMPLERS.register_module()
class ResumableSampler(Sampler):
    """Endless shuffled passes over a data set, which can be entered at any place.

    Replaces ``InfiniteSampler`` of MMEngine in iteration-based training. On resume the loop calls
    :meth:`start_at` and the first samples are skipped without being made.

    Args:
        dataset: the data set.
        shuffle: a new order in every pass; otherwise ``0 .. N-1`` each time.
        seed: of the order. The runner passes its own.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self._rank, self._world_size = get_dist_info()
        self._size = len(dataset)
        self._shuffle = shuffle
        self._start = 0
        self.seed = sync_random_seed() if seed is None else seed

    def start_at(self, num_samples: int) -> None:
        """Let the next iterator begin after ``num_samples`` samples of this process."""
        self._start = num_samples

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Draw]:
        if self._size == 0:
            return
        draw = self._rank + self._start * self._world_size
        number, order = -1, []
        while True:
            if draw // self._size != number:
                number = draw // self._size
                order = self._order(number)
            yield Draw(order[draw % self._size], draw)
            draw += self._world_size

    def _order(self, number: int) -> list[int]:
        """The order of one pass, without the passes before it."""
        if not self._shuffle:
            return list(range(self._size))
        generator = torch.Generator().manual_seed(self.seed + number)
        return torch.randperm(self._size, generator=generator).tolist()
