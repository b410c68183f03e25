"""Every beginning of the order covers the scene, and blocks hold all points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from unison3d.errors import ConfigError
from unison3d.viewer.detail import detail_order, make_blocks


def surface(count: int = 20_000) -> np.ndarray:
    """A floor and a wall; nine of ten points lie in one corner of the floor."""
    generator = np.random.default_rng(0)
    points = generator.random((count, 3)) * [5, 4, 0]
    points[: count // 3] = generator.random((count // 3, 3)) * [5, 0, 2.5]
    crowd = np.arange(count) % 10 > 0
    points[crowd & (points[:, 1] > 0)] *= 0.2
    return points.astype(np.float32)


@pytest.mark.parametrize('count', [60, 400, 2500])
def test_every_beginning_is_an_even_subsample(count):
    points = surface()
    order = detail_order(points)
    assert np.array_equal(np.sort(order), np.arange(len(points)))
    assert np.array_equal(order, detail_order(points))
    chance = np.random.default_rng(1).permutation(len(points))[:count]
    shown, random = points[order[:count]], points[chance]
    gaps = [cKDTree(sample).query(points)[0].max() for sample in (shown, random)]
    apart = [np.median(cKDTree(sample).query(sample, k=2)[0][:, 1]) for sample in (shown, random)]
    assert gaps[0] < 0.6 * gaps[1]
    assert apart[0] > 1.5 * apart[1]


@pytest.mark.parametrize('count', [0, 1, 2, 7])
def test_few_and_equal_points(count):
    same = np.ones((count, 3), np.float32)
    assert sorted(detail_order(same).tolist()) == list(range(count))
    assert sum(len(block.rows) for block in make_blocks(same, detail_order(same))) == count
    assert np.array_equal(np.sort(detail_order(surface()[:count])), np.arange(count))


def test_blocks_hold_the_first_points_in_order():
    points = surface() + np.float32([1000, -500, 0])
    order = detail_order(points)
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    blocks = make_blocks(points, order, max_points=15_000, block_points=1000)
    assert max(len(block.rows) for block in blocks) <= 1000
    assert np.array_equal(
        np.sort(np.concatenate([b.rows for b in blocks])), np.sort(order[:15_000])
    )
    for block in blocks:
        assert (np.diff(rank[block.rows]) > 0).all()
        assert np.allclose(block.points + block.origin, points[block.rows], atol=1e-4)
        assert np.abs(block.points).max() < 4
    # Blocks are compact: their boxes take up little of the scene.
    extents = np.array([np.ptp(block.points, axis=0).max() for block in blocks])
    assert np.median(extents) < 2.6
    with pytest.raises(ConfigError, match='max_points is 0'):
        make_blocks(points, order, max_points=0)
