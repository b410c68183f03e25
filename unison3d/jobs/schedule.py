"""Which unit is next, and when one is given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from unison3d.jobs.work import WORKER_DIED, Attempt, Outcome, Work

# What is most likely for want of memory, which a unit has shared with its neighbours.
_SHORT_OF_MEMORY = {WORKER_DIED, 'OutOfMemoryError', 'MemoryError'}


class Schedule:
    """The units of a run that are waiting, by their number.

    A unit that failed waits behind all others for its next attempt: a full disk or a file that was
    being copied may have changed by then. One whose process died, or that found no memory, is then
    made alone.
    """

    def __init__(self, work: Work, units: Sequence[Any], retries: int) -> None:
        self.work = work
        self.units = units
        self.retries = retries
        self.waiting = deque(range(len(units)))
        self._attempts = [0] * len(units)
        self._alone: set[int] = set()

    def take(self, in_flight: int) -> int | None:
        """The next unit, or None if there is none that can run beside ``in_flight`` others."""
        if not self.waiting or (in_flight and self.waiting[0] in self._alone):
            return None
        return self.waiting.popleft()

    def runs_alone(self, number: int) -> bool:
        """Whether no other unit may start while this one is in flight."""
        return number in self._alone

    def settle(self, number: int, result: Attempt) -> Outcome | None:
        """Note an attempt; the outcome, or None if the unit waits again."""
        self._attempts[number] += 1
        attempts = self._attempts[number]
        if result.error and attempts <= self.retries:
            if result.error in _SHORT_OF_MEMORY:
                self._alone.add(number)
            self.waiting.append(number)
            return None
        unit = self.units[number]
        return Outcome(
            unit,
            self.work.name(unit),
            'failed' if result.error else 'made',
            result.reason,
            result.error,
            result.value,
            attempts,
            result.seconds,
        )
