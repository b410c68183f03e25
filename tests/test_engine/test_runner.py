from __future__ import annotations

import pytest
import torch
from mmengine.hooks import Hook

from tests.test_engine.toy import DrawnData, make_runner
from unison3d.engine import read_checkpoint
from unison3d.engine.runner import latest_checkpoint
from unison3d.errors import CheckpointError

EPOCHS = {'by_epoch': True, 'max_epochs': 6, 'val_interval': 1}
ITERATIONS = {'by_epoch': False, 'max_iters': 6, 'val_interval': 2}


class Stop(Exception):
    """What a power cut looks like from inside."""


class StopAfter(Hook):
    """Raises after the given number of epochs or iterations, once their checkpoint is written."""

    priority = 'LOWEST'

    def __init__(self, count: int, by_epoch: bool) -> None:
        self._count, self._by_epoch = count, by_epoch

    def after_train_epoch(self, runner) -> None:
        if self._by_epoch and runner.epoch + 1 == self._count:
            raise Stop

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if not self._by_epoch and runner.iter + 1 == self._count:
            raise Stop


def finish(runner):
    runner.train()
    newest = latest_checkpoint(runner.work_dir)
    return read_checkpoint(newest)


def stop_at(work_dir, train_cfg, count, **changes):
    hooks = [StopAfter(count, train_cfg['by_epoch'])]
    with pytest.raises(Stop):
        make_runner(work_dir, train_cfg, custom_hooks=hooks, **changes).train()


def assert_same(actual, expected, where='checkpoint'):
    assert type(actual) is type(expected), where
    if isinstance(actual, dict):
        assert actual.keys() == expected.keys(), where
        for key in actual:
            assert_same(actual[key], expected[key], f'{where}[{key!r}]')
    elif isinstance(actual, (list, tuple)):
        assert len(actual) == len(expected), where
        for row, pair in enumerate(zip(actual, expected, strict=True)):
            assert_same(*pair, f'{where}[{row}]')
    elif isinstance(actual, torch.Tensor):
        assert torch.equal(actual, expected), where
    else:
        assert actual == expected, where


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERATIONS], ids=['epochs', 'iterations'])
def test_resume_is_bit_exact(tmp_path, train_cfg):
    whole = finish(make_runner(tmp_path / 'whole', train_cfg))
    stop_at(tmp_path / 'parts', train_cfg, 3)
    resumed = make_runner(tmp_path / 'parts', train_cfg, resume=True, randomness={'seed': 7})
    parts = finish(resumed)
    for key in ('state_dict', 'optimizer', 'param_schedulers', 'random_states'):
        assert_same(parts[key], whole[key], key)
    for key in ('epoch', 'iter', 'seed'):
        assert parts['meta'][key] == whole['meta'][key]
    losses = [c['message_hub']['log_scalars']['train/loss'] for c in (parts, whole)]
    assert_same(*losses, 'losses')


def test_resume_is_bit_exact_with_workers(tmp_path):
    train_cfg = {**EPOCHS, 'max_epochs': 3}

    def runner(work_dir, **changes):
        made = make_runner(work_dir, train_cfg, val_cfg=None, val_dataloader=None,
                           val_evaluator=None, **changes)  # fmt: skip
        made._train_dataloader['num_workers'] = 1
        return made

    whole = finish(runner(tmp_path / 'whole'))
    with pytest.raises(Stop):
        runner(tmp_path / 'parts', custom_hooks=[StopAfter(2, True)]).train()
    parts = finish(runner(tmp_path / 'parts', resume=True))
    assert_same(parts['state_dict'], whole['state_dict'])


@pytest.mark.parametrize('workers', [0, 2])
def test_a_resumable_sampler_skips_without_making_samples(tmp_path, workers):
    loader = {
        'batch_size': 2,
        'num_workers': workers,
        'persistent_workers': workers > 0,
        'dataset': DrawnData(),
        'collate_fn': {'type': 'default_collate'},
        'sampler': {'type': 'ResumableSampler'},
    }
    train_cfg = {'by_epoch': False, 'max_iters': 6}
    changes = {
        'train_dataloader': loader,
        'val_dataloader': None,
        'val_cfg': None,
        'val_evaluator': None,
    }
    whole = finish(make_runner(tmp_path / 'whole', train_cfg, **changes))
    stop_at(tmp_path / 'parts', train_cfg, 4, **changes)
    DrawnData.made = 0
    parts = finish(make_runner(tmp_path / 'parts', train_cfg, resume=True, **changes))
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(parts[key], whole[key], key)
    # Two iterations of two samples were left; workers count in their own process.
    assert DrawnData.made == (4 if workers == 0 else 0)


