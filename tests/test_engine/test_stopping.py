"""What ends a training from outside: SIGTERM, a second training, lost workers, no memory."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook

from tests.faults.kills import context
from tests.test_engine.stopping_worker import train
from tests.test_engine.test_runner import EPOCHS, assert_same
from tests.test_engine.toy import make_runner
from unison3d.engine import read_checkpoint, stopping
from unison3d.engine.checkpoint_folder import find_checkpoint
from unison3d.engine.hooks import stop_hook
from unison3d.errors import ConfigError, TrainingStopped, Unison3DError

pytestmark = pytest.mark.skipif(os.name != 'posix', reason='signals of POSIX')
SECONDS = 300  # A hang, not a slow machine.
STATES = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'random_states')


class Training:
    """A training in a process of its own."""

    def __init__(self, folder, kind='epochs', wait_at='nowhere', workers=0) -> None:
        self.pipe, theirs = context().Pipe()
        self.process = context().Process(
            target=train, args=(folder, kind, wait_at, workers, theirs)
        )
        self.process.start()
        theirs.close()
        self.told: list[str] = []

    def wait_for(self, place: str) -> None:
        while self.told[-1:] != [place]:
            assert self.pipe.poll(SECONDS), f'no word after {self.told}'
            self.told.append(self.pipe.recv())

    def end(self) -> int:
        """Its status; ``told`` is complete then."""
        try:
            while self.pipe.poll(SECONDS):
                self.told.append(self.pipe.recv())
        except (EOFError, ConnectionResetError):
            pass
        self.process.join(SECONDS)
        return self.process.exitcode


@pytest.fixture(scope='module')
def wholes(tmp_path_factory) -> dict:
    """The last checkpoints of trainings that nobody stopped."""
    folder = tmp_path_factory.mktemp('wholes')
    trainings = {kind: Training(folder / kind, kind) for kind in ('epochs', 'iterations')}
    for training in trainings.values():
        assert training.end() == 0, training.told
    return {kind: read_checkpoint(find_checkpoint('latest', folder / kind)) for kind in trainings}


@pytest.mark.parametrize(
    ('kind', 'place', 'workers', 'done'),
    [
        ('epochs', 'train 4', 2, 5),
        ('epochs', 'val 6', 0, 6),
        ('iterations', 'train 0', 0, 1),
        ('iterations', 'val 3', 0, 3),
    ],
)
def test_sigterm_saves_and_exits(tmp_path, wholes, kind, place, workers, done):
    """In the middle of an epoch with workers, of a validation with averaged weights swapped in."""
    first = Training(tmp_path, kind, place, workers)
    first.wait_for(place)
    # Twice and to the whole group, as the schedulers of clusters do.
    for _ in range(2):
        os.killpg(first.process.pid, signal.SIGTERM)
        time.sleep(0.05)
    first.pipe.send('go on')
    assert first.end() == 143 == TrainingStopped.exit_code, first.told
    message = first.told[-1]
    assert f'after {done} iterations' in message and f'stopped_iter_{done}.pth' in message
    assert find_checkpoint('latest', tmp_path).name == f'stopped_iter_{done}.pth'
    again = Training(tmp_path, kind, workers=workers)
    assert again.end() == 0, again.told
    assert f'train {done}' in again.told and f'train {done - 1}' not in again.told
    if not workers:
        whole, ours = wholes[kind], read_checkpoint(find_checkpoint('latest', tmp_path))
        for key in STATES:
            assert_same(ours[key], whole[key], key)
    # The regular checkpoints have taken its place.
    assert not list(tmp_path.glob('stopped_*'))


def test_a_worker_whose_time_is_over_does_not_disturb_a_save(tmp_path, monkeypatch):
    """PyTorch would raise in the middle of it, had a signal ended the worker."""
    monkeypatch.setattr(stopping, 'WORKER_GRACE', 0.1)
    runner = make_runner(tmp_path, EPOCHS)
    runner._train_dataloader['num_workers'] = 1
    batches = iter(runner.build_train_loop(runner._train_loop).dataloader)
    next(batches)
    (worker,) = batches._workers
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(SECONDS)
    # Here the handler of PyTorch runs.
    time.sleep(0.05)
    assert worker.exitcode == 0
    batches._shutdown_workers()


@pytest.mark.parametrize('batches', [1, 3])
def test_all_processes_ask_equally_often_in_a_validation(monkeypatch, batches):
    """The other one has two batches: without rounding up, shares may differ."""
    asked = []
    request = SimpleNamespace(requested=lambda: asked.append(1))
    runner = SimpleNamespace(iter=4, val_dataloader=range(batches), stop_request=request, hooks=[])
    monkeypatch.setattr(stop_hook, '_least_of_all', lambda count: min(count, 2))
    hook = stop_hook.StopHook()
    hook.before_val_epoch(runner)
    for row in range(batches):
        hook.after_val_iter(runner, row)
    hook.after_val_epoch(runner)
    assert len(asked) == min(batches, 2) + 1


@pytest.mark.fault
def test_a_dead_worker_is_named_within_a_minute(tmp_path):
    begin = time.monotonic()
    training = Training(tmp_path, 'iterations', 'kill worker', workers=2)
    assert training.end() == Unison3DError.exit_code
    assert 'The data-loading worker' in training.told[-1]
    assert 'train_dataloader.num_workers' in training.told[-1]
    # PyTorch looks every five seconds.
    assert time.monotonic() - begin < 60


class StartAnother(Hook):
    """Starts a second training in the folder of the running one."""

    def __init__(self) -> None:
        self.found: list = []

    def after_train_epoch(self, runner) -> None:
        second = make_runner(runner.work_dir, EPOCHS, resume=True, experiment_name='second')
        with pytest.raises(ConfigError) as caught:
            second.train()
        self.found.append(str(caught.value))


def test_two_trainings_in_one_folder(tmp_path):
    hook = StartAnother()
    one_epoch = {**EPOCHS, 'max_epochs': 1}
    make_runner(tmp_path, one_epoch, custom_hooks=[hook]).train()
    (message,) = hook.found
    assert f'process {os.getpid()} on this machine' in message and '--work-dir' in message
    # The first has ended, and its lock with it.
    make_runner(tmp_path, one_epoch, resume=True).train()


class RunOut(Hook):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        raise self.error


def allocator_error() -> RuntimeError:
    """What the allocator of the CPU says, really asked for too much."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    return caught.value


@pytest.mark.fault
@pytest.mark.parametrize(
    'make', [allocator_error, MemoryError, lambda: torch.OutOfMemoryError('CUDA out of memory.')]
)
def test_no_memory_names_the_knobs(tmp_path, make):
    runner = make_runner(tmp_path, EPOCHS, custom_hooks=[RunOut(make())])
    with pytest.raises(Unison3DError) as caught:
        runner.train()
    for knob in ('train_dataloader.batch_size', 'accumulative_counts', 'max_iters', 'max_points',
                 '--amp'):  # fmt: skip
        assert knob in str(caught.value)


@pytest.mark.fault
def test_other_errors_pass_through(tmp_path):
    runner = make_runner(tmp_path, EPOCHS, custom_hooks=[RunOut(RuntimeError('shapes differ'))])
    with pytest.raises(RuntimeError, match='shapes differ') as caught:
        runner.train()
    assert not isinstance(caught.value, Unison3DError)
    # The lock went with the failed run, and so did the handler.
    make_runner(tmp_path, {**EPOCHS, 'max_epochs': 1}).train()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
