"""No pickle runs anything, through whatever door it comes."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.faults.bad_files import npy_claiming
from tests.faults.pickle_gadgets import GADGETS, HUNGRY, content_of_checkpoint
from unison3d.apis.model_file import load_model
from unison3d.datasets.prepare import read_infos
from unison3d.errors import Unison3DError
from unison3d.io import read_npy_array, read_npz_arrays
from unison3d.io.restricted_pickle import read_pickle
from unison3d.io.tensor_files import read_checkpoint, read_tensor, read_weights
from unison3d.models.text.bank import TextBank
from unison3d.structures import PointScene

pytestmark = pytest.mark.fault


@cache
def checkpoint(legacy: bool) -> bytes:
    file = io.BytesIO()
    torch.save({'a': torch.arange(4.0)}, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def as_it_is(gadget: bytes) -> bytes:
    return gadget


def in_archive(gadget: bytes) -> bytes:
    """A checkpoint of torch whose content is the gadget."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(checkpoint(False))) as good, zipfile.ZipFile(file, 'w') as bad:
        for record in good.infolist():
            is_content = record.filename.endswith('data.pkl')
            bad.writestr(record.filename, gadget if is_content else good.read(record))
    return file.getvalue()


def in_old_checkpoint(gadget: bytes) -> bytes:
    """The same in the format of before PyTorch 1.6: a row of pickles."""
    good, end = checkpoint(True), 0
    stream = io.BytesIO(good)
    for _ in range(3):
        pickle.load(stream)
        end = stream.tell()
    return good[:end] + gadget + b'\x80\x02]q\x00.'


def in_npy(gadget: bytes) -> bytes:
    return npy_claiming('(1,)', "'|O'", gadget)


def in_npz(gadget: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('points.npy', in_npy(gadget))
    return file.getvalue()


def in_storage(gadget: bytes) -> bytes:
    """Bytes that torch's own function for tensors inside of pickles would unpickle."""
    return pickle.dumps(Loads(gadget), protocol=2)


class Loads:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple:
        return torch.storage._load_from_bytes, (self.data,)


def in_metadata(gadget: bytes) -> bytes:
    path = Path('metadata.tmp')
    description = json.dumps({'type': 'UnifiedSegmentor', 'tasks': gadget.decode('latin1')})
    save_file({'a': torch.ones(2)}, path, {'model': description, 'pickle': gadget.decode('latin1')})
    data = path.read_bytes()
    path.unlink()
    return data


def skipping(path: Path) -> object:
    return read_checkpoint(path, skip_objects=True)


#: Name of the file, how the gadget gets into it, and who reads it.
DOORS: dict[str, tuple[str, Callable[[bytes], bytes], Callable[[Path], object]]] = {
    'infos': ('a.pkl', as_it_is, read_infos),
    'pickles': ('a.pkl', as_it_is, read_pickle),
    'storages of infos': ('a.pkl', in_storage, read_pickle),
    'checkpoints': ('a.pth', in_archive, read_checkpoint),
    'checkpoints with objects': ('a.pth', in_archive, skipping),
    'weights in checkpoints': ('a.pth', in_archive, read_weights),
    'old checkpoints': ('a.pth', in_old_checkpoint, read_checkpoint),
    'old checkpoints with objects': ('a.pth', in_old_checkpoint, skipping),
    'bare checkpoints': ('a.pth', as_it_is, read_checkpoint),
    'tensors': ('a.pth', in_archive, read_tensor),
    'arrays': ('a.npy', in_npy, read_npy_array),
    'bare arrays': ('a.npy', as_it_is, read_npy_array),
    'scenes in npy': ('a.npy', in_npy, PointScene.from_file),
    'scenes in npz': ('a.npz', in_npz, PointScene.from_file),
    'named arrays': ('a.npz', in_npz, read_npz_arrays),
    'bare archives of arrays': ('a.npz', as_it_is, read_npz_arrays),
    'phrases': ('a.npz', in_npz, TextBank.read),
    'descriptions of models': ('a.safetensors', in_metadata, load_model),
    'bare weights': ('a.safetensors', as_it_is, read_weights),
}


@pytest.fixture
def trap(tmp_path, monkeypatch) -> Path:
    """An empty folder, also the current one, in which nothing may appear."""
    folder = tmp_path / 'trap'
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='tries the gadgets in a process of their own')
def test_the_gadgets_are_loaded(trap):
    """With the standard reader each of them leaves its file, so their silence means something."""
    assert len(GADGETS) >= 40
    duds = []
    for name, make in GADGETS.items():
        data = make(str(trap / 'was_here'))
        child = os.fork()
        if child == 0:
            # Nothing may get out of here: this is a copy of the whole test run.
            try:
                signal.alarm(20)
                null = os.open(os.devnull, os.O_RDWR)
                for number in (0, 1, 2):
                    os.dup2(null, number)
                pickle.loads(data)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        found = list(trap.iterdir())
        if not found:
            duds.append(name)
        for path in found:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert not duds


@pytest.mark.parametrize('door', DOORS)
def test_no_gadget_gets_in(door, trap, tmp_path):
    name, pack, read = DOORS[door]
    path = tmp_path / name
    for gadget, make in GADGETS.items():
        content = make(str(trap / 'was_here'))
        for data in (content, content_of_checkpoint(content)):
            path.write_bytes(pack(data))
            try:
                read(path)
            except Unison3DError as error:
                assert str(path) in str(error), gadget
            assert not list(trap.iterdir()), gadget


@pytest.mark.parametrize('door', DOORS)
def test_no_gadget_makes_room(door, tmp_path):
    name, pack, read = DOORS[door]
    path = tmp_path / name
    for make in HUNGRY.values():
        for data in (make(''), content_of_checkpoint(make(''))):
            path.write_bytes(pack(data))
            with pytest.raises(Unison3DError, match=name):
                read(path)


def test_a_door_shows_what_it_refused(tmp_path):
    path = tmp_path / 'a.pkl'
    path.write_bytes(GADGETS['subprocess.run'](str(tmp_path / 'x')))
    with pytest.raises(Unison3DError, match=r'asks for (subprocess|commands)\.run'):
        read_pickle(path)
    assert isinstance(np.zeros(1), np.ndarray) and not (tmp_path / 'x').exists()
