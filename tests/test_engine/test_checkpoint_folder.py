"""Newest, best and damaged checkpoints of a work folder."""

from __future__ import annotations

import pickle

import pytest
import torch
from mmengine.hooks import Hook

from tests.test_engine.test_runner import EPOCHS, ITERATIONS, Stop, assert_same, finish, stop_at
from tests.test_engine.toy import ToyMetric, make_runner
from unison3d.engine import read_checkpoint
from unison3d.engine.checkpoint_folder import find_checkpoint, latest_checkpoint
from unison3d.errors import CheckpointError, ConfigError, UnreadableCheckpointError

STATES = ('state_dict', 'optimizer', 'param_schedulers', 'random_states')


class Scripted(ToyMetric):
    """Gives the scores of a list, one per validation."""

    def __init__(self, scores) -> None:
        super().__init__()
        self.scores = list(scores)

    def compute_metrics(self, results):
        return {'mIoU': self.scores.pop(0), 'error': 1.0}


def best_hook(by_epoch: bool = True, **options) -> dict:
    options = {'save_best': 'mIoU', 'rule': 'greater', 'interval': 1, **options}
    return {'checkpoint': {'type': 'CheckpointHook', 'by_epoch': by_epoch, 'max_keep_ckpts': 2,
                           **options}}  # fmt: skip


def damage(path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == 'cut':
        data = data[: len(data) // 2]
    elif kind == 'zeros':
        data = bytes(len(data))
    elif kind == 'one bit':
        # In the numbers of the largest tensor: PyTorch would read it without a word.
        tensor = read_checkpoint(path)['state_dict']['net.0.weight'].numpy().tobytes()
        data[data.index(tensor) + 40] ^= 1
    path.write_bytes(data)


@pytest.mark.fault
@pytest.mark.parametrize('kind', ['cut', 'zeros', 'one bit', 'missing', 'code'])
def test_a_damaged_newest_file_falls_back_to_the_one_before(tmp_path, kind, caplog):
    whole = finish(make_runner(tmp_path / 'whole', EPOCHS))
    stop_at(tmp_path / 'parts', EPOCHS, 4)
    newest = tmp_path / 'parts' / 'epoch_4.pth'
    if kind == 'missing':
        newest.unlink()
    elif kind == 'code':
        newest.write_bytes(pickle.dumps({'state_dict': Stop('x')}))
    else:
        damage(newest, kind)
    runner = make_runner(tmp_path / 'parts', EPOCHS, resume=True, log_level='WARNING')
    warned = []
    runner.logger.warning = lambda text, *rest: warned.append(str(text))
    parts = finish(runner)
    for key in STATES:
        assert_same(parts[key], whole[key], key)
    (told,) = [text for text in warned if 'Going on from' in text]
    assert 'epoch_4.pth' in told and 'epoch_3.pth' in told


@pytest.mark.fault
def test_no_readable_checkpoint_is_an_error_and_no_new_beginning(tmp_path):
    stop_at(tmp_path, EPOCHS, 2)
    for path in tmp_path.glob('*.pth'):
        damage(path, 'cut')
    with pytest.raises(UnreadableCheckpointError, match='last of 2 checkpoints'):
        make_runner(tmp_path, EPOCHS, resume=True).train()


@pytest.mark.parametrize(
    ('rule', 'keep', 'expected', 'best'),
    [('greater', 1, [5], 5), ('greater', 3, [2, 4, 5], 5), ('less', 2, [1, 3], 1)],
)
def test_the_best_are_kept(tmp_path, rule, keep, expected, best):
    scores = [0.1, 0.5, 0.2, 0.4, 0.6, float('nan')]
    make_runner(
        tmp_path,
        EPOCHS,
        val_evaluator=[Scripted(scores)],
        default_hooks=best_hook(rule=rule, keep_best=keep),
    ).train()
    kept = sorted(int(p.stem.rpartition('_')[2]) for p in tmp_path.glob('best_*.pth'))
    assert kept == expected
    path = find_checkpoint('best', tmp_path)
    assert path.name == f'best_mIoU_epoch_{best}.pth'
    assert 'optimizer' not in read_checkpoint(path)
    # Names that load_from understands.
    test = make_runner(tmp_path, EPOCHS, load_from='best')
    test.load_or_resume()
    assert_same(dict(test.model.state_dict()), read_checkpoint(path)['state_dict'])
    assert find_checkpoint('latest', tmp_path) == latest_checkpoint(tmp_path)


def test_a_metric_that_nobody_measures(tmp_path):
    runner = make_runner(tmp_path, EPOCHS, default_hooks=best_hook(save_best='PQ'))
    with pytest.raises(ConfigError, match="names 'PQ'; validation measures mean"):
        runner.train()
    with pytest.raises(UnreadableCheckpointError, match='no best checkpoint .*save_best'):
        find_checkpoint('best', tmp_path)


class StopIn(Hook):
    """Ends the run in the middle of the given validation."""

    def __init__(self, number: int) -> None:
        self.number = number

    def before_val(self, runner) -> None:
        self.number -= 1

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.number == 0:
            raise Stop


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERATIONS], ids=['epochs', 'iterations'])
def test_a_validation_that_was_cut_off_is_made_up_for(tmp_path, train_cfg):
    options = dict(save_best='mean', rule='greater', keep_best=2)
    by_epoch = train_cfg['by_epoch']

    def runner(name, **changes):
        hooks = best_hook(by_epoch, **options)
        return make_runner(tmp_path / name, train_cfg, default_hooks=hooks, **changes)

    whole = finish(runner('whole'))
    with pytest.raises(Stop):
        runner('parts', custom_hooks=[StopIn(2)]).train()
    parts = finish(runner('parts', resume=True))
    for key in STATES:
        assert_same(parts[key], whole[key], key)
    files = [sorted(p.name for p in (tmp_path / n).glob('*.pth')) for n in ('whole', 'parts')]
    assert files[0] == files[1] and sum(f.startswith('best_') for f in files[0]) == 2
    for name in ('whole', 'parts'):
        assert (
            find_checkpoint('best', tmp_path / name).name
            == find_checkpoint('best', tmp_path / 'whole').name
        )


