"""What ends a training from outside of it, in words that say what to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unison3d.errors import Unison3DError

__all__ = ['explained_failures']

_WORKER = re.compile(r'DataLoader worker \(pid(?:\(s\))? (?P<pid>[\d, ]+)\)')
# The allocator of the CPU has no type of its own for this.
_NO_MEMORY = ("can't allocate memory", 'not enough memory', 'out of memory')


@contextmanager
def explained_failures() -> Iterator[None]:
    """Tell which setting to change when memory runs out or a data-loading worker is gone.

    PyTorch notices a worker that has died within seconds.

    Raises:
        Unison3DError: one of the two; other errors pass through.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        worker = _WORKER.search(text)
        if worker is not None:
            raise Unison3DError(
                f'The data-loading worker {worker["pid"]} has ended ({text.splitlines()[0]}). Most '
                'often the system has stopped it because memory ran out. Lower '
                'train_dataloader.num_workers and go on with --resume; with num_workers=0 and '
                'persistent_workers=False an error inside of the data set is shown as it is.'
            ) from error
        on_device = isinstance(error, torch.OutOfMemoryError)
        if on_device or isinstance(error, MemoryError) or any(w in text for w in _NO_MEMORY):
            place = 'GPU' if on_device else 'machine'
            raise Unison3DError(
                f'The memory of the {place} is too small for a step of this training '
                f'({(text.splitlines() or [type(error).__name__])[0]}). In this order: halve '
                'train_dataloader.batch_size and double optim_wrapper.accumulative_counts '
                '(max_iters and val_interval count iterations: double them too where the training '
                'has max_iters); lower max_points of CropScene in the pipeline; train with --amp; '
                'lower train_dataloader.num_workers. Then go on with --resume.'
            ) from error
        raise
