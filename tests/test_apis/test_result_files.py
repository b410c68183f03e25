"""Results as files and reports."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from tests.test_apis.api_samples import room, slabs
from unison3d.apis.colors import instance_colors
from unison3d.apis.result_files import NEUTRAL
from unison3d.errors import ConfigError
from unison3d.io import read_ply
from unison3d.structures import PointScene


def names_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_saved_files_say_the_same(segmenter, tmp_path):
    scene = segmenter.set_scene(room())
    result = segmenter.predict(clicks=[scene.points[3]])
    out = tmp_path / 'out'
    paths = result.save(out)
    assert paths[-1] == out / 'result.json'
    assert {path.name for path in paths} == names_in(out)
    assert names_in(out) == {
        'semantic.ply', 'panoptic.ply', 'instance.ply', 'interactive.ply', 'result.npz',
        'result.json',
    }  # fmt: skip
    report = json.loads((out / 'result.json').read_text())
    assert report['scene']['num_points'] == len(scene)
    assert report['tasks']['interactive']['masks'][0]['num_points'] == int(
        result.click_masks.sizes()[0]
    )
    assert report['tasks']['semantic']['settings']
    arrays = np.load(out / 'result.npz')
    np.testing.assert_array_equal(arrays['semantic'], result.semantic)
    np.testing.assert_array_equal(
        arrays['interactive_masks'][:, arrays['superpoints']], result.click_masks.masks
    )
    ply = read_ply(out / 'semantic.ply')
    np.testing.assert_array_equal(ply.semantic_ids, result.semantic)
    np.testing.assert_array_equal(ply.points, scene.points)


def test_overwriting_leaves_no_old_answers(segmenter, tmp_path):
    segmenter.set_scene(room())
    out = tmp_path / 'out'
    segmenter.predict(vocabulary=['chair']).save(out)
    for name in ('overview.png', 'notes.txt', 'mine.ply'):
        (out / name).write_text('mine')
    result = segmenter.predict(['semantic'])
    with pytest.raises(ConfigError, match='overwrite'):
        result.save(out)
    assert 'open_vocabulary.ply' in names_in(out)
    result.save(out, overwrite=True)
    assert names_in(out) == {
        *('result.json', 'result.npz', 'semantic.ply', 'notes.txt', 'mine.ply')
    }
    assert list(json.loads((out / 'result.json').read_text())['tasks']) == ['semantic']


def test_a_result_is_complete_or_not_there(segmenter, tmp_path, monkeypatch):
    """What fails while it is written leaves the old result; while it is put in place, none."""
    segmenter.set_scene(room())
    segmenter.predict(['semantic', 'instance']).save(tmp_path)
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = segmenter.predict(['semantic', 'panoptic'])

    def full_disk(*args, **options):
        raise OSError('no space left')

    with monkeypatch.context() as patched, pytest.raises(OSError, match='no space'):
        patched.setattr('unison3d.apis.result_files.write_npz', full_disk)
        result.save(tmp_path, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old

    replace = os.replace

    def torn(source, target):
        if target == tmp_path / 'result.npz':
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr('unison3d.apis.result_files.os.replace', torn)
        result.save(tmp_path, overwrite=True)
    assert names_in(tmp_path) == {'semantic.ply', 'panoptic.ply'}
    with pytest.raises(ConfigError, match='semantic.ply'):
        result.save(tmp_path)


def test_boxes_and_sizes_are_those_of_the_points(segmenter):
    scene = segmenter.set_scene(slabs())
    result = segmenter.predict(clicks=scene.points[[3, 700]], vocabulary=['chair', 'table'])
    report = result.to_json()
    checked = 0
    for task, (masks, _) in result.mask_sets().items():
        for mask, entry in zip(masks.masks.numpy(), report['tasks'][task]['masks'], strict=True):
            check_entry(scene, mask, entry)
            checked += 1
    for entry in report['tasks']['panoptic']['segments']:
        mask = result.panoptic_instance == entry['id']
        check_entry(scene, mask, entry)
        label = result.label_space.classes.index(entry['label'])
        assert (result.panoptic_semantic[mask] == label).all()
    assert sum(s['num_points'] for s in report['tasks']['panoptic']['segments']) == len(scene)
    assert checked > 10


def check_entry(scene: PointScene, mask: np.ndarray, entry: dict) -> None:
    assert entry['num_points'] == mask.sum()
    if not mask.any():
        assert entry['box'] is None
        return
    inside = scene.points[mask]
    np.testing.assert_allclose(entry['box']['min'], inside.min(axis=0), atol=6e-5)
    np.testing.assert_allclose(entry['box']['max'], inside.max(axis=0), atol=6e-5)


def test_the_best_mask_of_a_point_is_seen(segmenter, tmp_path):
    scene = segmenter.set_scene(slabs())
    result = segmenter.predict('interactive', clicks=scene.points[[3, 300, 700]])
    views = result.colorings()
    expected = np.full((len(scene), 3), -1.0)
    ids = np.full(len(scene), -1)
    for index, mask in reversed(list(enumerate(result.click_masks.masks.numpy()))):
        expected[mask] = instance_colors(np.array([index]))
        ids[mask] = index
    shown = ids >= 0
    np.testing.assert_allclose(views['interactive'][shown], expected[shown])
    assert views['interactive'].dtype == np.float32
    grey = views['interactive'][~shown]
    assert (grey == grey[:, :1]).all()
    result.save(tmp_path)
    np.testing.assert_array_equal(read_ply(tmp_path / 'interactive.ply').instance_ids, ids)


def test_without_colour_the_background_is_neutral(segmenter):
    scene = PointScene.from_arrays(slabs().points, superpoints=slabs().superpoints)
    segmenter.set_scene(scene)
    result = segmenter.predict('interactive', clicks=scene.points[0])
    outside = ~result.click_masks.masks[0].numpy()
    assert (result.colorings()['interactive'][outside] == NEUTRAL).all()