def test_a_checkpoint_inside_of_an_epoch_resumes_bit_exactly(tmp_path):
    """With two workers as without: the seen batches of the epoch are made again."""
    hooks = {'checkpoint': {'type': 'CheckpointHook', 'by_epoch': False, 'interval': 1}}
    train_cfg = {'by_epoch': True, 'max_epochs': 3, 'val_interval': 1}
    for workers in (0, 2):

        def runner(name, workers=workers, **changes):
            made = make_runner(
                tmp_path / f'{name}{workers}', train_cfg, default_hooks=hooks, **changes
            )
            made._train_dataloader['num_workers'] = workers
            return made

        whole = finish(runner('whole'))
        # Three iterations an epoch: the last one of the first epoch, and the first of the third.
        for count in (3, 7):
            with pytest.raises(Stop):
                runner('parts', custom_hooks=[StopAt(count)], resume=True).train()
        parts = finish(runner('parts', resume=True))
        for key in STATES:
            assert_same(parts[key], whole[key], f'{workers} workers, {key}')
        assert parts['meta']['epoch'] == whole['meta']['epoch']


class StopAt(Hook):
    priority = 'LOWEST'

    def __init__(self, count: int) -> None:
        self.count = count

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == self.count:
            raise Stop


def test_pickles_need_trust(tmp_path):
    """Also where MMEngine reads by itself, for pretrained parts."""
    mark = tmp_path / 'mark'
    runner = make_runner(tmp_path / 'a', EPOCHS)
    weights = {'state_dict': runner.model.state_dict(), 'extra': MakesFolder(mark)}
    torch.save(weights, tmp_path / 'pickled.pth')
    for changes in (
        {'load_from': str(tmp_path / 'pickled.pth')},
        {'init': {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'pickled.pth')}},
    ):
        init = changes.pop('init', None)
        runner = make_runner(tmp_path / 'a', EPOCHS, **changes)
        runner.model.init_cfg = init
        with pytest.raises(CheckpointError, match='could run code.*--trust'):
            runner.train()
        assert not mark.exists()
    trusted = make_runner(tmp_path / 'b', EPOCHS, load_from=str(tmp_path / 'pickled.pth'))
    trusted.cfg.trust = True
    with pytest.warns(UserWarning, match='read as trusted'):
        trusted.load_or_resume()
    assert mark.is_dir()


