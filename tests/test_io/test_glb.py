"""Written GLB files: read back by our reader, and looked at byte by byte."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from unison3d.errors import FileFormatError
from unison3d.io import GlbPart, read_gltf, write_glb
from unison3d.io.gltf_colors import srgb_to_linear

POINTS = np.array([[0, 0, 1], [1, 0, 2], [0, 1, 3]], np.float32)


def test_parts_become_named_nodes_and_come_back(tmp_path):
    facts = {'instance': 1, 'class': 'chair', 'score': 0.5}
    parts = [
        GlbPart('chair 1', POINTS, np.array([[0, 128, 255]] * 3, np.uint8),
                np.array([[0, 0, 2], [0, 0, 0], [1, 0, 0]]), np.array([[0, 1, 2]]), facts),
        GlbPart('nothing', POINTS[:0], extras={'instance': 2, 'class': 'lamp'}),
        GlbPart('rest', POINTS + 9, np.zeros((3, 3)), np.ones((3, 3))),
    ]  # fmt: skip
    origin = np.array([400_000.25, 5_000_000.5, 100.0])
    path = write_glb(tmp_path / 'deep' / 'a.glb', parts, name='room', origin=origin)
    scene = read_gltf(path)
    np.testing.assert_array_equal(scene.points, np.concatenate([POINTS, POINTS + 9]) + origin)
    np.testing.assert_array_equal(np.rint(scene.colors * 255)[:3], [[0, 128, 255]] * 3)
    np.testing.assert_array_equal(scene.faces, [[0, 1, 2]])
    np.testing.assert_allclose(scene.normals[0], [0, 0, 1])
    np.testing.assert_array_equal(scene.instance_ids, [1, 1, 1, -1, -1, -1])
    assert scene.instance_names == ('', 'chair')

    data = path.read_bytes()
    magic, version, length, size, kind = struct.unpack_from('<4sIIII', data)
    assert (magic, version, length, kind) == (b'glTF', 2, len(data), 0x4E4F534A)
    assert size % 4 == 0 and len(data) % 4 == 0
    content = json.loads(data[20 : 20 + size])
    assert [node['name'] for node in content['nodes']] == ['room', 'chair 1', 'nothing', 'rest']
    assert content['nodes'][1]['extras'] == facts
    assert content['nodes'][0]['translation'] == [origin[0], origin[2], -origin[1]]
    position = content['accessors'][0]
    # y up: the height is the second number.
    assert (position['min'], position['max']) == ([0, 1, -1], [1, 3, 0])
    view = content['bufferViews'][content['accessors'][2]['bufferView']]
    color = np.frombuffer(data, '<u2', 4, 28 + size + view['byteOffset'])
    np.testing.assert_allclose(color[:3] / 65535, srgb_to_linear(np.array([0, 128, 255]) / 255),
                               atol=1e-5)  # fmt: skip


def test_an_empty_scene_is_a_legal_file(tmp_path):
    content = write_glb(tmp_path / 'a.glb', []).read_bytes()
    assert json.loads(content[20:])['nodes'] == [{'name': 'scene'}]
    with pytest.raises(FileFormatError, match='no points'):
        read_gltf(tmp_path / 'a.glb')


@pytest.mark.parametrize(
    'part',
    [
        GlbPart('a', np.full((1, 3), np.nan)),
        GlbPart('a', POINTS, colors=POINTS[:2]),
        GlbPart('a', POINTS, faces=np.array([[0, 1, 3]])),
        GlbPart('a', POINTS, faces=np.array([[0, 1, -1]])),
    ],
)
def test_writer_refuses_what_does_not_fit(tmp_path, part):
    with pytest.raises(FileFormatError, match='"a"'):
        write_glb(tmp_path / 'a.glb', [part])
    assert list(tmp_path.iterdir()) == []


def test_writer_wants_its_ending(tmp_path):
    with pytest.raises(FileFormatError, match=r'\.glb'):
        write_glb(tmp_path / 'a.gltf', [])
