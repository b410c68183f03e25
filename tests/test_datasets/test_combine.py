"""Mixing scenes and pasting objects keep geometry and labels valid and sentences true."""

from __future__ import annotations

import numpy as np
import pytest
from test_datasets.fakes import fake_results, texts

from unison3d.datasets import transforms as T
from unison3d.datasets.transforms.combine import words_for
from unison3d.datasets.transforms.free_space import CELL, UNEVEN, FreeSpace
from unison3d.errors import ConfigError


def _results(seed: int = 0, **other_changes) -> dict:
    """The hand-made room, and another one to draw."""
    results = fake_results(seed)
    results['draw_scene'] = lambda rng: {**fake_results(seed + 100), **other_changes}
    return results


def _check_consistent(results: dict) -> None:
    count = len(results['points'])
    num_instances = len(results['instance_names'])
    for key in ('colors', 'normals', 'superpoints', 'semantic', 'instances'):
        assert len(results[key]) == count, key
    assert len(results['instance_semantic']) == num_instances
    superpoints, instances = results['superpoints'], results['instances']
    assert len(np.unique(superpoints)) == superpoints.max() + 1
    np.testing.assert_array_equal(np.unique(instances[instances >= 0]), np.arange(num_instances))
    for instance, label in enumerate(results['instance_semantic']):
        assert (results['semantic'][instances == instance] == label).all()
    for sentence in results['sentences']:
        assert all(0 <= target < num_instances for target in sentence['targets'])
    if results.get('sentence_embeddings') is not None:
        assert len(results['sentence_embeddings']) == len(results['sentences'])


# ---------------------------------------------------------------------------------------- mixing


def test_mixed_scene_has_the_points_and_labels_of_both():
    one, other = fake_results(0), fake_results(100)
    mixed = T.MixScenes(prob=1.0)(_results(0))
    _check_consistent(mixed)
    count = len(one['points'])
    np.testing.assert_array_equal(mixed['points'][:count], one['points'])
    moved = mixed['points'][count:] - other['points']
    np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-5)
    shift = one['superpoints'].max() + 1
    np.testing.assert_array_equal(mixed['superpoints'][count:], other['superpoints'] + shift)
    assert mixed['instance_names'] == one['instance_names'] + other['instance_names']
    np.testing.assert_array_equal(
        mixed['instances'][count:], np.where(other['instances'] >= 0, other['instances'] + 4, -1)
    )
    # Both rooms have the same kinds of objects, and nothing about any of them is clear any more.
    assert texts(mixed) == []


def test_sentences_stay_that_the_other_scene_cannot_touch():
    # The other room has a lamp and a box: the sentences of the first about chairs stay clear.
    lamp = dict(
        instance_names=['lamp', 'box', 'piano', 'rug'],
        instance_semantic=np.full(4, 20),
        sentences=[
            {'text': 'the lamp', 'targets': [0], 'kind': 'class'},
            {'text': 'the lamp next to the chair', 'targets': [0], 'kind': 'relation'},
            {'text': 'the box in the corner', 'targets': [1], 'kind': 'relation'},
            {'text': 'the only object that is red', 'targets': [1], 'kind': 'color'},
            {'text': 'the tv', 'targets': [], 'kind': 'zero'},
        ],
        sentence_embeddings=np.tile(np.arange(100, 105, dtype=np.float32)[:, None], (1, 5)),
    )
    mixed = T.MixScenes(prob=1.0)(_results(0, **lamp))
    assert texts(mixed) == [
        'the coffee table',
        'the chair near the coffee table',
        'the red chair',
        'the chairs',
        'the laptop',
        'the lamp',
    ]
    assert mixed['sentences'][-1]['targets'] == [4]
    np.testing.assert_array_equal(mixed['sentence_embeddings'][:, 0], [0, 1, 2, 3, 6, 100])
    mute = T.MixScenes(prob=1.0, with_sentences=False)(_results(0, **lamp))
    assert mute['sentences'] == [] and len(mute['sentence_embeddings']) == 0


def test_mixing_happens_as_often_as_asked_and_not_at_all_where_it_cannot():
    grown = 0
    for seed in range(40):
        results = _results(seed)
        before = len(results['points'])
        grown += len(T.MixScenes(prob=0.5)(results)['points']) > before
    assert 10 < grown < 30
    plain = T.MixScenes(prob=1.0)(_results(0, colors=None))
    assert len(plain['points']) == len(fake_results(0)['points'])


