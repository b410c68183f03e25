"""Depth images of simple things become their surfaces."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import ConfigError, SceneError
from unison3d.fusion import TsdfVolume
from unison3d.fusion.cells import EDGES, triangle_table

WIDTH, HEIGHT = 96, 72
K = np.array([[90.0, 0, 47.5], [0, 90.0, 35.5], [0, 0, 1]])


def rays() -> np.ndarray:
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], 2)


def looking_at(eye, target) -> np.ndarray:
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = eye
    return pose


def sphere_depth(pose, center, radius) -> np.ndarray:
    d = rays() @ pose[:3, :3].T
    o = pose[:3, 3] - center
    b, a, c = d @ o, (d * d).sum(2), o @ o - radius**2
    root = b * b - a * c
    depth = (-b - np.sqrt(np.maximum(root, 0))) / a
    return np.where(root > 0, depth, 0).astype(np.float32)


def plane_depth(pose, height=0.0) -> np.ndarray:
    """Depth of the plane z = height."""
    d = rays() @ pose[:3, :3].T
    depth = (height - pose[2, 3]) / np.where(d[..., 2] == 0, 1e-9, d[..., 2])
    return np.where((depth > 0) & (depth < 2), depth, 0).astype(np.float32)


def eyes_around(center, distance, count=24) -> list[np.ndarray]:
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - z * z)
    points = np.stack([flat * np.cos(turn), flat * np.sin(turn), z], 1)
    return [looking_at(center + distance * p, center) for p in points]


def fused_sphere(voxel=0.02, with_color=True):
    center = np.array([0.31, -0.47, 1.13])
    volume = TsdfVolume(voxel)
    for pose in eyes_around(center, 1.2):
        depth = sphere_depth(pose, center, 0.4)
        color = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), np.uint8) if with_color else None
        volume.integrate(depth, K, pose, color)
    return center, volume


def test_sphere_is_closed_round_and_looks_outwards():
    center, volume = fused_sphere()
    points, faces, colors, normals = volume.extract_mesh()
    out = points - center
    distance = np.linalg.norm(out, axis=1)
    assert np.abs(distance - 0.4).max() < 0.01
    assert ((out / distance[:, None]) * normals).sum(1).min() > 0.9
    assert (colors == (200, 100, 50)).all()
    # Every edge once in each direction: closed, manifold and consistently oriented.
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forth, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 1).all()
    assert np.array_equal(forth, np.unique(edges[:, ::-1], axis=0))
    assert len(points) - len(edges) // 2 + len(faces) == 2
    assert points.dtype == np.float32
    assert faces.dtype == np.int32


def test_plane_of_several_views():
    volume = TsdfVolume(0.02)
    for eye in ((0.1, -0.8, 1.1), (0.6, 0.7, 0.9), (-0.7, 0.3, 1.3)):
        pose = looking_at(eye, (0.0, 0.02, 0.013))
        volume.integrate(plane_depth(pose, 0.013), K, pose)
    points, faces, colors, normals = volume.extract_mesh()
    assert colors is None
    assert len(points) > 1000
    assert np.abs(points[:, 2] - 0.013).max() < 0.01
    # Where the band of a view ends, the mean makes a small step.
    assert normals[:, 2].min() > 0.7
    assert np.mean(normals[:, 2] > 0.99) > 0.95
    assert len(np.unique(faces)) == len(points)


def test_colors_are_means_over_views():
    volume = TsdfVolume(0.02)
    pose = looking_at((0.0, -0.5, 1.0), (0, 0, 0))
    for shade in (100, 140):
        color = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
        volume.integrate(plane_depth(pose), K, pose, color)
    assert (volume.extract_mesh().colors == 120).all()


def test_colors_that_come_late_belong_to_the_frames_that_have_them():
    volume = TsdfVolume(0.02)
    pose = looking_at((0.0, -0.5, 1.0), (0, 0, 0))
    volume.integrate(plane_depth(pose), K, pose)
    volume.integrate(plane_depth(pose), K, pose, np.full((HEIGHT, WIDTH, 3), 77, np.uint8))
    assert (volume.extract_mesh().colors == 77).all()


def test_nothing_seen_is_a_hole():
    volume = TsdfVolume(0.02)
    pose = looking_at((0.0, -0.01, 1.0), (0, 0, 0))
    depth = plane_depth(pose)
    depth[30:42, 40:56] = 0
    depth[:5] = np.nan
    volume.integrate(depth, K, pose)
    points = volume.extract_mesh().vertices
    at = points @ np.linalg.inv(pose)[:3, :3].T + np.linalg.inv(pose)[:3, 3]
    u, v = K[0, 0] * at[:, 0] / at[:, 2] + K[0, 2], K[1, 1] * at[:, 1] / at[:, 2] + K[1, 2]
    assert not ((u > 42) & (u < 54) & (v > 32) & (v < 40)).any()
    assert v.min() > 3
    assert len(volume.extract_mesh(min_weight=2).vertices) == 0


def test_rim_of_a_thing_in_front_grows_no_skirt():
    """A plate half a metre in front of a wall, seen from one side only."""
    volume = TsdfVolume(0.02)
    pose = np.eye(4)
    depth = np.full((HEIGHT, WIDTH), 1.5, np.float32)
    depth[20:50, 30:60] = 1.0
    volume.integrate(depth, K, pose)
    z = volume.extract_mesh().vertices[:, 2]
    assert (np.minimum(abs(z - 1.0), abs(z - 1.5)) < 0.01).all()


def test_same_frames_same_mesh():
    first, again = (fused_sphere()[1].extract_mesh() for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a, b)


def test_empty_volume_and_empty_frame():
    volume = TsdfVolume(0.05)
    volume.integrate(np.zeros((4, 5), np.float32), K, np.eye(4))
    mesh = volume.extract_mesh()
    assert mesh.vertices.shape == mesh.normals.shape == (0, 3)
    assert mesh.faces.shape == (0, 3)
    assert volume.num_blocks == 0


def test_memory_follows_the_surface_and_has_a_limit():
    _, volume = fused_sphere(with_color=False)
    used = volume.num_blocks
    # Area of the sphere over the area of a block's side, times blocks across the band.
    assert used < 4 * np.pi * 0.4**2 / 0.16**2 * 6
    small = TsdfVolume(0.02, max_bytes=used * 4096 // 2)
    with pytest.raises(SceneError, match='larger voxels'):
        for pose in eyes_around(np.zeros(3), 1.2):
            small.integrate(sphere_depth(pose, np.zeros(3), 0.4), K, pose)


@pytest.mark.parametrize(
    ('depth', 'intrinsics', 'pose', 'color'),
    [
        (np.ones(5, np.float32), K, np.eye(4), None),
        (np.ones((2, 2), np.float32), np.eye(4), np.eye(4), None),
        (np.ones((2, 2), np.float32), K, np.eye(4) * 2, None),
        (np.ones((2, 2), np.float32), K, np.full((4, 4), -np.inf), None),
        (np.ones((2, 2), np.float32), K, np.eye(3), None),
        (np.ones((2, 2), np.float32), K, np.eye(4), np.zeros((3, 2, 3), np.uint8)),
        (np.full((2, 2), 1e9, np.float32), K, np.eye(4), None),
    ],
)
def test_bad_frames_are_refused(depth, intrinsics, pose, color):
    with pytest.raises(SceneError):
        TsdfVolume(0.02).integrate(depth, intrinsics, pose, color)


@pytest.mark.parametrize('sizes', [(0.0, None), (float('nan'), None), (0.02, 0.01), (0.02, 9.0)])
def test_bad_sizes_are_refused(sizes):
    with pytest.raises(ConfigError):
        TsdfVolume(*sizes)


def test_table_cuts_every_crossed_edge_and_no_other():
    for pattern, row in enumerate(triangle_table()):
        inside = [bool(pattern >> i & 1) for i in range(8)]
        crossed = {i for i, (a, b) in enumerate(EDGES) if inside[a] != inside[b]}
        assert set(row[row >= 0].tolist()) == crossed
