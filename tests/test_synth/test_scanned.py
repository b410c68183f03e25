"""Scans of rooms lie on the surfaces of the room and know what they show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from unison3d.errors import ConfigError
from unison3d.synth import generate_room
from unison3d.synth.mesh_finish import SLOTS, cast_votes, count_votes, large_components, smooth
from unison3d.synth.scanned import scan_scene
from unison3d.synth.surfaces import Surfaces


@pytest.fixture(scope='module')
def room():
    return generate_room(3)


@pytest.fixture(scope='module')
def scan(room):
    return scan_scene(room, np.random.default_rng(5), voxel_size=0.04, keep_frames=True)


def truth(room):
    surfaces = Surfaces([o.shape for o in room.objects], [o.pose for o in room.objects])
    return surfaces.sample(3000, np.random.default_rng(0))


def test_arrays_fit_together(room, scan):
    n = len(scan)
    assert n > 5000
    assert scan.vertices.shape == scan.normals.shape == scan.colors.shape == (n, 3)
    assert scan.vertices.dtype == scan.normals.dtype == np.float32
    assert scan.colors.dtype == np.uint8
    assert scan.faces.dtype == np.int32
    assert scan.faces.min() == 0
    assert scan.faces.max() < n
    assert scan.objects.shape == scan.parts.shape == scan.color_names.shape == (n,)
    assert ((scan.objects < 0) == (scan.parts < 0)).all()
    assert scan.objects.max() < len(room.objects)
    assert len(scan.frames) == len(scan.poses)


def test_vertices_lie_on_surfaces_and_carry_the_object_that_is_there(room, scan):
    samples = truth(room)
    distance, nearest = cKDTree(samples.points).query(scan.vertices)
    assert np.median(distance) < 0.02
    assert np.mean(distance < 0.06) > 0.93
    known = scan.objects >= 0
    assert known.mean() > 0.9
    assert np.mean(samples.objects[nearest][known] == scan.objects[known]) > 0.88


def test_scan_has_holes_and_unknown_places(room, scan):
    samples = truth(room)
    flat = np.array([o.kind in ('floor', 'ceiling') for o in room.objects])
    shown = cKDTree(scan.vertices).query(samples.points[~flat[samples.objects]])[0] < 0.06
    assert 0.15 < shown.mean() < 0.9
    assert (scan.objects < 0).any()


def test_normals_look_at_the_cameras(scan):
    eyes = scan.poses[:, :3, 3].mean(0)
    assert np.mean(np.einsum('ij,ij->i', eyes - scan.vertices, scan.normals) > 0) > 0.8


def test_same_seed_same_scan(room):
    few = {'voxel_size': 0.06, 'max_frames': 6}
    first, again = (scan_scene(room, np.random.default_rng(1), **few) for _ in range(2))
    for name in ('vertices', 'faces', 'colors', 'objects', 'parts', 'poses'):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not first.frames


@pytest.mark.parametrize(
    'options', [{'voxel_size': 0.0}, {'max_frames': 0}, {'image_size': (160, 2)}]
)
def test_numbers_out_of_range(room, options):
    with pytest.raises(ConfigError, match='expected'):
        scan_scene(room, np.random.default_rng(0), **options)


def test_votes_count_only_where_the_image_shows_the_vertex():
    points = np.array([[0, 0, 1.0], [0, 0, 2.0], [0, 0, -1.0], [9, 0, 1.0]], np.float32)
    slots = np.full((4, SLOTS), -1, np.int32), np.zeros((4, SLOTS), np.float32)
    intrinsics = np.array([[10.0, 0, 2], [0, 10.0, 2], [0, 0, 1]])
    depth, labels = np.full((5, 5), 1.0, np.float32), np.full((5, 5), 3, np.int32)
    camera = np.eye(4)[:3].copy()
    cast_votes(points, camera, intrinsics, depth, labels, *slots)
    winners = np.empty(4, np.int32)
    count_votes(*slots, np.zeros(9, np.int32), winners)
    assert winners.tolist() == [3, -1, -1, -1]


def test_the_object_with_most_votes_wins_though_its_parts_share_them():
    labels = np.full((1, SLOTS), -1, np.int32)
    labels[0, :3] = 0, 1, 2
    votes = np.zeros((1, SLOTS), np.float32)
    votes[0, :3] = 3, 2, 2
    winners = np.empty(1, np.int32)
    count_votes(labels, votes, np.array([7, 8, 8], np.int32), winners)
    assert winners[0] == 1


def test_smoothing_and_crumbs():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    moved = smooth(points, faces, 0.5)
    assert np.allclose(moved[0], [0.25, 0.25, 0])
    assert np.array_equal(moved[3], points[3])
    assert large_components(faces, 4, 2).tolist() == [True, True, True, False]
