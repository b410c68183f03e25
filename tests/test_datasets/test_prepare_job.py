"""The job: failures are collected, a killed run resumes, and the result is always the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_datasets.scannet_samples import TRAIN, VAL, read_ids, tree, write_raw_scan

from unison3d.cli.main import main
from unison3d.datasets.prepare import (
    DatasetLayout,
    PreparedScan,
    ScanUnit,
    prepare_dataset,
    read_infos,
)
from unison3d.datasets.prepare.scannet import ScanNet200Layout, ScanNetLayout
from unison3d.errors import ConfigError, FileFormatError
from unison3d.io import atomic_path
from unison3d.jobs import Crew, only_job
from unison3d.superpoints import compute_superpoints

NAMES = (TRAIN, 'scene0191_01', 'scene0191_02', VAL)


def write_scans(root, names=NAMES):
    for seed, name in enumerate(names):
        write_raw_scan(root, name, seed=seed)


def prepare(root, out, **options):
    return prepare_dataset(ScanNetLayout(), root, out, **options)


class MadeLayout(DatasetLayout):
    """Scans handed over as they are, to try what no file of ScanNet has."""

    name = 'made'
    label_space = 'no such table'

    def __init__(self, **scans):
        self.made = scans

    def scans(self, root):
        return [ScanUnit(name, 'all', root / name) for name in self.made]

    def read(self, unit):
        scan = self.made[unit.name]
        if isinstance(scan, BaseException):
            raise scan
        return scan


def made_scan(count=50, **fields):
    rng = np.random.default_rng(0)
    values = {
        'points': rng.random((count, 3)).astype(np.float32),
        'colors': rng.integers(0, 256, (count, 3)).astype(np.uint8),
        **fields,
    }
    return PreparedScan(**values)


def test_bad_scans_are_listed_and_the_others_stay(tmp_path, capsys):
    write_scans(tmp_path / 'raw')
    (tmp_path / 'raw/scans/scene0191_01/scene0191_01.aggregation.json').write_text('{')
    words = ['--root', str(tmp_path / 'raw'), '--out', str(tmp_path / 'out')]
    assert main(['prepare', 'scannet', *words]) == 3
    shown = capsys.readouterr().out
    assert '3 scans made, 0 there already, 1 failed' in shown
    assert 'failed: scene0191_01 (train): ' in shown and 'not valid JSON' in shown
    infos = read_infos(tmp_path / 'out' / 'scannet_infos_train.pkl')
    names = [entry['lidar_points']['lidar_path'] for entry in infos['data_list']]
    assert names == [f'{TRAIN}.bin', 'scene0191_02.bin']
    # The file is mended: only that scan is made, and the result is that of a run without trouble.
    write_raw_scan(tmp_path / 'raw', 'scene0191_01', seed=1)
    assert main(['prepare', 'scannet', *words]) == 0
    assert '1 scans made, 3 there already, 0 failed' in capsys.readouterr().out
    prepare(tmp_path / 'raw', tmp_path / 'fresh')
    assert tree(tmp_path / 'out') == tree(tmp_path / 'fresh')


def leave_unfinished(path):
    """What is there when the process dies inside of an atomic write."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(b'half')
        shutil.copy(temporary, path.with_suffix('.kept'))
    path.unlink()
    path.with_suffix('.kept').rename(temporary)


class Stop(BaseException):
    """Stands for Ctrl-C, which is no Exception either."""


def test_an_interrupted_job_goes_on_and_gives_the_same_bytes(tmp_path):
    write_scans(tmp_path / 'raw')
    prepare(tmp_path / 'raw', tmp_path / 'whole')

    def stop_at_second(outcome, total):
        assert total == 4
        if outcome.unit.name == 'scene0191_01':
            raise Stop

    out = tmp_path / 'out'
    with pytest.raises(Stop):
        prepare(tmp_path / 'raw', out, on_scan=stop_at_second)
    # What a power cut may leave: unfinished files, a lost record, a file cut short.
    others = out / 'points' / 'other_split.bin'
    cut = [out / 'points' / f'{VAL}.bin', out / '.prepare' / 'scans' / 'scene0191_01.json', others]
    for path in cut:
        leave_unfinished(path)
    with open(out / 'points' / f'{TRAIN}.bin', 'r+b') as file:
        file.truncate(7)
    report = prepare(tmp_path / 'raw', out)
    assert [outcome.status for outcome in report.outcomes] == ['made'] * 4
    # That of another scan may be the work of a job that runs beside this one.
    (left,) = out.rglob('*.tmp.*')
    assert left.name.startswith('.other_split.')
    left.unlink()
    assert tree(out) == tree(tmp_path / 'whole')
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*.bin')}
    report = prepare(tmp_path / 'raw', out)
    assert [outcome.status for outcome in report.outcomes] == ['kept'] * 4
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob('*.bin')}
    assert tree(out) == tree(tmp_path / 'whole')


