"""Datasets as they are downloaded, brought to one processed form.

Each dataset is one file here with a :class:`~unison3d.datasets.prepare.layout.DatasetLayout`; a
new one is found by being here.
"""

from __future__ import annotations

import importlib
import pkgutil

from unison3d.datasets.prepare.infos import read_infos, write_infos
from unison3d.datasets.prepare.job import JobReport, prepare_dataset
from unison3d.datasets.prepare.layout import (
    DatasetLayout,
    PreparedScan,
    ReferringSentence,
    ScanUnit,
)
from unison3d.datasets.prepare.verify import Finding, verify_folder
from unison3d.errors import ConfigError

__all__ = [
    'DatasetLayout',
    'Finding',
    'JobReport',
    'PreparedScan',
    'ReferringSentence',
    'ScanUnit',
    'find_layouts',
    'get_layout',
    'prepare_dataset',
    'read_infos',
    'verify_folder',
    'write_infos',
]


def find_layouts() -> dict[str, type[DatasetLayout]]:
    """Every dataset that can be prepared, by its name on the command line."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        content = vars(importlib.import_module(f'{__name__}.{module.name}'))
        for value in content.values():
            is_layout = isinstance(value, type) and issubclass(value, DatasetLayout)
            if is_layout and 'name' in vars(value):
                found[value.name] = value
    return dict(sorted(found.items()))


def get_layout(name: str) -> DatasetLayout:
    """The layout of a dataset.

    Raises:
        ConfigError: the name is not known.
    """
    layouts = find_layouts()
    if name not in layouts:
        raise ConfigError(f'There is no dataset "{name}". Known: {", ".join(layouts)}.')
    return layouts[name]()
