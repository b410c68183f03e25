"""Work that takes no time, and leaves traces."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from unison3d.errors import ConfigError, FileFormatError
from unison3d.io import write_json
from unison3d.jobs import Crew, Records, Work, remove_leftovers, run_units

NUM_UNITS = 40


class Traced(Work):
    """Write a file for every unit, and a line for every time that one is begun.

    Units are words. What they begin with says what happens:

    ==========  ============================================
    ``once``    an error at the first attempt
    ``bad``     the same at every attempt
    ``kill``    the process dies at every attempt
    ``slip``    the process dies at the first attempt
    ``odd``     an error that nobody expects
    ==========  ============================================
    """

    def __init__(self, out: Path, start: str = '', seconds: float = 0.0) -> None:
        self.out = Path(out)
        self.records = Records(self.out / '.records')
        self._start = start
        self._seconds = seconds

    def start(self, slot: int) -> None:
        self._note('workers', f'{slot} {os.getpid()}')
        if self._start == 'raise':
            raise ConfigError('the model is not what it should be')
        if self._start == 'kill':
            os.kill(os.getpid(), signal.SIGKILL)

    def name(self, unit: str) -> str:
        return unit

    def find(self, unit: str) -> dict | None:
        return self.records.read(unit)

    def make(self, unit: str) -> dict:
        first = not (self.out / 'traces' / unit).exists()
        self._note(unit, str(os.getpid()))
        self.records.forget(unit)
        if unit.startswith('bad') or (unit.startswith('once') and first):
            raise FileFormatError(f'{unit}: spoilt')
        if unit.startswith('kill') or (unit.startswith('slip') and first):
            os.kill(os.getpid(), signal.SIGKILL)
        if unit.startswith('odd'):
            raise AssertionError('who would have thought')
        time.sleep(self._seconds)
        write_json(self.out / f'{unit}.json', {'unit': unit, 'letters': sorted(unit)})
        self.records.write(unit, {'length': len(unit)})
        return {'length': len(unit)}

    def _note(self, name: str, line: str) -> None:
        path = self.out / 'traces' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, 'a', encoding='utf-8') as file:
            file.write(f'{line}\n')

    def traces(self, name: str) -> list[str]:
        """Lines of a unit, or of the workers."""
        path = self.out / 'traces' / name
        return path.read_text('utf-8').split('\n')[:-1] if path.exists() else []


def main() -> None:
    """A job in a process of its own, for a test to kill."""
    work = Traced(Path(sys.argv[1]), seconds=0.02)
    units = [f'unit{number:02d}' for number in range(NUM_UNITS)]
    remove_leftovers([work.out, work.records.folder])
    statuses = [outcome.status for outcome in run_units(work, units, Crew(workers=2))]
    assert 'failed' not in statuses


if __name__ == '__main__':
    main()
