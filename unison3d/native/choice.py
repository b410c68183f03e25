"""The choice between the engines of an operation."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from unison3d.errors import ConfigError, MissingDependencyError

AUTO = 'auto'


class Choice:
    """Which engine computes an operation: in the whole process, and inside a block of a thread.

    ``'auto'``, the default, is always one of our own engines, whatever else is installed: a package
    that somebody adds to the environment changes no result.

    Args:
        operation: what it is called in errors.
        missing: by name of the engine, what says why its package cannot be used here, with the fix;
            an empty string where it can. None for an engine that needs no further package.
    """

    def __init__(self, operation: str, missing: Mapping[str, Callable[[], str] | None]) -> None:
        self.operation = operation
        self._missing = dict(missing)
        # What `set` chose for all threads, and what `use` chose for the block being run.
        self._everywhere = AUTO
        self._inside: ContextVar[str | None] = ContextVar(f'engine of {operation}', default=None)

    @property
    def names(self) -> list[str]:
        """Names of the engines, without ``'auto'``."""
        return list(self._missing)

    @property
    def wanted(self) -> str:
        """The name that holds here: of an engine, or ``'auto'``."""
        return self._inside.get() or self._everywhere

    @property
    def wanted_everywhere(self) -> str:
        """The name that holds where no block says otherwise."""
        return self._everywhere

    def missing(self, name: str) -> str:
        """Why the package of an engine cannot be used here, empty if it can."""
        ask = self._missing[name]
        return ask() if ask is not None else ''

    def check(self, name: str) -> str:
        """The name, if it can be chosen.

        Raises:
            ConfigError: no such engine.
            MissingDependencyError: its package is not installed or does not load.
        """
        if name == AUTO:
            return name
        if name not in self._missing:
            raise ConfigError(
                f'{self.operation}: engine is {name!r}, expected one of {[AUTO, *self._missing]}'
            )
        reason = self.missing(name)
        if reason:
            raise MissingDependencyError(
                f'{self.operation}: engine {name!r} cannot run here: {reason}. Or choose {AUTO!r}.'
            )
        return name

    def set(self, name: str) -> None:
        """Choose from here on, in all threads; raises as :meth:`check`."""
        self._everywhere = self.check(name)

    @contextmanager
    def use(self, name: str) -> Iterator[None]:
        """Choose inside a ``with`` block, in this thread; raises as :meth:`check`."""
        token = self._inside.set(self.check(name))
        try:
            yield
        finally:
            self._inside.reset(token)


#: What a package that is half there raises when it is imported.
_BROKEN = (ImportError, OSError, RuntimeError, AttributeError, LookupError, TypeError, ValueError)


def import_problem(module: str) -> str:
    """Why a module cannot be imported, in a few words; empty if it can."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return str(error)
    except _BROKEN as error:
        # Compiled for another torch or CUDA, most often.
        return str(error).partition('\n')[0] or type(error).__name__
    return ''