def test_the_other_scene_has_a_pipeline_of_its_own():
    transform = T.MixScenes(prob=1.0, pipeline=[dict(type='CropScene', max_points=500)])
    mixed = transform(_results(0))
    _check_consistent(mixed)
    assert len(mixed['points']) == len(fake_results(0)['points']) + 500
    assert mixed['ignore'].shape == mixed['instances'].shape


def test_order_of_transforms_is_checked():
    results = T.SuperpointTargets()(_results(0))
    for transform in (T.MixScenes(), T.PasteObjects()):
        with pytest.raises(ConfigError, match='sp_masks'):
            transform(dict(results))
        with pytest.raises(ConfigError, match='draw_scene'):
            transform(fake_results(0))


def test_nouns_of_an_object():
    words = words_for(['office chair', 'sofa'])
    assert {'office chair', 'chair', 'sofa', 'couch'} <= words
    assert 'table' not in words and '' not in words_for(['', 'unlabeled'])


# --------------------------------------------------------------------------------------- pasting


def _donor(seed: int, names: list[str]) -> dict:
    """A room like the hand-made one, with objects that reach down to the floor."""
    results = fake_results(300 + seed)
    rng = np.random.default_rng(0)
    results['points'] = results['points'].copy()
    for row in range(len(names)):
        own = np.flatnonzero(results['instances'] == row)
        high = results['points'][own, 2].max()
        results['points'][own, 2] = rng.uniform(0.02, high, len(own)).astype(np.float32)
    results['instance_names'] = names
    return results


def test_pasted_objects_stand_free_on_the_floor():
    pasted = 0
    for seed in range(12):
        results = fake_results(seed)
        names = ['stool', 'stool', 'ottoman', 'suitcase']
        donor = _donor(seed, names)
        results['draw_scene'] = lambda rng, donor=donor: dict(donor)
        old, num_old = results['points'], 4
        new = T.PasteObjects(prob=1.0, max_objects=4, min_points=50)(results)
        _check_consistent(new)
        np.testing.assert_array_equal(new['points'][: len(old)], old)
        for instance in range(num_old, len(new['instance_names'])):
            pasted += 1
            assert new['instance_names'][instance] in names
            rows = np.flatnonzero(new['instances'] == instance)
            own, rest = new['points'][rows], np.delete(new['points'], rows, axis=0)
            # It stands on the floor, inside the room.
            assert abs(own[:, 2].min() - 0.02) < 0.03
            assert (own[:, :2] > -0.2).all() and (own[:, :2] < (4.2, 3.2)).all()
            # Nothing else is in its column above the unevenness of the floor.
            tall = rest[(rest[:, 2] > UNEVEN + CELL) & (rest[:, 2] < own[:, 2].max())]
            columns = {tuple(cell) for cell in np.floor(own[:, :2] / 0.02).astype(int)}
            others = {tuple(cell) for cell in np.floor(tall[:, :2] / 0.02).astype(int)}
            assert not columns & others
            # Its superpoints are its own.
            assert not set(new['superpoints'][rows]) & set(
                np.delete(new['superpoints'], rows).tolist()
            )
    assert pasted >= 10


def test_an_object_keeps_its_shape_and_labels():
    results, donor = fake_results(1), _donor(1, ['stool', 'stool', 'ottoman', 'suitcase'])
    results['draw_scene'] = lambda rng: dict(donor)
    new = T.PasteObjects(prob=1.0, max_objects=1, min_points=50)(results)
    assert len(new['instance_names']) == 5
    rows = np.flatnonzero(new['instances'] == 4)
    candidates = [i for i in range(4) if donor['instance_names'][i] == new['instance_names'][4]]
    sizes = []
    for source in candidates:
        own = donor['points'][donor['instances'] == source].astype(np.float64)
        sizes.append(np.sort(np.linalg.norm(own[:, :2] - own[:, :2].mean(0), axis=1)))
    placed = new['points'][rows].astype(np.float64)
    seen = np.sort(np.linalg.norm(placed[:, :2] - placed[:, :2].mean(0), axis=1))
    assert any(len(s) == len(seen) and np.allclose(s, seen, atol=1e-4) for s in sizes)
    np.testing.assert_allclose(np.linalg.norm(new['normals'][rows], axis=1), 1, atol=1e-5)