@pytest.mark.parametrize('kind', ['best', 'save_optimizer', 'save_param_scheduler'])
def test_a_checkpoint_without_optimiser_or_schedule_is_not_resumed(tmp_path, kind):
    options = {'save_best': 'mean'} if kind == 'best' else {'save_best': None, kind: False}
    hooks = best_hook(**options)
    make_runner(tmp_path, {**EPOCHS, 'max_epochs': 1}, default_hooks=hooks).train()
    start = kind if kind == 'best' else 'latest'
    missing = 'param_schedulers' if kind == 'save_param_scheduler' else 'optimizer'
    runner = make_runner(tmp_path, EPOCHS, default_hooks=hooks, resume=True, load_from=start)
    with pytest.raises(CheckpointError, match=f"no '{missing}' to continue.*set load_from"):
        runner.train()
    # Who asks for that gets it.
    runner.resume(start, resume_optimizer=False, resume_param_scheduler=False)
    assert (runner.epoch, runner.iter) == (1, 3)


class Places(Hook):
    """Which batches of which epochs were trained on, and after which epochs it was validated."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        self.ended: list[int] = []
        self.validated: list[int] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.batches.append((runner.epoch, batch_idx))
        if self.end_of_epoch(runner.train_dataloader, batch_idx):
            self.ended.append(runner.epoch)

    def after_val_epoch(self, runner, metrics=None) -> None:
        self.validated.append(runner.epoch)


@pytest.mark.parametrize(('batch_size', 'length'), [(2, 3), (6, 1)], ids=['longer', 'shorter'])
@pytest.mark.parametrize(
    ('by_epoch', 'done', 'inside'),
    [(True, 2, False), (False, 2, False), (False, 3, True)],
    ids=['between', 'last iteration', 'inside'],
)
def test_resume_with_another_length_of_an_epoch(
    tmp_path, batch_size, length, by_epoch, done, inside
):
    """Two iterations an epoch at first; as with another number of processes."""
    train_cfg = {'by_epoch': True, 'max_epochs': 3, 'val_interval': 1}
    checkpoint = {'type': 'CheckpointHook', 'by_epoch': by_epoch, 'interval': 1}

    def runner(size, *hooks, **changes):
        made = make_runner(
            tmp_path, train_cfg, default_hooks={'checkpoint': checkpoint}, custom_hooks=list(hooks),
            log_level='WARNING', **changes,
        )  # fmt: skip
        made._train_dataloader['batch_size'] = size
        return made

    with pytest.raises(Stop):
        runner(3, StopIn(1) if by_epoch else StopAt(done)).train()
    places = Places()
    resumed = runner(batch_size, places, resume=True)
    warned = []
    resumed.logger.warning = lambda text, *rest: warned.append(str(text))
    resumed.train()
    assert places.batches == [(epoch, row) for epoch in (1, 2) for row in range(length)]
    assert places.ended == [1, 2]
    # That of the first epoch is made up for where its end was not reached.
    assert places.validated == ([1, 2, 3] if not inside and not by_epoch else [2, 3])
    assert resumed.iter == resumed.max_iters == done + 2 * length
    assert sum('this epoch begins again' in text for text in warned) == inside
    if by_epoch or length == 1:
        return
    # The place in such an epoch is known as in any other.
    (tmp_path / 'last_checkpoint').write_text(f'iter_{done + 1}.pth')
    places = Places()
    runner(batch_size, places, resume=True).train()
    assert places.batches == [(1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]


def test_leftovers_of_a_kill_are_removed(tmp_path):
    """Also of exported weights, and in the folder of a hook that has its own."""
    hooks = best_hook(save_best=None, out_dir=str(tmp_path / 'store'))
    folders = [tmp_path / 'work', tmp_path / 'store' / 'work']
    for folder in folders:
        folder.mkdir(parents=True)
        for name in ('.weights.12-abcd.tmp.safetensors', '.epoch_1.12-abcd.tmp.pth',
                     '.last_checkpoint.12-abcd.tmp', '.kept.tmp.pth'):  # fmt: skip
            (folder / name).touch()
    make_runner(folders[0], {**EPOCHS, 'max_epochs': 1}, default_hooks=hooks).train()
    for folder in folders:
        assert [path.name for path in folder.glob('.*.tmp*')] == ['.kept.tmp.pth']
    assert (folders[1] / 'epoch_1.pth').is_file()


class MakesFolder:
    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        import os

        return os.mkdir, (self.path,)
