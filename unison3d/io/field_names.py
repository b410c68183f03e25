"""The names that files use for the arrays of a scene, in order of preference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

__all__ = ['LABEL_FIELDS', 'instances_without_zero', 'pick', 'take_labels']

#: Field of :class:`unison3d.io.RawScene` -> names in files, lower case. Superpoints are missing:
#: predictions follow them, and what other tools call a segment or a superpoint is often something
#: else (a class, an object, all zeros). They are taken under the name of our own writers only.
LABEL_FIELDS: dict[str, tuple[str, ...]] = {
    'semantic_ids': (
        'semantic_ids', 'semantic', 'semantics', 'semantic_id', 'semantic_gt', 'semseg', 'labels',
        'label', 'class',
    ),
    'nyu40_ids': ('nyu40_ids', 'nyu40', 'nyu40_id', 'nyu40id'),
    'instance_ids': (
        'instance_ids', 'instances', 'instance', 'instance_id', 'instance_gt', 'object_ids',
        'object_id', 'objectid',
    ),
    'part_ids': ('part_ids', 'parts', 'part', 'part_id'),
}  # fmt: skip


def pick(names: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first of ``wanted`` that is among ``names``, as it is spelled there, or None."""
    by_lower = {name.lower().removeprefix('scalar_'): name for name in names}
    return next((by_lower[name] for name in wanted if name in by_lower), None)


def instances_without_zero(ids: np.ndarray) -> np.ndarray:
    """int64 instance ids with -1 for none.

    An unsigned type cannot say -1; data sets that use one count from 1 and keep 0 for none.
    """
    shift = 1 if ids.dtype.kind == 'u' else 0
    return ids.astype(np.int64) - shift


def _whole_numbers(ids: np.ndarray) -> bool:
    """Whether every value is a whole number that 64 bits hold."""
    if ids.dtype.kind != 'f':
        return True
    return bool((np.abs(ids) < 2.0**63).all()) and np.array_equal(ids, np.rint(ids))


def take_labels(
    columns: Mapping[str, np.ndarray], *, superpoints: str
) -> tuple[dict[str, np.ndarray], set[str]]:
    """Sort label arrays into the fields of a raw scene.

    Args:
        columns: (N,) arrays by their name in the file.
        superpoints: what our own files of this format call their superpoints, letter by letter.

    Returns:
        arrays by field name, and the names that were used.
    """
    found: dict[str, np.ndarray] = {}
    used: set[str] = set()
    names = {'superpoints': superpoints if superpoints in columns else None}
    names |= {field: pick(columns, wanted) for field, wanted in LABEL_FIELDS.items()}
    for field, name in names.items():
        if name is None or not _whole_numbers(columns[name]):
            # Some tools store a probability or a height under such a name; it is no label.
            continue
        ids = columns[name]
        found[field] = instances_without_zero(ids) if field == 'instance_ids' else ids
        used.add(name)
    return found, used
