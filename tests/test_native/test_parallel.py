"""Items of a compiled loop are done exactly once, whoever runs it and on how many threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from unison3d.native import ParallelTask, array_at, next_item, parallel, read_argument
from unison3d.sparse import SparseTensor, SubmanifoldConv3d

# Long enough for a busy machine; a process that hangs does so forever.
TIMEOUT = 60


def _count(context):
    """Add one to the place of every item, and as much as an argument says to the one behind it."""
    num_items, step = read_argument(context, 1), read_argument(context, 2)
    places = array_at(read_argument(context, 0), (num_items, 2), np.int64)
    while True:
        item = next_item(context)
        if item < 0:
            return
        places[item, 0] += 1
        places[item, 1] += step * item


TASK = ParallelTask(_count)


def count(num_items: int, step: int = 3, task: ParallelTask = TASK) -> np.ndarray:
    places = np.zeros((num_items, 2), dtype=np.int64)
    task.run(num_items, places.ctypes.data, num_items, step)
    return places


def check(num_items: int, step: int = 3, task: ParallelTask = TASK) -> None:
    places = count(num_items, step, task)
    assert (places[:, 0] == 1).all()
    np.testing.assert_array_equal(places[:, 1], step * np.arange(num_items))


@pytest.fixture(params=['threads of torch', 'threads of Python'])
def region(request, monkeypatch):
    """With and without an OpenMP runtime."""
    if request.param == 'threads of Python':
        monkeypatch.setattr(parallel, '_openmp_region', lambda: None)
    return request.param


@pytest.mark.parametrize('threads', [1, 2, 4])
@pytest.mark.parametrize('num_items', [1, 2, 3, 7, 1000, 100_000])
def test_every_item_exactly_once(region, threads, num_items):
    torch.set_num_threads(threads)
    for step in (0, -1, 2**40):
        check(num_items, step)


@pytest.mark.parametrize('num_items', [0, -1])
def test_no_items(region, num_items, monkeypatch):
    monkeypatch.setattr(parallel, '_openmp_region', lambda: pytest.fail('nothing to do'))
    TASK.run(num_items, 0, 0, 0)


def test_the_runtime_of_torch_is_found():
    assert parallel._openmp_region() is not None


@pytest.mark.parametrize(('threads', 'num_items', 'used'), [(4, 100, 4), (4, 3, 3), (2, 100, 2)])
def test_no_more_threads_than_items(threads, num_items, used, monkeypatch):
    real, seen = parallel._openmp_region(), []

    def region(body, context, num_threads, flags):
        seen.append(num_threads)
        real(body, context, num_threads, flags)

    monkeypatch.setattr(parallel, '_openmp_region', lambda: region)
    torch.set_num_threads(threads)
    check(num_items)
    assert seen == [used]


@pytest.mark.parametrize(('threads', 'num_items'), [(1, 100), (4, 1)])
def test_one_thread_needs_no_region(threads, num_items, monkeypatch):
    region = pytest.fail
    monkeypatch.setattr(parallel, '_openmp_region', lambda: region)
    torch.set_num_threads(threads)
    check(num_items)


def test_other_threads_help(monkeypatch):
    monkeypatch.setattr(parallel, '_openmp_region', lambda: None)
    torch.set_num_threads(3)
    names, start = [], threading.Thread.start
    monkeypatch.setattr(threading.Thread, 'start', lambda t: (names.append(t.name), start(t)))
    check(1000)
    assert len(names) == 2


@pytest.mark.parametrize('threads', [1, 2])
def test_callers_in_several_threads(region, threads):
    # Not compiled yet: the first callers meet there as well.
    task = ParallelTask(_count)

    def work(seed: int) -> None:
        # The number of threads is one of every caller's own.
        torch.set_num_threads(threads)
        for repetition in range(50):
            check(100 + seed, seed + repetition, task)

    with ThreadPoolExecutor(4) as pool:
        for result in [pool.submit(work, seed) for seed in range(8)]:
            result.result(TIMEOUT)


def test_sparse_layers_in_several_threads():
    x = SparseTensor(
        torch.randn(40, 3), torch.cartesian_prod(*map(torch.arange, (1, 5, 4, 2))).int()
    )
    layer = SubmanifoldConv3d(3, 4)
    expected = layer(x).features

    def work(_: int) -> bool:
        again = SparseTensor(x.features, x.coordinates)
        return all(torch.equal(layer(again).features, expected) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8), timeout=TIMEOUT))


def _sum_in_child(connection) -> None:
    # What a DataLoader does first in a worker.
    torch.set_num_threads(1)
    check(1000)
    connection.send(run_layer())


def run_layer() -> list[float]:
    coordinates = torch.cartesian_prod(*map(torch.arange, (1, 5, 4, 2))).int()
    layer = SubmanifoldConv3d(2, 3)
    with torch.no_grad():
        layer.weight.fill_(0.5)
        out = layer(SparseTensor(torch.ones(40, 2), coordinates)).features
    return out.sum(1).tolist()


@pytest.mark.fault
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='processes are not forked here')
def test_a_forked_process():
    # Threads of the parent exist before the fork and are missing after it.
    torch.set_num_threads(2)
    check(1000)
    expected = run_layer()
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_sum_in_child, args=(sender,))
    child.start()
    try:
        assert receiver.poll(TIMEOUT), 'the child hangs or has died'
        assert receiver.recv() == expected
        child.join(TIMEOUT)
        assert child.exitcode == 0
    finally:
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
            child.join()
    # The parent's threads still work.
    check(1000)


class Scenes(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> list[float]:
        return run_layer()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='processes are not forked here')
def test_workers_of_a_data_loader():
    torch.set_num_threads(2)
    expected = run_layer()
    loader = torch.utils.data.DataLoader(
        Scenes(), None, num_workers=2, timeout=TIMEOUT, multiprocessing_context='fork'
    )
    assert list(loader) == [expected] * 4
