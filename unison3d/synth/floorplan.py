"""Floor plans and the shell of a room: walls with openings, floor, ceiling, doors and windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from unison3d.native import kernel

from .materials import CARPET, GLASS, PLAIN, PLANKS, TILES, Paint, make_paint, metal, wood
from .primitives import Shape, rotation


@dataclass
class Wall:
    """One straight wall: start point, unit direction, inward normal, length; metres."""

    start: np.ndarray
    along: np.ndarray
    inward: np.ndarray
    length: float
    taken: list[tuple[float, float]] = field(default_factory=list)  # intervals used by openings

    @property
    def yaw(self) -> float:
        """Heading that turns the local back (+y) towards this wall."""
        return float(np.arctan2(self.inward[0], -self.inward[1]))

    def at(self, s: float, off: float = 0.0) -> np.ndarray:
        """Point (2,) at distance s along the wall and ``off`` into the room."""
        return self.start + self.along * s + self.inward * off


def draw_polygon(rng: np.random.Generator, w: float, d: float) -> np.ndarray:
    """A counter-clockwise room outline (K, 2): rectangle, L, T or with a niche; slightly skewed."""
    style = rng.choice(5, p=[0.45, 0.25, 0.1, 0.12, 0.08])
    cw, cd = w * rng.uniform(0.25, 0.5), d * rng.uniform(0.25, 0.5)
    if style == 0:
        poly = [(0, 0), (w, 0), (w, d), (0, d)]
    elif style == 1:
        poly = [(0, 0), (w, 0), (w, d - cd), (w - cw, d - cd), (w - cw, d), (0, d)]
    elif style == 2:
        cw = min(cw, 0.3 * w)
        poly = [
            (0, 0),
            (w, 0),
            (w, d - cd),
            (w - cw, d - cd),
            (w - cw, d),
            (cw, d),
            (cw, d - cd),
            (0, d - cd),
        ]
    elif style == 3:
        x, nw, nd = rng.uniform(0.3, w - 1.3), rng.uniform(0.8, 1.2), rng.uniform(0.3, 0.9)
        poly = [(0, 0), (w, 0), (w, d), (x + nw, d), (x + nw, d + nd), (x, d + nd), (x, d), (0, d)]
    else:
        c = rng.uniform(0.4, 0.9)
        poly = [(0, 0), (w, 0), (w, d - c), (w - c, d), (0, d)]
    p = np.array(poly, float)
    if rng.random() < 0.5:
        p = p[::-1] * (-1, 1)
    p -= (p.min(0) + p.max(0)) / 2
    skew = np.array([[1, rng.normal(0, 0.015)], [rng.normal(0, 0.015), 1]])
    return p @ skew.T + rng.normal(0, 0.01, p.shape)


@kernel
def _inside(polygon, xy, out):
    for i in range(len(xy)):
        x, y = xy[i, 0], xy[i, 1]
        ax, ay = polygon[-1, 0], polygon[-1, 1]
        for k in range(len(polygon)):
            bx, by = polygon[k, 0], polygon[k, 1]
            if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
                out[i] = not out[i]
            ax, ay = bx, by


def inside(polygon: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Even-odd test, bool (N,), for points (N, 2) in a polygon (K, 2)."""
    out = np.zeros(len(xy), bool)
    _inside(np.asarray(polygon, float), xy, out)
    return out


def make_walls(polygon: np.ndarray) -> list[Wall]:
    walls = []
    for p, q in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        length = float(np.linalg.norm(q - p))
        along = (q - p) / length
        walls.append(Wall(p, along, np.array([-along[1], along[0]]), length))
    return walls


@dataclass
class Opening:
    """A door or window in a wall: interval along it and heights, metres."""

    kind: str
    wall: int
    s0: float
    s1: float
    z0: float
    z1: float


def draw_openings(
    rng: np.random.Generator, walls: list[Wall], height: float, doors: int, windows: int
) -> list[Opening]:
    """Place doors and windows on walls that are long enough, without overlaps."""
    out: list[Opening] = []
    weights = np.array([w.length for w in walls])
    for kind in ['door'] * doors + ['window'] * windows:
        for _ in range(12):
            i = int(rng.choice(len(walls), p=weights / weights.sum()))
            if kind == 'door':
                width = rng.uniform(0.72, 1.0) if rng.random() < 0.85 else rng.uniform(1.3, 1.8)
                z0, z1 = 0.0, min(height - 0.1, rng.uniform(1.95, 2.15))
            else:
                width = rng.uniform(0.6, 1.4) if rng.random() < 0.6 else rng.uniform(1.4, 2.6)
                z0 = rng.uniform(0.45, 1.1) if rng.random() < 0.85 else 0.08
                z1 = min(height - 0.12, z0 + rng.uniform(0.9, 1.7) + (0.6 if z0 < 0.2 else 0))
            margin = 0.12
            if walls[i].length < width + 2 * margin:
                continue
            s = rng.uniform(margin, walls[i].length - width - margin)
            if all(s + width + 0.15 < a or s > b + 0.15 for a, b in walls[i].taken):
                walls[i].taken.append((s, s + width))
                out.append(Opening(kind, i, s, s + width, z0, z1))
                break
    return out


