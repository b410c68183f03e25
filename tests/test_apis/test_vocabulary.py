"""A vocabulary at any time, and scores of phrases."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.test_apis.api_samples import room, slabs
from unison3d.errors import ConfigError, VocabularyError
from unison3d.io.npy import read_npz_arrays
from unison3d.io.read import read_scene


@pytest.fixture(autouse=True)
def names_of_training(segmenter):
    task = segmenter.model.tasks['open_vocabulary']
    before = task.test_vocabulary, task.synonyms
    yield
    task.test_vocabulary, task.synonyms = before


def test_new_names_do_not_encode_the_scene_again(segmenter, monkeypatch):
    segmenter.set_scene(slabs())
    asked = segmenter.predict('open_vocabulary', vocabulary=['bottle', 'basket'])
    monkeypatch.setattr(segmenter.model, 'encode', None)
    segmenter.set_vocabulary(['bottle', 'basket'])
    result = segmenter.predict('open_vocabulary')
    assert result.vocabulary == ['bottle', 'basket']
    np.testing.assert_array_equal(result.open_semantic, asked.open_semantic)
    torch.testing.assert_close(result.open_instances.scores, asked.open_instances.scores)


def test_before_the_scene(segmenter):
    segmenter.set_vocabulary('bottle')
    segmenter.set_scene(slabs())
    assert segmenter.predict('open_vocabulary').vocabulary == ['bottle']


def test_the_best_phrase_of_a_name_counts(segmenter):
    segmenter.set_scene(slabs())
    scores = segmenter.scores(['sofa', 'armchair', 'lamp'], direct=True).points
    segmenter.predict('open_vocabulary', vocabulary=['table', 'lamp'])
    segmenter.set_vocabulary({'table': ['sofa', 'armchair'], 'lamp': 'lamp'})
    result = segmenter.predict('open_vocabulary')
    expected = (scores[:, 2] > scores[:, :2].max(axis=1)).astype(int)
    np.testing.assert_array_equal(result.open_semantic, expected)
    # Another meaning of the same names: what was remembered is not given again.
    assert not result.records['open_vocabulary'].reused
    assert result.records['open_vocabulary'].settings['synonyms'] == {'table': ['sofa', 'armchair']}


@pytest.mark.parametrize(
    'bad', [[], {}, None, ['a', ' A '], ['a', 3], [''], {'sofa': []}, {'sofa': None}, 7], ids=str
)
def test_no_vocabulary(segmenter, bad):
    segmenter.set_vocabulary(['bottle'])
    with pytest.raises(VocabularyError):
        segmenter.set_vocabulary(bad)
    assert segmenter.model.tasks['open_vocabulary'].test_vocabulary == ['bottle']


def test_scores_of_a_phrase_do_not_depend_on_the_others(segmenter):
    segmenter.set_scene(slabs())
    both = segmenter.scores(['bottle', 'basket'], direct=True)
    one = segmenter.scores('basket', direct=True)
    assert both.points.shape == (900, 2)
    assert both.instance_scores.shape == (len(both.masks), 2)
    assert np.abs(both.points).max() <= 1 + 1e-6
    np.testing.assert_allclose(both.points[:, 1], one.of('basket'), rtol=0, atol=1e-6)
    np.testing.assert_allclose(both.instance_scores[:, 1:], one.instance_scores, atol=1e-6)
    # The larger cosine is the answer of the vocabulary.
    answer = segmenter.predict('open_vocabulary', vocabulary=['bottle', 'basket']).open_semantic
    np.testing.assert_array_equal(both.points.argmax(axis=1), answer)
    with pytest.raises(ConfigError, match='was not asked'):
        both.of('car')


def test_scores_as_files(segmenter, tmp_path):
    segmenter.set_scene(slabs())
    scores = segmenter.scores(['bottle', 'basket'], direct=True)
    arrays = read_npz_arrays(scores.save_npz(tmp_path / 'scores.npz'))
    per_point = arrays['superpoint_scores'][arrays['superpoints']]
    np.testing.assert_array_equal(per_point, scores.points)
    assert arrays['kind'] == 'cosine'
    chances = segmenter.scores(segmenter.model.tasks['open_vocabulary'].vocabulary[0])
    arrays = read_npz_arrays(chances.save_npz(tmp_path / 'chances.npz'))
    assert arrays['kind'] == 'chance'
    heat = read_scene(scores.save_heat_map(tmp_path / 'heat.ply', 'basket'))
    # Red where the phrase fits best, blue where least.
    colors = np.asarray(heat.colors, float)
    hot, cold = scores.of('basket').argmax(), scores.of('basket').argmin()
    assert colors[hot, 0] > colors[hot, 2]
    assert colors[cold, 2] > colors[cold, 0]


def test_scores_of_nothing(segmenter):
    segmenter.set_scene(room(0))
    scores = segmenter.scores('bottle')
    assert scores.points.shape == (0, 1)
    assert len(scores.masks) == 0


def test_names_fit_phrases_without_a_language_model(segmenter, monkeypatch):
    """A known name means the things of this name, whatever else is asked."""
    task = segmenter.model.tasks['open_vocabulary']
    segmenter.set_scene(slabs())
    names = list(task.vocabulary)
    scores = segmenter.scores(names)
    quality = scores.masks.scores.numpy()
    # Of all names together an object has one for sure.
    np.testing.assert_allclose(scores.instance_scores.sum(axis=1), quality, atol=1e-5)
    np.testing.assert_allclose(
        segmenter.scores(names[2].upper()).of(names[2].upper()), scores.of(names[2]), atol=1e-6
    )
    # A point is at least as hot as every object it lies in.
    masks = scores.masks.superpoint_masks.numpy()
    for mask, objects in zip(masks, scores.instance_scores, strict=True):
        assert (scores.superpoint_scores[mask] >= objects - 1e-6).all()
    with pytest.raises(VocabularyError, match='somewhere to sleep'):
        segmenter.scores('somewhere to sleep')
    monkeypatch.setattr(task, 'vocabulary', [])
    with pytest.raises(VocabularyError, match=r'Segmenter\.scores\(phrases, direct=True\)'):
        segmenter.scores('chair')
