"""Archives that lie are refused, put nothing anywhere, and cost no memory."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.faults.hostile_archives import ARCHIVES, Members, archive, checkpoint, scan
from tests.test_io.format_samples import POINTS
from unison3d.errors import Unison3DError
from unison3d.io import read_npz_arrays
from unison3d.io.tensor_files import read_checkpoint
from unison3d.structures import PointScene

pytestmark = pytest.mark.fault
resource = pytest.importorskip('resource')  # not on Windows
CONSTANT = 4 << 20
#: What is packed may grow; claims of more than this are refused.
GROWTH = {'a.npz': 1100, 'a.pth': 8}

DOORS: dict[str, tuple[str, Callable[[], Members], Callable[[Path], object]]] = {
    'arrays': ('a.npz', scan, lambda path: read_npz_arrays(path).get('points')),
    'scenes': ('a.npz', scan, lambda path: PointScene.from_file(path).points),
    'checkpoints': ('a.pth', checkpoint, lambda path: read_checkpoint(path)['a']),
    'checkpoints with objects': (
        'a.pth', checkpoint, lambda path: read_checkpoint(path, skip_objects=True)['a']),
}  # fmt: skip


def test_there_are_enough_and_the_good_ones_are_good(tmp_path):
    assert len(ARCHIVES) >= 30
    for name, members, read in DOORS.values():
        (tmp_path / name).write_bytes(archive(members()))
        assert len(read(tmp_path / name)) in (len(POINTS), 512)


@pytest.mark.parametrize('door', DOORS)
@pytest.mark.parametrize('lie', ARCHIVES)
def test_lies(lie, door, tmp_path, monkeypatch):
    name, members, read = DOORS[door]
    inner = tmp_path / 'one' / 'two' / 'three'
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    path = inner / name
    path.write_bytes(ARCHIVES[lie](members()))
    found, size = None, path.stat().st_size
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        found = read(path)
    except Unison3DError as error:
        assert str(path) in str(error) and len(str(error)) < 1500
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    if found is not None:
        truth = POINTS if name == 'a.npz' else torch.arange(512.0)
        assert np.allclose(np.asarray(found), np.asarray(truth), atol=1e-6)
    assert peak < GROWTH[name] * size + CONSTANT
    # torch takes its memory outside of Python.
    unit = 1 if sys.platform == 'darwin' else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    assert grown < GROWTH[name] * size + 4 * CONSTANT
    assert [p for p in tmp_path.rglob('*') if p.is_file()] == [path]
    assert not Path('/tmp/unison3d_escaped.npy').exists()
    assert not Path('/tmp/escaped.npy').exists()