def _on_wall(wall: Wall, s: float, z: float) -> np.ndarray:
    return np.array([*wall.at(s), z])


def wall_shape(
    rng: np.random.Generator,
    wall: Wall,
    index: int,
    openings: list[Opening],
    height: float,
    paint: Paint,
    board: Paint | None,
    depth: float | None = None,
) -> Shape:
    """The faces of one wall around its openings, the reveals, and the baseboard; world frame.

    The reveals are ``depth`` metres deep, drawn if None.
    """
    s = Shape()
    along, up, inward = (
        np.array([*wall.along, 0]),
        np.array([0, 0, 1.0]),
        np.array([*wall.inward, 0]),
    )
    mine = sorted((o for o in openings if o.wall == index), key=lambda o: o.s0)

    def face(s0: float, s1: float, z0: float, z1: float) -> None:
        if s1 - s0 > 0.01 and z1 - z0 > 0.01:
            # a x b has to point into the room
            s.sheet(
                _on_wall(wall, s1, z0), -along * (s1 - s0), up * (z1 - z0), paint, two_sided=False
            )

    at = 0.0
    thick = rng.uniform(0.08, 0.25) if depth is None else depth
    for o in mine:
        face(at, o.s0, 0, height)
        face(o.s0, o.s1, 0, o.z0)
        face(o.s0, o.s1, o.z1, height)
        for edge in (o.s0, o.s1):
            s.sheet(_on_wall(wall, edge, o.z0), -inward * thick, up * (o.z1 - o.z0), paint)
        s.sheet(_on_wall(wall, o.s0, o.z1), along * (o.s1 - o.s0), -inward * thick, paint)
        at = o.s1
    face(at, wall.length, 0, height)
    if board is not None:
        h, t = rng.uniform(0.06, 0.14), 0.015
        turn = rotation('z', float(np.arctan2(wall.along[1], wall.along[0])))
        cuts = [0.0, *(v for o in mine if o.z0 == 0 for v in (o.s0, o.s1)), wall.length]
        for a, b in zip(cuts[::2], cuts[1::2], strict=True):
            if b - a > 0.05:
                c = wall.at((a + b) / 2, t / 2)
                s.box((*c, h / 2), (b - a, t, h), board, turn=turn)
    return s


def door_shape(
    rng: np.random.Generator, width: float, height: float
) -> tuple[Shape | None, Shape | None, float]:
    """Door in its own frame (x along the wall, y = 0 the wall face, room at -y).

    Returns:
        the door with its frame (None for a bare passage), something seen through an open door or
        None, and how far an open panel swings into the room, metres.
    """
    style = rng.random()
    paint = (
        wood(rng)
        if rng.random() < 0.6
        else make_paint(rng, ('white', 'white', 'gray', 'beige', 'blue', 'red'))
    )
    trim = paint if rng.random() < 0.5 else make_paint(rng, ('white', 'gray', 'brown', 'beige'))
    if style < 0.08:
        return None, _beyond(rng, width), 0.0
    s = Shape('frame')
    t = rng.uniform(0.03, 0.09)
    out = rng.uniform(0.005, 0.03)
    for sx in (-1, 1):
        s.box(
            (sx * (width / 2 + t / 2), -out / 2 + 0.02, height / 2),
            (t, out + 0.05, height + t),
            trim,
        )
    s.box((0, -out / 2 + 0.02, height + t / 2), (width + 2 * t, out + 0.05, t), trim)
    s.next_part('panel')
    panels = 2 if width > 1.2 else 1
    pw = width / panels
    recess = rng.uniform(-0.01, 0.1)
    swing, beyond = 0.0, None
    knob = metal(rng)
    for i in range(panels):
        hinge = -1 if i == 0 else 1
        if panels == 1 and rng.random() < 0.5:
            hinge = 1
        angle = 0.0
        if style > 0.62:
            angle = rng.uniform(0.15, 1.75)
            if rng.random() < 0.35:
                angle = -angle
        turn = rotation('z', hinge * angle)
        at = np.array([hinge * pw * (1 if panels == 2 else 0.5), recess, height / 2])
        c = at + turn @ np.array([-hinge * pw / 2, 0.02, 0])
        s.box(c, (pw - 0.01, 0.04, height - 0.02), paint, turn=turn)
        for sy in (-0.04, 0.08):
            s.box(
                at + turn @ np.array([-hinge * (pw - 0.08), sy, -0.02]),
                (0.12, 0.03, 0.03),
                knob,
                turn=turn,
                round_power=4,
            )
        if rng.random() < 0.4:
            for z0, z1 in ((-0.42, -0.08), (0.05, 0.42)):
                s.box(
                    c + turn @ np.array([0, -0.022, (z0 + z1) / 2 * height]),
                    (pw * 0.6, 0.01, (z1 - z0) * height),
                    trim if rng.random() < 0.5 else paint,
                    turn=turn,
                )
        elif rng.random() < 0.15:
            s.box(
                c + turn @ np.array([0, -0.022, 0.2 * height]),
                (pw * 0.4, 0.01, 0.4 * height),
                make_paint(rng, 'gray', GLASS),
                turn=turn,
            )
        if abs(angle) > 0.3:
            beyond = _beyond(rng, width)
            swing = max(swing, pw if angle > 0 else 0.0)
    return s, beyond, swing


