"""One line for every unit that is done."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unison3d.jobs import Outcome


class ProgressLines:
    """Print ``[3/10] name: made in 4.2 s, about 1 min left`` to standard error."""

    def __init__(self) -> None:
        self._seen = 0
        self._worked = 0
        self._start = time.monotonic()

    def __call__(self, outcome: Outcome, total: int) -> None:
        """Print the line of an outcome, one of ``total``."""
        self._seen += 1
        self._worked += outcome.status != 'kept'
        text = self._text(outcome, total - self._seen)
        print(f'[{self._seen}/{total}] {text}', file=sys.stderr, flush=True)

    def _text(self, outcome: Outcome, left: int) -> str:
        if outcome.status == 'kept':
            return f'{outcome.name}: there already'
        words = f'{outcome.name}: {outcome.status} in {outcome.seconds:.1f} s'
        if outcome.attempts > 1:
            words += f', {outcome.attempts} attempts'
        if left:
            pace = (time.monotonic() - self._start) / self._worked
            words += f', about {_duration(pace * left)} left'
        return words


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f'{seconds:.0f} s'
    if seconds < 5400:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h'
