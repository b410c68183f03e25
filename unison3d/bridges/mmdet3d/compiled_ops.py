"""A stand-in for the compiled part of mmcv, where it is missing.

``mmcv-lite`` is mmcv without ``mmcv._ext``, the module of its compiled operations. MMDetection3D
imports ``mmcv.ops`` all over, which looks up every operation by name as soon as it is imported, so
nothing of it could be used, not even the parts that never call one. With the stand-in the names are
there, and calling one says what is missing. An mmcv that has the module is left alone.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

from unison3d.errors import MissingDependencyError

__all__ = ['INSTALL', 'MODULE', 'has_compiled_ops', 'provide_compiled_ops']

MODULE = 'mmcv._ext'
INSTALL = 'pip install -r requirements/mminstall.txt'


def has_compiled_ops() -> bool:
    """Whether the installed mmcv is the full one.

    Raises:
        MissingDependencyError: there is no mmcv at all.
    """
    loaded = sys.modules.get(MODULE)
    if loaded is not None:
        return not isinstance(loaded, MissingOps)
    try:
        return importlib.util.find_spec(MODULE) is not None
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            'The package "mmcv" is needed for the bridge to MMDetection3D and is not installed. '
            f'Install it with: {INSTALL}'
        ) from error


def provide_compiled_ops() -> bool:
    """Put the stand-in where the compiled module is missing.

    Returns:
        Whether the operations can be called. A compiled module that is there and cannot be loaded
        (built for another torch) is not hidden: importing mmcv.ops then fails with its own message.

    Raises:
        MissingDependencyError: there is no mmcv at all.
    """
    if has_compiled_ops():
        return True
    sys.modules.setdefault(MODULE, MissingOps())
    return False


class MissingOps(ModuleType):
    """Has every operation by name; each raises when it is called."""

    def __init__(self) -> None:
        super().__init__(MODULE, __doc__)
        # Without a loader, so that mmcv.utils.check_ops_exist and its like still say no.
        self.__spec__ = importlib.machinery.ModuleSpec(MODULE, loader=None)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(f'module {MODULE!r} has no attribute {name!r}')

        def missing(*args: object, **kwargs: object) -> NoReturn:
            raise MissingDependencyError(
                f'The compiled operation "{name}" of mmcv was called, and mmcv-lite has none. '
                'Install the full mmcv 2.1 (a wheel for your torch, or a compiler), or choose a '
                'model without it: docs/mmdet3d.md lists what works.'
            )

        missing.__name__ = name
        return missing
