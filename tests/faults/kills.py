"""Work that is killed with SIGKILL and started again: nothing torn, no manual step, equal result.

A :class:`Unit` is work on a folder that goes on from whatever it finds there. :func:`check_kills`
runs it in processes of its own, ends each at a random moment or right before one of the steps that
make a file durable, runs it again, and compares the folder with that of a run nobody disturbed.

Processes are forked from a server that has imported the units once, so that a start costs little.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HANG = 300  # Seconds; far beyond a slow machine.
_WATCHED = ('fsync', 'replace', 'unlink')


@dataclass(frozen=True)
class Unit:
    """Work that can be killed.

    Args:
        name: for messages.
        run: works on a folder until all is done; a function of a module, for the other process.
        compare: raises when two folders are not equally good: the one that was killed, and whole.
        setup: makes what the work starts from, beside its folder.
    """

    name: str
    run: Callable[[Path], None]
    compare: Callable[[Path, Path], None]
    setup: Callable[[Path], None] = lambda folder: None


@dataclass(frozen=True)
class Kill:
    """When a process ends.

    Args:
        step: before the step of this number, counted as :class:`Whole` lists them.
        torn: half of the file that this step would make durable has been written.
        share: instead, after this share of the time that the whole work takes.
    """

    step: int | None = None
    torn: bool = False
    share: float = 0.0


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbs: where, how long, its steps (``'replace iter_2.pth'``)."""

    folder: Path
    seconds: float
    steps: tuple[str, ...]


def run_whole(unit: Unit, folder: Path) -> Whole:
    """Run a unit from nothing to its end; kills of it need folders beside this one."""
    unit.setup(folder.parent)
    child, pipe = _start(unit, folder, Kill(), watch=True)
    _receive(child, pipe)
    begin = time.perf_counter()
    steps = _receive(child, pipe)
    seconds = time.perf_counter() - begin
    assert _wait(child) == 0, steps
    return Whole(folder, seconds, tuple(steps))


def check_kills(unit: Unit, whole: Whole, kills: Iterable[Kill]) -> int:
    """Kill a unit again and again, each time from the beginning in a folder beside the whole one.

    Returns:
        How many times a process was killed at work; a kill that came too late does not count.

    Raises:
        AssertionError: the second run fails, or what it leaves is not as good as the whole.
    """
    count = 0
    for kill in kills:
        number = f'{kill.step}{"-torn" * kill.torn}' if kill.share == 0 else f'{kill.share:.6f}'
        place = whole.folder.with_name(f'{unit.name}-{number}')
        count += kill_once(unit, whole, place, kill)
        again, pipe = _start(unit, place, Kill())
        _receive(again, pipe)
        told = _receive(again, pipe)
        assert _wait(again) == 0, f'{unit.name}, {_describe(kill, whole)}: {told}'
        try:
            unit.compare(place, whole.folder)
        except AssertionError as error:
            raise AssertionError(f'{unit.name}, {_describe(kill, whole)}: {error}') from error
        shutil.rmtree(place)
    return count


def kill_once(unit: Unit, whole: Whole, folder: Path, kill: Kill) -> bool:
    """Start a unit and kill it; whether it was killed before its end."""
    child, pipe = _start(unit, folder, kill)
    _receive(child, pipe)
    if kill.step is None:
        child.join(kill.share * whole.seconds)
        child.kill()
    status = _wait(child)
    if status != -signal.SIGKILL:
        assert status == 0, f'{unit.name}: {_receive(child, pipe)}'
    return status == -signal.SIGKILL


def random_kills(count: int, seed: int) -> list[Kill]:
    """At random moments."""
    generator = random.Random(seed)
    return [Kill(share=generator.random()) for _ in range(count)]


def kills_of_a_save(whole: Whole, first: str, count: int, nth: int = 0) -> list[Kill]:
    """With half of a file written, and before each of the steps from there on.

    Args:
        whole: the run.
        first: beginning of the step that a save begins with, such as ``'fsync .iter_'``.
        count: how many kills.
        nth: which of the saves.
    """
    begin = [row for row, step in enumerate(whole.steps) if step.startswith(first)][nth]
    return [Kill(begin, torn=True), *(Kill(begin + step) for step in range(count - 1))]


def _describe(kill: Kill, whole: Whole) -> str:
    if kill.step is None:
        return f'killed after {100 * kill.share:.0f} % of the time'
    torn = ', half written' if kill.torn else ''
    return f'killed before step {kill.step}, {whole.steps[kill.step]}{torn}'


# -- the other process -----------------------------------------------------------------------


@cache
def context() -> multiprocessing.context.ForkServerContext:
    """Processes that start with what the units need imported already."""
    paths = [str(ROOT), str(ROOT / 'tests')]
    os.environ['PYTHONPATH'] = os.pathsep.join(
        [*paths, *filter(None, [os.environ.get('PYTHONPATH')])]
    )
    made = multiprocessing.get_context('forkserver')
    made.set_forkserver_preload(['tests.faults.kill_units'])
    return made


def _start(
    unit: Unit, folder: Path, kill: Kill, watch: bool = False
) -> tuple[multiprocessing.Process, Connection]:
    ours, theirs = context().Pipe()
    child = context().Process(target=_work, args=(unit.run, folder, kill, watch, theirs))
    child.start()
    theirs.close()
    return child, ours


def _receive(child: multiprocessing.Process, pipe: Connection) -> Any:
    """What the process says next; where it ends instead, its status."""
    try:
        return pipe.recv() if pipe.poll(HANG) else 'no answer'
    except EOFError:
        child.join(HANG)
        return f'ended with status {child.exitcode}'


def _wait(child: multiprocessing.Process) -> int | None:
    child.join(HANG)
    if child.exitcode is None:
        child.kill()
    return child.exitcode


def _work(run: Callable[[Path], None], folder: Path, kill: Kill, watch: bool, pipe: Any) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    steps: list[str] = []
    if watch or kill.step is not None:
        _watch(steps, kill)
    pipe.send('started')
    try:
        run(folder)
    except BaseException:
        pipe.send(traceback.format_exc())
        os._exit(1)
    pipe.send(steps)
    pipe.close()
    # Not through what other modules have registered for the end: a killed one did not either.
    os._exit(0)


def _watch(steps: list[str], kill: Kill) -> None:
    """Note every step that makes files durable, and die before the one that was chosen."""
    for name in _WATCHED:
        setattr(os, name, _watched(name, getattr(os, name), steps, kill))


def _watched(name: str, function: Callable, steps: list[str], kill: Kill) -> Callable:
    def step(target: Any, *args: Any, **options: Any) -> Any:
        path = os.readlink(f'/proc/self/fd/{target}') if name == 'fsync' else (args or [target])[0]
        if len(steps) == kill.step:
            if kill.torn and name == 'fsync':
                # A whole file is replaced by a new one; a line is appended to what was there.
                size = os.fstat(target).st_size
                os.ftruncate(target, size // 2 if Path(path).name[0] == '.' else size - 5)
            os.kill(os.getpid(), signal.SIGKILL)
        steps.append(f'{name} {Path(str(path)).name}')
        return function(target, *args, **options)

    return step
