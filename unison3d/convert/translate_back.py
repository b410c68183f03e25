"""Our tensors to published ones: the way back of :mod:`unison3d.convert.translate`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from unison3d.convert.kernel_layouts import LAYOUTS, TO_PUBLISHED
from unison3d.convert.report import TranslationReport
from unison3d.convert.shapes import Architecture
from unison3d.convert.system import System, reason_for, rename
from unison3d.convert.translate import (
    UNUSED_PREFIX,
    Translation,
    compare,
    put,
    shapes_of,
)
from unison3d.errors import ConfigError

_INCOMPLETE = 'row of a matrix whose other rows are missing'


def translate_back(
    system: System,
    ours: Mapping[str, Tensor],
    layout: str = 'auto',
    *,
    prefix: str | None = None,
    strict: bool = True,
) -> Translation:
    """Our tensors to published ones.

    Args:
        system: the rules.
        ours: tensors by our name. Those called ``published.<name>`` get their name back.
        layout: ``'krsc'`` or ``'rsck'`` for kernels of the spconv family, ``'minkowski'`` for the
            other; ``'auto'`` writes krsc or minkowski.
        prefix: what to put before every name; None is that of the released files.
        strict: refuse what does not fit. Otherwise what fits is translated.

    Returns:
        Tensors by published name, and the report.

    Raises:
        CheckpointError: the architecture cannot be read; or ``strict``, and a name is missing,
            unexpected or of another shape.
        ConfigError: the layout is not one of this model.
    """
    prefix = system.published_prefix if prefix is None else prefix
    kept = {name: value for name, value in ours.items() if name.startswith(UNUSED_PREFIX)}
    reasons = {name: reason_for(name, system.ours_only) for name in ours}
    own = {name: v for name, v in ours.items() if name not in kept and reasons[name] is None}
    architecture = system.architecture(shapes_of(own))
    layout = _layout_back(layout, architecture)
    fit = compare(architecture.shapes, own)
    fitting = {name: own[name] for name in fit.fitting}

    published: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    dropped = {name: reason for name, reason in reasons.items() if reason is not None}
    translated = []
    for target, rows in system.rows:
        present = [name for name in rows if name in fitting]
        values = [fitting.pop(name) for name in present]
        if len(present) == len(rows):
            put(published, prefix + target, torch.stack(values), origin, rows[0])
            translated += [(name, prefix + target) for name in rows]
        else:
            dropped |= dict.fromkeys(present, _INCOMPLETE)
    for name, value in fitting.items():
        target = prefix + _published_name(system, name)
        kernel = name in architecture.kernels
        put(published, target, TO_PUBLISHED[layout](value) if kernel else value, origin, name)
        translated.append((name, target))
    for name, value in kept.items():
        put(published, name.removeprefix(UNUSED_PREFIX), value, origin, name)
        translated.append((name, name.removeprefix(UNUSED_PREFIX)))
    report = TranslationReport(
        system=system.name,
        direction='to published',
        layout=layout,
        architecture=architecture.summary,
        prefix=prefix,
        translated=tuple(translated),
        dropped=tuple(dropped.items()),
        missing=fit.missing,
        unexpected=fit.unexpected,
        mismatched=fit.mismatched,
    )
    if strict:
        report.require_complete()
    return Translation(published, report)


def _published_name(system: System, name: str) -> str:
    published = rename(name, tuple((ours, old) for old, ours in system.rules))
    if published is None:
        raise LookupError(f'the architecture of {system.name} has {name}, its rules have not')
    return published


def _layout_back(layout: str, architecture: Architecture) -> str:
    fitting = ('krsc', 'rsck') if architecture.kernels else ('minkowski',)
    if layout == 'auto':
        return fitting[0]
    if layout not in fitting:
        what = 'unknown' if layout not in LAYOUTS else 'not one of these kernels'
        raise ConfigError(
            f'Layout {layout!r} is {what} ({architecture.summary}). Choose '
            f'{" or ".join(fitting)}, or leave it at auto.'
        )
    return layout
