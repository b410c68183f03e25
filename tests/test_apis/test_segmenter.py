"""The door for users: prompts, bad input, results on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_config, tiny_model

from unison3d.apis import TASKS, Segmenter
from unison3d.engine.checkpoint import save_weights
from unison3d.errors import (
    CheckpointError,
    ConfigError,
    FileFormatError,
    PromptError,
    SceneError,
    VocabularyError,
)
from unison3d.io import read_ply
from unison3d.models.text import TextEncoder
from unison3d.structures import Click, PointScene


class HashEncoder(TextEncoder):
    """Deterministic vectors without a language model."""

    name = 'hash'
    dim = 384

    def _encode(self, phrases):
        rows = [torch.Generator().manual_seed(sum(map(ord, p))) for p in phrases]
        vectors = torch.stack([torch.randn(self.dim, generator=g) for g in rows])
        return torch.nn.functional.normalize(vectors, dim=1)


@pytest.fixture(scope='module')
def segmenter():
    model = tiny_model().eval()
    model.tasks['text']._text_encoder = HashEncoder()
    return Segmenter(model)


def room(num_points: int = 600, seed: int = 0, **options) -> PointScene:
    rng = np.random.default_rng(seed)
    points = rng.random((num_points, 3)) * [4, 3, 1]
    colors = rng.random((num_points, 3))
    return PointScene.from_arrays(points, colors, name='room', **options)


def test_all_six_tasks(segmenter):
    scene = segmenter.set_scene(room())
    result = segmenter.predict(
        list(TASKS),
        clicks=[scene.points[0], Click(tuple(scene.points[5]), object=7)],
        texts=['the chair'],
        vocabulary=['chair', 'table'],
    )
    count = len(scene)
    assert result.semantic.shape == result.panoptic_semantic.shape == (count,)
    assert result.open_semantic.max() < 2
    assert len(result.click_masks) == 2
    assert result.text_masks.masks.shape == (1, count)
    assert 'room' in result.summary()


def test_default_tasks_follow_the_prompts(segmenter):
    segmenter.set_scene(room())
    assert segmenter.predict().tasks == ['semantic', 'instance', 'panoptic']
    assert 'referring' in segmenter.predict(texts=['a chair']).tasks
    assert 'open_vocabulary' in segmenter.predict(vocabulary=['chair']).tasks


def test_saved_files_say_the_same(segmenter, tmp_path):
    scene = segmenter.set_scene(room())
    result = segmenter.predict(clicks=[scene.points[3]])
    paths = result.save(tmp_path / 'out')
    assert {p.name for p in paths} == {
        'semantic.ply', 'panoptic.ply', 'instance.ply', 'interactive.ply', 'result.npz',
        'result.json',
    }  # fmt: skip
    report = json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert report['scene']['num_points'] == len(scene)
    assert report['tasks']['interactive']['masks'][0]['num_points'] == int(
        result.click_masks.sizes()[0]
    )
    arrays = np.load(tmp_path / 'out' / 'result.npz')
    np.testing.assert_array_equal(arrays['semantic'], result.semantic)
    np.testing.assert_array_equal(
        arrays['interactive_masks'][:, arrays['superpoints']], result.click_masks.masks
    )
    ply = read_ply(tmp_path / 'out' / 'semantic.ply')
    np.testing.assert_array_equal(ply.semantic_ids, result.semantic)
    with pytest.raises(ConfigError, match='overwrite'):
        result.save(tmp_path / 'out')
    result.save(tmp_path / 'out', overwrite=True)


def test_clicks_use_the_coordinates_of_the_file(segmenter):
    near = segmenter.set_scene(room())
    click = near.points[10].astype(np.float64)
    expected = segmenter.predict(clicks=[click]).click_masks
    shift = np.array([431_000.0, 5_812_000.0, 30.0])
    far_scene = PointScene.from_arrays(
        near.points.astype(np.float64) + shift, near.colors, name='utm'
    )
    segmenter.set_scene(far_scene)
    result = segmenter.predict(clicks=[click + shift])
    assert np.abs(far_scene.origin).max() > 1e5
    assert result.click_masks.superpoint_masks.shape == expected.superpoint_masks.shape


def test_missing_colour_is_handled(segmenter):
    scene = room()
    segmenter.set_scene(PointScene.from_arrays(scene.points, name='grey'))
    result = segmenter.predict()
    assert result.semantic.shape == (len(scene),)
    assert result.colorings()['semantic'].shape == (len(scene), 3)


@pytest.mark.parametrize('num_points', [0, 1])
def test_almost_nothing(segmenter, num_points, tmp_path):
    points = np.zeros((num_points, 3), np.float32)
    segmenter.set_scene(PointScene.from_arrays(points, name='almost'))
    result = segmenter.predict(texts=['the chair'], vocabulary=['chair'])
    assert result.semantic.shape == (num_points,)
    assert result.text_masks.masks.shape == (1, num_points)
    assert result.open_instances.masks.shape == (0, num_points)
    result.save(tmp_path / 'out')
    assert json.loads((tmp_path / 'out' / 'result.json').read_text())


def test_all_points_equal(segmenter):
    segmenter.set_scene(PointScene.from_arrays(np.ones((50, 3)), name='dot'))
    assert segmenter.predict().semantic.shape == (50,)


def test_bad_clicks(segmenter):
    segmenter.set_scene(room())
    with pytest.raises(PromptError, match='nearest point'):
        segmenter.predict(clicks=[(100.0, 0.0, 0.0)])
    with pytest.raises(PromptError, match='finite'):
        segmenter.predict(clicks=[(float('nan'), 0.0, 0.0)])
    with pytest.raises(PromptError, match='finite'):
        segmenter.predict(clicks=[(1.0, 0.0)])
    segmenter.set_scene(PointScene.from_arrays(np.zeros((0, 3)), name='empty'))
    with pytest.raises(PromptError, match='no points'):
        segmenter.predict(clicks=[(0.0, 0.0, 0.0)])


def test_bad_words(segmenter):
    segmenter.set_scene(room())
    with pytest.raises(PromptError, match='empty'):
        segmenter.predict(texts=['  '])
    for vocabulary in ([], ['chair', ' '], ['chair', 'chair']):
        with pytest.raises(VocabularyError):
            segmenter.predict(vocabulary=vocabulary)
    with pytest.raises(VocabularyError, match='chair'):
        segmenter.predict(vocabulary=['chiar'])


def test_bad_tasks(segmenter):
    with pytest.raises(ConfigError, match='set_scene'):
        Segmenter(segmenter.model).predict()
    segmenter.set_scene(room())
    with pytest.raises(ConfigError, match='panoptic'):
        segmenter.predict(['everything'])
    with pytest.raises(PromptError, match='sentence'):
        segmenter.predict(['referring'])
    with pytest.raises(ConfigError, match='not asked'):
        _ = segmenter.predict(['semantic']).instances


def test_bad_files(segmenter, tmp_path):
    with pytest.raises(FileFormatError, match='nowhere'):
        segmenter.set_scene(tmp_path / 'nowhere.ply')
    with pytest.raises(SceneError, match='finite'):
        segmenter.set_scene(room_with_nan(tmp_path))
    scene = segmenter.set_scene(room_with_nan(tmp_path), on_bad='drop')
    assert len(scene) == 9


def room_with_nan(folder: Path) -> Path:
    points = np.random.default_rng(0).random((10, 3))
    points[4, 1] = np.nan
    path = folder / 'bad.npy'
    np.save(path, points)
    return path


def test_weights_round_trip(segmenter, tmp_path):
    path = tmp_path / 'tiny.safetensors'
    save_weights(path, segmenter.model.state_dict(), {'model': json.dumps(tiny_config())})
    loaded = Segmenter.from_pretrained(path, device='cpu')
    for one in (segmenter, loaded):
        one.set_scene(room())
    np.testing.assert_array_equal(segmenter.predict().semantic, loaded.predict().semantic)


def test_weights_of_another_architecture(segmenter, tmp_path):
    path = tmp_path / 'other.safetensors'
    config = tiny_config()
    config['decoder']['d_model'] = 32
    save_weights(path, segmenter.model.state_dict(), {'model': json.dumps(config)})
    with pytest.raises(CheckpointError, match='architecture'):
        Segmenter.from_pretrained(path, device='cpu')


@pytest.mark.parametrize('name', ['os.system', 'Linear', 'torch.nn.Linear'])
def test_weights_cannot_name_foreign_classes(segmenter, tmp_path, name):
    path = tmp_path / 'foreign.safetensors'
    config = tiny_config()
    config['backbone']['type'] = name
    save_weights(path, segmenter.model.state_dict(), {'model': json.dumps(config)})
    with pytest.raises(CheckpointError, match='names the class'):
        Segmenter.from_pretrained(path, device='cpu')


def test_weights_without_description(segmenter, tmp_path):
    path = tmp_path / 'bare.safetensors'
    save_weights(path, segmenter.model.state_dict())
    with pytest.raises(CheckpointError, match='description'):
        Segmenter.from_pretrained(path, device='cpu')
