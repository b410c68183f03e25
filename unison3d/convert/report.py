"""What happened to every tensor of a translation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unison3d.errors import CheckpointError

_LISTED = 8


@dataclass(frozen=True)
class TranslationReport:
    """Where every name went; nothing is left out.

    Args:
        system: name of the published system.
        direction: ``'to unison3d'`` or ``'to published'``.
        layout: layout of the published kernels.
        architecture: what the tensors describe, one line.
        prefix: what stands before every published name.
        translated: (name before, name after) of tensors that fit. A published matrix whose rows are
            parameters of their own here appears once per row.
        carried: those names of ours in ``translated`` that no model of ours uses yet.
        dropped: (name, reason) of tensors left out on purpose.
        unused_kept: whether these were stored nevertheless, as ``published.<name>``.
        beside: entries of the file beside the tensors (optimizer, epoch, ...), left out as well.
        missing: names that should be there and are not.
        unexpected: names that no rule knows or that the architecture does not have.
        mismatched: (our name, shape, expected shape).
    """

    system: str
    direction: str
    layout: str
    architecture: str
    prefix: str = ''
    translated: tuple[tuple[str, str], ...] = ()
    carried: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    unused_kept: bool = False
    beside: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every name fitted or was left out on purpose."""
        return not (self.missing or self.unexpected or self.mismatched)

    @property
    def num_renamed(self) -> int:
        """How many tensors changed their name."""
        return sum(before != after for before, after in self.translated)

    def require_complete(self, source: str = '') -> None:
        """Refuse a translation that lost something.

        Raises:
            CheckpointError: a name is missing, unexpected or of another shape.
        """
        if self.complete:
            return
        raise CheckpointError(
            f'{source or "The tensors"}: not a complete {self.system} model '
            f'({len(self.translated)} tensors fit; {self.architecture}).\n{self.misfits()}\n'
            'Name the system they are from; --allow-partial writes what fits.'
        )

    def misfits(self) -> str:
        """The names that did not fit, a few of each kind, one per line."""
        shapes = [f'{name}: {seen}, expected {wanted}' for name, seen, wanted in self.mismatched]
        return '\n'.join(
            [
                *_listed('missing', self.missing),
                *_listed('unexpected', self.unexpected),
                *_listed('of another shape', shapes),
            ]
        )

    def describe(self) -> str:
        """The whole report as text for a person."""
        lines = [
            f'{self.system}, {self.direction}, kernels {self.layout}',
            f'  {self.architecture}',
            f'{len(self.translated)} tensors translated, {self.num_renamed} of them renamed',
        ]
        if self.carried:
            lines.append(
                f'{len(self.carried)} of them carried over under their published names, no model '
                f'of ours uses them yet: {", ".join(_families(self.carried))}'
            )
        for reason, count in Counter(reason for _, reason in self.dropped).items():
            kept = ' (kept as published.<name>)' if self.unused_kept else ''
            lines.append(f'{count} not translated: {reason}{kept}')
        if self.beside:
            lines.append(f'left out beside the tensors: {", ".join(self.beside[:_LISTED])}')
        return '\n'.join([*lines, *([] if self.complete else [self.misfits()])])

    def as_json(self) -> dict[str, Any]:
        """The whole report in plain containers, every name included."""
        return {
            'system': self.system,
            'direction': self.direction,
            'layout': self.layout,
            'architecture': self.architecture,
            'published_prefix': self.prefix,
            'complete': self.complete,
            'num_translated': len(self.translated),
            'num_renamed': self.num_renamed,
            'translated': [list(pair) for pair in self.translated],
            'carried': list(self.carried),
            'unused_kept': self.unused_kept,
            'dropped': [{'name': name, 'reason': reason} for name, reason in self.dropped],
            'beside': list(self.beside),
            'missing': list(self.missing),
            'unexpected': list(self.unexpected),
            'mismatched': [
                {'name': name, 'shape': list(seen), 'expected': list(wanted)}
                for name, seen, wanted in self.mismatched
            ],
        }


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    more = len(entries) - _LISTED
    return [
        f'{len(entries)} {title}:',
        *(f'  {entry}' for entry in entries[:_LISTED]),
        *([f'  ... and {more} more'] if more > 0 else []),
    ]


def _families(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.split('.')[0] for name in names))
