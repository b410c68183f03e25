"""``unison3d infer`` on a folder and on a list of scans."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from unison3d.cli import infer_many
from unison3d.cli.infer_many import check_claim, claim, describe
from unison3d.cli.main import main
from unison3d.cli.segment_scan import ScanQuestions
from unison3d.cli.segment_work import SegmentWork
from unison3d.errors import ConfigError
from unison3d.jobs import Crew, only_job
from unison3d.operations import chosen_engines, set_engines

NAMES = ['room', 'sub__mm', 'sub__room']
ANSWERS = ('semantic.ply', 'result.npz')


@pytest.fixture(scope='module')
def scans(tmp_path_factory) -> Path:
    """Three small scans, one of them in millimetres, and a file that is none."""
    root = tmp_path_factory.mktemp('scans')
    rng = np.random.default_rng(0)
    (root / 'sub').mkdir()
    for path, unit in (('room.npy', 1), ('sub/room.npy', 1), ('sub/mm.npy', 1000)):
        np.save(root / path, rng.random((400, 3)) * unit * [3, 3, 1])
    return root


def words(scans: Path, weights: Path, out: Path, *more: str) -> list[str]:
    return ['infer', str(scans), '--out', str(out), '--weights', str(weights), *more]


def infer(scans, weights, out, *more):
    return main(words(scans, weights, out, '--task', 'semantic', 'panoptic', *more))


def answers(out: Path) -> dict[str, bytes]:
    files = [f'{name}/{file}' for name in NAMES for file in ANSWERS]
    return {file: (out / file).read_bytes() for file in files}


@pytest.fixture(scope='module')
def results(scans, weights, tmp_path_factory) -> Path:
    """Results of a job that ran through, with two workers."""
    out = tmp_path_factory.mktemp('job') / 'out'
    assert infer(scans, weights, out, '-j', '2') == 0
    return out


@pytest.fixture
def in_this_process(monkeypatch):
    """Without workers, each of which takes seconds to start."""
    monkeypatch.setattr(infer_many, 'make_crew', lambda args, **options: Crew())


def test_a_folder_gives_what_its_scans_give_alone(scans, weights, results, tmp_path):
    assert sorted(path.name for path in results.iterdir() if path.is_dir()) == ['.infer', *NAMES]
    for name, path in zip(NAMES, ('room.npy', 'sub/mm.npy', 'sub/room.npy'), strict=True):
        assert infer(scans / path, weights, tmp_path / name) == 0
        assert (tmp_path / name / 'result.json').exists()
    assert answers(tmp_path) == answers(results)


def test_the_table_tells_of_every_scan(scans, results):
    summary = json.loads((results / 'summary.json').read_text('utf-8'))
    with open(results / 'summary.csv', newline='', encoding='utf-8') as file:
        table = list(csv.DictReader(file))
    for rows in (summary['scans'], table):
        assert [row['name'] for row in rows] == NAMES
        assert {row['status'] for row in rows} == {'made'}
        assert [int(row['points']) for row in rows] == [400] * 3
        assert all(float(row['seconds']) > 0 for row in rows)
        things = json.loads((results / 'room' / 'result.json').read_text('utf-8'))
        things = things['tasks']['panoptic']['segments']
        assert int(rows[0]['objects']) == sum(segment['is_thing'] for segment in things)
        assert [('--scale 0.001' in str(row['warnings'])) for row in rows] == [False, True, False]
    assert (summary['made'], summary['failed']) == (3, 0)


def test_what_is_done_is_kept_and_what_is_not_is_made(
    scans, weights, tmp_path, capsys, in_this_process
):
    source, out = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    for name in ('a', 'b', 'c', 'd'):
        np.save(source / f'{name}.npy', np.load(scans / 'room.npy'))
    (source / 'broken.ply').write_text('ply\n')
    assert infer(source, weights, out, '--export', 'crops') == 3
    told = capsys.readouterr()
    assert '4 scans segmented, 0 there already, 1 failed' in told.out
    assert 'failed: broken (FileFormatError): ' in told.out and 'end_header' in told.out
    lines = [line for line in told.err.splitlines() if line.startswith('[')]
    assert len(lines) == 5 and lines[0].startswith('[1/5] a: made in ') and ' left' in lines[0]
    assert 'broken: failed' in lines[4] and '2 attempts' in lines[4]
    row = json.loads((out / 'summary.json').read_text('utf-8'))['scans'][2]
    assert (row['name'], row['status'], row['error']) == ('broken', 'failed', 'FileFormatError')
    # One scan changes, one breaks, one result is damaged inside of an export of many files, the
    # broken one is taken away.
    np.save(source / 'a.npy', np.load(scans / 'room.npy')[:300])
    (source / 'd.npy').write_bytes(b'')
    next((out / 'b' / 'exports').rglob('*.ply')).write_bytes(b'')
    (out / 'd' / 'notes.txt').write_text('mine')
    (out / 'c' / 'notes.txt').write_text('mine')
    (out / 'b' / '.result.1-a0.tmp.npz').write_text('half')
    (source / 'broken.ply').unlink()
    before = (out / 'c' / 'result.json').stat().st_mtime_ns
    assert infer(source, weights, out, '--json', '--export', 'crops') == 3
    summary = json.loads(capsys.readouterr().out)
    rows = {row['name']: (row['status'], row['points']) for row in summary['scans']}
    made = {'a': ('made', 300), 'b': ('made', 400), 'c': ('kept', 400)}
    assert rows == made | {'d': ('failed', None)}
    assert [path.name for path in (out / 'd').iterdir()] == ['notes.txt']
    assert (out / 'c' / 'result.json').stat().st_mtime_ns == before
    assert (out / 'c' / 'notes.txt').exists() and not list(out.rglob('*.tmp.*'))
    # Other questions do not mix with these answers.
    assert main(words(source, weights, out, '--task', 'semantic')) == 2
    assert 'other options (tasks, export)' in capsys.readouterr().err
    # Asked for, those of before are forgotten, and the files of the user stay.
    claim(out, describe(weights, ScanQuestions(tasks=['semantic'])), overwrite=True)
    assert not list((out / '.infer' / 'scans').iterdir())
    assert [path.name for path in (out / 'c').iterdir()] == ['notes.txt']


def test_other_engines_and_other_names_are_other_jobs(weights, tmp_path):
    questions = ScanQuestions(tasks=['semantic'])
    folder = tmp_path / 'saved'
    folder.mkdir()
    file = folder / 'weights.safetensors'
    file.write_bytes(weights.read_bytes())
    seen = [describe(weights, questions), describe(file, questions)]
    assert seen[0] == seen[1]
    for names in ('wall', 'chair'):
        (folder / 'labels.json').write_text(names)
        seen.append(describe(file, questions))
    before = chosen_engines()
    set_engines({'pooling': 'torch'})
    seen.append(describe(file, questions))
    set_engines(before)
    out = tmp_path / 'out'
    claim(out, seen[1], overwrite=False)
    record = out / '.infer' / 'scans' / 'a.json'
    record.parent.mkdir()
    record.write_text('{}')
    check_claim(out, seen[0], overwrite=False)
    for other, message in zip(seen[2:], ('weights', 'weights', 'weights'), strict=True):
        with pytest.raises(ConfigError, match=f'other {message}'):
            check_claim(out, other, overwrite=False)
    claim(out, seen[3], overwrite=True)
    record.write_text('{}')
    with pytest.raises(ConfigError, match='--use-engine'):
        check_claim(out, seen[4], overwrite=False)
    # A job that ended before its first scan binds nobody.
    record.unlink()
    check_claim(out, seen[4], overwrite=False)


def test_two_jobs_in_one_folder(scans, weights, tmp_path, capsys):
    with only_job(tmp_path / 'out' / '.infer'):
        assert infer(scans, weights, tmp_path / 'out') == 2
    assert 'another job is at work' in (told := capsys.readouterr().err)
    assert f'process {os.getpid()} on this machine' in told


@pytest.mark.parametrize(
    ('target', 'more', 'status', 'message'),
    [
        ('', ['--click', '1,1,1'], 2, '--click is a place in one scan'),
        ('', ['--box', '1', '1', '1', '1', '1', '1'], 2, '--box is a place in one scan'),
        ('', ['--num-features', '4'], 2, '--num-features'),
        ('', ['--up', 'y'], 2, 'captures'),
        ('', ['-j', '0'], 2, '0 workers'),
        ('', ['--ray-address', 'auto'], 2, '--engine ray'),
        ('', ['--export', 'crops', '--task', 'semantic'], 2, 'crops'),
        ('room.npy', ['-j', '2'], 2, '--workers is for a folder or a list'),
        ('room.npy', ['--engine', 'ray'], 2, '--engine is for a folder or a list'),
        ('none.txt', [], 3, 'none.txt'),
    ],
)
def test_wrong_usage(scans, weights, tmp_path, capsys, target, more, status, message):
    assert main(words(scans / target, weights, tmp_path / 'out', *more)) == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_weights_by_name_and_by_relative_path(weights, tmp_path, monkeypatch):
    questions = ScanQuestions(tasks=('semantic',))
    work = SegmentWork(tmp_path, Path('unified-s_synth-rooms'), 'cpu', questions)
    work.start(0)
    monkeypatch.chdir(weights.parent)
    assert SegmentWork(tmp_path, Path(weights.name), 'cpu', questions).weights == weights


def test_mistakes_that_spoil_every_scan_end_the_job(
    scans, weights, tmp_path, capsys, in_this_process
):
    assert infer(scans, tmp_path / 'none.safetensors', tmp_path / 'a') != 0
    assert not (tmp_path / 'a').exists()
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b' / 'notes.txt').write_text('mine')
    assert infer(scans, weights, tmp_path / 'b') == 2
    assert '--overwrite' in capsys.readouterr().err
    bad = tmp_path / 'bad.safetensors'
    bad.write_bytes(weights.read_bytes()[:5000])
    assert infer(scans, bad, tmp_path / 'c') == 5
    assert 'bad.safetensors' in capsys.readouterr().err
    check_claim(tmp_path / 'c', describe(weights, ScanQuestions(['semantic'])), overwrite=False)
