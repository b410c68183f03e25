"""Scenes: shapes, ranges, repeatability, and the promise of speed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from unison3d.errors import ConfigError
from unison3d.synth import make_scene, seen_names, withheld_names
from unison3d.synth.sample import MIN_INSTANCE_POINTS


def same(a, b) -> bool:
    for name in (f.name for f in dataclasses.fields(a)):
        x, y = getattr(a, name), getattr(b, name)
        if not (np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y):
            return False
    return True


def test_shapes_types_and_ranges(scenes):
    for scene in scenes:
        n, m = len(scene.points), len(scene.instance_names)
        assert 3_000 < n <= 100_000
        for name in ('points', 'colors', 'normals'):
            array = getattr(scene, name)
            assert array.shape == (n, 3) and array.dtype == np.float32
            assert np.isfinite(array).all()
        for name in ('semantic', 'instances', 'parts'):
            assert getattr(scene, name).shape == (n,)
            assert getattr(scene, name).dtype == np.int64
        assert 0 <= scene.colors.min() and scene.colors.max() <= 1
        assert np.allclose(np.linalg.norm(scene.normals, axis=1), 1, atol=1e-3)
        assert set(np.unique(scene.semantic)) <= set(range(21))
        assert len(scene.instance_semantic) == len(scene.instance_colors) == m
        assert 0.014 < scene.spacing < 0.08


def test_instances_are_dense_and_agree_with_their_label(scenes):
    for scene in scenes:
        ids, counts = np.unique(scene.instances[scene.instances >= 0], return_counts=True)
        assert ids.tolist() == list(range(len(scene.instance_names)))
        assert counts.min() >= MIN_INSTANCE_POINTS
        inside = scene.instances >= 0
        assert (scene.semantic[inside] == scene.instance_semantic[scene.instances[inside]]).all()
        assert (scene.instance_semantic >= 2).all(), 'wall and floor are no instances'
        # A part belongs to one instance; the shell has none.
        assert ((scene.parts >= 0) == inside).all()
        pairs = np.unique(np.stack([scene.parts[inside], scene.instances[inside]]), axis=1)
        assert len(np.unique(pairs[0])) == pairs.shape[1]


def test_names_are_known(scenes):
    known = set(seen_names()) | set(withheld_names())
    assert {name for scene in scenes for name in scene.instance_names} <= known


def test_normals_point_to_a_side_that_was_seen(scenes):
    # The floor is only seen from above.
    for scene in scenes[:8]:
        floor = scene.normals[scene.semantic == 1]
        assert (floor[:, 2] > 0).mean() > 0.98


def test_same_seed_same_scene_whatever_came_before():
    first = make_scene(7)
    make_scene(3)
    assert same(first, make_scene(7))
    assert not np.array_equal(first.points[:50], make_scene(8).points[:50])


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002
    make_scene(11)
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize('kind', ['bathroom', 'kitchen', 'storage room'])
def test_options(kind):
    scene = make_scene(1, kind=kind, max_points=9_000, num_sentences=4)
    assert scene.room_kind == kind
    assert len(scene.points) <= 9_000
    assert len(scene.sentences) <= 4


def test_all_classes_appear_in_a_modest_number_of_rooms(scenes):
    found = {int(label) for scene in scenes for label in np.unique(scene.semantic)}
    for seed, kind in enumerate(('bathroom', 'bathroom', 'bathroom', 'kitchen', 'studio')):
        found |= set(np.unique(make_scene(500 + seed, kind=kind).semantic).tolist())
    assert found == set(range(21))


def test_the_camera_gives_a_labelled_mesh():
    scene = make_scene(5, profile='rooms', scanner='camera', spacing=0.06)
    again = make_scene(5, profile='rooms', scanner='camera', spacing=0.06)
    np.testing.assert_array_equal(scene.points, again.points)
    n = len(scene.points)
    for field in ('colors', 'normals', 'semantic', 'instances', 'parts'):
        assert len(getattr(scene, field)) == n
        assert getattr(scene, field).dtype == getattr(make_scene(5), field).dtype
    assert scene.faces.min() >= 0 and scene.faces.max() < n
    # Triangles follow the vertices: none is longer than a few voxels.
    corners = scene.points[scene.faces]
    assert np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max() < 0.2
    assert set(np.unique(scene.instances)) <= {-1, *range(len(scene.instance_names))}
    assert len(scene.part_names) == scene.parts.max() + 1
    with pytest.raises(ConfigError, match='scanner'):
        make_scene(5, scanner='eye')
