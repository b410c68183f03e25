"""Jobs in this process and in a pool: what is reported, repeated and kept, whatever dies."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import time

import pytest
from test_jobs.works import NUM_UNITS, UNITS, Traced, alive, files, start_job, wait_until_gone

from unison3d import errors
from unison3d.errors import ConfigError, MissingDependencyError, Unison3DError
from unison3d.io import atomic_path
from unison3d.jobs import Crew, Records, remove_leftovers, run_units
from unison3d.jobs.local import CAN_MEASURE_MEMORY, threads_for
from unison3d.jobs.schedule import Schedule
from unison3d.jobs.work import Attempt, rebuilt_error

posix = pytest.mark.skipif(os.name != 'posix', reason='kills processes')


def run(work, units, **crew):
    return {outcome.name: outcome for outcome in run_units(work, units, Crew(**crew))}


def test_in_this_process(tmp_path):
    work = Traced(tmp_path)
    told = run(work, ['once', 'a', 'bad'])
    # What failed waits behind the others.
    assert list(told) == ['a', 'once', 'bad']
    assert [o.status for o in told.values()] == ['made', 'made', 'failed']
    assert [o.attempts for o in told.values()] == [1, 2, 2]
    assert told['a'].value == {'length': 1} and told['a'].seconds > 0
    assert (told['bad'].error, told['bad'].reason) == ('FileFormatError', 'bad: spoilt')
    again = run(work, ['once', 'a', 'bad'], retries=0)
    assert [o.status for o in again.values()] == ['kept', 'kept', 'failed']
    assert again['a'].value == {'length': 1}
    assert len(work.traces('a')) == 1 and len(work.traces('bad')) == 3
    assert len(work.traces('workers')) == 2
    run(work, ['a'])
    assert len(work.traces('workers')) == 2, 'a job with nothing to do loads no model'


def test_a_mistake_of_ours_is_not_hidden(tmp_path):
    with pytest.raises(AssertionError, match='who would have thought'):
        run(Traced(tmp_path), ['odd'])


@posix
def test_workers_that_die(tmp_path, capfd):
    work = Traced(tmp_path)
    good = ['a', 'b', 'c', 'd', 'e']
    told = run(work, ['kill', 'slip', 'odd', 'once', 'bad', 'spoil', *good], workers=2)
    assert {name: o.status for name, o in told.items()} == {
        **dict.fromkeys([*good, 'slip', 'once', 'spoil'], 'made'),
        **dict.fromkeys(['kill', 'odd', 'bad'], 'failed'),
    }
    assert told['kill'].error == told['odd'].error == 'WorkerDied'
    assert 'SIGKILL' in told['kill'].reason and 'memory' in told['kill'].reason
    assert 'status 1' in told['odd'].reason
    assert 'who would have thought' in capfd.readouterr().err
    # Nobody but the one that died is begun again.
    for name, outcome in told.items():
        assert len(work.traces(name)) == outcome.attempts == (1 if name in good else 2)
    slots = {line.split()[0] for line in work.traces('workers')}
    assert slots == {'0', '1'}
    assert not alive({int(line.split()[1]) for line in work.traces('workers')})


@pytest.mark.parametrize('error', ['WorkerDied', 'OutOfMemoryError', 'MemoryError'])
def test_a_unit_that_was_short_of_memory_is_repeated_alone(tmp_path, error):
    lost = Attempt({}, error, 'no more', 0.0)
    schedule = Schedule(Traced(tmp_path), ['slip', 'a'], retries=1)
    assert schedule.take(0) == 0 and schedule.take(1) == 1
    assert schedule.settle(0, lost) is None
    assert schedule.take(1) is None, 'a is still in flight'
    assert schedule.take(0) == 0 and schedule.runs_alone(0) and not schedule.runs_alone(1)
    assert schedule.settle(0, lost).status == 'failed'


def test_a_model_that_cannot_be_loaded_ends_the_job(tmp_path):
    with pytest.raises(ConfigError, match='not what it should be'):
        run(Traced(tmp_path, start='raise'), ['a', 'b'], workers=2)


@posix
def test_workers_that_never_start(tmp_path):
    work = Traced(tmp_path, start='kill')
    with pytest.raises(Unison3DError, match='while they were starting'):
        run(work, [f'u{number}' for number in range(50)], workers=1)
    assert len(work.traces('workers')) == 3


@pytest.mark.skipif(not CAN_MEASURE_MEMORY, reason='reads /proc')
@pytest.mark.parametrize(('bound', 'processes'), [(1, 3), (10**15, 1)])
def test_a_worker_that_holds_too_much_is_replaced(tmp_path, bound, processes):
    work = Traced(tmp_path)
    told = run(work, ['a', 'b', 'c'], workers=1, max_memory=bound)
    assert all(outcome.status == 'made' for outcome in told.values())
    assert len({work.traces(name)[0] for name in told}) == processes


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'engine': 'cloud'}, 'local, ray'),
        ({'workers': -1}, '-1 workers'),
        ({'engine': 'ray'}, '0 workers'),
        ({'retries': -1}, 'retries'),
        ({'workers': 1, 'threads': 0}, 'threads'),
        ({'address': 'auto'}, '--engine ray'),
        ({'max_memory': 10}, 'local worker processes'),
        ({'engine': 'ray', 'workers': 1, 'max_memory': 10}, 'local worker processes'),
    ],
)
def test_crews_that_cannot_be(values, message):
    with pytest.raises(ConfigError, match=message):
        Crew(**values)


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(8)), raising=False)
    assert [threads_for(workers) for workers in (1, 3, 8, 20)] == [8, 2, 1, 1]


def test_errors_cross_processes():
    own = [getattr(errors, name) for name in errors.__all__ if name.endswith('Error')]
    for kind in own:
        again = rebuilt_error(kind.__name__, 'some words')
        assert type(again) is kind and str(again) == 'some words'
        assert str(pickle.loads(pickle.dumps(again))) == 'some words'
    assert str(rebuilt_error('OSError', 'gone')) == 'OSError: gone'
    assert type(rebuilt_error('install_line', 'x')) is Unison3DError
    assert issubclass(MissingDependencyError, Unison3DError)


def test_a_name_that_no_file_can_have(tmp_path):
    work = Traced(tmp_path)
    told = run(work, ['x' * 260, 'a'])
    assert [told[name].status for name in ('x' * 260, 'a')] == ['failed', 'made']
    assert Records(tmp_path).read('x' * 260) is None


def test_leftovers_of_others_stay(tmp_path):
    for name in ('a.bin', 'b.bin', 'plain'):
        with atomic_path(tmp_path / name) as temporary:
            temporary.write_text('half')
            temporary.with_name(temporary.name.replace('.tmp', '0.tmp')).write_text('half')
    remove_leftovers([tmp_path, tmp_path / 'nothing'], {'a'})
    names = sorted(path.name.split('.')[1] for path in tmp_path.glob('.*'))
    assert names == ['b', 'plain']
    (tmp_path / '.12-a0.tmp.result').mkdir()
    (tmp_path / '.12-a0.tmp.result' / 'x').write_text('half')
    remove_leftovers([tmp_path])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.bin', 'b.bin', 'plain']


# -- jobs that are killed --------------------------------------------------------------------


@posix
@pytest.mark.fault
def test_a_job_that_is_killed_again_and_again(tmp_path):
    """Ten kills: no worker outlives the job, and only what was in flight is done again."""
    whole, out = Traced(tmp_path / 'whole'), Traced(tmp_path / 'out')
    run(whole, UNITS)
    draw = random.Random(3)
    kills = 0
    for number in range(60):
        job = start_job(out.out)
        begun = sum(len(out.traces(unit)) for unit in UNITS)
        # Most of the time goes into starting. Wait for work, then for a random moment of it.
        while job.poll() is None and sum(len(out.traces(unit)) for unit in UNITS) == begun:
            time.sleep(0.005)
        time.sleep(draw.random() * 0.05)
        if job.poll() is not None:
            # A fast machine was done before. Once more from the beginning.
            shutil.rmtree(out.out)
            out = Traced(tmp_path / 'out')
            continue
        job.send_signal((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 4])
        kills += job.wait(60) != 0
        wait_until_gone({int(line.split()[1]) for line in out.traces('workers')})
        if kills == 10:
            assert start_job(out.out).wait(300) == 0
            break
    assert files(out.out) == files(whole.out)
    begun = sum(len(out.traces(unit)) for unit in UNITS)
    assert kills == 10
    assert begun - NUM_UNITS <= 2 * kills
