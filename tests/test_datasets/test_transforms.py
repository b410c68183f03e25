from __future__ import annotations

import numpy as np
import pytest
import torch
from test_datasets.fakes import (
    OBJECTS,
    SENTENCES,
    check_embeddings,
    empty_results,
    fake_results,
    texts,
)

from unison3d.datasets import transforms as T
from unison3d.datasets.transforms.superpoint_targets import majority_labels, majority_masks
from unison3d.registry import TRANSFORMS

PIPELINE = [
    dict(type='RandomFlip'),
    dict(type='RandomRotate', tilt=0.05),
    dict(type='RandomScale', shift_std=0.1, anisotropy=0.05),
    dict(type='JitterPoints', normal_std=0.05),
    dict(type='ColorAugment'),
    dict(type='CropScene', max_points=3000, window=3.0, prob=0.5),
    dict(type='WithholdClasses', names=['coffee table']),
    dict(type='ElasticDistortion'),
    dict(type='SuperpointTargets'),
    dict(type='SampleClicks'),
    dict(type='SampleSentences', max_texts=4),
    dict(type='PackScene'),
]


def _run(results: dict, pipeline=PIPELINE) -> dict:
    for config in pipeline:
        results = TRANSFORMS.build(config)(results)
    return results


@pytest.mark.parametrize('seed', range(8))
def test_whole_pipeline_fits_together(seed):
    packed = _run(fake_results(seed))
    inputs, sample = packed['inputs'], packed['data_samples']
    count = len(inputs['points'])
    assert 0 < count <= 3000
    num_superpoints = int(inputs['superpoints'].max()) + 1
    num_instances = len(sample.gt_instance_semantic)
    assert inputs['points'].dtype == inputs['colors'].dtype == torch.float32
    assert inputs['elastic_points'].shape == (count, 3)
    assert sample.sp_masks.shape == (num_instances, num_superpoints)
    assert sample.sp_semantic.shape == sample.sp_ignore.shape == (num_superpoints,)
    assert len(sample.gt_names) == num_instances
    assert 'coffee table' not in sample.gt_names
    assert sample.gt_instances.max() < num_instances
    prompts = sample.prompts
    assert prompts.num_texts <= 4
    assert prompts.text_targets.shape == (prompts.num_texts, num_instances)
    assert prompts.text_embeddings.shape == (prompts.num_texts, 5)
    assert not any('coffee table' in text for text in prompts.texts)
    kinds = {text: kind for text, _, kind in SENTENCES}
    assert prompts.text_kinds == [kinds[text] for text in prompts.texts]


def test_the_same_generator_gives_the_same_sample():
    first, second = _run(fake_results(3)), _run(fake_results(3))
    for key, value in first['inputs'].items():
        assert torch.equal(value, second['inputs'][key]), key
    assert first['data_samples'].prompts.texts == second['data_samples'].prompts.texts


def test_whole_pipeline_without_points():
    packed = _run(empty_results())
    assert packed['inputs']['points'].shape == (0, 3)
    assert packed['data_samples'].sp_masks.shape == (0, 0)
    assert packed['data_samples'].prompts.num_clicks == 0


def test_flip_moves_points_and_normals_and_drops_handed_sentences():
    results = fake_results()
    points = results['points'].copy()
    results['rng'] = np.random.default_rng(1)
    T.RandomFlip(prob=1.0)(results)
    np.testing.assert_array_equal(results['points'], points * [-1, -1, 1])
    assert len(results['sentences']) == len(SENTENCES)  # two mirrors are a half turn

    class OneFlip:
        @staticmethod
        def random(size):
            return np.array([0.0, 1.0])

    results['rng'] = OneFlip()
    T.RandomFlip(prob=0.5)(results)
    assert 'the chair on the left' not in texts(results)
    check_embeddings(results)


def test_rotation_keeps_distances_and_height():
    results = fake_results()
    points, normals = results['points'].copy(), results['normals'].copy()
    T.RandomRotate()(results)
    moved = results['points']
    np.testing.assert_allclose(moved[:, 2], points[:, 2], atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(moved[1:] - moved[:-1], axis=1),
        np.linalg.norm(points[1:] - points[:-1], axis=1),
        atol=1e-5,
    )
    np.testing.assert_allclose(results['normals'], normals, atol=1e-6)
    assert moved.dtype == np.float32


def test_scale_keeps_normals_perpendicular():
    results = fake_results()
    plane = np.array([0.6, 0, 0.8])
    results['normals'] = np.tile(plane.astype(np.float32), (len(results['points']), 1))
    a = np.array([0.8, 0, -0.6])
    results['points'][:2] = [np.zeros(3), a]
    T.RandomScale(anisotropy=0.3)(results)
    edge = results['points'][1] - results['points'][0]
    np.testing.assert_allclose(results['normals'] @ edge, 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(results['normals'], axis=1), 1, atol=1e-5)


