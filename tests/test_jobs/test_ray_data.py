"""The same jobs under Ray on this machine, with two workers."""

from __future__ import annotations

import csv
import importlib.util
import os
import sys
import time

import numpy as np
import pytest
from conftest import REPO_ROOT
from test_datasets.scannet_samples import TRAIN, VAL, tree, write_raw_scan
from test_jobs.works import UNITS, Traced, files, start_job, wait_until_gone

from unison3d.cli.main import main
from unison3d.errors import ConfigError
from unison3d.jobs import Crew, run_units

# Ray copies its settings, those that it calls deprecated too.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning:ray.*')
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec('ray') is None, reason='needs the extra "cluster" (ray)'
)


@pytest.fixture(scope='module')
def ray():
    """Ray, started as ``--engine ray`` does it, once for all tests."""
    from unison3d.jobs.ray_data import ray_cluster

    with pytest.MonkeyPatch.context() as patch:
        # For its workers to find what pytest finds.
        patch.setenv('PYTHONPATH', os.pathsep.join([str(REPO_ROOT), str(REPO_ROOT / 'tests')]))
        with ray_cluster(2, None) as (module, _):
            yield module


def run(work, units, **crew):
    return {o.name: o for o in run_units(work, units, Crew(engine='ray', workers=2, **crew))}


@needs_ray
def test_outcomes_are_those_of_the_local_pool(ray, tmp_path):
    work = Traced(tmp_path)
    good = ['a', 'b', 'c', 'd']
    told = run(work, ['kill', 'slip', 'once', 'bad', 'spoil', *good], threads=1)
    assert {name: o.status for name, o in told.items()} == {
        **dict.fromkeys([*good, 'slip', 'once', 'spoil'], 'made'),
        **dict.fromkeys(['kill', 'bad'], 'failed'),
    }
    assert told['kill'].error == 'WorkerDied' and told['bad'].reason == 'bad: spoilt'
    assert told['a'].value == {'length': 1}
    for name, outcome in told.items():
        assert len(work.traces(name)) == outcome.attempts == (1 if name in good else 2)
    assert all(o.status == 'kept' for o in run(work, good).values())
    assert ray.is_initialized(), 'a cluster that was there stays'


@needs_ray
def test_a_model_that_cannot_be_loaded_ends_the_job(ray, tmp_path):
    with pytest.raises(ConfigError, match='not what it should be'):
        run(Traced(tmp_path, start='raise'), ['a', 'b'], threads=1)


@needs_ray
@pytest.mark.parametrize(
    ('crew', 'option'), [({'threads': 4}, '--threads'), ({'threads': 1, 'gpus': True}, '--device')]
)
def test_workers_that_no_machine_has_room_for(ray, tmp_path, monkeypatch, crew, option):
    # A test machine may have a GPU.
    gone = {'Alive': False, 'Resources': {'CPU': 9.0, 'GPU': 1.0}}
    nodes = [{'Alive': True, 'Resources': {'CPU': 2.0}}, gone]
    monkeypatch.setattr(ray, 'nodes', lambda: nodes)
    with pytest.raises(ConfigError, match=f'2 CPUs and 0 GPUs.*{option}'):
        run(Traced(tmp_path), ['a'], **crew)


@needs_ray
@pytest.mark.fault
@pytest.mark.skipif(not hasattr(os, 'pidfd_open'), reason='Linux')
def test_a_job_that_is_killed_goes_on(ray, tmp_path):
    work = Traced(tmp_path)
    job = start_job(tmp_path, 'ray')
    while not work.records.names():
        assert job.poll() is None
        time.sleep(0.005)
    job.kill()
    job.wait()
    wait_until_gone({int(line.split()[1]) for line in work.traces('workers')})
    done = work.records.names()
    assert 0 < len(done) < len(UNITS)
    told = run(work, UNITS, threads=1)
    assert {name for name, outcome in told.items() if outcome.status == 'kept'} == set(done)
    assert len(files(tmp_path)) == 2 * len(UNITS)
    # At most one for each worker is begun again.
    assert sum(len(work.traces(unit)) for unit in UNITS) <= len(UNITS) + 2


@needs_ray
def test_prepare(ray, tmp_path):
    for seed, name in enumerate((TRAIN, VAL)):
        write_raw_scan(tmp_path / 'raw', name, seed=seed)
    words = ['prepare', 'scannet', '--root', str(tmp_path / 'raw'), '--out']
    assert main([*words, str(tmp_path / 'ray'), '--engine', 'ray', '-j', '2']) == 0
    assert main([*words, str(tmp_path / 'here')]) == 0
    assert tree(tmp_path / 'ray') == tree(tmp_path / 'here')


@needs_ray
def test_infer(ray, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'in').mkdir()
    for name in 'ab':
        np.save(tmp_path / 'in' / f'{name}.npy', rng.random((300, 3)))
    words = ['infer', str(tmp_path / 'in'), '--task', 'semantic']
    words += ['--out', str(tmp_path / 'out')]
    assert main([*words, '--engine', 'ray', '-j', '2']) == 0
    with open(tmp_path / 'out' / 'summary.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert [(row['name'], row['status'], row['points']) for row in rows] == [
        ('a', 'made', '300'),
        ('b', 'made', '300'),
    ]
    assert np.load(tmp_path / 'out' / 'b' / 'result.npz')['semantic'].shape == (300,)


def test_without_ray_the_install_line_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'ray', None)
    np.save(tmp_path / 'a.npy', np.zeros((5, 3)))
    words = ['infer', str(tmp_path), '--out', str(tmp_path / 'out'), '--engine', 'ray']
    assert main(words) == 4
    assert 'cluster' in capsys.readouterr().err
