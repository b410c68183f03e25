"""Points on a page: levels of detail, and changes in place."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from scipy.spatial import cKDTree

from unison3d.viewer import scene_outline
from unison3d.viewer.scene_outline import SceneOutline, level_counts
from unison3d.viewer.scene_view import PointsOnPage

POINTS = (np.random.default_rng(0).random((6000, 3)) * [6, 4, 2]).astype(np.float32)
COLORS = np.random.default_rng(1).integers(0, 256, (6000, 3), np.uint8)


class Cloud:
    def __init__(self, name, points, colors, **options):
        self.name, self.points, self.colors = name, points, colors
        self.point_size, self.visible = options['point_size'], options['visible']
        self.position, self.removed = np.array(options['position']), False

    def remove(self):
        self.removed = True


class Client:
    """As much of viser as is used. A page shows what there is whenever nothing is held back."""

    def __init__(self):
        self.scene, self.clouds = self, []
        self.shows: list[int] = []

    def add_point_cloud(self, *args, **options):
        self.clouds.append(Cloud(*args, **options))
        return self.clouds[-1]

    @contextlib.contextmanager
    def atomic(self):
        yield
        self.shows.append(len(self.drawn()[0]))

    def drawn(self):
        clouds = [c for c in self.clouds if c.visible and not c.removed]
        for cloud in clouds:
            assert len(cloud.points) == len(cloud.colors)
        points = [c.points + c.position for c in clouds]
        return np.concatenate([*points, np.zeros((0, 3))]), [c.colors for c in clouds]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.setattr(scene_outline, '_LEVELS', (500, 2000))
    outline = SceneOutline(POINTS, max_points=5000)
    client = Client()
    return client, outline, PointsOnPage(client, outline, 0.02)


def rows_of(points):
    distance, rows = cKDTree(POINTS).query(points)
    assert distance.max(initial=0) < 1e-4
    return set(rows.tolist())


def test_levels_of_scenes():
    assert level_counts(81_369) == (81_369,)
    assert level_counts(120_000) == (50_000, 120_000)
    assert level_counts(5_000_000) == (50_000, 200_000, 800_000, 2_000_000)
    assert level_counts(0) == (0,)
    for count in (0, 1, 7):
        blocks = SceneOutline(POINTS[:count]).blocks(0)
        assert sum(len(block.rows) for block in blocks) == count


def test_levels_add_up_and_each_covers_the_scene(page):
    client, outline, points = page
    points.show(COLORS)
    assert outline.counts == (500, 2000, 5000)
    sizes, gaps = [], []
    for number in range(3):
        if number:
            points.load()
        points.set_level(number)
        shown, _ = client.drawn()
        assert len(rows_of(shown)) == len(shown) == outline.counts[number]
        gaps.append(cKDTree(shown).query(POINTS)[0].max())
        sizes.append(client.clouds[0].point_size)
        assert {cloud.point_size for cloud in client.clouds if cloud.visible} == {sizes[-1]}
    assert gaps[0] < 0.9 and gaps[0] > gaps[1] > gaps[2]
    # Fewer points, larger dots.
    assert sizes[0] == pytest.approx(0.02 * 0.9 * (6000 / 500) ** 0.5) and sizes[0] > sizes[1]
    assert sizes[2] == 0.02  # nearly all points
    points.set_level(0)
    assert len(client.drawn()[0]) == 500
    points.set_level(9)
    assert points.level == 2
    points.remove()
    assert len(client.drawn()[0]) == 0


def test_hiding_changes_clouds_in_place_and_never_empties_the_page(page):
    client, outline, points = page
    points.load()
    points.set_level(1)
    points.show(COLORS)
    names = [cloud.name for cloud in client.clouds]
    del client.shows[:]
    for height in (1.0, 1.5, 0.5):
        visible = POINTS[:, 2] < height
        points.show(COLORS, visible)
        shown, colors = client.drawn()
        rows = rows_of(shown)
        assert visible[list(rows)].all() and 0 < len(rows) < 2000
    assert [cloud.name for cloud in client.clouds] == names
    assert min(client.shows) > 0
    # Only colours are sent where the points stay.
    before = [cloud.points for cloud in client.clouds]
    points.show(255 - COLORS, visible)
    assert all(a is cloud.points for a, cloud in zip(before, client.clouds, strict=True))
    every = np.concatenate(client.drawn()[1])
    assert {tuple(c) for c in every.tolist()} <= {tuple(c) for c in (255 - COLORS).tolist()}


def test_no_points_are_out_of_sight_at_every_level(page):
    client, outline, points = page
    points.show(COLORS)
    nothing = np.zeros(6000, bool)
    points.show(COLORS, nothing)
    points.load()
    points.set_level(1)
    assert len(client.drawn()[0]) == 0
    points.show(COLORS)
    assert len(client.drawn()[0]) == 2000
