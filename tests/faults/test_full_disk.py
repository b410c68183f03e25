"""A disk that fills up at any byte of any writer: the old files stay, and the error says why."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.faults.writers import ELSEWHERE, SCENE, WRITERS, Writer, labels_by_journal
from unison3d.errors import FileFormatError, FileWriteError
from unison3d.io import atomic, atomic_write
from unison3d.viewer.journal import Journal, SceneIdentity
from unison3d.viewer.label_edits import Draw
from unison3d.viewer.labels import SceneLabels

pytestmark = pytest.mark.fault
resource = pytest.importorskip('resource')  # not on Windows
PACKAGE = Path(__file__).resolve().parents[2] / 'unison3d'
NUM_PLACES = 8
IDENTITY = SceneIdentity.of(SCENE)
DEFINED = re.compile(r'^ *def (save|export|(?:write|save|export)_\w+)\(', re.MULTILINE)


def tree(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process grows beyond ``size`` bytes, whoever writes it: Python, C or Rust."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class FullDisk(io.FileIO):
    """Has room for some bytes in all, then answers as a full disk does."""

    room = 0

    def write(self, data) -> int:
        taken = min(len(data), FullDisk.room)
        FullDisk.room -= taken
        if not taken and len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(bytes(data[:taken]))


def open_on_full_disk(path, mode, **text):
    raw = io.BufferedRandom if '+' in mode else io.BufferedWriter
    file = raw(FullDisk(path, mode.replace('b', '')))
    return io.TextIOWrapper(file, **text) if text else file


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """What each writer writes; imports and compiled code are written here too, with room."""
    kept: dict[int, dict[str, bytes]] = {}

    def get(writer: Writer) -> dict[str, bytes]:
        if id(writer) not in kept:
            folder = tmp_path_factory.mktemp('good')
            writer.write(folder)
            kept[id(writer)] = tree(folder)
        return kept[id(writer)]

    return get


def check(folder: Path, writer: Writer, caught: Exception, old: dict, new: dict) -> None:
    found = tree(folder)
    assert found.keys() <= old.keys() | new.keys(), 'something unfinished was left'
    for name, data in found.items():
        # Of several files some may be new already, but none is torn.
        assert data == old.get(name) or data == new.get(name), name
    if len(new) == 1 or writer.covers.startswith('apis.scene_result'):
        assert found == old
    message = str(caught)
    assert str(folder) in message and 'MB are free in' in message, message
    assert isinstance(caught, OSError) and caught.exit_code == 1


@pytest.mark.parametrize('writer', WRITERS, ids=str)
def test_a_file_that_cannot_grow(tmp_path, writer, written):
    new = written(writer)
    longest = max(map(len, new.values()))
    # Old files are longer, so that a torn one could not be mistaken for an old one.
    old = {name: b'old' * len(data) for name, data in new.items() if writer.replaces}
    places = np.linspace(0, longest - 1, 3 if writer.slow else NUM_PLACES).astype(int)
    for size in np.unique(places).tolist():
        for name, data in old.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        with pytest.raises(FileWriteError) as caught, files_end_at(size):
            writer.write(tmp_path)
        check(tmp_path, writer, caught.value, old, new)
        assert caught.value.errno == errno.EFBIG
    writer.write(tmp_path)
    assert tree(tmp_path) == new


@pytest.mark.parametrize('writer', [w for w in WRITERS if not w.slow], ids=str)
def test_a_disk_that_fills_up(tmp_path, writer, written, monkeypatch):
    """The true answer of a full disk, where Python does the writing; and nothing was there."""
    new = written(writer)
    total = sum(map(len, new.values()))
    monkeypatch.setattr(atomic, 'open', open_on_full_disk, raising=False)
    for size in (0, total // 3, total - 1):
        FullDisk.room = size
        try:
            writer.write(tmp_path)
        except FileWriteError as error:
            assert error.errno == errno.ENOSPC and 'No space left' in str(error)
            check(tmp_path, writer, error, {}, new)
        else:  # whoever opens the file himself, or writes to its number, meets no such disk
            assert Path(next(iter(new))).suffix in ('.safetensors', '.gif')


def test_edits_of_labels(tmp_path):
    """A journal grows line by line: what was saved stays, what was not is not done."""
    labels_by_journal(tmp_path)
    path, size = tmp_path / 'a.jsonl', (tmp_path / 'a.jsonl').stat().st_size
    good = path.read_bytes()
    for more in (0, 1, 40, 90):
        labels = SceneLabels(100)
        with contextlib.closing(Journal.open(path, labels, IDENTITY)):
            with pytest.raises(FileFormatError, match='Make room'), files_end_at(size + more):
                labels.apply(Draw(np.arange(40, 60), name='table'))
            assert len(labels.objects) == 1
        assert path.read_bytes() == good
    with contextlib.closing(Journal.open(path, SceneLabels(100), IDENTITY)) as journal:
        with pytest.raises(FileWriteError), files_end_at(30):
            journal.compact()
    assert path.read_bytes() == good


def test_no_writer_is_missing():
    found = {
        f'{".".join(path.relative_to(PACKAGE).with_suffix("").parts)}:{name}'
        for path in PACKAGE.rglob('*.py')
        for name in DEFINED.findall(path.read_text(encoding='utf-8'))
    }
    tried = {writer.covers for writer in WRITERS} | ELSEWHERE.keys()
    missing, gone = sorted(found - tried), sorted(ELSEWHERE.keys() - found)
    assert not missing and not gone


@pytest.mark.skipif(os.name != 'posix', reason='permissions of POSIX')
def test_a_folder_without_rights(tmp_path):
    """In a process without the rights of root, which no folder stops."""
    locked = tmp_path / 'locked'
    locked.mkdir()
    (locked / 'a.json').write_text('old')
    os.chmod(locked, 0o555)
    for folder in (tmp_path, *tmp_path.parents):
        with contextlib.suppress(PermissionError):
            os.chmod(folder, folder.stat().st_mode | 0o011)
        if folder.name.startswith('pytest-of'):
            break
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing may raise out of here: this is a copy of the whole test run.
        answer = 'nothing was raised'
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            for path in (locked / 'a.json', locked / 'b' / 'c.json'):
                with contextlib.suppress(FileWriteError), atomic_write(path) as file:
                    file.write(b'new')
            with atomic_write(locked / 'a.json') as file:
                file.write(b'new')
        except BaseException as error:  # noqa: BLE001
            answer = f'{type(error).__name__}: {error}'
        os.write(tell, answer.encode())
        os._exit(0)
    os.close(tell)
    with open(told, 'rb') as file:
        answer = file.read().decode()
    os.waitpid(child, 0)
    assert answer.startswith('FileWriteError') and 'You may not write there' in answer, answer
    assert tree(locked) == {'a.json': b'old'}


def test_errors_about_other_files_are_left_alone(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / 'out' / 'a.bin'):
        (tmp_path / 'elsewhere' / 'input.bin').read_bytes()
