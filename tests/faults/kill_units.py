"""The work of a user that gets killed: training, preparing a dataset, labelling, many scans."""

from __future__ import annotations

import warnings
from pathlib import Path

# Imported late by a training, which takes longer than this one: now, for all that are forked.
import matplotlib.pyplot  # noqa: F401
import numpy as np
import torch._dynamo  # noqa: F401
from test_datasets.scannet_samples import tree, write_raw_scan

from tests.faults.kills import Unit
from tests.test_apis.api_samples import room_arrays, weights_file
from tests.test_engine.test_runner import assert_same
from tests.test_engine.toy import DrawnData, make_runner
from unison3d.cli.main import main
from unison3d.datasets.prepare import prepare_dataset
from unison3d.datasets.prepare.scannet import ScanNetLayout
from unison3d.engine import read_checkpoint
from unison3d.engine.checkpoint_folder import find_checkpoint
from unison3d.io import write_ply
from unison3d.viewer.journal import Journal, SceneIdentity
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.labels import SceneLabels

STATES = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'random_states')


# -- training --------------------------------------------------------------------------------


def _hooks(by_epoch: bool, interval: int) -> dict:
    checkpoint = dict(
        type='CheckpointHook', by_epoch=by_epoch, interval=interval, max_keep_ckpts=2,
        save_best='mean', rule='greater', keep_best=2,
    )  # fmt: skip
    return {'checkpoint': checkpoint, 'ema': {'type': 'EMAHook', 'momentum': 0.1}}


def train_epochs(folder: Path) -> None:
    """By epochs, with checkpoints inside of them."""
    train_cfg = {'by_epoch': True, 'max_epochs': 4, 'val_interval': 1}
    hooks = [{'type': 'ExportWeightsHook'}]
    make_runner(
        folder, train_cfg, resume=True, default_hooks=_hooks(False, 2), custom_hooks=hooks
    ).train()


def train_iterations(folder: Path) -> None:
    """By iterations, with gradients of two of them collected."""
    loader = {
        'batch_size': 2,
        'num_workers': 0,
        'dataset': DrawnData(),
        'collate_fn': {'type': 'default_collate'},
        'sampler': {'type': 'ResumableSampler'},
    }
    make_runner(
        folder,
        {'by_epoch': False, 'max_iters': 12, 'val_interval': 4},
        resume=True,
        default_hooks=_hooks(False, 1),
        train_dataloader=loader,
        optim_wrapper={'optimizer': {'type': 'AdamW', 'lr': 0.05}, 'accumulative_counts': 2},
    ).train()


def compare_trainings(folder: Path, whole: Path) -> None:
    """The last state bit for bit, the same files under the same names, no leftovers."""
    ours, theirs = (read_checkpoint(find_checkpoint('latest', work)) for work in (folder, whole))
    for key in STATES:
        assert_same(ours[key], theirs[key], key)
    assert ours['meta']['iter'] == theirs['meta']['iter']
    assert _names(folder) == _names(whole)
    assert find_checkpoint('best', folder).name == find_checkpoint('best', whole).name
    for path in folder.glob('*.pth'):
        read_checkpoint(path)


def _names(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir() if path.is_file()]
    # The config is named by the time.
    return sorted(name for name in names if not name.endswith('.py'))


# -- preparation -----------------------------------------------------------------------------

SCANS = tuple(f'scene0191_{number:02d}' for number in range(6))


def write_scans(folder: Path) -> None:
    """What is prepared."""
    for seed, name in enumerate(SCANS):
        write_raw_scan(folder / 'raw', name, seed=seed)


def prepare(folder: Path) -> None:
    """``unison3d prepare``."""
    prepare_dataset(ScanNetLayout(), folder.parent / 'raw', folder)


def compare_prepared(folder: Path, whole: Path) -> None:
    """The same files with the same bytes, and nothing else."""
    assert tree(folder) == tree(whole)


# -- labelling -------------------------------------------------------------------------------

POINTS, EDITS = 60, 45
IDENTITY = SceneIdentity('room', POINTS, 'a' * 64)


def label(folder: Path) -> None:
    """Edits, undos and compactions, going on after the last one that is on disk."""
    labels = SceneLabels(POINTS)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        journal = Journal.open(folder / 'room.jsonl', labels, IDENTITY)
    for step in range(journal.num_saved, EDITS):
        if step % 3 == 2:
            labels.undo()
        else:
            labels.apply(Draw(np.array([step % POINTS, 7 * step % POINTS])))
        if step % 9 == 8:
            journal.compact()
    journal.close()


def compare_labels(folder: Path, whole: Path) -> None:
    """The same label of every point, the same objects, as many entries."""
    found = []
    for place in (folder, whole):
        labels = SceneLabels(POINTS)
        journal = Journal.open(place / 'room.jsonl', labels, IDENTITY)
        found.append((journal.num_saved, labels.ids.tolist(), labels.objects))
        journal.close()
    assert found[0] == found[1]


# -- many scans ------------------------------------------------------------------------------


def write_rooms(folder: Path) -> None:
    """Three scans, and weights of a small model."""
    folder.joinpath('scans').mkdir(parents=True, exist_ok=True)
    weights_file(folder)
    for seed in range(3):
        points, colors = room_arrays(300, seed)
        write_ply(folder / 'scans' / f'room_{seed}.ply', points, colors=(255 * colors).astype('u1'))


def infer(folder: Path) -> None:
    """``unison3d infer FOLDER``."""
    weights = str(folder.parent / 'tiny.safetensors')
    words = ['infer', str(folder.parent / 'scans'), '--out', str(folder), '--weights', weights]
    assert main([*words, '--task', 'semantic', '--device', 'cpu']) == 0


def compare_results(folder: Path, whole: Path) -> None:
    """The same files for every scan, answers bit for bit; other files tell the time as well."""
    names = [
        sorted(path.relative_to(place).as_posix() for path in place.rglob('*') if path.is_file())
        for place in (folder, whole)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        if name.endswith(('.ply', '.npz')):
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


TRAIN_EPOCHS = Unit('epochs', train_epochs, compare_trainings)
TRAIN_ITERATIONS = Unit('iterations', train_iterations, compare_trainings)
PREPARE = Unit('prepare', prepare, compare_prepared, write_scans)
LABEL = Unit('label', label, compare_labels)
INFER = Unit('infer', infer, compare_results, write_rooms)
UNITS = (TRAIN_EPOCHS, TRAIN_ITERATIONS, PREPARE, LABEL, INFER)
# Where a save of each begins, and how many of them to let pass: the first best checkpoint with all
# that follows from it, a plain checkpoint, a scan, and a snapshot in place of a journal.
SAVES = {
    'epochs': ('fsync .best_', 0),
    'iterations': ('fsync .iter_', 2),
    'prepare': ('fsync .scene', 4),
    'label': ('fsync .room', 1),
    'infer': ('fsync .', 1),
}
