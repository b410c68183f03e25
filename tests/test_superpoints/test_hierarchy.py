from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unison3d.errors import ConfigError, SceneError
from unison3d.superpoints import segment_points, superpoint_hierarchy


def _grid(size: int, axes: tuple[int, int], at: float = 0.0) -> np.ndarray:
    u, v = np.meshgrid(np.arange(size), np.arange(size), indexing='ij')
    points = np.full((size * size, 3), at, np.float32)
    points[:, axes[0]], points[:, axes[1]] = u.ravel() / 50, v.ravel() / 50
    return points


def _grid_faces(size: int) -> np.ndarray:
    corner = np.arange(size * size).reshape(size, size)
    a, b, c, d = (x.ravel() for x in (corner[:-1, :-1], corner[1:, :-1], corner[:-1, 1:],
                                      corner[1:, 1:]))  # fmt: skip
    return np.concatenate([np.stack([a, b, c], 1), np.stack([c, b, d], 1)])


def _floor_and_wall() -> tuple[np.ndarray, np.ndarray]:
    """A floor in four squares and a wall in two halves, touching along x = 0."""
    floor, wall = _grid(20, (0, 1)), _grid(20, (2, 1))
    points = np.concatenate([floor, wall + np.float32([0, 0, 0.02])])
    ids = (points[:, 0] > 0.19).astype(int) * 2 + (points[:, 1] > 0.19)
    ids[400:] = 4 + (points[400:, 2] > 0.21)
    return points, ids


def _nested(fine: np.ndarray, coarse: np.ndarray) -> bool:
    return len(np.unique(np.stack([fine, coarse]), axis=1).T) == len(np.unique(fine))


def test_planes_grow_together_before_they_meet():
    points, ids = _floor_and_wall()
    tree = superpoint_hierarchy(points, ids)
    np.testing.assert_array_equal(tree.level(2), [0, 0, 0, 0, 1, 1])
    assert tree.heights[-1] > 10 * max(tree.heights[-2], 1e-3)
    np.testing.assert_array_equal(tree.level_below(tree.heights[-2]), tree.level(2))
    np.testing.assert_array_equal(tree.level(6), np.arange(6))
    np.testing.assert_array_equal(tree.level(1), np.zeros(6))


def test_colours_keep_apart_what_is_flat():
    points = _grid(20, (0, 1))
    ids = np.minimum((points[:, 0] * 50 // 5).astype(int), 3)
    colors = np.where(ids[:, None] < 1, [[1.0, 0, 0]], [[0, 0, 1.0]])
    level = superpoint_hierarchy(points, ids, colors=colors, faces=_grid_faces(20)).level(2)
    np.testing.assert_array_equal(level, [0, 1, 1, 1])


def test_a_mesh_merges_across_convex_bends_first():
    # A valley and a ridge of the same angle, \/\ seen from the side; a tie would go to the valley.
    steps = np.arange(60)
    height = np.abs(steps % 40 - 20) / 50
    width = np.arange(20) / 50
    points = np.stack([np.repeat(steps, 20) / 50, np.tile(width, 60), np.repeat(height, 20)], 1)
    corner = np.arange(1200).reshape(60, 20)
    a, b = corner[:-1, :-1].ravel(), corner[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, a + 1], 1), np.stack([a + 1, b, b + 1], 1)])
    ids = np.repeat(np.minimum(steps // 20, 2), 20)
    np.testing.assert_array_equal(
        superpoint_hierarchy(points, ids, faces=faces).level(2), [0, 1, 1]
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_levels_are_nested(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (1500, 3)).astype(np.float32)
    points[:, 2] *= 0.1
    ids = segment_points(points, min_points=4)
    tree = superpoint_hierarchy(points, ids, colors=rng.uniform(0, 1, points.shape))
    counts = [tree.num_superpoints, 60, 30, 7, 1]
    levels = tree.levels(counts)
    assert (np.diff(tree.heights) >= 0).all()
    parts = tree.num_superpoints - len(tree.merges)
    for count, level in zip(counts, levels, strict=True):
        regions = np.unique(level)
        np.testing.assert_array_equal(regions, np.arange(len(regions)))
        assert len(regions) == max(min(count, tree.num_superpoints), parts)
    for fine, coarse in zip(levels, levels[1:], strict=False):
        assert _nested(fine, coarse)


def test_the_same_twice_and_with_any_number_of_threads():
    points = np.random.default_rng(3).uniform(0, 1, (30000, 3)).astype(np.float32)
    points[:, 2] *= 0.02
    ids = segment_points(points, voxel=0)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 1, 2):
            torch.set_num_threads(threads)
            np.testing.assert_array_equal(segment_points(points, voxel=0), ids)
            results.append(superpoint_hierarchy(points, ids))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].merges, other.merges)
        np.testing.assert_array_equal(results[0].heights, other.heights)


def test_disconnected_parts_stay_apart():
    points = np.concatenate([_grid(10, (0, 1)), _grid(10, (0, 1), at=9.0)])
    ids = np.repeat([0, 1, 2, 3], 50)
    tree = superpoint_hierarchy(points, ids)
    np.testing.assert_array_equal(tree.level(1), [0, 0, 1, 1])


@pytest.mark.parametrize('count', [0, 1, 30])
def test_at_most_one_superpoint(count):
    points = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    tree = superpoint_hierarchy(points, np.zeros(count, np.int64), colors=np.zeros((count, 3)))
    assert tree.merges.shape == (0, 2)
    np.testing.assert_array_equal(tree.level(5), np.zeros(min(count, 1)))
    np.testing.assert_array_equal(tree.level_below(np.inf), np.zeros(min(count, 1)))


def test_equal_points():
    tree = superpoint_hierarchy(np.ones((60, 3)), np.arange(60) // 20)
    assert len(tree.level(1)) == 3


def test_bad_input():
    points, ids = _floor_and_wall()
    with pytest.raises(SceneError, match='superpoints has shape'):
        superpoint_hierarchy(points, ids[:-1])
    for wrong in (ids * 2, ids - 1, ids + 10**12):
        with pytest.raises(SceneError, match='with gaps'):
            superpoint_hierarchy(points, wrong)
    with pytest.raises(SceneError, match='colors has shape'):
        superpoint_hierarchy(points, ids, colors=points[:-1])
    with pytest.raises(SceneError, match='expected 0..799'):
        superpoint_hierarchy(points, ids, faces=[[0, 1, 800]])
    with pytest.raises(SceneError, match='not finite'):
        superpoint_hierarchy(points * np.nan, ids)
    with pytest.raises(ConfigError, match='expected 1 or more'):
        superpoint_hierarchy(points, ids).level(0)
