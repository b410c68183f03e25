"""Photos of a result: those of the capture it was made of, turned as it was."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tests.test_io.frame_samples import frame_files, write
from unison3d.errors import FileFormatError, SceneError
from unison3d.io import write_json, write_npz
from unison3d.structures import read_frames
from unison3d.viewer.library import Library, PathError
from unison3d.viewer.scene_frames import frames_of

#: y of the capture is z of the result.
TURN = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


def write_result(folder, turn=TURN, source='walk'):
    arrays = {'points': np.eye(3, dtype='f4'), 'superpoints': np.arange(3), 'origin': np.zeros(3)}
    write_npz(folder / 'result.npz', arrays)
    write_json(folder / 'result.json', {'scene': {'source': source, 'T_world_capture': turn}})


def look(library, key='result'):
    """The frames of an entry, as its panel asks for them."""
    session = SimpleNamespace(scene=library.load(key), scale=1.0)
    with library.reading(key):
        return frames_of(session, library, key)


@pytest.mark.parametrize('named', ['the folder around both', 'both', 'both, apart'])
def test_the_frames_of_the_capture(tmp_path, named):
    place = 'captures/walk' if named == 'both, apart' else 'walk'
    write(tmp_path / place, frame_files())
    write_result(tmp_path / 'result')
    both = [tmp_path / 'result', tmp_path / place]
    library = Library([tmp_path] if named == 'the folder around both' else both)
    found, raw = look(library), read_frames(tmp_path / place)
    assert [frame.name for frame in found] == [frame.name for frame in raw]
    for frame, before in zip(found, raw, strict=True):
        expected = np.array(TURN) @ before.camera.T_world_camera
        np.testing.assert_allclose(frame.camera.T_world_camera, expected)
    with library.reading('result'):
        assert found[0].read_color().any()


def test_no_capture_that_was_not_named(tmp_path):
    write(tmp_path / 'walk', frame_files())
    write_result(tmp_path / 'data' / 'result')
    assert look(Library([tmp_path / 'data'])) is None
    (tmp_path / 'data' / 'walk').symlink_to(tmp_path / 'walk')
    assert look(Library([tmp_path / 'data'])) is None
    write_result(tmp_path / 'data' / 'result', source='../walk')
    assert look(Library([tmp_path / 'data'])) is None


def test_no_photo_from_outside(tmp_path):
    data = tmp_path / 'data'
    write(data / 'walk', frame_files())
    write_result(data / 'result')
    library = Library([data])

    def move_last(pattern):
        file = sorted((data / 'walk').glob(pattern))[-1]
        shutil.move(file, tmp_path / file.name)
        file.symlink_to(tmp_path / file.name)

    move_last('*.color.*')
    frames = look(library)
    with library.reading('result'):
        assert frames[0].read_color().any()
        with pytest.raises(PathError, match='lies outside'):
            frames[-1].read_color()
    move_last('*.pose.txt')
    with pytest.raises(PathError, match='lies outside'):
        look(library)


@pytest.mark.parametrize(
    ('turn', 'error', 'text'),
    [
        (None, FileFormatError, 'no scene.T_world_capture'),
        ((2 * np.eye(4)).tolist(), SceneError, 'rigid'),
        ([[1, 2], [3]], SceneError, 'walk'),
        ('up', SceneError, 'walk'),
    ],
)
def test_a_turn_that_is_none(tmp_path, turn, error, text):
    write(tmp_path / 'walk', frame_files())
    write_result(tmp_path / 'result', turn)
    with pytest.raises(error, match=text):
        look(Library([tmp_path]))
