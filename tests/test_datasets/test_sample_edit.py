from __future__ import annotations

import random

import numpy as np
import pytest
from test_datasets.fakes import check_embeddings, fake_results, texts

from unison3d.datasets.transforms.sample_edit import (
    keep_instances,
    keep_points,
    mentions,
    sample_rng,
)


@pytest.mark.parametrize(
    ('text', 'words', 'wanted'),
    [
        ('the Chair next to it', ['chair'], True),
        ('two chairs', ['chair'], True),
        ('the benches', ['bench'], True),
        ('the workbench', ['bench'], False),
        ('an armchair', ['chair'], False),
        ('a coffee table', ['coffee table'], True),
        ('', ['chair'], False),
        ('a chair', [], False),
    ],
)
def test_mentions(text, words, wanted):
    assert mentions(text, words) is wanted


def test_keep_points_makes_superpoints_dense():
    results = fake_results()
    keep = results['points'][:, 0] > 2
    keep_points(results, keep)
    assert len(results['points']) == keep.sum() == len(results['instances'])
    ids = results['superpoints']
    np.testing.assert_array_equal(np.unique(ids), np.arange(ids.max() + 1))


def test_losing_the_coffee_table_loses_its_sentences():
    results = fake_results()
    before = results['instances'].copy()
    keep_instances(results, [True, True, False, True])
    assert texts(results) == [
        'the red chair',
        'the chairs',
        'the chair on the left',
        'the piano',
        'the laptop',
    ]
    check_embeddings(results)
    assert results['instance_names'] == ['chair', 'chair', 'laptop']
    np.testing.assert_array_equal(results['instances'] == 2, before == 3)
    assert (results['instances'][before == 2] == -1).all()
    assert results['sentences'][-1]['targets'] == [2]
    assert results['sentences'][-2]['targets'] == []


def test_losing_one_of_two_chairs_keeps_plain_sentences_about_the_other():
    results = fake_results()
    keep_instances(results, [False, True, True, True])
    # 'the chair on the left' would still name a chair, but compares it with the lost one.
    assert texts(results) == ['the coffee table', 'the red chair', 'the piano', 'the laptop']
    check_embeddings(results)


def test_a_sample_without_generator_follows_the_global_seed():
    draws = []
    for _ in range(2):
        random.seed(3)
        results = {}
        draws.append(sample_rng(results).random())
        assert sample_rng(results) is results['rng']
    assert draws[0] == draws[1]
