"""The software renderer, checked on scenes whose picture is known."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import data_root
from PIL import Image

from unison3d.errors import ConfigError, SceneError
from unison3d.viewer.render import PointRenderer, contact_sheet, render_points, save_png

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
SIZE = {'width': 120, 'height': 90}


def _sheet(z, n=40, half=1.0):
    line = np.linspace(-half, half, n)
    x, y = np.meshgrid(line, line)
    return np.stack([x.ravel(), y.ravel(), np.full(n * n, z)], axis=1)


def _is(image, color):
    """Pixels of this hue, whatever the shading."""
    strong = image[..., color.index(1.0)].astype(int)
    others = np.delete(image, color.index(1.0), axis=-1).max(axis=-1)
    return (strong > 60) & (others < 40)


@pytest.mark.parametrize('width,height', [(120, 90), (61, 47), (1, 1)])
def test_shape_and_background(width, height):
    image = render_points(np.zeros((0, 3)), width=width, height=height, background=0.5)
    assert image.shape == (height, width, 3) and image.dtype == np.uint8
    assert (image == 128).all()


def test_nearer_surface_hides_the_farther_one():
    points = np.concatenate([_sheet(0.0), _sheet(1.0)])
    colors = np.repeat([RED, GREEN], 1600, axis=0)
    from_above = render_points(points, colors, view=(0, 90), **SIZE)
    from_below = render_points(points, colors, view=(0, -90), **SIZE)
    # The farther sheet is no larger in the picture, so nothing of it is left in the middle.
    assert _is(from_above, GREEN)[30:60, 40:80].all()
    assert _is(from_below, RED)[30:60, 40:80].all()


def test_a_sheet_is_closed_and_fills_the_image():
    image = render_points(_sheet(0.0), np.tile(RED, (1600, 1)), view=(0, 90), **SIZE)
    drawn = (image != 255).any(axis=-1)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert rows[0] <= 8 and rows[-1] >= 81, 'the height limits the picture'
    assert drawn[rows[0] + 2 : rows[-1] - 1, columns[0] + 2 : columns[-1] - 1].all()
    assert abs((columns[0] + columns[-1]) / 2 - 59.5) <= 1


@pytest.mark.parametrize(('azimuth', 'right'), [(-90, 'x'), (90, '-x'), (0, 'y'), (180, '-y')])
def test_azimuth_is_where_the_camera_stands(azimuth, right):
    # A red ball where the right hand of the camera should be, a green one on the other side.
    axis = np.array([1.0, 0, 0]) if 'x' in right else np.array([0, 1.0, 0])
    axis = -axis if right.startswith('-') else axis
    rng = np.random.default_rng(0)
    ball = rng.normal(scale=0.05, size=(100, 3))
    points = np.concatenate([ball + axis, ball - axis])
    image = render_points(
        points, np.repeat([RED, GREEN], 100, axis=0), view=(azimuth, 10), crop_ceiling=False, **SIZE
    )
    red = np.argwhere(_is(image, RED))[:, 1].mean()
    green = np.argwhere(_is(image, GREEN))[:, 1].mean()
    assert red > green


def test_up_direction_turns_the_picture():
    points = np.concatenate([_sheet(0.0), [[0, 0, 2.0]] * 5])
    y_up = points[:, [1, 2, 0]]
    colors = np.concatenate([np.tile(RED, (1600, 1)), np.tile(GREEN, (5, 1))])
    image = render_points(y_up, colors, up=(0, 1, 0), view=(0, 5), point_size=0.2, **SIZE)
    assert np.argwhere(_is(image, GREEN))[:, 0].mean() < np.argwhere(_is(image, RED))[:, 0].mean()


@pytest.mark.parametrize(
    'points',
    [
        np.zeros((1, 3)),
        np.zeros((50, 3)),
        np.full((3, 3), 5e6) + np.eye(3),
        np.full((4, 3), np.nan),
        np.linspace(0, 1, 2000)[:, None] * [0, 0, 1.0],
        np.concatenate([_sheet(0.0), [[np.inf, 0, 0], [1e5, 0, 0]]]),
    ],
)
def test_odd_scenes_draw_without_warnings(points, recwarn):
    image = render_points(points, **SIZE)
    assert image.shape == (90, 120, 3)
    assert (image != 255).any() == bool(np.isfinite(points).all(axis=1).any())
    assert not recwarn.list


def test_room_is_opened():
    rng = np.random.default_rng(0)
    box = rng.uniform(0, 1, (40_000, 3))
    side = rng.integers(0, 6, len(box))
    box[np.arange(len(box)), side // 2] = side % 2
    room = box * [5, 4, 2.6]
    floor = (side == 4)[:, None]
    colors = np.where(floor, RED, GREEN)
    shown = render_points(room, colors, view=(-60, 50), **SIZE)
    closed = render_points(room, colors, view=(-60, 50), crop_ceiling=False, **SIZE)
    assert _is(closed, RED).sum() < 30
    assert _is(shown, RED).sum() > 1000


def test_many_colorings_share_one_view():
    points = _sheet(0.0)
    renderer = PointRenderer(points, **SIZE)
    red = renderer.render(np.tile(RED, (1600, 1)))
    bytes_red = renderer.render(np.tile(np.uint8([255, 0, 0]), (1600, 1)))
    np.testing.assert_array_equal(red, bytes_red)
    np.testing.assert_array_equal(red, render_points(points, np.tile(RED, (1600, 1)), **SIZE))
    grey = renderer.render()
    np.testing.assert_array_equal((grey != 255).any(-1), (red != 255).any(-1))


@pytest.mark.parametrize(
    'options',
    [
        {'width': 0},
        {'height': -5},
        {'width': 10**6, 'height': 10**6},
        {'view': 'front'},
        {'view': (0, 91)},
        {'view': (np.nan, 0)},
        {'up': (0, 0, 0)},
        {'point_size': 0},
    ],
)
def test_refused_options(options):
    with pytest.raises(ConfigError):
        render_points(_sheet(0.0), **{**SIZE, **options})


def test_refused_arrays():
    with pytest.raises(SceneError):
        render_points(np.zeros((3, 2)), **SIZE)
    with pytest.raises(SceneError, match='2 colours for 3 points'):
        render_points(np.zeros((3, 3)), np.zeros((2, 3)), **SIZE)


def test_png_and_contact_sheet(tmp_path):
    images = [np.full((20, 30, 3), v, np.uint8) for v in (10, 120, 250)]
    sheet = contact_sheet(images, ['one', 'two', ''], gap=4)
    path = save_png(tmp_path / 'deep' / 'a.png', sheet)
    with Image.open(path) as back:
        np.testing.assert_array_equal(np.asarray(back), sheet)
    for value in (10, 120, 250):
        assert (sheet == value).all(axis=-1).sum() >= 600
    assert contact_sheet([], []).shape == (1, 1, 3)
    with pytest.raises(ConfigError, match='titles'):
        contact_sheet(images, ['one'])
    wide = contact_sheet(images, ['a', 'b', 'c'], columns=3)
    assert wide.shape[1] > 90


@pytest.mark.skipif(not (data_root() / 'replica_office0').is_dir(), reason='real scan not there')
def test_real_scan_fills_the_picture():
    from unison3d.io import read_ply

    scene = read_ply(data_root() / 'replica_office0' / 'office0_mesh.ply')
    image = render_points(scene.points, scene.colors, width=320, height=240)
    assert (image != 255).any(axis=-1).mean() > 0.4
