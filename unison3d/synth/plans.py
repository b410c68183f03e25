"""Floor plans of one to four rooms joined by doorways.

Rooms are rectilinear and share one direction; every further room is attached to a wall of an
earlier one, so that the plan is a tree and the outline of all rooms with their doorways is one
simple polygon.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .floorplan import Opening, Wall, inside, make_walls

_HEAD = 2.05  # metres, height of doorways
# What is usually next door.
NEIGHBOURS: dict[str, tuple[str, ...]] = {
    'bedroom': ('bathroom', 'corridor', 'bedroom', 'closet room', 'office'),
    'living room': ('kitchen', 'corridor', 'bedroom', 'kitchen', 'office'),
    'kitchen': ('living room', 'corridor', 'laundry room'),
    'hotel room': ('bathroom', 'bathroom', 'corridor'),
    'studio': ('bathroom', 'bathroom', 'corridor'),
    'bathroom': ('corridor', 'bedroom', 'laundry room'),
    'office': ('corridor', 'office', 'meeting room', 'copy room'),
    'meeting room': ('corridor', 'office'),
    'corridor': ('office', 'bathroom', 'bedroom', 'kitchen', 'storage room', 'living room'),
    'classroom': ('corridor', 'storage room'),
}
_OTHERWISE = ('corridor', 'office', 'storage room')


@dataclass
class PlannedRoom:
    """One room of a plan.

    Attributes:
        kind: key of ``furnish.RECIPES``.
        outline: float64 (K, 2), counter-clockwise, metres.
        walls: the sides of the outline.
        openings: doors, windows and doorways in its walls.
        children: (room, wall, from, to) of the doorways to rooms attached to this one, metres
            along the wall.
        parent: index of the room it is attached to, -1 for the first.
        gap: thickness of the wall to the parent, metres.
    """

    kind: str
    outline: np.ndarray
    walls: list[Wall] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    children: list[tuple[int, int, float, float]] = field(default_factory=list)
    parent: int = -1
    gap: float = 0.0

    def __post_init__(self) -> None:
        self.walls = make_walls(self.outline)


def draw_outline(rng: np.random.Generator, w: float, d: float, plain: bool) -> np.ndarray:
    """Counter-clockwise outline (K, 2) whose first side is the full width ``w``: rectangle, L, T,
    U, a niche, a step or a cut corner."""
    cw, cd = w * rng.uniform(0.2, 0.5), d * rng.uniform(0.2, 0.5)
    style = 0 if plain else int(rng.choice(7, p=[0.4, 0.22, 0.08, 0.08, 0.08, 0.08, 0.06]))
    if style == 1:
        tail = [(w, d - cd), (w - cw, d - cd), (w - cw, d), (0, d)]
    elif style == 2:
        a = min(cw, 0.3 * w)
        tail = [(w, d - cd), (w - a, d - cd), (w - a, d), (a, d), (a, d - cd), (0, d - cd)]
    elif style == 3:
        a, b = sorted(rng.uniform(0.25 * w, 0.75 * w, 2))
        b = min(max(b, a + 0.5), 0.9 * w)
        tail = [(w, d), (b, d), (b, d - cd), (a, d - cd), (a, d), (0, d)]
    elif style == 4:
        nw, nd = rng.uniform(0.4, 0.55) * min(w, 2.2), rng.uniform(0.3, 0.9)
        x = rng.uniform(0.15, w - nw - 0.15)
        tail = [(w, d), (x + nw, d), (x + nw, d + nd), (x, d + nd), (x, d), (0, d)]
    elif style == 5:
        y, nd = d * rng.uniform(0.3, 0.7), min(rng.uniform(0.2, 0.7), 0.3 * w)
        tail = [(w, y), (w - nd, y), (w - nd, d), (0, d)]
    elif style == 6:
        c = rng.uniform(0.4, 0.9)
        tail = [(w, d - c), (w - c, d), (0, d)]
    else:
        tail = [(w, d), (0, d)]
    return np.array([(0, 0), (w, 0), *tail], float)


def tiles(outline: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Rectangles (x0, x1, y0, y1) that cover a rectilinear outline; of a cut corner they cover
    what was cut, too."""
    xs = np.unique(np.round(outline[:, 0], 6))
    out = []
    for x0, x1 in zip(xs[:-1], xs[1:], strict=True):
        a, b = outline, np.roll(outline, -1, 0)
        over = (np.minimum(a[:, 0], b[:, 0]) < (x0 + x1) / 2) & (
            np.maximum(a[:, 0], b[:, 0]) > (x0 + x1) / 2
        )
        ys = np.stack([a[over, 1], b[over, 1]], 1)
        ys = ys[np.argsort(ys.mean(1))]
        out += [
            (x0, x1, float(low.min()), float(high.max()))
            for low, high in zip(ys[::2], ys[1::2], strict=True)
        ]
    return out


def _free(outline: np.ndarray, rooms: list[PlannedRoom]) -> bool:
    for x0, x1, y0, y1 in tiles(outline):
        for room in rooms:
            for a0, a1, b0, b1 in tiles(room.outline):
                if x0 < a1 + 0.04 and a0 < x1 + 0.04 and y0 < b1 + 0.04 and b0 < y1 + 0.04:
                    return False
    return True


