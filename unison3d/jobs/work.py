"""What a job does with one unit, and what became of it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from unison3d import errors
from unison3d.errors import Unison3DError

# What a damaged input, a full disk or a lack of memory can bring about. Anything else is a mistake
# of ours; it ends the process that meets it, with its traceback.
UNIT_ERRORS = (Unison3DError, OSError, ValueError, LookupError, TypeError, ArithmeticError)
UNIT_ERRORS += (MemoryError, RuntimeError, ImportError)
#: Stands in place of an error where a process ended without one.
WORKER_DIED = 'WorkerDied'


class Work(ABC):
    """What is to be done with every unit of a job.

    It is sent to every worker, as are the units: both have to be picklable, and small.
    """

    def start(self, slot: int) -> None:  # noqa: B027
        """Load what all units share, such as a model; called once in every worker.

        Args:
            slot: number of the worker, 0 .. workers - 1, where the workers share one machine; to
                deal out its devices.
        """

    @abstractmethod
    def name(self, unit: Any) -> str:
        """What the unit is called in messages and files; unlike that of every other unit."""

    @abstractmethod
    def find(self, unit: Any) -> dict[str, Any] | None:
        """What :meth:`make` returned for a unit that is done; None if it is to be made."""

    @abstractmethod
    def make(self, unit: Any) -> dict[str, Any]:
        """Do it and write the result, the mark that it is done last.

        It may have been begun before, by a process that was killed.

        Returns:
            What to tell about it, in terms of JSON.
        """


@dataclass(frozen=True)
class Outcome:
    """What became of a unit.

    Args:
        unit: the unit.
        name: what it is called.
        status: made now, there already, or failed.
        reason: why it failed, for people.
        error: type of the error, ``'WorkerDied'`` where a process ended without one.
        value: what :meth:`Work.make` or :meth:`Work.find` returned.
        attempts: how often it was begun in this run.
        seconds: what the last attempt took.
    """

    unit: Any
    name: str
    status: Literal['made', 'kept', 'failed']
    reason: str = ''
    error: str = ''
    value: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    seconds: float = field(default=0.0, compare=False)


class Attempt(NamedTuple):
    """One attempt at a unit; ``error`` is empty where it went well.

    ``spoilt`` says that the process may be unusable from here on: after some errors of a GPU
    everything else fails in it as well.
    """

    value: dict[str, Any]
    error: str
    reason: str
    seconds: float
    spoilt: bool = False

    @classmethod
    def lost(cls, reason: str, seconds: float = 0.0) -> Attempt:
        """An attempt whose process ended without a word."""
        return cls({}, WORKER_DIED, reason, seconds)


def attempt(work: Work, unit: Any) -> Attempt:
    """Make one unit; what goes wrong with it is in the result."""
    start, spoilt = time.perf_counter(), False
    try:
        value, error, reason = work.make(unit), '', ''
    except UNIT_ERRORS as caught:
        value, error = {}, type(caught).__name__
        reason = str(caught) if isinstance(caught, Unison3DError) else f'{error}: {caught}'
        # Ours tell of the input, those of the system of a file. The others may be of the process.
        spoilt = not isinstance(caught, (Unison3DError, OSError))
    return Attempt(value, error, reason, time.perf_counter() - start, spoilt)


def rebuilt_error(kind: str, text: str) -> Unison3DError:
    """An error of another process as the same of this one; other types become the base class."""
    own = getattr(errors, kind, None) if kind in errors.__all__ else None
    if isinstance(own, type) and issubclass(own, Unison3DError):
        return own(text)
    return Unison3DError(f'{kind}: {text}')
