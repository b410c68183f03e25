"""What is listed, and what cannot be reached."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.test_io.frame_samples import frame_files, write
from unison3d.errors import FileFormatError, SceneError
from unison3d.io import write_json, write_npz
from unison3d.structures import PointScene
from unison3d.viewer.library import Library, PathError


def write_scan(path, seed=0):
    points = np.random.default_rng(seed).random((20, 3)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    PointScene(points, colors=points).save(path)
    return points


@pytest.fixture
def data(tmp_path):
    """A folder with everything that can be opened, beside a secret."""
    data = tmp_path / 'data'
    write_scan(tmp_path / 'secret' / 'secret.ply')
    points = write_scan(data / 'my room.ply')
    write_scan(data / 'my room' / 'my room_vh_clean_2.ply', 1)
    (data / 'notes.txt').write_text('no scan')
    result = data / 'result'
    write_npz(
        result / 'result.npz',
        {
            'points': points,
            'superpoints': np.arange(20) // 5,
            'origin': np.zeros(3),
            'panoptic_instance': np.arange(20) // 10 + 2,
        },
    )
    write_json(result / 'result.json', {'scene': {'source': 'my room.ply'}})
    return data


def test_everything_in_a_folder_can_be_opened(data):
    library = Library([data])
    kinds = {entry.key: entry.kind for entry in library.entries}
    assert kinds == {'my_room': 'scan', 'my_room-2': 'scan', 'result': 'result'}
    assert all(len(library.load(key)) == 20 for key in kinds)
    result = library.load('result')
    assert result.instance_ids.tolist() == [2] * 10 + [3] * 10
    assert result.has_color
    assert library.journal_path('my_room') == data / 'unison3d_labels' / 'my_room.labels.jsonl'
    with pytest.raises(SceneError, match='there is my_room'):
        library.entry('my_rom')


def test_the_result_of_a_capture_beside_it(data):
    write(data / 'walk', frame_files())
    write_json(data / 'result' / 'result.json', {'scene': {'source': 'walk'}})
    library = Library([data])
    assert library.entry('walk').kind == 'capture'
    assert not library.load('result').has_color


def test_a_prepared_data_set(tmp_path):
    table = np.random.default_rng(0).random((30, 6)).astype('<f4')
    for name, content in (
        ('points', table),
        ('instance_mask', np.arange(30) // 10),
        ('semantic_mask', np.full(30, 5)),
        ('super_points', np.arange(30) // 3),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'scan_1.bin').write_bytes(content.tobytes())
    library = Library([tmp_path])
    scene = library.load('scan_1')
    assert scene.instance_ids.tolist() == [-1] * 10 + [0] * 10 + [1] * 10
    assert set(scene.semantic_ids.tolist()) == {4}
    assert scene.superpoints.max() == 9


def test_a_single_file_is_all_there_is(data):
    library = Library([data / 'my room.ply'])
    assert [entry.key for entry in library.entries] == ['my_room']
    with pytest.raises(PathError):
        library.readable(data / 'result' / 'result.npz')


@pytest.mark.parametrize(
    'path',
    [
        '../secret/secret.ply',
        'result/../../secret/secret.ply',
        '/etc/passwd',
        'link/secret.ply',
        'link.ply',
        'deep/../../data-other/x',
        '\0',
    ],
)
def test_no_path_leads_out(data, path):
    (data / 'link').symlink_to(data.parent / 'secret')
    (data / 'link.ply').symlink_to(data.parent / 'secret' / 'secret.ply')
    (data.parent / 'data-other').mkdir()
    library = Library([data], output=data)
    assert all(not entry.key.startswith('link') for entry in library.entries)
    for door in (library.readable, library.writable):
        with pytest.raises(PathError):
            door(data / path)
    with pytest.raises(PathError):
        library.writable(path)


def test_a_link_inside_a_scan_folder_leads_out(data):
    mesh = data / 'my room' / 'my room_vh_clean_2.ply'
    mesh.unlink()
    mesh.symlink_to(data.parent / 'secret' / 'secret.ply')
    with pytest.raises(PathError, match='lies outside'):
        Library([data / 'my room']).load('my_room')


def test_writing_goes_to_the_output_only(data, tmp_path):
    library = Library([data], output=tmp_path / 'out')
    assert library.writable('a/b.ply') == tmp_path / 'out' / 'a' / 'b.ply'
    with pytest.raises(PathError):
        library.writable(data / 'new.ply')
    # What was written can be opened again.
    assert library.readable(tmp_path / 'out' / 'a.ply') == tmp_path / 'out' / 'a.ply'


def test_nothing_to_open(tmp_path):
    with pytest.raises(FileFormatError, match='nothing to open'):
        Library([tmp_path])
    with pytest.raises(FileFormatError, match='does not exist'):
        Library([tmp_path / os.urandom(4).hex()])
    with pytest.raises(FileFormatError, match='no scan was given'):
        Library([])