def _attach(rng: np.random.Generator, rooms: list[PlannedRoom], kind: str, sides) -> bool:
    """Put one more room behind a wall of an earlier one; False if it does not fit."""
    which = int(rng.integers(len(rooms)))
    host = rooms[which]
    w, d = sides
    if rng.random() < 0.5:
        w, d = d, w
    straight = [
        i
        for i, wall in enumerate(host.walls)
        if np.abs(wall.along).max() > 0.999 and wall.length > 1.3 and (i > 0 or which == 0)
    ]
    if not straight:
        return False
    i = straight[int(rng.integers(len(straight)))]
    wall = host.walls[i]
    open_plan = rng.random() < 0.2 and kind in ('kitchen', 'living room', 'corridor')
    wide = rng.uniform(1.2, 2.2) if open_plan else rng.uniform(0.76, 1.0)
    wide = min(wide, wall.length - 0.45, w - 0.45)
    if wide < 0.7:
        return False
    s0 = rng.uniform(0.2, wall.length - wide - 0.2)
    if any(s0 - 0.1 < b and s0 + wide + 0.1 > a for a, b in wall.taken):
        return False
    gap = rng.uniform(0.08, 0.26)
    start = rng.uniform(s0 + wide + 0.2, s0 + w - 0.2)  # where the new room begins on this wall
    local = draw_outline(rng, w, d, plain=kind in ('bathroom', 'corridor', 'closet room'))
    origin = wall.at(start, -gap)
    outline = origin - local[:, :1] * wall.along - local[:, 1:] * wall.inward
    if not _free(outline, rooms):
        return False
    room = PlannedRoom(kind, outline, parent=which, gap=gap)
    head = _HEAD + (0.2 if open_plan else 0.0)
    style = 'passage' if open_plan else 'doorway'
    host.openings.append(Opening(style, i, s0, s0 + wide, 0.0, head))
    room.openings.append(Opening('passage', 0, start - s0 - wide, start - s0, 0.0, head))
    wall.taken.append((s0, s0 + wide))
    room.walls[0].taken.append((start - s0 - wide, start - s0))
    host.children.append((len(rooms), i, s0, s0 + wide))
    rooms.append(room)
    return True


def draw_plan(
    rng: np.random.Generator,
    kind: str,
    count: int,
    size_of: dict[str, tuple[float, float]],
) -> list[PlannedRoom]:
    """A plan of up to ``count`` rooms; fewer where no further room fits.

    Args:
        rng: source of randomness.
        kind: of the first room.
        count: rooms to try for.
        size_of: range of the side lengths of every kind in metres.
    """
    w, d = _sides(rng, kind, size_of)
    local = draw_outline(rng, w, d, plain=kind in ('bathroom', 'corridor'))
    if rng.random() < 0.5:
        local = (local * (-1, 1))[::-1]
    a = int(rng.integers(4)) * np.pi / 2
    turn = np.round([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    rooms = [PlannedRoom(kind, (local - local.mean(0)) @ turn.T)]
    for _ in range(14 * (count - 1)):
        if len(rooms) >= count:
            break
        host = rooms[int(rng.integers(len(rooms)))].kind
        options = NEIGHBOURS.get(host, _OTHERWISE)
        new = options[int(rng.integers(len(options)))]
        _attach(rng, rooms, new, _sides(rng, new, size_of))
    return rooms


def _sides(rng: np.random.Generator, kind: str, size_of) -> tuple[float, float]:
    if kind == 'corridor':
        return rng.uniform(2.2, 6.0), rng.uniform(1.05, 1.7)
    return tuple(rng.uniform(*size_of[kind], 2))


def joint_outline(rooms: list[PlannedRoom], keep: set[int], start: int = 0) -> np.ndarray:
    """Outline (K, 2) of the rooms in ``keep`` and their doorways, counter-clockwise from room
    ``start``, which has to be in ``keep`` with everything between."""
    return np.array(_trace(rooms, start, keep, None))


def _trace(rooms, index, keep, door) -> list[np.ndarray]:
    room, out = rooms[index], []
    sides = list(range(len(room.walls)))
    if door is not None:
        sides = [*sides[1:]]  # the first side is walked in two halves, around the doorway
        out.append(room.walls[0].at(door[1]))
    for i in sides:
        wall = room.walls[i]
        out.append(wall.start)
        for child, at, s0, s1 in sorted(room.children, key=lambda c: c[2]):
            if at != i or child not in keep:
                continue
            opening = rooms[child].openings[0]
            out.append(wall.at(s0))
            out += _trace(rooms, child, keep, (opening.s0, opening.s1))
            out.append(wall.at(s1))
    if door is not None:
        out += [room.walls[0].start, room.walls[0].at(door[0])]
    return out


def outer_openings(rooms: list[PlannedRoom], index: int, openings: list[Opening]) -> list[Opening]:
    """Those of the drawn openings that do not lead into another room of the plan."""
    out = []
    for o in openings:
        wall = rooms[index].walls[o.wall]
        probe = np.array(
            [wall.at(s, -off) for s in np.linspace(o.s0, o.s1, 4) for off in (0.15, 0.35)]
        )
        if not any(inside(r.outline, probe).any() for r in rooms):
            out.append(o)
    return out
