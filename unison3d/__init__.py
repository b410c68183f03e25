"""Unison3D: six kinds of 3D segmentation from one model, on the machine you have."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from unison3d.version import __version__

if TYPE_CHECKING:
    from unison3d.apis import Segmenter
    from unison3d.structures import PointScene

__all__ = ['PointScene', 'Segmenter', '__version__']

# Imported at first use (PEP 562): `unison3d --help` must not wait for torch.
_LAZY = {'Segmenter': 'unison3d.apis', 'PointScene': 'unison3d.structures'}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
