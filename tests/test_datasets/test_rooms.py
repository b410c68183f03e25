from __future__ import annotations

import json

import numpy as np
import pytest

from unison3d.datasets import write_rooms
from unison3d.errors import ConfigError
from unison3d.structures import PointScene


@pytest.mark.parametrize('suffix', ['.ply', '.npz'])
def test_a_room_is_a_labelled_scan_and_its_sentences(tmp_path, suffix):
    (room,) = write_rooms(tmp_path, 1, seed=3, suffix=suffix)
    assert room.is_new and room.path == tmp_path / f'room_0000003{suffix}'
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f'room_0000003{suffix}',
        'room_0000003.sentences.json',
    ]
    scene = PointScene.from_file(room.path)
    assert len(scene) == room.num_points
    for field in ('colors', 'normals', 'semantic_ids', 'instance_ids', 'part_ids'):
        assert len(getattr(scene, field)) == len(scene), field
    sentences = json.loads((tmp_path / 'room_0000003.sentences.json').read_text(encoding='utf-8'))
    present = set(np.unique(scene.instance_ids).tolist())
    for sentence in sentences:
        assert set(sentence) == {'text', 'targets', 'kind'}
        assert set(sentence['targets']) <= set(range(len(scene.instance_names))) & present
    (again,) = write_rooms(tmp_path, 1, seed=3, suffix=suffix)
    assert not again.is_new


@pytest.mark.parametrize('wrong', [{'num_rooms': -1}, {'workers': 0}, {'seed': -1}])
def test_numbers_out_of_range(tmp_path, wrong):
    with pytest.raises(ConfigError, match='write_rooms'):
        list(write_rooms(tmp_path, **{'num_rooms': 1, **wrong}))
