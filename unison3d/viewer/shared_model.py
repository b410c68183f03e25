"""Weights that all sessions of a process share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from unison3d.apis import Segmenter

__all__ = ['SharedModel', 'watched']

#: Seconds between two looks whether a waiting caller has been cancelled.
_PATIENCE = 0.1


class SharedModel:
    """One set of weights, loaded at first use; one caller computes at a time.

    Args:
        weights: ``.safetensors`` file; None is the small model that ships.
        device: as in :meth:`Segmenter.from_pretrained`.
    """

    def __init__(
        self, weights: str | Path | None = None, device: str | torch.device = 'auto'
    ) -> None:
        self._weights, self._device = weights, device
        self._lock = threading.RLock()
        self._load_lock = threading.Lock()
        self._loaded: Segmenter | None = None

    @classmethod
    def of(cls, segmenter: Segmenter) -> SharedModel:
        """Share weights that are loaded already."""
        shared = cls()
        shared._loaded = segmenter
        return shared

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._loaded is not None

    @contextmanager
    def use(self, check: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Compute: others wait until the block ends.

        Args:
            check: called now and then while waiting; what it raises ends the wait.
        """
        while not self._lock.acquire(timeout=_PATIENCE):
            check()
        try:
            yield
        finally:
            self._lock.release()

    def segmenter(self) -> Segmenter:
        """A segmenter of one's own, with a scene of its own, on the shared weights.

        Raises:
            CheckpointError: the weights cannot be loaded.
            ConfigError: the device cannot be used.
        """
        # Here and not at the top: the page is shown before torch is imported, which takes seconds.
        from unison3d.apis import Segmenter

        # Another lock than that of the computing, which may take long.
        with self._load_lock:
            if self._loaded is None:
                self._loaded = Segmenter.from_pretrained(self._weights, self._device)
            return Segmenter(self._loaded.model, self._loaded.metadata)


@contextmanager
def watched(model: torch.nn.Module, told: Callable[[float], None]) -> Iterator[None]:
    """Be told how far a forward pass is.

    Args:
        model: the part that is run.
        told: called after every layer with the share of layers that have run, at most 1. What it
            raises stops the pass there.
    """
    leaves = [module for module in model.modules() if not any(True for _ in module.children())]
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        told(min(done / max(len(leaves), 1), 1.0))

    handles = [module.register_forward_hook(count) for module in leaves]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
