"""A pool of local processes that survives the death of any of them.

Each worker has a pipe of its own and one unit at a time. When it dies, the end of its pipe says so
at once, and that unit alone has failed; `concurrent.futures` would lose the whole pool and not know
which unit was to blame.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

from unison3d.errors import Unison3DError
from unison3d.jobs.schedule import Schedule
from unison3d.jobs.work import UNIT_ERRORS, Attempt, Outcome, Work, attempt, rebuilt_error

_STATM = Path('/proc/self/statm')
#: Whether the resident size of a process can be read here.
CAN_MEASURE_MEMORY = _STATM.exists()
# So many workers in a row that die before they are ready mean that none ever will be.
_FALSE_STARTS = 3


def run_local(
    schedule: Schedule, workers: int, *, threads: int | None, max_memory: int | None
) -> Iterator[Outcome]:
    """Make all units in processes of this machine.

    Args:
        schedule: the units.
        workers: processes.
        threads: of each; None shares out the cores.
        max_memory: bytes; a worker whose resident size is larger after a unit makes place for a
            fresh one. None lets them live.

    Raises:
        Unison3DError: what :meth:`Work.start` raised, or no worker could start.
    """
    workers = min(workers, len(schedule.units))
    pool = _Pool(schedule.work, workers, threads or threads_for(workers), max_memory)
    try:
        while schedule.waiting or pool.busy:
            _deal_out(schedule, pool)
            for number, result in pool.results():
                outcome = schedule.settle(number, result)
                if outcome is not None:
                    yield outcome
    finally:
        # However this ends: what is in hand can be repeated, and writes are atomic.
        pool.end()


def _deal_out(schedule: Schedule, pool: _Pool) -> None:
    while len(pool.busy) < pool.size:
        if any(schedule.runs_alone(worker.number) for worker in pool.busy):
            return
        number = schedule.take(len(pool.busy))
        if number is None:
            return
        pool.give(number, schedule.units[number])


class _Pool:
    def __init__(self, work: Work, size: int, threads: int, max_memory: int | None) -> None:
        # spawn: forking a process that has run numba or torch threads can hang.
        self._context = multiprocessing.get_context('spawn')
        self._work = work
        self.size = size
        self._threads = threads
        self._max_memory = max_memory
        self._slots: list[_Worker | None] = [None] * size
        self._false_starts = 0

    @property
    def busy(self) -> list[_Worker]:
        return [w for w in self._slots if w is not None and w.number is not None]

    def give(self, number: int, unit: Any) -> None:
        """Hand a unit to a worker that has none; there has to be one."""
        free = [slot for slot, w in enumerate(self._slots) if w is None or w.number is None]
        # One that lives already has loaded its model.
        slot = next((slot for slot in free if self._slots[slot] is not None), free[0])
        worker = self._slots[slot]
        if worker is None or not worker.process.is_alive():
            worker = _Worker(self._context, self._work, slot, self._threads)
            self._slots[slot] = worker
        worker.give(number, unit)

    def results(self) -> Iterator[tuple[int, Attempt]]:
        """Wait for at least one message; the attempts that are over."""
        by_handle = {}
        for worker in self.busy:
            by_handle[worker.connection] = by_handle[worker.process.sentinel] = worker
        for worker in {by_handle[handle] for handle in wait(list(by_handle))}:
            number, message = worker.number, worker.receive()
            if message is None:
                self._drop(worker)
                if not worker.ready:
                    self._count_false_start(worker)
                yield number, Attempt.lost(worker.epitaph(), worker.seconds())
            elif message == 'ready':
                worker.ready, self._false_starts = True, 0
            elif message[0] == 'unusable':
                raise rebuilt_error(*message[1:])
            else:
                result, resident = message
                worker.number = None
                too_large = self._max_memory is not None and resident > self._max_memory
                if result.spoilt or too_large:
                    worker.end()
                    self._drop(worker)
                yield number, result

    def _drop(self, worker: _Worker) -> None:
        self._slots[self._slots.index(worker)] = None

    def _count_false_start(self, worker: _Worker) -> None:
        self._false_starts += 1
        if self._false_starts == _FALSE_STARTS:
            raise Unison3DError(
                f'{_FALSE_STARTS} workers in a row died while they were starting. '
                f'{worker.epitaph()} If memory was short, try fewer workers.'
            )

    def end(self) -> None:
        for worker in self._slots:
            if worker is not None:
                worker.end()


class _Worker:
    """A process, its pipe, and the number of the unit it has in hand."""

    def __init__(self, context: SpawnContext, work: Work, slot: int, threads: int) -> None:
        self.connection, theirs = context.Pipe()
        arguments = (theirs, work, slot, threads)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        # Ours would keep the pipe open beyond the death of the worker.
        theirs.close()
        self.ready = False
        self.number: int | None = None
        self._start = 0.0

    def give(self, number: int, unit: Any) -> None:
        self.number, self._start = number, time.perf_counter()
        try:
            self.connection.send(unit)
        except OSError:
            # It has died meanwhile. The next look at its pipe finds that out.
            return

    def receive(self) -> Any:
        """A message, or None if the worker is dead."""
        try:
            if self.connection.poll():
                return self.connection.recv()
        except (EOFError, OSError):
            pass
        return None

    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def epitaph(self) -> str:
        self.process.join(10)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = ', most likely because memory ran out' if name == 'SIGKILL' else ''
            return f'Its process was ended by {name}{hint}.'
        return f'Its process ended with status {code}.'

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def threads_for(workers: int) -> int:
    """Threads of each of ``workers`` processes that share the cores of this one."""
    affinity = getattr(os, 'sched_getaffinity', None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores // workers)


def limit_threads(threads: int) -> None:
    """Use no more than so many threads; ``OMP_NUM_THREADS`` may have set less.

    Those libraries that are there are told, and the environment tells the others when they come:
    not every job needs torch.
    """
    torch, numba = sys.modules.get('torch'), sys.modules.get('numba')
    if torch is not None:
        torch.set_num_threads(min(threads, torch.get_num_threads()))
    if numba is not None:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    for name, module in (('OMP_NUM_THREADS', torch), ('NUMBA_NUM_THREADS', numba)):
        if module is None:
            os.environ[name] = str(min(threads, int(os.environ.get(name) or threads)))


def _serve(connection: Connection, work: Work, slot: int, threads: int) -> None:
    # Ctrl-C reaches the whole group; the parent is the one that ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Standard output belongs to the report of the parent.
    sys.stdout = sys.stderr
    limit_threads(threads)
    try:
        work.start(slot)
    except UNIT_ERRORS as error:
        connection.send(('unusable', type(error).__name__, str(error)))
        return
    connection.send('ready')
    while True:
        try:
            unit = connection.recv()
        except EOFError:
            return
        connection.send((attempt(work, unit), resident_bytes()))


def _end_with_parent() -> None:
    """A parent that was killed may be started again at once, and must not meet its old workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def resident_bytes() -> int:
    """Memory that this process holds; 0 where the system does not tell."""
    if not CAN_MEASURE_MEMORY:
        return 0
    return int(_STATM.read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
