"""The units as a dataset of Ray Data, mapped by workers on one machine or on a cluster.

Every machine has to have this package installed and to see the inputs and the output folder under
the same paths.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from unison3d.errors import ConfigError, MissingDependencyError, Unison3DError
from unison3d.jobs.local import limit_threads
from unison3d.jobs.schedule import Schedule
from unison3d.jobs.work import UNIT_ERRORS, Attempt, Outcome, Work, attempt, rebuilt_error

# Ray keeps rows between operators in shared memory. Ours are a few hundred bytes each.
_OBJECT_STORE_BYTES = 128 * 2**20


def run_ray(
    schedule: Schedule, workers: int, threads: int, *, gpus: bool, address: str | None
) -> Iterator[Outcome]:
    """Make all units by ``workers`` actors of Ray with ``threads`` threads each.

    Ray restarts an actor that died, and by itself would give it the same unit again without end.
    Here the unit is reported as failed, and goes into the next round.

    Raises:
        ConfigError: no machine of the cluster has room for an actor.
        MissingDependencyError: Ray is not installed.
        Unison3DError: what :meth:`Work.start` raised, or Ray has failed altogether.
    """
    with ray_cluster(workers * threads, address) as (ray, is_ours):
        _check_room(ray.nodes(), threads, gpus)
        driver = os.getpid() if is_ours else None
        while schedule.waiting:
            numbers, alone = _round(schedule)
            size = 1 if alone else min(workers, len(numbers))
            missing = set(numbers)
            for number, result in _map(ray, schedule, numbers, size, threads, gpus, driver):
                missing.discard(number)
                if result is None:
                    # Not begun. The actors of the next round are new processes.
                    schedule.waiting.append(number)
                    continue
                outcome = schedule.settle(number, result)
                if outcome is not None:
                    yield outcome
            for number in sorted(missing):
                lost = Attempt.lost('Its process died, perhaps because memory ran out.')
                outcome = schedule.settle(number, lost)
                if outcome is not None:
                    yield outcome


def _round(schedule: Schedule) -> tuple[list[int], bool]:
    """The units of the next round: those that can run side by side, else those that cannot."""
    waiting = list(schedule.waiting)
    alone = [number for number in waiting if schedule.runs_alone(number)]
    numbers = [number for number in waiting if not schedule.runs_alone(number)] or alone
    for number in numbers:
        schedule.waiting.remove(number)
    return numbers, numbers is alone


def _check_room(nodes: Sequence[dict[str, Any]], threads: int, gpus: bool) -> None:
    """Refuse actors that Ray would wait for without end, and without a word.

    Args:
        nodes: as ``ray.nodes()`` tells of them.
        threads: CPUs of an actor.
        gpus: whether it takes a GPU as well.

    Raises:
        ConfigError: none of the nodes can hold an actor.
    """
    resources = [node['Resources'] for node in nodes if node['Alive']]
    rooms = [(int(room.get('CPU', 0)), int(room.get('GPU', 0))) for room in resources]
    if any(cpus >= threads and count >= gpus for cpus, count in rooms):
        return
    seen = ', '.join(f'{cpus} CPUs and {count} GPUs' for cpus, count in sorted(set(rooms)))
    raise ConfigError(
        f'a worker takes {threads} CPUs and {int(gpus)} GPUs of one machine, and no machine of the '
        f'Ray cluster has them (there are some with {seen}). Pass smaller --threads'
        f'{", or --device cpu" if gpus else ""}, or add such machines first.'
    )


@contextlib.contextmanager
def ray_cluster(num_cpus: int, address: str | None) -> Iterator[tuple[Any, bool]]:
    """Ray as a module, connected to a cluster; one that the process has joined before stays.

    Args:
        num_cpus: of a cluster that is started here.
        address: of one that is running; None starts one on this machine and ends it afterwards.

    Yields:
        The module, and whether the cluster was started here and ends with the block.
    """
    # A local start reports nothing to anybody. A cluster has decided for itself.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependencyError('ray', 'cluster', '--engine ray') from error

    was_there = ray.is_initialized()
    if not was_there:
        _connect(ray, num_cpus, address)
    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.max_errored_blocks
    # A unit that is lost is missing among the rows and does not end the job.
    context.enable_progress_bars, context.max_errored_blocks = False, -1
    try:
        yield ray, not was_there and address is None
    finally:
        context.enable_progress_bars, context.max_errored_blocks = before
        if not was_there:
            ray.shutdown()


def _connect(ray: Any, num_cpus: int, address: str | None) -> None:
    # Ray prints pages about how it is going. We have lines of our own.
    logging.getLogger('ray.data').setLevel(logging.CRITICAL)
    options: dict[str, Any] = {'log_to_driver': False, 'logging_level': logging.ERROR}
    if address is None:
        # Of what its C++ parts log, nothing is for a user.
        os.environ.setdefault('RAY_BACKEND_LOG_LEVEL', 'fatal')
        options |= {
            'num_cpus': num_cpus,
            'include_dashboard': False,
            'dashboard_host': '127.0.0.1',
            'object_store_memory': _OBJECT_STORE_BYTES,
        }
    try:
        ray.init(address or 'local', **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Unison3DError(f'Ray at {address or "this machine"}: {error}') from error


def _map(
    ray: Any,
    schedule: Schedule,
    numbers: Sequence[int],
    size: int,
    threads: int,
    gpus: bool,
    driver: int | None,
) -> Iterator[tuple[int, Attempt | None]]:
    """Numbers with what became of them; None where an actor has handed its unit back."""
    units = {number: schedule.units[number] for number in numbers}
    rows = [{'number': number} for number in numbers]
    with warnings.catch_warnings():
        # Ray wants to take away max_task_retries in 2.64; requirements/cluster.txt ends before it.
        warnings.simplefilter('ignore', DeprecationWarning)
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            _Actor,
            fn_constructor_args=(schedule.work, units, threads, driver),
            # One unit per actor and none in line, so that a death costs one unit.
            compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1),
            num_cpus=threads,
            num_gpus=1 if gpus else 0,
            max_restarts=-1,
            max_task_retries=0,
        )
    try:
        for row in dataset.iter_rows():
            if row['unusable']:
                raise rebuilt_error(*json.loads(row['unusable']))
            result = Attempt(*json.loads(row['attempt'])) if row['attempt'] else None
            yield int(row['number']), result
    except ray.exceptions.RayError as error:
        raise Unison3DError(
            f'Ray has failed: {error}. The units that are done are kept.'
        ) from error


class _Actor:
    """A worker of Ray; rows of numbers in, rows of text out.

    Args:
        work: what to do.
        units: by their number.
        threads: to use.
        driver: process on this machine to end with; None where there is none.
    """

    def __init__(self, work: Work, units: dict[int, Any], threads: int, driver: int | None) -> None:
        self._work = work
        self._units = units
        self._threads = threads
        self._ready = self._spoilt = False
        if driver is not None and hasattr(os, 'pidfd_open'):
            threading.Thread(target=_end_with, args=(driver,), daemon=True).start()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        number = int(row['number'])
        if self._spoilt:
            # Were it to end itself instead, Ray would have lost this unit.
            return {'number': number, 'unusable': '', 'attempt': ''}
        if not self._ready:
            # Not in the constructor: what fails there, or dies, Ray would repeat without end.
            limit_threads(self._threads)
            try:
                # Ray shows an actor only the devices it may use, hence always slot 0.
                self._work.start(0)
            except UNIT_ERRORS as error:
                unusable = json.dumps([type(error).__name__, str(error)])
                return {'number': number, 'unusable': unusable, 'attempt': ''}
            self._ready = True
        result = attempt(self._work, self._units[number])
        self._spoilt = result.spoilt
        return {'number': number, 'unusable': '', 'attempt': json.dumps(result)}


def _end_with(driver: int) -> None:
    """A job that was killed may be started again before Ray has ended its actors."""
    try:
        handle = os.pidfd_open(driver)
    except ProcessLookupError:
        os._exit(1)
    select.select([handle], [], [])
    os._exit(1)
