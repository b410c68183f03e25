"""The one place behind which files are opened."""

from __future__ import annotations

import threading

import pytest

from unison3d import io
from unison3d.errors import FileFormatError
from unison3d.io import check_file, checked_reading
from unison3d.io.frames import read_raw_frames
from unison3d.io.images import image_size, read_color_image, read_depth_image
from unison3d.io.read import _READERS, SCENE_SUFFIXES, read_scene

READERS = {
    **{reader.__name__: (reader, suffix) for suffix, reader in _READERS.items()},
    **{f'read_scene {suffix}': (read_scene, suffix) for suffix in SCENE_SUFFIXES},
    'bytes': (io.read_bytes, '.txt'),
    'bin': (io.read_bin, '.bin'),
    'json': (io.read_json, '.json'),
    'coco': (lambda path: io.read_coco_masks(path, 5), '.json'),
    'npy_array': (io.read_npy_array, '.npy'),
    'npz_arrays': (io.read_npz_arrays, '.npz'),
    'image_size': (image_size, '.png'),
    'image_size npy': (image_size, '.npy'),
    'color': (read_color_image, '.png'),
    'depth': (read_depth_image, '.png'),
    'depth npy': (read_depth_image, '.npy'),
    'sens': (read_raw_frames, '.sens'),
}


class Refused(Exception):
    """By the check."""


def refuse(path):
    raise Refused(path)


@pytest.mark.parametrize('name', READERS)
def test_every_reader_asks_first(name, tmp_path):
    read, suffix = READERS[name]
    if name == 'read_las':
        pytest.importorskip('laspy')
    if name == 'read_e57':
        pytest.importorskip('pye57')
    path = tmp_path / f'scan{suffix}'
    path.write_bytes(b'what no reader takes')
    with checked_reading(refuse), pytest.raises(Refused):
        read(path)


def test_nothing_is_told_about_a_place_that_is_refused(tmp_path):
    (tmp_path / 'secret.txt').touch()
    with pytest.raises(FileFormatError, match='Did you mean secret.txt'):
        check_file(tmp_path / 'secre.txt')
    with checked_reading(refuse), pytest.raises(Refused) as error:
        check_file(tmp_path / 'secre.txt')
    assert 'secret' not in str(error.value)


def test_it_holds_here_only(tmp_path):
    (tmp_path / 'a').touch()
    seen = []
    with checked_reading(seen.append):
        with checked_reading(refuse), pytest.raises(Refused):
            check_file(tmp_path / 'a')
        # The outer one again, after the inner one ended with an error too.
        check_file(tmp_path / 'a')
        other = threading.Thread(target=check_file, args=(tmp_path / 'a',))
        other.start()
        other.join()
    check_file(tmp_path / 'a')
    assert seen == [tmp_path / 'a']
