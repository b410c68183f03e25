"""Two processes, one of which has nothing to learn from: no hang, and equal weights."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import torch
from conftest import REPO_ROOT

from tests.test_engine.toy import make_runner
from unison3d.errors import ConfigError

SECONDS = 300  # A hang, not a slow machine.


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def start(rank: int, port: int, work_dir) -> subprocess.Popen:
    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join([str(REPO_ROOT), str(REPO_ROOT / 'tests')]),
        'CUDA_VISIBLE_DEVICES': '',
        'OMP_NUM_THREADS': '1',
        'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': str(port),
        'RANK': str(rank),
        'LOCAL_RANK': str(rank),
        'WORLD_SIZE': '2',
    }
    words = [sys.executable, '-m', 'tests.test_engine.distributed_worker', str(work_dir)]
    return subprocess.Popen(
        words, env=environment, cwd=work_dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.fixture(scope='module')
def results(tmp_path_factory) -> list[dict]:
    work_dir, port = tmp_path_factory.mktemp('distributed'), free_port()
    processes = [start(rank, port, work_dir) for rank in range(2)]
    try:
        for process in processes:
            output, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, output.decode()[-4000:]
    finally:
        for process in processes:
            process.kill()
    return [torch.load(work_dir / f'rank_{rank}.pth', weights_only=True) for rank in range(2)]


def test_equal_weights_after_two_iterations(results):
    first, second = results
    assert first['end'].keys() == second['end'].keys()
    for name, value in first['end'].items():
        assert torch.equal(value, second['end'][name]), name
        assert torch.isfinite(value).all(), name


def test_both_learned_from_the_one_that_had_something_to_learn_from(results):
    still = [
        name
        for name, value in results[1]['end'].items()
        if torch.equal(value, results[1]['start'][name])
    ]
    assert not still


def test_the_same_losses_in_every_iteration_of_every_process(results):
    keys = [keys for result in results for keys in result['keys']]
    assert len(keys) == 4
    assert all(row == keys[0] for row in keys)
    assert {'loss_instance', 'loss_semantic', 'loss_click', 'loss_referring', 'loss_name'} < set(
        keys[0]
    )


def test_throughput_is_that_of_both(results):
    rates = [result['scenes_per_s'] for result in results]
    # Each divides the two scenes by its own watch.
    assert rates[0] == pytest.approx(rates[1], rel=0.5)


def test_other_launchers_need_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ConfigError, match='launcher .slurm. needs a CUDA device'):
        make_runner(tmp_path, {'by_epoch': True, 'max_epochs': 1}, launcher='slurm')
