from __future__ import annotations

import numpy as np
import pytest
from conftest import data_root
from hypothesis import given, settings
from hypothesis import strategies as st

from unison3d.errors import SceneError
from unison3d.superpoints import compute_superpoints, segment_mesh, segment_points


def _room(seed: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A floor, a wall and a box on the floor, on a grid of 1/1024 m so that shifts are exact."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(0, 1, (count, 2))
    part = rng.integers(0, 3, count)
    points = np.zeros((count, 3))
    points[part == 0, :2] = u[part == 0] * 2
    points[part == 1, 1:] = u[part == 1] * 2
    points[part == 2] = np.pad(u[part == 2] * 0.4 + 1, ((0, 0), (0, 1)), constant_values=0.5)
    points = np.round((points + rng.normal(0, 0.002, points.shape)) * 1024) / 1024
    points = np.unique(points.astype(np.float32), axis=0)
    points = points[rng.permutation(len(points))]
    return points, rng.uniform(0, 1, points.shape).astype(np.float32), part


def _same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = np.unique(np.stack([first, second]), axis=1).shape[1]
    return pairs == len(np.unique(first)) == len(np.unique(second))


def test_planes_become_different_superpoints():
    points = _room(0)[0]
    ids = segment_points(points)
    table = points[:, 2] > 0.45
    table &= (points[:, 0] > 0.9) & (points[:, 1] > 0.9)
    floor = (np.abs(points[:, 2]) < 0.02) & (points[:, 0] > 0.1)
    assert not set(ids[table]) & set(ids[floor])
    np.testing.assert_array_equal(np.unique(ids), np.arange(ids.max() + 1))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_points_plays_no_role(seed):
    points, colors, _ = _room(seed, 1500)
    # Continuous positions, so that no two edges are equally long.
    points = points + np.random.default_rng(seed).normal(0, 1e-3, points.shape).astype(np.float32)
    order = np.random.default_rng(seed + 1).permutation(len(points))
    ids = segment_points(points, colors)
    shuffled = segment_points(points[order], colors[order])
    assert _same_partition(ids[order], shuffled)


def test_a_shift_plays_no_role():
    points, colors, _ = _room(3)
    shifted = points + np.float32([4, -2, 8])
    assert _same_partition(segment_points(points, colors), segment_points(shifted, colors))


def test_the_same_twice():
    points, colors, _ = _room(4)
    np.testing.assert_array_equal(segment_points(points, colors), segment_points(points, colors))


def test_duplicates_share_their_superpoint():
    points, colors, _ = _room(5)
    ids = segment_points(points, colors)
    doubled = segment_points(np.tile(points, (2, 1)), np.tile(colors, (2, 1)))
    np.testing.assert_array_equal(doubled[: len(points)], doubled[len(points) :])
    assert _same_partition(doubled[: len(points)], ids)


def test_a_far_point_changes_nothing_near():
    points, colors, _ = _room(6)
    ids = segment_points(points, colors)
    far = segment_points(
        np.append(points, [[500, 500, 0]], 0).astype(np.float32),
        np.append(colors, [[0.5, 0.5, 0.5]], 0),
    )
    assert _same_partition(far[:-1], ids)


def test_colour_separates_what_is_flat():
    rng = np.random.default_rng(7)
    points = np.pad(rng.uniform(0, 1, (4000, 2)), ((0, 0), (0, 1))).astype(np.float32)
    colors = np.where(points[:, :1] < 0.5, [[1.0, 0, 0]], [[0, 0, 1.0]])
    ids = segment_points(points, colors)
    assert not set(ids[points[:, 0] < 0.46]) & set(ids[points[:, 0] > 0.54])
    assert len(set(segment_points(points))) < len(set(ids)) + 1


@pytest.mark.parametrize('voxel', [0.0, 0.02])
@pytest.mark.parametrize('count', [0, 1, 2, 5])
def test_few_points(count, voxel):
    points = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    ids = segment_points(points, np.zeros_like(points), voxel=voxel)
    assert ids.shape == (count,)
    assert ids.dtype == np.int64


@pytest.mark.parametrize('voxel', [0.0, 0.02])
def test_equal_points(voxel):
    ids = segment_points(np.ones((300, 3), np.float32), voxel=voxel)
    assert ids.shape == (300,)
    if voxel:
        assert ids.max() == 0


def test_a_huge_extent_does_not_overflow():
    points = np.array([[0, 0, 0], [3e6, -3e6, 1e6], [3e6, -3e6, 1e6]], np.float32)
    ids = segment_points(points)
    assert ids[1] == ids[2]


@pytest.mark.parametrize('scale', [1e-20, 1e6, 1e18, 1e30])
def test_no_scale_breaks_points(scale):
    points = _room(8, 400)[0] * np.float32(scale)
    for voxel in (0.0, 0.02):
        ids = segment_points(points, voxel=voxel)
        np.testing.assert_array_equal(np.unique(ids), np.arange(ids.max() + 1))


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_bad_numbers_are_refused(bad):
    from unison3d.structures import PointScene

    points = _room(9, 50)[0]
    points[7, 2] = bad
    for refuse in (segment_points, compute_superpoints, PointScene.from_arrays):
        with pytest.raises(SceneError, match='row 7'):
            refuse(points)
    kept = PointScene.from_arrays(points, on_bad='drop')
    assert len(compute_superpoints(kept.points)) == len(points) - 1


@pytest.mark.parametrize('threads', [1, 2])
def test_threads_play_no_role(threads):
    import torch

    rng = np.random.default_rng(10)
    points = rng.uniform(0, 4, (30000, 3)).astype(np.float32) * [1, 1, 0.01]
    colors = rng.uniform(0, 1, points.shape)
    ids = segment_points(points, colors)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        np.testing.assert_array_equal(segment_points(points, colors), ids)
    finally:
        torch.set_num_threads(before)


def test_given_normals_decide_where_they_are_known():
    rng = np.random.default_rng(11)
    points = np.pad(rng.uniform(0, 1, (4000, 2)), ((0, 0), (0, 1))).astype(np.float32)
    left = points[:, 0] < 0.5
    normals = np.where(left[:, None], [0.6, 0, 0.8], [-0.6, 0, 0.8])
    ids = segment_points(points, normals=normals)
    far = np.abs(points[:, 0] - 0.5) > 0.05
    assert not set(ids[left & far]) & set(ids[~left & far])
    unknown = segment_points(points, normals=np.zeros_like(points))
    np.testing.assert_array_equal(unknown, segment_points(points))


def test_lengths_are_checked():
    with pytest.raises(SceneError, match='colors has shape'):
        segment_points(np.zeros((3, 3)), np.zeros((2, 3)))


def test_faces_are_used_where_present():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], np.float32)
    faces = np.array([[0, 1, 2]])
    ids = compute_superpoints(points, faces=faces)
    np.testing.assert_array_equal(ids, segment_mesh(points, faces))
    assert compute_superpoints(points, faces=np.zeros((0, 3), int)).shape == (4,)


def test_real_scan_without_its_mesh():
    from unison3d.structures import PointScene

    folder = data_root() / 'scannet_scene0000_00'
    if not (folder / 'labels_v2.npz').exists():
        pytest.skip('the sample scan is not here')
    scan = PointScene.from_file(folder / 'scene0000_00_vh_clean_2.ply')
    instance = np.load(folder / 'labels_v2.npz')['instance'].astype(np.int64)
    ids = segment_points(scan.points, scan.colors)
    assert 500 <= ids.max() + 1 <= 1500
    votes = np.zeros((ids.max() + 1, instance.max() + 1))
    np.add.at(votes, (ids, instance), 1)
    best = votes.argmax(1)[ids]
    overlap = [
        ((best == i) & (instance == i)).sum() / ((best == i) | (instance == i)).sum()
        for i in range(1, instance.max() + 1)
    ]
    assert np.mean(overlap) > 0.77
    assert (best == instance).mean() > 0.915
