"""Rooms: shell, openings and furniture, all in metres with z up and the floor at z = 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .catalog import CLASSES, UNLABELLED, build
from .floorplan import (
    Opening,
    Wall,
    ceiling_shape,
    door_shape,
    draw_openings,
    draw_polygon,
    floor_shape,
    make_walls,
    wall_shape,
    window_shape,
)
from .materials import CARPET, CHECKER, STRIPES, TILES, make_paint
from .placement import Furnisher, Placed
from .primitives import Pose, Shape
from .recipes import RECIPES, extras, fill

WALL, FLOOR = CLASSES.index('wall'), CLASSES.index('floor')
_GROUND = Pose(0.0, 0.0, 0.0, 0.0)


@dataclass
class Room:
    """A furnished room.

    Attributes:
        kind: room type.
        polygon: float64 (K, 2), counter-clockwise outline.
        height: ceiling height in metres.
        objects: shell pieces and furniture.
        boxes: float64 (M, 7) oriented boxes that are taken (see ``placement.footprint``).
        profile: the world it belongs to, see ``sample.PROFILES``.
        walk: float64 (W, 2), outline of the part that the person with the camera enters;
            ``polygon`` by default.
    """

    kind: str
    polygon: np.ndarray
    height: float
    objects: list[Placed]
    boxes: np.ndarray
    profile: str = 'rooms-v1'
    walk: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.walk is None:
            self.walk = self.polygon


def add_shell(f: Furnisher, name: str, semantic: int, shape: Shape, pose: Pose = _GROUND) -> None:
    f.add(name, shape, pose, name='', semantic=semantic, solid=False)


def _build_shell(f: Furnisher, openings: list[Opening], wet: bool) -> None:
    rng = f.rng
    tones = ('white', 'white', 'white', 'beige', 'beige', 'gray', 'yellow', 'blue', 'green', 'pink')
    paint = make_paint(rng, tones, TILES if wet and rng.random() < 0.6 else 0, 0.08)
    # Painted walls are paler than things.
    paint = paint._replace(
        color=tuple(0.35 * c + 0.55 for c in paint.color),
        second=tuple(0.35 * c + 0.5 for c in paint.second),
    )
    if rng.random() < 0.15:
        paint = make_paint(
            rng, (*tones, 'brown', 'red', 'orange'), STRIPES if rng.random() < 0.2 else 0, 0.05
        )
    board = (
        make_paint(rng, ('white', 'white', 'brown', 'gray', 'beige'))
        if rng.random() < 0.6
        else None
    )
    accent = int(rng.integers(len(f.walls))) if rng.random() < 0.15 else -1
    accent_paint = make_paint(rng, ('red', 'blue', 'green', 'brown', 'gray', 'orange', 'purple'))
    for i, wall in enumerate(f.walls):
        add_shell(
            f,
            'wall',
            WALL,
            wall_shape(
                rng, wall, i, openings, f.height, accent_paint if i == accent else paint, board
            ),
        )
    add_shell(f, 'floor', FLOOR, floor_shape(rng, f.polygon, wet))
    add_shell(f, 'ceiling', UNLABELLED, ceiling_shape(rng, f.polygon, f.height))
    if rng.random() < 0.25:
        rug = Shape()
        w, d = rng.uniform(0.6, 2.4), rng.uniform(0.5, 1.6)
        style = (CARPET, STRIPES, CHECKER)[int(rng.integers(3))]
        rug.box(
            (0, 0, 0.006),
            (w, d, 0.012),
            make_paint(rng, ('red', 'blue', 'beige', 'gray', 'brown', 'green'), style, 0.4),
        )
        x, y = rng.uniform(f.polygon.min(0) * 0.5, f.polygon.max(0) * 0.5)
        add_shell(f, 'rug', FLOOR, rug, Pose(x, y, 0.0, f.walls[0].yaw + rng.normal(0, 0.1)))
    for _ in range(int(rng.choice([0, 1, 2], p=[0.75, 0.2, 0.05]))):
        column_or_partition(f, paint)


def column_or_partition(f: Furnisher, paint) -> None:
    """A pillar or a wall stub that sticks out from a wall."""
    rng = f.rng
    i = int(rng.integers(len(f.walls)))
    wall = f.walls[i]
    size = (
        np.array([rng.uniform(0.2, 0.5)] * 2)
        if rng.random() < 0.5
        else np.array([rng.uniform(0.08, 0.18), rng.uniform(0.6, 1.8)])
    )
    if wall.length < 1.0:
        return
    s = rng.uniform(size[0], wall.length - size[0])
    if any(s - size[0] < b + 0.1 and s + size[0] > a - 0.1 for a, b in wall.taken):
        return
    column = Shape()
    column.box((0, -size[1] / 2, f.height / 2), (*size, f.height), paint)
    pose = Pose(*wall.at(s), 0.0, wall.yaw)
    if f.fits(column, pose, edge=False):
        wall.taken.append((s - size[0] / 2, s + size[0] / 2))
        f.add('wall', column, pose, name='', semantic=WALL)


def build_openings(f: Furnisher, openings: list[Opening]) -> None:
    rng = f.rng
    for o in openings:
        wall: Wall = f.walls[o.wall]
        mid, width = (o.s0 + o.s1) / 2, o.s1 - o.s0
        pose = Pose(*wall.at(mid), o.z0, wall.yaw)
        if o.kind == 'door':
            shape, beyond, swing = door_shape(rng, width, o.z1)
            if shape is not None:
                f.add('door', shape, pose, wall=o.wall, solid=False)
            if beyond is not None:
                add_shell(f, 'beyond', FLOOR, beyond, pose)
            # Nobody blocks a door: its opening and the way in stay free.
            reach = max(0.7, swing + 0.1)
            c = wall.at(mid, reach / 2)
            f.block(np.array([*c, width / 2, reach / 2, wall.yaw, 0.0, 2.1]))
            continue
        f.add('window', window_shape(rng, width, o.z1 - o.z0), pose, wall=o.wall, solid=False)
        f.block(np.array([*wall.at(mid, 0.05), width / 2, 0.05, wall.yaw, o.z0 + 0.45, o.z1]))
        draw = rng.random()
        if draw < 0.45:
            sides = (-1, 1) if rng.random() < 0.6 else (int(rng.choice([-1, 1])),)
            seed = int(rng.integers(1 << 30))
            for side in sides:
                shape = build('curtain', np.random.default_rng(seed))
                top = min(f.height - 0.05, o.z1 + rng.uniform(0.05, 0.2))
                s = mid + side * (width / 2 - shape.size[0] / 2 + rng.uniform(0, 0.25))
                z = max(0.02, top - shape.size[2])
                f.add(
                    'curtain',
                    shape,
                    Pose(*wall.at(s, 0.1 + shape.size[1] / 2), z, wall.yaw),
                    wall=o.wall,
                    solid=False,
                )
                if shape.size[0] > 0.75 * width:
                    break
        elif draw < 0.53:
            shape = build('blinds', rng)
            f.add(
                'blinds',
                shape,
                Pose(*wall.at(mid, 0.07), max(o.z0, o.z1 - shape.size[2]), wall.yaw),
                wall=o.wall,
                solid=False,
            )


def generate_room(
    seed: int | np.random.Generator, *, kind: str | None = None, clutter: float | None = None
) -> Room:
    """Draw a floor plan and furnish it.

    Args:
        seed: seed or a generator to draw from.
        kind: a key of ``recipes.RECIPES``; drawn by its share if None.
        clutter: about 0.3 (tidy) to 1.5 (messy); drawn if None.

    Returns:
        The room; same seed, same room.
    """
    rng = np.random.default_rng(seed)
    names = tuple(RECIPES)
    if kind is None:
        share = np.array([RECIPES[n][0] for n in names])
        kind = names[int(rng.choice(len(names), p=share / share.sum()))]
    _, (small, large), parts = RECIPES[kind]
    w, d = rng.uniform(small, large, 2)
    if kind == 'bathroom':
        polygon = np.array([(0, 0), (w, 0), (w, d), (0, d)]) - np.array([w, d]) / 2
    else:
        polygon = draw_polygon(rng, w, d)
    height = rng.uniform(2.35, 3.0)
    walls = make_walls(polygon)
    # Bathrooms are too small for a second door.
    doors = 1 if kind == 'bathroom' else int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
    windows = int(rng.choice([0, 1, 2, 3], p=[0.2, 0.4, 0.3, 0.1]))
    openings = draw_openings(rng, walls, height, doors, windows)
    f = Furnisher(rng, polygon, walls, height)
    _build_shell(f, openings, kind in ('bathroom', 'kitchen'))
    build_openings(f, openings)
    for part in parts:
        part(f)
    fill(f, kind, rng.uniform(0.25, 0.55))
    extras(
        f,
        rng.uniform(0.3, 1.6) * (0.5 if kind == 'bathroom' else 1.0)
        if clutter is None
        else clutter,
    )
    return Room(kind, polygon, height, f.objects, f.boxes.copy())
