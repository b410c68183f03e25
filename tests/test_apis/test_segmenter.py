"""The door for users: prompts, bad input, coordinates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_model

from tests.test_apis.api_samples import room, room_arrays, slabs
from unison3d.apis import TASKS, Segmenter
from unison3d.errors import ConfigError, FileFormatError, PromptError, SceneError, VocabularyError
from unison3d.io import read_ply
from unison3d.structures import Click, PointScene


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


def test_clicks_use_the_coordinates_of_the_file(segmenter):
    """Far from zero, the same place is clicked, and the same mask comes back."""
    near = segmenter.set_scene(slabs())
    for row in (10, 500):
        click = near.points[row].astype(np.float64)
        segmenter.set_scene(near)
        clicked = segmenter.predict(clicks=[click])
        shift = np.array([431_000.0, 5_812_000.0, 30.0])
        far_scene = PointScene.from_arrays(
            near.points.astype(np.float64) + shift,
            near.colors,
            superpoints=near.superpoints,
            name='utm',
        )
        assert np.abs(far_scene.origin).max() > 1e5
        segmenter.set_scene(far_scene)
        result = segmenter.predict(clicks=[click + shift])
        place = result.sample.prompts.click_superpoints
        assert place.tolist() == [near.superpoints[row]]
        assert place.tolist() == clicked.sample.prompts.click_superpoints.tolist()
        assert torch.equal(result.click_masks.masks, clicked.click_masks.masks)
        assert torch.allclose(result.click_masks.scores, clicked.click_masks.scores, atol=1e-3)


def test_a_scaled_file_keeps_its_coordinates(segmenter, tmp_path):
    """A scan in millimetres is clicked and reported in millimetres."""
    points, colors = room_arrays()
    for name, factor in (('metres', 1.0), ('millimetres', 1000.0)):
        PointScene.from_arrays(points, colors).save(tmp_path / f'{name}.npz')
        arrays = dict(np.load(tmp_path / f'{name}.npz'))
        arrays['points'] = points * factor
        np.savez(tmp_path / f'{name}.npz', **arrays)
    segmenter.set_scene(tmp_path / 'metres.npz')
    expected = segmenter.predict(clicks=[points[7]])
    segmenter.set_scene(tmp_path / 'millimetres.npz', scale=0.001)
    result = segmenter.predict(clicks=[points[7] * 1000])
    assert segmenter.scale == result.scale == 0.001
    np.testing.assert_allclose(result.scene.points, points, atol=1e-5)
    assert torch.equal(
        result.sample.prompts.click_superpoints, expected.sample.prompts.click_superpoints
    )

    metres, report = expected.to_json(), result.to_json()
    assert report['scene']['scale'] == 0.001
    clicked = report['tasks']['interactive']['clicks'][0]['position']
    np.testing.assert_allclose(clicked, points[7] * 1000)
    boxes = [r['tasks']['panoptic']['segments'][0]['box'] for r in (metres, report)]
    np.testing.assert_allclose(boxes[1]['max'], np.multiply(boxes[0]['max'], 1000), atol=0.2)

    result.save(tmp_path / 'out')
    np.testing.assert_allclose(
        read_ply(tmp_path / 'out' / 'semantic.ply').points, points * 1000, atol=0.01
    )
    arrays = np.load(tmp_path / 'out' / 'result.npz')
    np.testing.assert_allclose(
        (arrays['points'] + arrays['origin']) / arrays['scale'], points * 1000, atol=0.01
    )
    with pytest.raises(PromptError, match=r'to \[39\d\d'):
        segmenter.predict(clicks=[points[7]] * 2 + [(9e3, 0, 0)])
    segmenter.set_scene(room())
    assert segmenter.scale == 1.0


def test_a_bin_file_with_other_rows(segmenter, tmp_path):
    points = room_arrays(50)[0]
    rows = np.concatenate([points * 1000, np.zeros((50, 1))], axis=1)
    rows.astype('<f4').tofile(tmp_path / 'lidar.bin')
    scene = segmenter.set_scene(tmp_path / 'lidar.bin', num_features=4, scale=0.001)
    np.testing.assert_allclose(scene.points, points, atol=1e-5)
    assert segmenter.scale == 0.001


def test_far_away_in_millimetres(segmenter, tmp_path):
    points = room_arrays()[0] + [431_000.0, 5_812_000.0, 30.0]
    np.save(tmp_path / 'utm_mm.npy', points * 1000)
    segmenter.set_scene(tmp_path / 'utm_mm.npy', scale=0.001)
    result = segmenter.predict(['semantic', 'interactive'], clicks=points[3] * 1000)
    result.save(tmp_path / 'out')
    written = read_ply(tmp_path / 'out' / 'interactive.ply').points
    np.testing.assert_allclose(written, points * 1000, atol=0.01)


@pytest.mark.parametrize('options', [{'scale': 0.001}, {'on_bad': 'drop'}, {'num_features': 4}])
def test_options_of_files_are_not_ignored(segmenter, options):
    with pytest.raises(ConfigError, match='from_arrays'):
        segmenter.set_scene(room(), **options)


def test_a_scene_that_fails_leaves_the_one_before(segmenter, tmp_path):
    scene = segmenter.set_scene(room())
    with pytest.raises(FileFormatError):
        segmenter.set_scene(tmp_path / 'nowhere.ply')
    assert segmenter.scene is scene
    assert segmenter.predict(['semantic']).semantic.shape == (len(scene),)


def test_the_model_is_put_in_evaluation_mode():
    model = tiny_model().train()
    segmenter = Segmenter(model)
    assert not any(module.training for module in model.modules())
    segmenter.set_scene(room())
    answers = [segmenter.predict(clicks=(1, 1, 0.5)).semantic for _ in range(2)]
    np.testing.assert_array_equal(*answers)


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