def _beyond(rng: np.random.Generator, width: float) -> Shape:
    """A strip of the next room's floor, seen through an open door."""
    s = Shape()
    depth = rng.uniform(0.3, 1.6)
    s.sheet(
        (-width / 2, 0, 0),
        (width, 0, 0),
        (0, depth, 0),
        make_paint(rng, ('gray', 'beige', 'brown'), CARPET),
        two_sided=False,
    )
    return s


def window_shape(rng: np.random.Generator, width: float, height: float) -> Shape:
    """Window in its own frame (z = 0 its lower edge, y = 0 the wall face, room at -y)."""
    s = Shape('frame')
    frame = make_paint(rng, ('white', 'white', 'white', 'gray', 'black', 'brown'))
    depth = rng.uniform(0.0, 0.16)
    t = rng.uniform(0.04, 0.1)
    for sx in (-1, 1):
        s.box((sx * (width / 2 - t / 2), depth, height / 2), (t, 0.06, height), frame)
    for z in (t / 2, height - t / 2):
        s.box((0, depth, z), (width, 0.06, t), frame)
    for k in range(1, max(1, round(width / rng.uniform(0.5, 1.2)))):
        s.box(
            (width * (k / max(1, round(width / 0.8)) - 0.5), depth, height / 2),
            (t * 0.8, 0.05, height),
            frame,
        )
    if rng.random() < 0.3:
        s.box((0, depth, height * rng.uniform(0.3, 0.7)), (width, 0.05, t * 0.8), frame)
    if rng.random() < 0.4:
        trim = rng.uniform(0.05, 0.1)
        for sx in (-1, 1):
            s.box(
                (sx * (width / 2 + trim / 2), 0, height / 2), (trim, 0.03, height + 2 * trim), frame
            )
        for z in (-trim / 2, height + trim / 2):
            s.box((0, 0, z), (width, 0.03, trim), frame)
    s.next_part('glass')
    light = make_paint(
        rng, ('white', 'white', 'gray', 'blue'), GLASS if rng.random() < 0.65 else PLAIN
    )
    s.sheet((width / 2, depth + 0.02, 0), (-width, 0, 0), (0, 0, height), light, two_sided=False)
    if rng.random() < 0.5:
        s.next_part('sill')
        s.block(
            -width / 2 - 0.05,
            width / 2 + 0.05,
            -rng.uniform(0.02, 0.2),
            depth + 0.05,
            -0.04,
            0.0,
            frame,
        )
    if rng.random() < 0.2:
        drop = height * rng.uniform(0.2, 1.0)
        s.sheet(
            (width / 2, depth - 0.05, height),
            (0, 0, -drop),
            (-width, 0, 0),
            make_paint(rng, ('white', 'beige', 'gray')),
            wave=0.01,
            folds=drop / 0.08,
        )
    return s


def floor_shape(rng: np.random.Generator, polygon: np.ndarray, wet: bool) -> Shape:
    """The floor over the bounding rectangle; samples outside the outline are dropped later."""
    s = Shape()
    style = rng.integers(3)
    if wet or style == 0:
        paint = make_paint(rng, ('white', 'beige', 'gray', 'gray', 'black', 'brown'), TILES, 0.2)
    elif style == 1:
        paint = make_paint(rng, ('brown', 'brown', 'beige', 'orange', 'gray'), PLANKS, 0.25)
    else:
        paint = make_paint(
            rng, ('gray', 'gray', 'beige', 'brown', 'blue', 'red', 'green'), CARPET, 0.2
        )
    low, high = polygon.min(0), polygon.max(0)
    s.sheet((*low, 0), (high[0] - low[0], 0, 0), (0, high[1] - low[1], 0), paint, two_sided=False)
    return s


def ceiling_shape(rng: np.random.Generator, polygon: np.ndarray, height: float) -> Shape:
    s = Shape()
    low, high = polygon.min(0), polygon.max(0)
    s.sheet(
        (low[0], high[1], height),
        (high[0] - low[0], 0, 0),
        (0, low[1] - high[1], 0),
        make_paint(rng, ('white', 'gray')),
        two_sided=False,
    )
    return s
