"""The simulated scan: what is hidden is missing, what is there is where it was."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.synth.catalog import UNLABELLED
from unison3d.synth.floorplan import ceiling_shape, floor_shape, make_walls, wall_shape
from unison3d.synth.materials import GLASS, make_paint
from unison3d.synth.placement import Placed
from unison3d.synth.primitives import Pose, Shape
from unison3d.synth.rooms import Room, generate_room
from unison3d.synth.scan import SPACING, scan_room

GROUND = Pose(0.0, 0.0, 0.0, 0.0)


def box_room(*shapes: tuple[str, Shape]) -> Room:
    """A bare 4 m x 4 m room with the given objects."""
    rng = np.random.default_rng(0)
    polygon = np.array([(-2, -2), (2, -2), (2, 2), (-2, 2)], float)
    paint = make_paint(rng, 'white')
    objects = [
        Placed('wall', '', 0, wall_shape(rng, wall, i, [], 2.5, paint, None), GROUND)
        for i, wall in enumerate(make_walls(polygon))
    ]
    objects.append(Placed('floor', '', 1, floor_shape(rng, polygon, wet=False), GROUND))
    objects.append(Placed('ceiling', '', UNLABELLED, ceiling_shape(rng, polygon, 2.5), GROUND))
    objects += [Placed(kind, kind, 2, shape, GROUND) for kind, shape in shapes]
    return Room('test', polygon, 2.5, objects, np.zeros((0, 7)))


def cube(size: float, z: float = 0.0, material: int = 0) -> Shape:
    shape = Shape()
    paint = make_paint(np.random.default_rng(1), 'red', material)
    shape.box((0, 0, z + size / 2), (size, size, size), paint)
    return shape


def test_points_stay_close_to_the_surface():
    scan = scan_room(box_room(('cabinet', cube(1.0))), np.random.default_rng(3))
    p = scan.points
    wall = scan.objects < 4
    off = np.abs(np.abs(p[wall, :2]).max(1) - 2.0)
    assert np.percentile(off, 95) < 0.05
    floor = scan.objects == 4
    assert np.percentile(np.abs(p[floor, 2]), 95) < 0.05


def test_what_no_view_can_see_is_missing():
    outer, inner = cube(1.2), cube(0.6, z=0.2)
    scan = scan_room(box_room(('cabinet', outer), ('box', inner)), np.random.default_rng(4))
    assert (scan.objects == 6).sum() > 300, 'the outer box is seen'
    assert (scan.objects == 7).sum() == 0, 'the box inside it is not'
    floor = scan.points[scan.objects == 4]
    assert (np.abs(floor[:, :2]).max(1) < 0.45).sum() == 0, 'nor is the floor below'


def test_glass_is_mostly_lost():
    solid = scan_room(box_room(('cabinet', cube(1.0))), np.random.default_rng(5), spacing=0.03)
    glass = scan_room(
        box_room(('cabinet', cube(1.0, material=GLASS))), np.random.default_rng(5), spacing=0.03
    )
    assert (glass.objects == 6).sum() < 0.6 * (solid.objects == 6).sum()


def test_normals_face_into_the_room():
    scan = scan_room(box_room(), np.random.default_rng(6))
    wall = scan.objects < 4
    inward = -(scan.points[wall, :2] * scan.normals[wall, :2]).sum(1)
    assert (inward > 0).mean() > 0.97
    assert (scan.normals[scan.objects == 4, 2] > 0.5).mean() > 0.97


@pytest.mark.parametrize('spacing', [0.02, 0.04])
def test_spacing_sets_the_density(spacing):
    room = generate_room(2, kind='bathroom')
    scan = scan_room(room, np.random.default_rng(0), spacing=spacing)
    assert scan.spacing == spacing
    p = scan.points[:400]
    d = np.linalg.norm(p[:, None] - scan.points[None], axis=2)
    near = np.sort(d, axis=1)[:, 1:7].mean()
    assert 0.6 * spacing < near < 1.8 * spacing


def test_limits():
    room = generate_room(3)
    scan = scan_room(room, np.random.default_rng(0), max_points=5_000)
    assert 2_000 < len(scan.points) <= 5_000
    free = scan_room(room, np.random.default_rng(0))
    assert SPACING[0] <= free.spacing <= SPACING[1] * 1.3
    assert free.colors.min() >= 0 and free.colors.max() <= 1
    assert 0.2 < free.colors.mean() < 0.8


def test_same_generator_state_same_scan():
    room = generate_room(4)
    a, b = (scan_room(room, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(a.points, b.points) and np.array_equal(a.colors, b.colors)


def test_a_layer_close_behind_a_surface_stays_hidden():
    body, slab = Shape(), Shape()
    paint = make_paint(np.random.default_rng(1), 'red')
    body.block(-0.9, 0.9, 1.4, 1.98, 0, 0.85, paint)
    slab.block(-0.92, 0.92, 1.36, 1.99, 0.87, 0.9, paint)
    poster = Shape()
    poster.block(-1.99, -1.97, -0.5, 0.5, 1.0, 1.8, paint)
    room = box_room(('cabinet', body), ('counter', slab), ('poster', poster))
    scan = scan_room(room, np.random.default_rng(8), spacing=0.03)
    top = scan.normals[:, 2] > 0.8
    covered = (scan.objects == 6) & top & (np.abs(scan.points[:, 0]) < 0.8)
    assert covered.sum() < 0.1 * ((scan.objects == 7) & top).sum()
    p = scan.points
    beside = (p[:, 0] < -1.9) & (np.abs(p[:, 1]) < 0.4) & (p[:, 2] > 1.1) & (p[:, 2] < 1.7)
    assert (scan.objects[beside] == 8).mean() > 0.9
