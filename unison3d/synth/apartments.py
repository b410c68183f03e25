"""The second world: one to four furnished rooms with what people leave lying about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .catalog import UNLABELLED
from .floorplan import door_shape, draw_openings, wall_shape
from .furnish import RECIPES, lived_in
from .materials import (
    BLOTCHES,
    BRICK,
    CARPET,
    CHECKER,
    GRAIN,
    MARBLE,
    PLAIN,
    PLANKS,
    PRINT,
    STRIPES,
    TILES,
    WOOD,
    Paint,
    make_paint,
)
from .placement import Furnisher
from .plans import PlannedRoom, draw_plan, joint_outline, outer_openings, tiles
from .primitives import Pose, Shape
from .recipes import extras, fill
from .rooms import FLOOR, WALL, Room, add_shell, build_openings, column_or_partition

_WET = ('bathroom', 'kitchen', 'laundry room')
_TONES = ('white', 'white', 'white', 'beige', 'beige', 'gray', 'yellow', 'blue', 'green', 'pink')
_MAX_ROOMS = 4


def _wall_paint(rng: np.random.Generator, wet: bool) -> Paint:
    draw = rng.random()
    pattern = PLAIN
    if wet and draw < 0.6:
        pattern = TILES
    elif draw > 0.95:
        pattern = BRICK
    elif draw > 0.9:
        pattern = STRIPES
    paint = make_paint(rng, _TONES, pattern, 0.3 if pattern == BRICK else 0.08)
    pale = rng.uniform(0.2, 0.5)
    return paint._replace(
        color=tuple((1 - pale) * c + 0.85 * pale for c in paint.color),
        second=tuple((1 - pale) * c + 0.8 * pale for c in paint.second),
    )


def _floor_paint(rng: np.random.Generator, wet: bool) -> Paint:
    style = 0 if wet else int(rng.integers(5))
    if style == 0:
        return make_paint(rng, ('white', 'beige', 'gray', 'gray', 'black', 'brown'), TILES, 0.2)
    if style in (1, 2):
        pattern = PLANKS if rng.random() < 0.5 else GRAIN
        return make_paint(rng, ('brown', 'brown', 'beige', 'orange', 'gray'), pattern, 0.22)
    if style == 3:
        return make_paint(rng, ('gray', 'beige', 'white'), MARBLE, 0.15)
    return make_paint(rng, ('gray', 'gray', 'beige', 'brown', 'blue', 'red', 'green'), CARPET, 0.2)


def _ground(boxes: list[tuple[float, float, float, float]], z: float, paint: Paint) -> Shape:
    """Level sheets, facing up on the floor and down under a ceiling."""
    s = Shape()
    for x0, x1, y0, y1 in boxes:
        if z == 0:
            s.sheet((x0, y0, z), (x1 - x0, 0, 0), (0, y1 - y0, 0), paint, two_sided=False)
        else:
            s.sheet((x0, y1, z), (x1 - x0, 0, 0), (0, y0 - y1, 0), paint, two_sided=False)
    return s


def _build_shell(f: Furnisher, room: PlannedRoom, paint: Paint, floor: Paint) -> None:
    rng = f.rng
    board = None
    if rng.random() < 0.6:
        board = make_paint(rng, ('white', 'white', 'brown', 'gray', 'beige'))
    accent = int(rng.integers(len(f.walls))) if rng.random() < 0.2 else -1
    other = make_paint(rng, ('red', 'blue', 'green', 'brown', 'gray', 'orange', 'purple'))
    for i, wall in enumerate(f.walls):
        depth = 0.01 if i == 0 and room.parent >= 0 else rng.uniform(0.08, 0.25)
        cover = other if i == accent else paint
        shape = wall_shape(rng, wall, i, room.openings, f.height, cover, board, depth)
        add_shell(f, 'wall', WALL, shape)
    ground = tiles(room.outline)
    add_shell(f, 'floor', FLOOR, _ground(ground, 0.0, floor))
    top = _ground(ground, f.height, make_paint(rng, ('white', 'white', 'gray')))
    add_shell(f, 'ceiling', UNLABELLED, top)
    if rng.random() < 0.3 and room.kind != 'corridor':
        rug = Shape()
        w, d = rng.uniform(0.6, 2.4), rng.uniform(0.5, 1.6)
        style = (CARPET, STRIPES, CHECKER, BLOTCHES, PRINT)[int(rng.integers(5))]
        tint = make_paint(rng, ('red', 'blue', 'beige', 'gray', 'brown', 'green'), style, 0.4)
        rug.box((0, 0, 0.006), (w, d, 0.012), tint)
        low, high = room.outline.min(0), room.outline.max(0)
        x, y = (low + high) / 2 + rng.uniform(-0.2, 0.2, 2) * (high - low)
        add_shell(f, 'rug', FLOOR, rug, Pose(x, y, 0.0, f.walls[0].yaw + rng.normal(0, 0.1)))
    for _ in range(int(rng.choice([0, 1, 2], p=[0.75, 0.2, 0.05]))):
        column_or_partition(f, paint)


def _build_doorways(f: Furnisher, room: PlannedRoom) -> None:
    """Doors to the rooms attached to this one, and free ways on both sides."""
    rng = f.rng
    for o in room.openings:
        if o.kind not in ('doorway', 'passage'):
            continue
        wall = f.walls[o.wall]
        mid, width = (o.s0 + o.s1) / 2, o.s1 - o.s0
        reach = 0.75
        if o.kind == 'doorway':
            # Mostly open, so that the next room is seen.
            shape, beyond, swing = door_shape(rng, width, o.z1)
            for _ in range(2):
                if beyond is None:
                    shape, beyond, swing = door_shape(rng, width, o.z1)
            if shape is not None:
                f.add('door', shape, Pose(*wall.at(mid), 0.0, wall.yaw), wall=o.wall, solid=False)
            reach = max(reach, swing + 0.1)
        centre = wall.at(mid, reach / 2)
        f.block(np.array([*centre, width / 2, reach / 2, wall.yaw, 0.0, 2.1]))


def _thresholds(f: Furnisher, rooms: list[PlannedRoom], index: int, floor: Paint) -> None:
    for child, i, s0, s1 in rooms[index].children:
        ends = np.stack([f.walls[i].at(s0, 0.005), f.walls[i].at(s1, -rooms[child].gap - 0.005)])
        (x0, y0), (x1, y1) = ends.min(0), ends.max(0)
        add_shell(f, 'floor', FLOOR, _ground([(x0, x1, y0, y1)], 0.0, floor))


def restyle(shape: Shape, rng: np.random.Generator, printed: bool) -> None:
    """Give a shape the finer patterns of this world: grown wood, printed pictures."""
    finer = {}
    if rng.random() < 0.7:
        finer[WOOD] = GRAIN
    if printed:
        finer[BLOTCHES] = PRINT
    for family, attrs in shape.attrs.items():
        shape.attrs[family] = [(*a[:6], finer.get(a[6], a[6]), *a[7:]) for a in attrs]


def _furnish(
    rng: np.random.Generator,
    rooms: list[PlannedRoom],
    index: int,
    height: float,
    clutter: float | None,
    paints: tuple[Paint, Paint],
) -> Furnisher:
    room = rooms[index]
    windows = int(rng.choice([0, 1, 2, 3], p=[0.2, 0.4, 0.3, 0.1]))
    doors = 1 if index == 0 and (len(rooms) == 1 or rng.random() < 0.5) else 0
    if room.kind == 'corridor':
        doors, windows = int(rng.integers(0, 3)), 0
    drawn = draw_openings(rng, room.walls, height, doors, windows)
    outer = outer_openings(rooms, index, drawn)
    room.openings += outer
    f = Furnisher(rng, room.outline, room.walls, height)
    _build_shell(f, room, *paints)
    _build_doorways(f, room)
    _thresholds(f, rooms, index, paints[1])
    build_openings(f, outer)
    _, _, parts = RECIPES[room.kind]
    for part in parts:
        part(f)
    if room.kind != 'corridor':
        fill(f, room.kind, rng.uniform(0.2, 0.5))
    density = rng.uniform(0.3, 1.6) if clutter is None else clutter
    lived_in(f, room.kind, density)
    extras(f, density * (0.4 if room.kind in ('bathroom', 'corridor') else 0.8))
    for thing in f.objects:
        restyle(thing.shape, rng, thing.kind in ('picture', 'poster') or rng.random() < 0.15)
    return f


def generate_apartment(
    seed: int | np.random.Generator,
    *,
    kind: str | None = None,
    clutter: float | None = None,
    rooms: int | None = None,
) -> Room:
    """Draw a plan of connected rooms and furnish them.

    Args:
        seed: seed or a generator to draw from.
        kind: a key of ``furnish.RECIPES`` for the first room; drawn by its share if None.
        clutter: about 0.3 (tidy) to 1.5 (messy); drawn per room if None.
        rooms: 1 to 4, drawn if None; fewer where no further room fits.

    Returns:
        All rooms as one, the camera's way through them in ``walk``.
    """
    rng = np.random.default_rng(seed)
    if kind is None:
        names = tuple(RECIPES)
        share = np.array([RECIPES[n][0] for n in names])
        kind = names[int(rng.choice(len(names), p=share / share.sum()))]
    if rooms is None:
        rooms = int(rng.choice(np.arange(1, _MAX_ROOMS + 1), p=[0.4, 0.32, 0.18, 0.1]))
    plan = draw_plan(rng, kind, rooms, {n: r[1] for n, r in RECIPES.items()})
    height = rng.uniform(2.35, 3.0)
    shared = _wall_paint(rng, False), _floor_paint(rng, False)
    objects, boxes = [], []
    for index, room in enumerate(plan):
        wet = room.kind in _WET
        alike = rng.random() < 0.5 and not wet
        paints = shared if alike else (_wall_paint(rng, wet), _floor_paint(rng, wet))
        f = _furnish(rng, plan, index, height, clutter, paints)
        first = len(objects)
        objects += [replace(o, parent=o.parent + first if o.parent >= 0 else -1) for o in f.objects]
        boxes.append(f.boxes)
    everything = joint_outline(plan, set(range(len(plan))))
    return Room(kind, everything, height, objects, np.concatenate(boxes), 'rooms', _walk(plan, rng))


def _walk(plan: list[PlannedRoom], rng: np.random.Generator) -> np.ndarray:
    """People scan one room, with a look through its doors, or walk on into some of the others."""
    keep = {0}
    onwards = rng.choice([0.0, 0.5, 1.0], p=[0.5, 0.25, 0.25])
    for index, room in enumerate(plan):
        if room.parent in keep and rng.random() < onwards:
            keep.add(index)
    return joint_outline(plan, keep)
