"""Published tensors to ours, by the table of a system. No files here, tensors only.

>>> translation = translate(get_system('openscene'), tensors)
>>> model.load_state_dict(translation.tensors)

Every name is accounted for in the report. :func:`~unison3d.convert.translate_back.translate_back`
undoes it bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from unison3d.convert.kernel_layouts import FROM_PUBLISHED, resolve_layout
from unison3d.convert.report import TranslationReport
from unison3d.convert.shapes import Shape
from unison3d.convert.system import System, reason_for, rename
from unison3d.errors import CheckpointError

# Before the published name of a tensor that is kept although nothing here uses it.
UNUSED_PREFIX = 'published.'


@dataclass(frozen=True)
class Translation:
    """Tensors under their new names, and the report.

    Args:
        tensors: by name. They may share memory with the tensors given.
        report: what happened to every name.
    """

    tensors: dict[str, Tensor]
    report: TranslationReport


def translate(
    system: System,
    published: Mapping[str, Tensor],
    layout: str = 'auto',
    *,
    strict: bool = True,
    keep_unused: bool = False,
) -> Translation:
    """Published tensors to ours.

    Args:
        system: the rules.
        published: tensors by published name.
        layout: layout of the kernels, see :func:`~unison3d.convert.kernel_layouts.resolve_layout`.
        strict: refuse what does not fit. Otherwise what fits is translated, and the report says
            what did not.
        keep_unused: keep the tensors that no model of ours has a place for, as
            ``published.<name>``.

    Returns:
        The tensors; kernels are (K, C_in, C_out).

    Raises:
        CheckpointError: the layout is unclear; the architecture cannot be read; two names mean the
            same tensor; or ``strict``, and a name is missing, unexpected or of another shape.
        ConfigError: the layout is impossible.
    """
    layout = resolve_layout(layout, shapes_of(published))
    wrappers = _common_wrappers(system, published)
    placed: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    dropped: dict[str, str] = {}
    unknown: list[str] = []
    for raw, tensor in published.items():
        name = _unwrapped(raw, wrappers)
        reason = reason_for(name, system.dropped)
        if reason is not None:
            dropped[raw] = reason
            continue
        parts = _place(system, name, tensor, layout)
        if not parts:
            unknown.append(raw)
        for ours, value in parts.items():
            put(placed, ours, value, origin, raw)
    architecture = system.architecture(shapes_of(placed))
    fit = compare(architecture.shapes, placed)
    report = TranslationReport(
        system=system.name,
        direction='to unison3d',
        layout=layout,
        architecture=architecture.summary,
        prefix=''.join(wrappers),
        translated=tuple((origin[name], name) for name in fit.fitting),
        carried=tuple(name for name in fit.fitting if not name.startswith(system.modelled)),
        dropped=tuple(dropped.items()),
        unused_kept=keep_unused,
        missing=fit.missing,
        unexpected=(*unknown, *(origin[name] for name in fit.unexpected)),
        mismatched=fit.mismatched,
    )
    if strict:
        report.require_complete()
    tensors = {name: placed[name] for name in fit.fitting}
    if keep_unused:
        tensors |= {UNUSED_PREFIX + raw: published[raw] for raw in dropped}
    return Translation(tensors, report)


class Fit(NamedTuple):
    """Tensors next to what they should be: names, and (name, shape, expected shape)."""

    fitting: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, Shape, Shape], ...]


def compare(expected: Mapping[str, Shape], tensors: Mapping[str, Tensor]) -> Fit:
    """Compare every name and shape."""
    seen = shapes_of(tensors)
    return Fit(
        tuple(name for name, shape in seen.items() if expected.get(name) == shape),
        tuple(name for name in expected if name not in seen),
        tuple(name for name in seen if name not in expected),
        tuple(
            (name, shape, expected[name])
            for name, shape in seen.items()
            if expected.get(name, shape) != shape
        ),
    )


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shape by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def put(
    target: dict[str, Tensor], name: str, value: Tensor, origin: dict[str, str], source: str
) -> None:
    """Add a tensor, and remember where it came from.

    Raises:
        CheckpointError: the name is taken.
    """
    if name in target:
        raise CheckpointError(
            f'{origin[name]} and {source} are the same tensor, {name}. Expected it once: were two '
            'state dicts merged?'
        )
    target[name], origin[name] = value, source


def _place(system: System, name: str, tensor: Tensor, layout: str) -> dict[str, Tensor]:
    """Our names and values for one published tensor; empty where no rule fits."""
    rows = dict(system.rows).get(name)
    if rows is None:
        ours = rename(name, system.rules)
        value = FROM_PUBLISHED[layout](tensor) if tensor.ndim == 5 else tensor
        return {} if ours is None else {ours: value}
    if tensor.ndim and len(tensor) == len(rows):
        return dict(zip(rows, tensor.unbind(0), strict=True))
    # Another number of rows: whole, so that the comparison finds it and says so.
    return {rows[0]: tensor}


def _common_wrappers(system: System, names: Iterable[str]) -> list[str]:
    """The prefixes of training frameworks before all names, outermost first.

    Names that will be left out need not have them: Lightning puts the model under ``model.``, the
    loss beside it.
    """
    wrappers: list[str] = []
    while True:
        bare = [_unwrapped(name, wrappers) for name in names]
        bare = [name for name in bare if reason_for(name, system.dropped) is None]
        common = (w for w in system.wrappers if bare and all(n.startswith(w) for n in bare))
        found = next(common, None)
        if found is None:
            return wrappers
        wrappers.append(found)


def _unwrapped(name: str, wrappers: Iterable[str]) -> str:
    for wrapper in wrappers:
        name = name.removeprefix(wrapper)
    return name
