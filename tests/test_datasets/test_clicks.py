from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from test_datasets.fakes import OBJECTS, empty_results, fake_results

from unison3d.datasets.transforms import SampleClicks, SuperpointTargets
from unison3d.datasets.transforms.clicks import farthest_inside_clicks, voxel_representatives
from unison3d.errors import ConfigError


def _slow_clicks(points, instances, count, voxel):
    """The rule as published: the full distance matrix."""
    chosen = voxel_representatives(points, voxel)
    clicks = np.full(count, -1)
    for instance in range(count):
        inside, outside = (
            chosen[instances[chosen] == instance],
            chosen[instances[chosen] != instance],
        )
        if len(inside):
            distance = cdist(points[inside].astype(float), points[outside].astype(float)).min(1)
            clicks[instance] = inside[distance.argmax()]
    return clicks


@pytest.mark.parametrize('seed', range(4))
def test_search_trees_give_the_clicks_of_the_full_matrix(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 2 + seed, (2000, 3)).astype(np.float32)
    centres = rng.uniform(0, 2, (4, 3))
    distance = cdist(points, centres)
    instances = np.where(distance.min(1) < 0.6, distance.argmin(1), -1)
    np.testing.assert_array_equal(
        farthest_inside_clicks(points, instances, 5, 0.05), _slow_clicks(points, instances, 5, 0.05)
    )


def test_an_l_shape_is_clicked_at_its_corner():
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(40)), -1).reshape(-1, 2) * 0.05 + 0.02
    points = np.pad(grid, ((0, 0), (0, 1))).astype(np.float32)
    inside = (grid < 1.9).all(1) & (grid > 0.1).all(1) & (grid < 0.8).any(1)
    click = farthest_inside_clicks(points, np.where(inside, 0, -1), 1)[0]
    assert (points[click, :2] < 0.8).all()
    assert (points[click, :2] > 0.3).all()


def test_an_instance_that_is_everything_is_clicked_in_the_middle():
    points = np.arange(30, dtype=np.float32).reshape(10, 3)
    click = farthest_inside_clicks(points, np.zeros(10, int), 2)
    assert click.tolist() in ([4, -1], [5, -1])


def test_test_clicks_are_one_per_object_and_deterministic():
    results = fake_results()
    SampleClicks(mode='agile')(results)
    np.testing.assert_array_equal(results['click_targets'], np.arange(len(OBJECTS)))
    np.testing.assert_array_equal(results['click_objects'], np.arange(len(OBJECTS)))
    assert results['click_positive'].all()
    np.testing.assert_array_equal(
        results['instances'][results['click_index']], results['click_targets']
    )
    again = SampleClicks(mode='agile')(fake_results())
    np.testing.assert_array_equal(again['click_index'], results['click_index'])


def test_an_object_hidden_in_the_voxels_of_others_is_still_clicked():
    results = fake_results()
    # One lone point of a new instance behind the representative of its voxel.
    results['instances'][results['instances'] == 3] = -1
    results['instances'][-1] = 3
    results['points'][-1] = results['points'][0]
    SampleClicks(mode='agile')(results)
    assert results['click_index'][-1] == len(results['points']) - 1


@pytest.mark.parametrize('seed', range(10))
def test_training_clicks(seed):
    results = SuperpointTargets()(fake_results(seed))
    SampleClicks(num_clicks_prob=(0.2, 0.4, 0.4))(results)
    index, objects = results['click_index'], results['click_objects']
    targets = results['click_targets']
    owner = results['instances'][index]
    positive = results['click_positive']
    np.testing.assert_array_equal(np.unique(objects), np.arange(len(targets)))
    np.testing.assert_array_equal(owner == targets[objects], positive)
    first = np.unique(objects, return_index=True)[1]
    assert positive[first].all()
    assert np.bincount(objects).max() <= 3
    np.testing.assert_array_equal(results['click_points'], results['points'][index])
    np.testing.assert_array_equal(results['click_superpoints'], results['superpoints'][index])
    for click in np.flatnonzero(~positive):
        own = results['points'][results['instances'] == targets[objects[click]]]
        near = np.linalg.norm(own - results['points'][index[click]], axis=1).min()
        assert near < 0.6


def test_more_candidates_lead_farther_inside():
    def depth(candidates: int) -> float:
        total = 0.0
        for seed in range(10):
            results = fake_results(seed)
            results['points'][:, 2] = 0  # objects as patches of the floor
            SampleClicks(candidates=candidates, num_clicks_prob=[1])(results)
            for click, target in zip(results['click_index'], results['click_targets'], strict=True):
                x0, y0, x1, y1 = OBJECTS[target][2]
                x, y, _ = results['points'][click]
                total += min(x - x0, x1 - x, y - y0, y1 - y)
        return total

    # The floor goes on below the patches, which takes part of the effect away.
    assert depth(6) > 1.1 * depth(1)


def test_at_most_max_objects():
    results = SampleClicks(max_objects=2)(SuperpointTargets()(fake_results()))
    assert len(results['click_targets']) == 2


@pytest.mark.parametrize('mode', ['train', 'agile'])
def test_nothing_to_click(mode):
    results = SampleClicks(mode=mode)(empty_results())
    assert results['click_points'].shape == (0, 3)
    assert results['click_targets'].shape == (0,)
    results = fake_results()
    results['instances'][:] = -1
    assert len(SampleClicks(mode=mode)(results)['click_index']) == 0


def test_unknown_mode():
    with pytest.raises(ConfigError, match='expected "train" or "agile"'):
        SampleClicks(mode='test')