@pytest.mark.skipif(os.name != 'posix', reason='kills a process')
def test_a_killed_process_loses_nothing(tmp_path):
    names = [f'scene0191_{i:02d}' for i in range(40)]
    write_scans(tmp_path / 'raw', names)
    out = tmp_path / 'out'
    command = [sys.executable, '-m', 'unison3d', 'prepare', 'scannet', '--out', str(out)]
    job = subprocess.Popen([*command, '--root', str(tmp_path / 'raw')], stdout=subprocess.DEVNULL)
    while not list(out.glob('.prepare/scans/scene*.json')) and job.poll() is None:
        time.sleep(0.001)
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert not list(out.glob('*_infos_*'))
    done = len(list(out.glob('.prepare/scans/scene*.json')))
    report = prepare(tmp_path / 'raw', out)
    assert sum(outcome.status == 'kept' for outcome in report.outcomes) == done
    prepare(tmp_path / 'raw', tmp_path / 'whole')
    assert tree(out) == tree(tmp_path / 'whole')


def test_several_processes_give_the_same_bytes(tmp_path):
    write_scans(tmp_path / 'raw')
    (tmp_path / 'raw' / 'scans' / VAL / f'{VAL}.txt').unlink()
    one = prepare(tmp_path / 'raw', tmp_path / 'one')
    two = prepare(tmp_path / 'raw', tmp_path / 'two', crew=Crew(workers=2))
    assert [o.status for o in two.outcomes] == [o.status for o in one.outcomes]
    assert two.failures == one.failures and len(two.failures) == 1
    assert tree(tmp_path / 'one') == tree(tmp_path / 'two')


def test_splits_can_be_chosen(tmp_path):
    write_scans(tmp_path / 'raw')
    report = prepare(tmp_path / 'raw', tmp_path / 'out', splits=['val'], tag='mine')
    assert [path.name for path in report.infos] == ['mine_infos_val.pkl', 'mine_infos_val.json']
    assert [path.name for path in (tmp_path / 'out' / 'points').iterdir()] == [f'{VAL}.bin']
    with pytest.raises(ConfigError, match='there are train, val'):
        prepare(tmp_path / 'raw', tmp_path / 'out', splits=['test'])


def test_one_folder_holds_one_dataset(tmp_path):
    write_scans(tmp_path / 'raw')
    prepare(tmp_path / 'raw', tmp_path / 'raw')  # beside the scans, as OpenMMLab has it
    with pytest.raises(ConfigError, match='another dataset'):
        prepare_dataset(ScanNet200Layout(), tmp_path / 'raw', tmp_path / 'raw')
    with pytest.raises(FileFormatError, match='not a folder'):
        prepare(tmp_path / 'nothing', tmp_path / 'out')


def test_one_folder_holds_superpoints_of_one_engine(tmp_path):
    write_scans(tmp_path / 'raw')
    prepare(tmp_path / 'raw', tmp_path / 'out')
    claim = tmp_path / 'out' / '.prepare' / 'dataset.json'
    claim.write_text(claim.read_text().replace('"auto"', '"segmentator"'))
    with pytest.raises(ConfigError, match='--use-engine superpoints=segmentator'):
        prepare(tmp_path / 'raw', tmp_path / 'out')
    report = prepare(tmp_path / 'raw', tmp_path / 'out', splits=['val'], overwrite=True)
    assert [outcome.status for outcome in report.outcomes] == ['made']
    # The other split is of the other engine.
    report = prepare(tmp_path / 'raw', tmp_path / 'out')
    assert {(outcome.unit.split, outcome.status) for outcome in report.outcomes} == {
        ('train', 'made'),
        ('val', 'kept'),
    }
    with (
        only_job(tmp_path / 'out' / '.prepare'),
        pytest.raises(ConfigError, match='another job is at work'),
    ):
        prepare(tmp_path / 'raw', tmp_path / 'out')


@pytest.mark.parametrize('file', ['scannet_infos_train.pkl', f'points/{TRAIN}.bin'])
def test_what_others_have_prepared_is_not_touched(tmp_path, file):
    write_scans(tmp_path / 'raw', [TRAIN])
    path = tmp_path / 'out' / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b'precious')
    with pytest.raises(ConfigError, match='another program'):
        prepare(tmp_path / 'raw', tmp_path / 'out')
    assert tree(tmp_path / 'out') == {file: b'precious'}
    prepare(tmp_path / 'raw', tmp_path / 'out', overwrite=True)
    assert path.read_bytes() != b'precious'