def test_the_seed_comes_from_the_checkpoint(tmp_path):
    whole = finish(make_runner(tmp_path / 'whole', EPOCHS))
    stop_at(tmp_path / 'parts', EPOCHS, 3)
    parts = finish(make_runner(tmp_path / 'parts', EPOCHS, resume=True, randomness={'seed': 99}))
    assert_same(parts['state_dict'], whole['state_dict'])


def test_nothing_to_resume_starts_from_the_beginning(tmp_path):
    first = finish(make_runner(tmp_path / 'a', {**EPOCHS, 'max_epochs': 1}, resume=True))
    second = finish(make_runner(tmp_path / 'b', {**EPOCHS, 'max_epochs': 1}))
    assert_same(first['state_dict'], second['state_dict'])


def test_a_moved_work_folder_still_resumes(tmp_path):
    stop_at(tmp_path / 'old', EPOCHS, 2)
    (tmp_path / 'old').rename(tmp_path / 'new')
    assert latest_checkpoint(tmp_path / 'new') == tmp_path / 'new' / 'epoch_2.pth'


def test_the_newest_files_are_kept(tmp_path):
    make_runner(tmp_path, EPOCHS).train()
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['epoch_5.pth', 'epoch_6.pth']


def test_a_crash_while_writing_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    stop_at(tmp_path, {**EPOCHS}, 2)
    resumed = make_runner(tmp_path, EPOCHS, resume=True)

    def full_disk(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full_disk)
    with pytest.raises(OSError, match='No space left'):
        resumed.train()
    monkeypatch.undo()
    assert latest_checkpoint(tmp_path) == tmp_path / 'epoch_2.pth'
    assert sorted(p.name for p in tmp_path.glob('*.pth')) == ['epoch_1.pth', 'epoch_2.pth']
    assert list(tmp_path.glob('.*tmp*')) == []
    assert read_checkpoint(tmp_path / 'epoch_2.pth')['meta']['epoch'] == 2


def test_config_text_in_a_checkpoint_is_not_executed(tmp_path):
    stop_at(tmp_path, EPOCHS, 2)
    checkpoint = read_checkpoint(tmp_path / 'epoch_2.pth')
    mark = tmp_path / 'executed'
    checkpoint['meta']['cfg'] = f'open({str(mark)!r}, "w")'
    checkpoint['meta']['config'] = checkpoint['meta']['cfg']
    torch.save(checkpoint, tmp_path / 'epoch_2.pth')
    make_runner(tmp_path, {**EPOCHS, 'max_epochs': 3}, resume=True).train()
    assert not mark.exists()


def test_weights_alone_cannot_be_resumed(tmp_path):
    runner = make_runner(tmp_path, EPOCHS)
    torch.save({'state_dict': runner.model.state_dict()}, tmp_path / 'weights.pth')
    resumed = make_runner(tmp_path, EPOCHS, load_from=str(tmp_path / 'weights.pth'), resume=True)
    with pytest.raises(CheckpointError, match='no state of a training run'):
        resumed.train()


def test_weights_of_another_architecture_are_refused(tmp_path):
    torch.save({'state_dict': {'net.0.weight': torch.zeros(9, 4)}}, tmp_path / 'weights.pth')
    runner = make_runner(tmp_path, EPOCHS, load_from=str(tmp_path / 'weights.pth'))
    with pytest.raises(CheckpointError, match='another architecture'):
        runner.train()


def test_start_from_exported_weights(tmp_path):
    hooks = [{'type': 'ExportWeightsHook', 'dtype': 'float32'}]
    train_cfg = {**EPOCHS, 'max_epochs': 1}
    first = make_runner(tmp_path / 'a', train_cfg, custom_hooks=hooks)
    first.train()
    weights = tmp_path / 'a' / 'weights.safetensors'
    second = make_runner(tmp_path / 'b', train_cfg, load_from=str(weights))
    second.load_or_resume()
    assert_same(dict(second.model.state_dict()), dict(first.model.state_dict()))
