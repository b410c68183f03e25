"""Broken files of every format end in a typed error that names the file, and cost no memory."""

from __future__ import annotations

import importlib.util
import sys
import tracemalloc
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.faults.bad_files import BAD, Bad
from tests.faults.good_files import GOOD, Good
from unison3d.errors import FileFormatError, InputError
from unison3d.structures import PointScene

pytestmark = pytest.mark.fault
resource = pytest.importorskip('resource')  # not on Windows

NUM_CUTS = 64
#: Memory beyond a multiple of the file: the decoders' chunks, and what Python itself keeps.
CONSTANT = 16 << 20


def read(path: Path, data: bytes) -> PointScene:
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return PointScene.from_file(path)


def skip_without(package: str | None) -> None:
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f'{package} is not installed')


@cache
def content(good: str) -> bytes:
    return next(g for g in GOOD if g.name == good).make()


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """Where the files go, after every reader ran once: imports and compilation cost memory too."""
    folder = tmp_path_factory.mktemp('files')
    for good in GOOD:
        if good.needs is None or importlib.util.find_spec(good.needs) is not None:
            assert len(read(folder / good.name, content(good.name))) == 5, good.name
    return folder


def refused(path: Path, data: bytes, says: str = '') -> None:
    with pytest.raises(InputError) as caught:
        read(path, data)
    message = str(caught.value)
    assert path.name in message and len(message) > len(str(path)) + 15
    assert len(message) < 1500
    assert says in message


# ---------------------------------------------------------------------------- cut off


@pytest.mark.parametrize('cut', range(NUM_CUTS))
@pytest.mark.parametrize('good', GOOD, ids=lambda good: good.name)
def test_truncated(folder, good: Good, cut: int):
    skip_without(good.needs)
    data = content(good.name)
    offset = cut * (len(data) - 1 - good.tail) // (NUM_CUTS - 1)
    path = folder / good.name
    if not good.prefix:
        refused(path, data[:offset])
        return
    # A format without any length: the points up to the cut, or an error.
    try:
        scene = read(path, data[:offset])
    except FileFormatError as error:
        assert path.name in str(error)
    else:
        whole = read(path, data)
        assert len(scene) <= len(whole)
        complete = max(len(scene) - 1, 0)  # the last number may have lost digits
        np.testing.assert_array_equal(scene.points[:complete], whole.points[:complete])


# ---------------------------------------------------------------------------- lies and misfits


def test_there_are_enough_of_them():
    assert len(BAD) >= 300
    assert len({(bad.name, bad.why) for bad in BAD}) == len(BAD)


@pytest.mark.parametrize('bad', BAD, ids=lambda bad: f'{bad.name}: {bad.why}')
def test_malformed(folder, bad: Bad):
    skip_without(bad.needs)
    data = bad.make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        refused(folder / bad.name, data, bad.says)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(data) + CONSTANT
    # The decoders of LAZ and E57 take their memory outside of Python.
    unit = 1 if sys.platform == 'darwin' else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 4 * CONSTANT
