"""Points drawn from all over a scene."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.datasets.transforms import SamplePoints
from unison3d.errors import ConfigError


def scene() -> dict:
    instances = np.repeat([0, 1, 2, -1], [60, 30, 1, 9])
    return {
        'rng': np.random.default_rng(0),
        'points': np.arange(300, dtype=np.float32).reshape(100, 3),
        'colors': np.arange(300, dtype=np.float32).reshape(100, 3),
        'normals': None,
        'superpoints': np.arange(100) // 2,
        'semantic': np.where(instances >= 0, instances + 4, 0),
        'instances': instances,
        'instance_semantic': np.array([4, 5, 6]),
        'instance_names': ['chair', 'sofa', 'table'],
        'sentences': [{'text': 'the table', 'targets': [2], 'kind': ''}],
    }


def test_rows_stay_together():
    results = SamplePoints(40)(scene())
    assert len(results['points']) == 40
    np.testing.assert_array_equal(results['points'], results['colors'])
    rows = (results['points'][:, 0] / 3).astype(int)
    # With replacement some rows come twice.
    assert len(set(rows.tolist())) < 40
    known = results['instances'] >= 0
    classes = results['instance_semantic'][results['instances'][known]]
    np.testing.assert_array_equal(classes, results['semantic'][known])
    assert set(results['superpoints']) == set(range(results['superpoints'].max() + 1))


def test_instances_without_a_point_go():
    results = SamplePoints(2)(scene())
    count = len(results['instance_semantic'])
    assert count == len(results['instance_names']) <= 2
    assert set(results['instances'].tolist()) - {-1} == set(range(count))
    assert results['sentences'] == []


def test_a_small_scene_is_drawn_all_the_same():
    drawn = SamplePoints(1000)(scene())
    assert len(drawn['points']) == 100
    whole = SamplePoints(1000, replace=False)(scene())
    assert sorted(whole['points'][:, 0]) == sorted(scene()['points'][:, 0])


def test_nothing_to_draw_from():
    results = {'points': np.zeros((0, 3), np.float32), 'rng': np.random.default_rng(0)}
    assert len(SamplePoints(5)(results)['points']) == 0
    with pytest.raises(ConfigError):
        SamplePoints(0)