def test_a_scan_that_changed_its_labels_loses_the_old_ones(tmp_path):
    ids = np.ones(50, np.int64)
    labelled = made_scan(semantic_ids=ids, instance_ids=ids)
    prepare_dataset(MadeLayout(a=labelled), tmp_path, tmp_path / 'out')
    assert (tmp_path / 'out' / 'semantic_mask' / 'a.bin').exists()
    prepare_dataset(MadeLayout(a=made_scan()), tmp_path, tmp_path / 'out', overwrite=True)
    assert not (tmp_path / 'out' / 'semantic_mask' / 'a.bin').exists()


def test_bare_points_are_cut_as_everywhere_else(tmp_path):
    scan = made_scan(400)
    prepare_dataset(MadeLayout(a=scan), tmp_path, tmp_path / 'out')
    expected = compute_superpoints(scan.points, scan.colors.astype(np.float32) / 255)
    np.testing.assert_array_equal(read_ids(tmp_path / 'out', 'super_points', 'a'), expected)


def test_given_superpoints_are_renumbered(tmp_path):
    scan = made_scan(4, superpoints=np.array([90, 7, 90, 10**12]))
    prepare_dataset(MadeLayout(a=scan), tmp_path, tmp_path / 'out')
    found = read_ids(tmp_path / 'out', 'super_points', 'a')
    assert len(np.unique(found)) == found.max() + 1 == 3 and found[0] == found[2]


def test_own_sentences_and_unknown_classes(tmp_path):
    ids = np.repeat([0, 5], 25)
    scan = made_scan(semantic_ids=ids, instance_ids=ids, sentences={4: ['the one'], 9: ['none']})
    prepare_dataset(MadeLayout(a=scan), tmp_path, tmp_path / 'out')
    (entry,) = read_infos(tmp_path / 'out' / 'made_infos_all.json')['data_list']
    assert [box['bbox_label_3d'] for box in entry['instances']] == [-1]
    assert {key: value['text'] for key, value in entry['text_info'].items()} == {'4': ['the one']}


NOT_FINITE = np.full((50, 3), np.nan, np.float32)


@pytest.mark.parametrize(
    ('scan', 'reason'),
    [
        (made_scan(points=NOT_FINITE), 'point 0'),
        (made_scan(points=np.zeros((0, 3), np.float32)), 'N >= 1'),
        (made_scan(colors=np.zeros((50, 3), np.float32)), 'expected uint8'),
        (made_scan(semantic_ids=np.zeros(50, np.int64)), 'only one of'),
        (made_scan(superpoints=np.zeros(49, np.int64)), r'shape \(49,\)'),
        (made_scan(superpoints=np.full(50, -1)), 'down to -1'),
        (made_scan(axis_align_matrix=np.zeros((3, 3))), '4x4'),
        (OSError('the disk is gone'), 'OSError: the disk is gone'),
        (KeyError('vertex'), 'KeyError'),
    ],
)
def test_scans_that_do_not_hold_together(tmp_path, scan, reason):
    layout = MadeLayout(bad=scan, good=made_scan())
    report = prepare_dataset(layout, tmp_path, tmp_path / 'out')
    assert [o.status for o in report.outcomes] == ['failed', 'made']
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(report.failures[0].reason)


def test_the_script_of_openmmlab(tmp_path, capsys):
    from importlib.util import module_from_spec, spec_from_file_location

    from conftest import REPO_ROOT

    spec = spec_from_file_location('create_data', REPO_ROOT / 'tools' / 'create_data.py')
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    write_scans(tmp_path, [TRAIN])
    words = ['scannet', '--root-path', str(tmp_path), '--out-dir', str(tmp_path / 'out')]
    assert main(script.arguments([*words, '--extra-tag', 'my', '--workers', '1'])) == 0
    assert (tmp_path / 'out' / 'my_infos_train.pkl').exists()
    assert script.arguments(['scannet'])[-1] == '4'


def test_root_is_needed(tmp_path, capsys):
    assert main(['prepare', 'scannet', '--out', str(tmp_path)]) == ConfigError.exit_code
    assert '--root' in capsys.readouterr().err
    words = ['prepare', 'scannet', '--root', str(tmp_path), '--out', str(tmp_path / 'out')]
    assert main([*words, '--workers', '0']) == ConfigError.exit_code
    assert '0 workers' in capsys.readouterr().err
    assert main(['prepare', 'scanet', '--out', str(tmp_path)]) == ConfigError.exit_code
    assert 'scannet200' in capsys.readouterr().err
