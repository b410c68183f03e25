"""Info files: ours, the published ones, and what is no info file."""

from __future__ import annotations

import json
import pickle

import mmengine
import numpy as np
import pytest
import torch

from unison3d.datasets.prepare import ReferringSentence, read_infos, write_infos
from unison3d.datasets.prepare.infos import add_sentences
from unison3d.errors import FileFormatError


def entry(name='scene0191_00', **more):
    return {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{name}.bin'},
        'instances': [{'bbox_3d': [0.1, 2.0, 3.0, 1.0, 1.0, 1.0], 'bbox_label_3d': 3}],
        'axis_align_matrix': np.eye(4).tolist(),
        **more,
    }


def published(**more):
    metainfo = {'categories': {'cabinet': 0}, 'dataset': 'scannet', 'info_version': '1.1'}
    return {'metainfo': metainfo, 'data_list': [entry(**more), entry('scene0191_01')]}


def test_published_infos_are_understood(tmp_path):
    masks = torch.rand(3, 40) > 0.5
    tokens = [np.arange(77), np.arange(77, dtype=np.int32)]
    about = {'text': ['a chair', 'the chair'], 'text_token': tokens, 'label_id': np.int64(2)}
    about['pts_id'] = np.arange(5)
    content = published(text_info={'7': about}, sam3d_pseudo_sp_masks=masks)
    content['data_list'][1]['text_info'] = []
    mmengine.dump(content, tmp_path / 'uniseg3d_infos_train.pkl')  # protocol 2
    first, second = read_infos(tmp_path / 'uniseg3d_infos_train.pkl')['data_list']
    assert first['text_info']['7']['text'] == ['a chair', 'the chair']
    assert first['text_info']['7']['label_id'] == 2
    np.testing.assert_array_equal(first['text_info']['7']['text_token'][1], tokens[1])
    np.testing.assert_array_equal(first['text_info']['7']['pts_id'], np.arange(5))
    np.testing.assert_array_equal(first['sam3d_pseudo_sp_masks'], masks.numpy(), strict=True)
    assert second['text_info'] == {} and 'sam3d_pseudo_sp_masks' not in second
    assert first['instances'] == content['data_list'][0]['instances']


def test_what_is_written_is_plain_and_the_same_every_time(tmp_path):
    content = published()
    first = write_infos(tmp_path / 'a.pkl', content['metainfo'], content['data_list'])
    # Equal values in other objects: identity must not show in the bytes.
    copy = json.loads(json.dumps(content))
    second = write_infos(tmp_path / 'b.pkl', copy['metainfo'], copy['data_list'])
    assert [p.name for p in first] == ['a.pkl', 'a.json']
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert mmengine.load(first[0]) == json.loads(first[1].read_text()) == content
    assert read_infos(first[0]) == read_infos(first[1]) == content
    assert b'numpy' not in first[0].read_bytes()


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        ([{'point_cloud': {}}], 'update_infos_to_v2'),
        ({'infos': []}, 'data_list'),
        ({'data_list': []}, 'metainfo'),
        ({'metainfo': {}, 'data_list': [entry(), {}]}, 'entry 1: expected lidar_points'),
        ({'metainfo': {}, 'data_list': [entry(text_info='chair')]}, 'entry 0: text_info is a str'),
        ({'metainfo': {}, 'data_list': [entry(text_info={'x': {'text': []}})]}, "key 'x'"),
        ({'metainfo': {}, 'data_list': [entry(text_info={'1': ['a']})]}, "key '1'"),
        (published(sam3d_pseudo_sp_masks=[True, False]), 'pseudo_sp_masks'),
    ],
)
@pytest.mark.parametrize('suffix', ['.pkl', '.json'])
def test_other_things_are_named(tmp_path, content, reason, suffix):
    path = tmp_path / f'a{suffix}'
    path.write_bytes(json.dumps(content).encode() if suffix == '.json' else pickle.dumps(content))
    with pytest.raises(FileFormatError, match=reason):
        read_infos(path)


def test_harmful_and_unknown_files(tmp_path):
    (tmp_path / 'a.pkl').write_bytes(b'cos\nsystem\n(S"echo"\ntR.')
    with pytest.raises(FileFormatError, match=r'asks for os\.system'):
        read_infos(tmp_path / 'a.pkl')
    with pytest.raises(FileFormatError, match=r'expected \.pkl or \.json'):
        read_infos(tmp_path / 'a.npz')
    with pytest.raises(FileFormatError, match='not found'):
        read_infos(tmp_path / 'b.json')


def test_sentences_keep_to_objects_with_a_class():
    boxes = [{'object_id': 3, 'bbox_label_3d': 1}]
    entries = {'a': {'instances': boxes}, 'b': {'instances': []}}
    sentences = [
        *(ReferringSentence('a', 3, 'x', 's', '1'), ReferringSentence('a', 4, 'y')),
        *(ReferringSentence('b', 3, 'z'), ReferringSentence('c', 3, 'w')),
    ]
    assert add_sentences(entries, sentences) == (1, 2)
    value = {'text': ['x'], 'label_id': 1, 'source': ['s'], 'ann_id': ['1']}
    assert entries['a']['text_info'] == {'3': value} and 'text_info' not in entries['b']
