"""Broken downloads: every scan is prepared, or named with the file at fault."""

from __future__ import annotations

import re
import tracemalloc
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.faults.bad_raw_files import BAD_RAW, wrong_types
from tests.faults.raw_layouts import LAYOUTS, RawLayout
from unison3d.cli.main import build_parser, main
from unison3d.datasets.prepare import find_layouts, read_infos, verify_folder
from unison3d.errors import InputError, Unison3DError

pytestmark = pytest.mark.fault

NUM_CUTS = 16
NUM_GARBLED = 4
FILES = [(layout, file) for layout, raw in LAYOUTS.items() for file in raw.files]
JSON_FILES = [(layout, file) for layout, file in FILES if file.endswith('.json')]
#: More than any of these scans needs, and far less than the numbers in their headers.
MOST_MEMORY = 24 << 20


#: Building it takes longer than preparing these scans.
PARSER = build_parser()
#: A whole download of every dataset; broken files are put into it and taken out again.
ROOTS: dict[str, Path] = {}


@cache
def good_bytes(layout: str, file: str) -> bytes:
    return (ROOTS[layout] / file).read_bytes()


@pytest.fixture(scope='module', autouse=True)
def _write_downloads(tmp_path_factory) -> None:
    for name, raw in LAYOUTS.items():
        ROOTS[name] = tmp_path_factory.mktemp('raw')
        raw.write(ROOTS[name])


@pytest.fixture(autouse=True)
def only_typed_errors(monkeypatch):
    """An exception of another type would be collected too; here it ends the job, and the test."""
    monkeypatch.setattr('unison3d.jobs.work.UNIT_ERRORS', (Unison3DError,))
    monkeypatch.setattr('unison3d.cli.main.build_parser', lambda: PARSER)
    # What is written here need not outlive the machine.
    monkeypatch.setattr('os.fsync', lambda descriptor: None)


def prepare(raw: RawLayout, root: Path, out: Path, capsys) -> tuple[int, str]:
    """Exit status and what was shown."""
    options = [str(root / word) if (root / word).exists() else word for word in raw.options]
    with warnings.catch_warnings():
        # Such as numbers that do not fit where they are put.
        warnings.simplefilter('error', RuntimeWarning)
        status = main(['prepare', raw.dataset, '--root', str(root), '--out', str(out), *options])
    shown = capsys.readouterr()
    return status, shown.out + shown.err


def prepared_scans(out: Path) -> set[str]:
    entries = [
        entry for path in out.glob('*_infos_*.pkl') for entry in read_infos(path)['data_list']
    ]
    return {Path(entry['lidar_points']['lidar_path']).stem for entry in entries}


def refused(layout: str, file: str, data: bytes | None, capsys) -> bool:
    """Whether the broken file was refused, after a look at all that has to be true either way."""
    raw, path, out = LAYOUTS[layout], ROOTS[layout] / file, ROOTS[layout] / 'out'
    good = good_bytes(layout, file)
    # The healthy scan may stay from the last time, which is what a user does after a repair.
    victims = '*' if file in raw.classes else raw.victim
    for old in (*out.glob(f'*/{victims}.bin'), *out.glob('*_infos_*')):
        old.unlink()
    try:
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        status, shown = prepare(raw, ROOTS[layout], out, capsys)
    finally:
        path.write_bytes(good)
    made = prepared_scans(out)
    if status == 0:
        assert made == {raw.victim, raw.healthy}
        assert not verify_folder(out).findings
        return False
    assert status == InputError.exit_code and 'Traceback' not in shown
    reasons = dict(re.findall(r'^failed: (\S+) \(\S+\): (.+)$', shown, re.MULTILINE))
    if reasons:
        # Classes that are damaged may fail the healthy scan too, by the same file.
        both = raw.healthy in reasons and file in raw.classes
        assert set(reasons) == ({raw.victim, raw.healthy} if both else {raw.victim})
        assert made == {raw.victim, raw.healthy} - set(reasons)
        assert path.name in reasons[raw.victim]
    else:
        assert not made and path.name in shown
    return True


def test_every_dataset_is_here():
    assert set(find_layouts()) == {raw.dataset for raw in LAYOUTS.values()}
    assert len({row[:3] for row in BAD_RAW}) == len(BAD_RAW) >= 300
    # The files of scannet200 are broken as those of scannet.
    assert {row[0] for row in BAD_RAW} == LAYOUTS.keys() - {'scannet200'}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_whole_downloads_are_prepared(layout, tmp_path, capsys):
    raw = LAYOUTS[layout]
    status, _ = prepare(raw, ROOTS[layout], tmp_path, capsys)
    assert status == 0 and prepared_scans(tmp_path) == {raw.victim, raw.healthy}
    assert not verify_folder(tmp_path).findings


@pytest.mark.parametrize(('layout', 'file'), FILES)
def test_missing(layout, file, capsys):
    was_refused = refused(layout, file, None, capsys)
    assert was_refused or file in LAYOUTS[layout].optional


@pytest.mark.parametrize('cut', range(NUM_CUTS))
@pytest.mark.parametrize(('layout', 'file'), FILES)
def test_truncated(layout, file, cut, capsys):
    data, tail = good_bytes(layout, file), LAYOUTS[layout].files[file]
    offset = cut * (len(data) - (tail or 1)) // (NUM_CUTS - 1)
    was_refused = refused(layout, file, data[:offset], capsys)
    assert was_refused or tail is None


@pytest.mark.parametrize(('layout', 'file'), JSON_FILES)
def test_wrong_types(layout, file, capsys):
    for why, data in wrong_types(good_bytes(layout, file)):
        try:
            refused(layout, file, data, capsys)
        except Exception as error:
            raise AssertionError(f'{file}: {why}') from error


@pytest.mark.parametrize('seed', range(NUM_GARBLED))
@pytest.mark.parametrize(('layout', 'file'), FILES)
def test_garbled(layout, file, seed, capsys):
    rng = np.random.default_rng(seed)
    data = bytearray(good_bytes(layout, file))
    for place in rng.integers(0, len(data), 1 + seed):
        data[place] = rng.integers(0, 256)
    refused(layout, file, bytes(data), capsys)


@pytest.mark.parametrize(('layout', 'file', 'why', 'change'), BAD_RAW)
def test_malformed(layout, file, why, change, capsys):
    data = change(good_bytes(layout, file))
    tracemalloc.start()
    try:
        assert refused(layout, file, data, capsys)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
