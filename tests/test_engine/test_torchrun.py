"""torchrun with two processes through gloo: weights, metrics, logs, restarts, spread parameters."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import REPO_ROOT

from tests.test_engine.test_runner import assert_same
from tests.test_engine.torchrun_worker import ITERATIONS, SHARDED, measure, plain
from unison3d.engine import read_checkpoint
from unison3d.errors import ConfigError

SECONDS = 540  # A hang, not a slow machine.
# One mean over four rows and the mean of two means over two rows differ in the last bits of
# float32, and Adam divides by gradients that may be small: 1e-5 of the size of a weight.
SAME = {'rtol': 1e-5, 'atol': 1e-6}


def torchrun(folder, what: str, *options: str) -> str:
    paths = os.pathsep.join([str(REPO_ROOT), str(REPO_ROOT / 'tests')])
    words = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    words += [*options, '-m', 'tests.test_engine.torchrun_worker', str(folder), what]
    environment = {**os.environ, 'PYTHONPATH': paths, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        words, env={**environment, 'CUDA_VISIBLE_DEVICES': ''}, cwd=folder, timeout=SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('torchrun')
    torchrun(folder, 'all')
    return folder


@pytest.fixture(scope='module')
def single(tmp_path_factory):
    """One process with the batches of both."""
    folder = tmp_path_factory.mktemp('single')
    plain(folder / 'one', 4).train()
    measure(folder)
    return folder


def last(folder):
    return read_checkpoint(folder / f'iter_{ITERATIONS}.pth')


@pytest.mark.parametrize('name', ['two', 'sharded'])
def test_the_weights_of_one_process_with_the_doubled_batch(folder, single, name):
    ours, expected = last(folder / name), last(single / 'one')
    for key, value in expected['state_dict'].items():
        torch.testing.assert_close(ours['state_dict'][key], value, **SAME)
    for row, state in expected['optimizer']['state'].items():
        for key, value in state.items():
            torch.testing.assert_close(ours['optimizer']['state'][row][key], value, **SAME)
    assert ours['meta']['iter'] == expected['meta']['iter'] == ITERATIONS


def test_the_log_shows_the_mean_of_both(folder, single):
    ours, expected = (
        json.loads((path / 'losses.json').read_text()) for path in (folder / 'two', single / 'one')
    )
    assert ours == pytest.approx(expected, rel=1e-5) and len(ours) == ITERATIONS
    # One of the two processes writes.
    assert len(list((folder / 'two').glob('2*'))) == 2  # A config and the folder of the log.


@pytest.mark.parametrize('count', [5, 6])
def test_metrics_are_those_of_one_process(folder, single, count):
    found = [float((path / f'mean_{count}').read_text()) for path in (folder, single)]
    assert found[0] == found[1]


def test_each_process_holds_its_part(folder):
    parts = [int((folder / f'parts_{rank}').read_text()) for rank in range(2)]
    whole = sum(value.numel() for value in last(folder / 'sharded')['state_dict'].values())
    # A tensor whose first axis is odd or 1 is shared unevenly.
    assert sum(parts) == whole and max(parts) < 0.75 * whole


def test_a_killed_process_is_restarted_from_the_same_step(folder):
    # On a busy machine gloo may fail to connect once more; that is another restart.
    torchrun(folder, 'restart', '--max-restarts', '5')
    assert (folder / 'died').exists()
    began = {path.name: path.read_text() for path in folder.glob('began_*')}
    first, later = {'began_0_0': '0', 'began_0_1': '0'}, set(began) - {'began_0_0', 'began_0_1'}
    # After the fifth iteration the newest checkpoint was that of the fourth.
    assert began == {**first, **dict.fromkeys(later, '4')} and len(later) >= 2
    ours, whole = (read_checkpoint(folder / n / 'iter_8.pth') for n in ('restarted', 'whole'))
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'random_states'):
        assert_same(ours[key], whole[key], key)
    assert len(whole['random_states']) == 2


def test_spreading_needs_several_processes(tmp_path):
    with pytest.raises(ConfigError, match='FullySharded spreads .* there is one'):
        plain(tmp_path, 2, cfg=SHARDED)