def test_small_things_go_from_table_to_table():
    # The laptop of the other room is set on a coffee table there; here it goes onto the one here.
    donor = fake_results(7)
    own = donor['instances'] == 3
    donor['points'] = donor['points'].copy()
    donor['points'][own] += np.float32([1.7 - 3.2, 1.7 - 2.6, 0.41 - 0.74])
    found = 0
    for seed in range(10):
        results = fake_results(seed)
        results['draw_scene'] = lambda rng: dict(donor)
        names = ('chair', 'coffee table')
        new = T.PasteObjects(1.0, max_objects=4, min_points=50, fixed=names)(results)
        for instance in range(4, len(new['instance_names'])):
            found += 1
            placed = new['points'][new['instances'] == instance]
            assert new['instance_names'][instance] == 'laptop'
            assert (placed[:, :2] > (1.4, 1.4)).all() and (placed[:, :2] < (2.4, 2.2)).all()
            assert 0.38 < placed[:, 2].min() < 0.45
    assert found >= 3


def test_what_hangs_or_belongs_to_a_wall_is_left_alone():
    for names in (['picture', 'door', 'kitchen cabinet', 'window'], ['lamp'] * 4):
        for seed in range(5):
            results = fake_results(seed)
            donor = fake_results(seed + 50)  # boxes seen from above: they hang in the air
            donor['instance_names'] = names
            results['draw_scene'] = lambda rng, donor=donor: dict(donor)
            new = T.PasteObjects(prob=1.0, max_objects=4, min_points=50)(results)
            assert len(new['points']) == len(fake_results(seed)['points'])


def test_sentences_about_pasted_kinds_go():
    results, donor = fake_results(2), _donor(2, ['office chair'] * 4)
    donor['instance_semantic'] = np.full(4, 4)
    donor['semantic'] = np.where(donor['instances'] >= 0, 4, donor['semantic'])
    results['draw_scene'] = lambda rng: dict(donor)
    new = T.PasteObjects(prob=1.0, max_objects=4, min_points=50)(results)
    assert len(new['instance_names']) > 4
    assert texts(new) == ['the coffee table', 'the piano', 'the laptop']
    np.testing.assert_array_equal(new['sentence_embeddings'][:, 0], [0, 5, 6])


def test_no_place_no_object():
    full = fake_results(3)
    # A third of the floor lies 20 cm above the rest: no column is free.
    slab = full['semantic'] == 1
    full['points'] = full['points'].copy()
    full['points'][np.flatnonzero(slab)[::3], 2] += 0.2
    donor = _donor(3, ['stool'] * 4)
    full['draw_scene'] = lambda rng: dict(donor)
    before = len(full['points'])
    assert len(T.PasteObjects(prob=1.0, min_points=50)(full)['points']) == before


def test_free_space_of_huge_scenes_is_not_built():
    points = np.array([[0, 0, 0], [1e5, 1e5, 10]], np.float32)
    assert not FreeSpace(points).usable
    assert FreeSpace(points).top(points) is None


# ---------------------------------------------------------------------------------- whole budget


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('window', [None, 2.0])
def test_budget_keeps_superpoints_whole(seed, window):
    results = fake_results(seed)
    sizes = np.sort(np.bincount(results['superpoints']))
    budget = 2000
    crop = T.CropScene(max_points=budget, window=window, whole_superpoints=True)
    cropped = crop(results)
    left = np.bincount(cropped['superpoints'])
    assert 0 < len(cropped['points']) <= budget
    # Every size that is left is that of a whole superpoint, as often as it was there at most.
    values, counts = np.unique(left, return_counts=True)
    assert all((sizes == value).sum() >= count for value, count in zip(values, counts, strict=True))
    if window is None:
        assert len(cropped['points']) > budget - sizes[-1]


def test_a_superpoint_larger_than_the_budget_is_cut():
    results = fake_results(0)
    results['superpoints'] = np.zeros(len(results['points']), np.int64)
    cropped = T.CropScene(max_points=100, whole_superpoints=True)(results)
    assert len(cropped['points']) == 100
