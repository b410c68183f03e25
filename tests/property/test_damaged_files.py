"""Damaged files of every kind: our own errors, and no memory beyond the file. Longer runs:
benchmarks/fuzz.py, which goes on from here.
"""

from __future__ import annotations

import os
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.readers import READERS, Reader, change, try_file

#: Examples per reader; a night's run sets more.
EXAMPLES = int(os.environ.get('UNISON3D_FUZZ_EXAMPLES', '12'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('damaged')


def test_the_good_ones_are_read_and_changes_change(folder):
    """Also imports and compiles what the readers need, which costs memory once."""
    for reader in READERS:
        if not reader.missing():
            good = reader.make()
            reader.read(_placed(reader, folder, good))
            assert sum(change(good, seed) != good for seed in range(10)) >= 7, reader.name


def _placed(reader: Reader, folder, data: bytes):
    for name, content in (reader.others() | {reader.file: data}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / reader.file


@pytest.mark.parametrize('reader', READERS, ids=str)
def test_nothing_but_our_errors(reader: Reader, folder):
    if reader.missing():
        pytest.skip(f'{reader.needs} is not installed')
    good = reader.make()

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(seed=st.integers(0, 2**32 - 1))
    def one(seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try_file(reader, change(good, seed), folder)

    one()
