"""What has to be known of a published system to read its checkpoints: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from unison3d.convert.shapes import Architecture, Shape

FROZEN_TEXT = 'frozen text tower; ClipTextEncoder(weights=...) reads it from this same file'
TRAINING_ONLY = 'part of the loss, not of the model'


@dataclass(frozen=True)
class System:
    """Rules between the names of a published system and ours.

    Args:
        name: what the user types.
        summary: one line for the list of systems.
        target: our class that takes the tensors, for the report.
        architecture: from shapes by our names to the names and shapes that have to be there.
        rules: (published prefix, our prefix), tried in order; the first that fits is replaced, both
            ways. ``('', '')`` keeps every name.
        containers: entries of a checkpoint file that may hold the tensors, the published one first.
        wrappers: prefixes that training frameworks put before every name. They are taken off as
            long as all names have one.
        published_prefix: what stands before every name in the released files.
        dropped: (published prefix, reason) of tensors that no model of ours has a place for.
        rows: (published name, our names): a matrix whose rows are parameters of their own here.
        modelled: prefixes of our names that a model of ours uses. The others are carried over:
            compared with the published architecture, but nothing here can use them yet.
        ours_only: (our prefix, reason) of tensors that the published system has no place for and
            works without.
    """

    name: str
    summary: str
    target: str
    architecture: Callable[[Mapping[str, Shape]], Architecture]
    rules: tuple[tuple[str, str], ...] = (('', ''),)
    containers: tuple[str, ...] = ('state_dict',)
    wrappers: tuple[str, ...] = ('module.',)
    published_prefix: str = ''
    dropped: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    modelled: tuple[str, ...] = ('',)
    ours_only: tuple[tuple[str, str], ...] = ()

    @property
    def describable(self) -> bool:
        """The tensors are a whole model, so that a file can describe the model they fill."""
        return self.target.startswith('UnifiedSegmentor')


def rename(name: str, rules: tuple[tuple[str, str], ...]) -> str | None:
    """Replace the first prefix that fits; None where none does."""
    for old, new in rules:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return None


def reason_for(name: str, reasons: tuple[tuple[str, str], ...]) -> str | None:
    """Why a tensor is left out; None where it is not."""
    return next((reason for prefix, reason in reasons if name.startswith(prefix)), None)
