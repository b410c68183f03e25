"""Files are complete or not there."""

from __future__ import annotations

import os
import stat

import pytest

from unison3d.io import atomic_path, atomic_write


def test_content_and_missing_folders(tmp_path):
    path = tmp_path / 'a' / 'b' / 'c.txt'
    with atomic_write(path, 'w') as file:
        file.write('ü\n')
        assert not path.exists()
    assert path.read_bytes() == b'\xc3\xbc\n'
    assert [p.name for p in path.parent.iterdir()] == ['c.txt']


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, OSError])
def test_failure_keeps_the_old_file(tmp_path, error):
    path = tmp_path / 'a.bin'
    path.write_bytes(b'old')
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b'half')
        raise error
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / 'a.bin'
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write(b'first')
        second.write(b'second')
    assert path.read_bytes() == b'first'
    assert list(tmp_path.iterdir()) == [path]


def test_path_for_libraries_keeps_the_ending(tmp_path):
    with atomic_path(tmp_path / 'w.safetensors') as temporary:
        assert temporary.suffix == '.safetensors' and temporary.parent == tmp_path.resolve()
        temporary.write_bytes(b'x')
    assert (tmp_path / 'w.safetensors').read_bytes() == b'x'


def test_long_names_and_the_target_being_a_folder(tmp_path):
    with atomic_write(tmp_path / ('x' * 240)) as file:
        file.write(b'1')
    (tmp_path / 'folder').mkdir()
    with pytest.raises(OSError), atomic_write(tmp_path / 'folder') as file:
        file.write(b'1')
    assert sorted(len(p.name) for p in tmp_path.iterdir()) == [6, 240]


@pytest.mark.skipif(os.name != 'posix', reason='permissions and links of POSIX')
def test_links_and_permissions(tmp_path):
    real = tmp_path / 'real.txt'
    real.write_text('old')
    link = tmp_path / 'link.txt'
    link.symlink_to(real)
    with atomic_write(link, 'w') as file:
        file.write('new')
    assert link.is_symlink() and real.read_text() == 'new'
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(real.stat().st_mode) == 0o666 & ~mask


@pytest.mark.fault
def test_full_disk_is_an_error_not_a_half_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.bin'
    path.write_bytes(b'old')

    def full(fd):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'), atomic_write(path) as file:
        file.write(b'new')
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]
