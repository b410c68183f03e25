"""The names that files use for the arrays of a scene, in order of preference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

__all__ = ['LABEL_FIELDS', 'instances_without_zero', 'pick', 'take_labels']

#: Field of :class:`unison3d.io.RawScene` -> names in files, lower case.
LABEL_FIELDS: dict[str, tuple[str, ...]] = {
    'superpoints': (
        'superpoints', 'superpoint', 'superpoint_ids', 'superpoint_id', 'segments', 'segment',
        'segindices',
    ),
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


def take_labels(columns: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], set[str]]:
    """Sort label arrays into the fields of a raw scene.

    Args:
        columns: (N,) arrays by their name in the file.

    Returns:
        arrays by field name, and the names that were used.
    """
    found: dict[str, np.ndarray] = {}
    used: set[str] = set()
    for field, wanted in LABEL_FIELDS.items():
        name = pick((n for n in columns if n not in used), wanted)
        if name is None:
            continue
        ids = columns[name]
        if ids.dtype.kind == 'f' and not np.array_equal(ids, np.rint(ids)):
            # Some tools store a probability or a height under such a name; it is no label.
            continue
        found[field] = instances_without_zero(ids) if field == 'instance_ids' else ids
        used.add(name)
    return found, used