def test_colours_stay_in_range_and_may_vanish():
    results = fake_results()
    for seed in range(5):
        results['rng'] = np.random.default_rng(seed)
        T.ColorAugment(contrast_prob=1, tint=0.5, brightness=0.5, drop_prob=0)(results)
        assert results['colors'].dtype == np.float32
        assert 0 <= results['colors'].min() <= results['colors'].max() <= 1
    T.ColorAugment(drop_prob=1)(results)
    assert results['colors'] is None
    assert 'the red chair' not in texts(results)
    assert 'the chairs' in texts(results)
    check_embeddings(results)
    packed = T.PackScene()(results)['inputs']
    assert not packed['has_color']
    assert not packed['colors'].any()


def test_crop_keeps_the_nearest_points():
    results = fake_results()
    T.CropScene(max_points=1000)(results)
    assert len(results['points']) == 1000
    span = results['points'][:, :2].max(0) - results['points'][:, :2].min(0)
    assert (span < 2.5).all()


def test_crop_forgets_what_is_hardly_left():
    results = fake_results()
    results['points'][:, 0] += (
        100 * (results['instances'] == 2) * (np.arange(len(results['points'])) % 10 > 0)
    )
    results['rng'] = np.random.default_rng(5)
    T.CropScene(window=20.0)(results)
    assert results['instance_names'] == ['chair', 'chair', 'laptop']
    assert results['ignore'].sum() > 0
    assert (results['instances'][results['ignore']] == -1).all()
    assert 'the coffee table' not in texts(results)


def test_a_crop_around_everything_changes_nothing():
    results = fake_results()
    before = results['points']
    T.CropScene(max_points=10**6, window=100.0)(results)
    assert results['points'] is before
    assert results.get('ignore') is None


def test_withheld_classes_leave_no_trace_but_their_points():
    results = fake_results()
    table = results['instances'] == 2
    T.WithholdClasses(['coffee table'])(results)
    np.testing.assert_array_equal(results['ignore'], table)
    assert (results['semantic'][table] == 20).all()
    assert (results['instances'][table] == -1).all()
    assert results['instance_names'] == ['chair', 'chair', 'laptop']
    assert not any('coffee' in text for text in texts(results))
    assert 'the red chair' in texts(results)
    T.SuperpointTargets()(results)
    share = np.bincount(results['superpoints'], table) / np.bincount(results['superpoints'])
    assert results['sp_ignore'][share > 0.5].all()


def test_majorities_are_strict():
    superpoints = np.array([0, 0, 1, 1, 1, 2])
    ids = np.array([0, 1, 0, 0, -1, -1])
    np.testing.assert_array_equal(
        majority_masks(ids, superpoints, 3),
        [[False, True, False], [False, False, False], [False, False, False]],
    )
    # The worked example of the specification: superpoint with points {7, 7, 9, 9}.
    assert majority_labels(np.array([7, 7, 9, 9]), np.zeros(4, int), 20) == [20]
    assert majority_masks(np.zeros(0, int), np.zeros(0, int), 2).shape == (2, 0)
    assert majority_masks(np.zeros(2, int), np.array([0, 2]), 1).tolist() == [[True, False, True]]


def test_unknown_points_are_ignored_and_named_clutter_is_not():
    results = T.SuperpointTargets()(fake_results())
    superpoints = results['superpoints']
    ceiling = results['points'][:, 2] > 2.3
    assert results['sp_ignore'][superpoints[ceiling]].all()
    laptop = results['sp_masks'][3]
    assert laptop.any()
    assert not results['sp_ignore'][laptop].any()
    assert (results['sp_semantic'][laptop] == 20).all()


def test_all_sentences_in_order_for_testing():
    results = T.SampleSentences()(fake_results())
    assert texts(results) == [text for text, *_ in SENTENCES]
    assert results['text_targets'].shape == (len(SENTENCES), len(OBJECTS))
    np.testing.assert_array_equal(
        results['text_targets'].sum(1), [len(targets) for _, targets, _ in SENTENCES]
    )


def test_sampled_sentences_differ_in_kind_first():
    kinds = {kind for *_, kind in SENTENCES}
    for seed in range(5):
        results = fake_results(seed)
        T.SampleSentences(max_texts=len(kinds))(results)
        assert {sentence['kind'] for sentence in results['sentences']} == kinds
        check_embeddings(results)


def test_elastic_moves_the_grid_and_not_the_points():
    results = fake_results()
    points = results['points'].copy()
    T.ElasticDistortion(prob=1.0)(results)
    np.testing.assert_array_equal(results['points'], points)
    shift = np.linalg.norm(results['elastic_points'] - points, axis=1)
    assert 0.01 < shift.mean() < 1.0
    T.ElasticDistortion(prob=0.0)(results)
    np.testing.assert_allclose(results['elastic_points'], points, atol=1e-5)
    T.ElasticDistortion(prob=1.0, in_place=True)(results)
    assert not np.allclose(results['points'], points)


def test_pack_without_labels():
    results = fake_results()
    unlabelled = {key: results[key] for key in ('name', 'points', 'superpoints')}
    packed = T.PackScene()(unlabelled)
    assert packed['data_samples'].name == 'fake_0'
    assert 'gt_semantic' not in packed['data_samples']
    assert not packed['inputs']['has_color']
    assert packed['data_samples'].prompts.num_texts == 0
