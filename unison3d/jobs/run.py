"""Run a job, by whichever crew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from unison3d.errors import ConfigError
from unison3d.jobs.local import CAN_MEASURE_MEMORY, run_local, threads_for
from unison3d.jobs.ray_data import run_ray
from unison3d.jobs.schedule import Schedule
from unison3d.jobs.work import Outcome, Work, attempt

ENGINES = ('local', 'ray')


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    At most ``workers`` units are in flight at any time: that bounds the memory, and what a killed
    job has to repeat.

    Args:
        engine: ``'local'``, processes of this machine, or ``'ray'``.
        workers: processes; 0 makes the units in this one (local only).
        retries: further attempts at a unit that failed or whose process died.
        threads: of each worker; None shares out the cores of this machine.
        max_memory: bytes; a local worker that holds more after a unit is replaced by a fresh one.
        gpus: every worker of Ray takes a GPU.
        address: of a Ray cluster that is running; None starts one on this machine, for this job.

    Raises:
        ConfigError: a value out of range, or one that the engine does not have.
    """

    engine: str = 'local'
    workers: int = 0
    retries: int = 1
    threads: int | None = None
    max_memory: int | None = None
    gpus: bool = False
    address: str | None = None

    def __post_init__(self) -> None:
        is_ray = self.engine == 'ray'
        if self.engine not in ENGINES:
            raise ConfigError(f'engine {self.engine!r}, expected one of {", ".join(ENGINES)}.')
        if self.workers < is_ray:
            raise ConfigError(f'{self.workers} workers, expected {int(is_ray)} or more.')
        if self.retries < 0:
            raise ConfigError(f'{self.retries} retries, expected 0 or more.')
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f'{self.threads} threads, expected 1 or more.')
        if self.address is not None and not is_ray:
            raise ConfigError('the address of a Ray cluster needs --engine ray. Add it.')
        if self.max_memory is not None:
            if is_ray or not self.workers:
                raise ConfigError('--max-memory is for local worker processes. Leave it out.')
            if not CAN_MEASURE_MEMORY:
                raise ConfigError('--max-memory needs /proc, which is not here. Leave it out.')
            if self.max_memory <= 0:
                raise ConfigError(f'max_memory {self.max_memory}, expected more than 0 bytes.')


def run_units(work: Work, units: Sequence[Any], crew: Crew) -> Iterator[Outcome]:
    """Make all units that are not done yet.

    Yields:
        The outcome of every unit as it is known: those that are there already first, the others in
        the order in which they end.

    Raises:
        Unison3DError: what :meth:`Work.start` raised, or no worker can be started.
        MissingDependencyError: the engine is not installed.
    """
    todo = []
    for unit in units:
        value = work.find(unit)
        if value is None:
            todo.append(unit)
        else:
            yield Outcome(unit, work.name(unit), 'kept', value=value)
    if not todo:
        return
    schedule = Schedule(work, todo, crew.retries)
    if crew.engine == 'ray':
        threads = crew.threads or threads_for(crew.workers)
        yield from run_ray(schedule, crew.workers, threads, gpus=crew.gpus, address=crew.address)
    elif crew.workers:
        yield from run_local(
            schedule, crew.workers, threads=crew.threads, max_memory=crew.max_memory
        )
    else:
        yield from _run_here(schedule)


def _run_here(schedule: Schedule) -> Iterator[Outcome]:
    schedule.work.start(0)
    while schedule.waiting:
        number = schedule.waiting.popleft()
        outcome = schedule.settle(number, attempt(schedule.work, schedule.units[number]))
        if outcome is not None:
            yield outcome
