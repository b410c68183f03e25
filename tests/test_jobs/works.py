"""Work that takes no time, and leaves traces."""

from __future__ import annotations

import os
import signal
import subprocess
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
    ``spoil``   at the first attempt an error after which the process makes nothing any more
    ``odd``     an error that nobody expects
    ==========  ============================================
    """

    def __init__(self, out: Path, start: str = '', seconds: float = 0.0) -> None:
        self.out = Path(out)
        self.records = Records(self.out / '.records')
        self._start = start
        self._seconds = seconds
        self._spoilt = False

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
        self._spoilt |= unit.startswith('spoil') and first
        if self._spoilt:
            raise RuntimeError('CUDA error: an illegal memory access was encountered')
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


UNITS = [f'unit{number:02d}' for number in range(NUM_UNITS)]


def main() -> None:
    """A job in a process of its own, for a test to kill."""
    work = Traced(Path(sys.argv[1]), seconds=0.02)
    remove_leftovers([work.out, work.records.folder])
    crew = Crew(engine=sys.argv[2], workers=2, threads=1)
    statuses = [outcome.status for outcome in run_units(work, UNITS, crew)]
    assert 'failed' not in statuses


def start_job(out: Path, engine: str = 'local') -> subprocess.Popen:
    """Start :func:`main`."""
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join([str(root), str(root / 'tests')])
    return subprocess.Popen(
        [sys.executable, '-m', 'test_jobs.works', str(out), engine],
        env={**os.environ, 'PYTHONPATH': paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def files(out: Path) -> dict[str, bytes]:
    """What a job has written."""
    paths = [*out.glob('*.json'), *(out / '.records').glob('*.json')]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def wait_until_gone(pids: set[int]) -> None:
    """Wait for workers that end with their job."""
    deadline = time.monotonic() + 60
    while alive(pids):
        assert time.monotonic() < deadline, 'a worker has outlived its job'
        time.sleep(0.01)


def alive(pids: set[int]) -> set[int]:
    """Those that are still there."""
    found = set()
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        found.add(pid)
    return found


if __name__ == '__main__':
    main()
