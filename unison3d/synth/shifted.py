"""The shifted world: another generator with the same label names, reserved for tests.

Nothing here may be trained on. Floor plans are free polygons instead of right angles, furniture is
rounded, turned and bent instead of boxed, colours are drawn by hue, and things are placed by
packing the walls in order instead of by trial.
"""

from __future__ import annotations

import numpy as np

from .catalog import ALL_FURNITURE, CLASSES, UNLABELLED, spoken_name
from .floorplan import inside, make_walls
from .footprints import corners, footprint, overlaps
from .materials import BLOTCHES, CARPET, MARBLE, PLAIN, STRIPES, TILES
from .placement import Placed
from .primitives import Pose, Shape
from .rooms import Room
from .shifted_furniture import BUILDERS
from .shifted_shapes import pale, tint

# room kind -> (share, along the walls, in the middle, seats around tables, on the floor)
KINDS: dict[str, tuple[float, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    'bedroom': (
        0.25,
        ('bed', 'nightstand', 'wardrobe', 'dresser', 'desk', 'bookshelf', 'armchair', 'radiator'),
        ('ottoman', 'bench'),
        ('chair', 'office chair'),
    ),
    'living room': (
        0.25,
        ('sofa', 'sofa', 'cabinet', 'bookshelf', 'plant', 'armchair', 'floor lamp', 'cabinet'),
        ('coffee table', 'table', 'armchair', 'ottoman'),
        ('chair', 'armchair', 'stool'),
    ),
    'kitchen': (
        0.2,
        ('counter', 'refrigerator', 'counter', 'cabinet', 'washing machine', 'bench'),
        ('table',),
        ('chair', 'stool'),
    ),
    'bathroom': (
        0.15,
        ('toilet', 'sink', 'bathtub', 'shower curtain', 'cabinet', 'washing machine', 'radiator'),
        (),
        ('stool',),
    ),
    'office': (
        0.15,
        ('desk', 'desk', 'bookshelf', 'cabinet', 'desk', 'plant', 'sofa', 'refrigerator'),
        ('table', 'desk'),
        ('office chair', 'chair'),
    ),
}
_TOPS: dict[str, tuple[str, ...]] = {
    'table': ('cup', 'bottle', 'book', 'decoration', 'plant', 'bag', 'box'),
    'coffee table': ('cup', 'book', 'decoration'),
    'desk': ('monitor', 'monitor', 'book', 'lamp', 'cup'),
    'counter': ('microwave', 'bottle', 'cup', 'decoration'),
    'bed': ('pillow', 'cushion', 'bag'),
    'sofa': ('cushion', 'pillow', 'cushion'),
    'cabinet': ('tv', 'lamp', 'decoration', 'box', 'book'),
    'dresser': ('lamp', 'decoration', 'tv'),
    'nightstand': ('lamp', 'book', 'cup'),
    'box': ('box', 'book'),
}
_FLOOR = ('box', 'suitcase', 'backpack', 'bag', 'shoe', 'trash can', 'plant', 'floor lamp', 'stool')
_HUNG = ('picture', 'picture', 'mirror', 'clock', 'whiteboard')


def draw_free_outline(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Counter-clockwise outline (K, 2), metres: five to nine corners around a middle, often with a
    bay or a second chamber behind a neck."""
    count = int(rng.integers(5, 10))
    angle = 2 * np.pi * (np.arange(count) + rng.uniform(-0.22, 0.22, count)) / count
    small = kind == 'bathroom'
    reach = rng.uniform(1.25, 1.7, 2) if small else rng.uniform(1.9, 3.4, 2)
    outline = (
        reach * np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0.9, 1.1, (count, 1))
    )
    if small or rng.random() < 0.4:
        return outline
    walls = make_walls(outline)
    at = int(np.argmax([w.length for w in walls]))
    wall = walls[at]
    wide = wall.length * rng.uniform(0.3, 0.75)
    s0 = (wall.length - wide) * rng.uniform(0.2, 0.8)
    deep, flare = rng.uniform(0.7, 2.6), rng.uniform(-0.1, 0.6)
    neck = [wall.at(s0), wall.at(s0, -0.15), wall.at(s0 - flare, -0.4)]
    bay = [wall.at(s0 - flare * 0.7, -deep), wall.at(s0 + wide + flare * 0.5, -deep * 0.9)]
    back = [wall.at(s0 + wide + flare, -0.4), wall.at(s0 + wide, -0.15), wall.at(s0 + wide)]
    return np.concatenate([outline[: at + 1], neck, bay, back, outline[at + 1 :]])


class _Packer:
    """Puts things along the walls in order, then into the middle, then wherever there is room."""

    def __init__(self, rng: np.random.Generator, outline: np.ndarray, height: float):
        self.rng, self.outline, self.height = rng, outline, height
        self.walls = make_walls(outline)
        self.things: list[Placed] = []
        self.boxes: list[np.ndarray] = []

    def put(self, name: str, shape: Shape, pose: Pose, *, parent=-1, wall=-1, solid=True) -> int:
        semantic = ALL_FURNITURE[name].semantic
        self.things.append(Placed(name, spoken_name(name), semantic, shape, pose, parent, wall))
        if solid:
            self.boxes.append(footprint(shape, pose))
        return len(self.things) - 1

    def free(self, shape: Shape, pose: Pose, gap: float = 0.04, within: bool = True) -> bool:
        box = footprint(shape, pose, gap)
        if within and not inside(self.outline, corners(footprint(shape, pose, -0.01))).all():
            return False
        return not overlaps(box, np.array(self.boxes).reshape(-1, 7)).any()

    def hang(self, name: str, low: float, solid: bool = True) -> None:
        """On a wall, over whatever stands there."""
        rng, shape = self.rng, BUILDERS[name](self.rng)
        for i in rng.permutation(len(self.walls))[:4]:
            wall = self.walls[i]
            room = wall.length - shape.size[0]
            if room < 0.1:
                continue
            s = shape.size[0] / 2 + rng.uniform(0.05, room)
            z = float(np.clip(low, 0, max(0.0, self.height - shape.size[2] - 0.02)))
            pose = Pose(*wall.at(s, 0.02 + max(0.0, shape.high[1])), z, wall.yaw)
            if self.free(shape, pose, 0.02, within=False):
                self.put(name, shape, pose, wall=int(i))
                return

    def line(self, names: tuple[str, ...]) -> None:
        """Along the walls, in the order given, each wall filled from one end."""
        rng = self.rng
        for name in names:
            shape = BUILDERS[name](rng)
            middle = (shape.low + shape.high)[:2] / 2
            for i in rng.permutation(len(self.walls)):
                wall = self.walls[i]
                steps = np.arange(shape.size[0] / 2 + 0.1, wall.length - shape.size[0] / 2, 0.18)
                for s in steps if rng.random() < 0.5 else steps[::-1]:
                    yaw = wall.yaw + rng.normal(0, 0.03)
                    c, t = np.cos(yaw), np.sin(yaw)
                    x, y = wall.at(s, shape.size[1] / 2 + rng.uniform(0.02, 0.12))
                    x, y = x - c * middle[0] + t * middle[1], y - t * middle[0] - c * middle[1]
                    pose = Pose(x, y, 0.0, yaw)
                    if self.free(shape, pose):
                        self.put(name, shape, pose, wall=int(i))
                        break
                else:
                    continue
                break

    def islands(self, names: tuple[str, ...], seats: tuple[str, ...]) -> None:
        """In the middle, with seats all around at even angles."""
        rng = self.rng
        for name in names:
            shape = BUILDERS[name](rng)
            for _ in range(8):
                x, y = rng.normal(0, 0.5, 2)
                pose = Pose(x, y, 0.0, rng.uniform(0, 2 * np.pi))
                if self.free(shape, pose, 0.1):
                    host = self.put(name, shape, pose)
                    if name in ('table', 'desk', 'coffee table'):
                        self._seats(host, seats)
                    break

    def _seats(self, host: int, seats: tuple[str, ...]) -> None:
        rng, thing = self.rng, self.things[host]
        name, count = seats[int(rng.integers(len(seats)))], int(rng.integers(1, 7))
        seed, start = int(rng.integers(1 << 30)), rng.uniform(0, 2 * np.pi)
        for k in range(count):
            shape = BUILDERS[name](np.random.default_rng(seed))
            a = start + 2 * np.pi * k / count
            way = thing.shape.size[:2] / 2 + shape.size[1] / 2 + rng.uniform(0.02, 0.25)
            x = thing.pose.x + way[0] * np.cos(a) * np.cos(thing.pose.yaw)
            x -= way[1] * np.sin(a) * np.sin(thing.pose.yaw)
            y = thing.pose.y + way[0] * np.cos(a) * np.sin(thing.pose.yaw)
            y += way[1] * np.sin(a) * np.cos(thing.pose.yaw)
            yaw = np.arctan2(thing.pose.y - y, thing.pose.x - x) + np.pi / 2 + rng.normal(0, 0.25)
            pose = Pose(x, y, 0.0, yaw)
            if self.free(shape, pose, 0.0):
                self.put(name, shape, pose)

    def tops(self, density: float) -> None:
        rng = self.rng
        for host in range(len(self.things)):
            thing = self.things[host]
            names = _TOPS.get(thing.kind, ())
            if not names or not thing.shape.supports:
                continue
            z, x0, x1, y0, y1 = thing.shape.supports[0]
            taken: list[np.ndarray] = []
            for _ in range(int(rng.poisson(2.0 * density))):
                name = names[int(rng.integers(len(names)))]
                shape = BUILDERS[name](rng)
                x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
                mine = np.array([x, y, *shape.size[:2] / 2, 0.0, 0.0, 1.0])
                if overlaps(mine, np.array(taken).reshape(-1, 7)).any() or shape.size[0] > x1 - x0:
                    continue
                taken.append(mine)
                c, t = np.cos(thing.pose.yaw), np.sin(thing.pose.yaw)
                at = (thing.pose.x + c * x - t * y, thing.pose.y + t * x + c * y)
                pose = Pose(*at, thing.pose.z + z, thing.pose.yaw + rng.normal(0, 0.2))
                self.put(name, shape, pose, parent=host, solid=False)

    def scatter(self, count: int) -> None:
        rng = self.rng
        for _ in range(count):
            name = _FLOOR[int(rng.integers(len(_FLOOR)))]
            shape = BUILDERS[name](rng)
            low, high = self.outline.min(0), self.outline.max(0)
            for _ in range(6):
                pose = Pose(*rng.uniform(low, high), 0.0, rng.uniform(0, 2 * np.pi))
                if self.free(shape, pose):
                    self.put(name, shape, pose)
                    break


def _shell(rng: np.random.Generator, outline: np.ndarray, height: float) -> list[Placed]:
    ground = Pose(0.0, 0.0, 0.0, 0.0)
    pattern = (TILES, CARPET, MARBLE, BLOTCHES, STRIPES)[int(rng.integers(5))]
    low, high = outline.min(0), outline.max(0)
    w, d = high - low
    floor, ceiling = Shape(), Shape()
    cover = tint(rng, saturation=(0.05, 0.5), value=(0.25, 0.8), material=pattern)
    floor.sheet((*low, 0), (w, 0, 0), (0, d, 0), cover, two_sided=False)
    ceiling.sheet((low[0], high[1], height), (w, 0, 0), (0, -d, 0), pale(rng), two_sided=False)
    out = [
        Placed('floor', '', CLASSES.index('floor'), floor, ground),
        Placed('ceiling', '', UNLABELLED, ceiling, ground),
    ]
    # Two colours, parted at some height, as in old corridors.
    upper = tint(rng, saturation=(0.0, 0.35), value=(0.6, 0.97), material=PLAIN)
    lower = tint(rng, material=PLAIN) if rng.random() < 0.4 else upper
    split = rng.uniform(0.8, 1.3)
    for wall in make_walls(outline):
        shape = Shape()
        for z0, z1, paint in ((0, split, lower), (split, height, upper)):
            start = (*wall.at(wall.length), z0)
            along = (*(-wall.along * wall.length), 0)
            shape.sheet(start, along, (0, 0, z1 - z0), paint, two_sided=False)
        out.append(Placed('wall', '', CLASSES.index('wall'), shape, ground))
    return out


def generate_shifted(
    seed: int | np.random.Generator, *, kind: str | None = None, clutter: float | None = None
) -> Room:
    """Draw a room of the shifted world.

    Args:
        seed: seed or a generator to draw from.
        kind: a key of ``KINDS``; drawn by its share if None.
        clutter: about 0.3 (tidy) to 1.5 (messy); drawn if None.
    """
    rng = np.random.default_rng(seed)
    if kind is None:
        names = tuple(KINDS)
        share = np.array([KINDS[n][0] for n in names])
        kind = names[int(rng.choice(len(names), p=share / share.sum()))]
    _, line, islands, seats = KINDS[kind]
    outline, height = draw_free_outline(rng, kind), rng.uniform(2.2, 3.4)
    density = rng.uniform(0.3, 1.5) if clutter is None else clutter
    p = _Packer(rng, outline, height)
    p.hang('door', 0.0)
    for _ in range(int(rng.integers(0, 4))):
        p.hang('window', rng.uniform(0.6, 1.1))
        if rng.random() < 0.4:
            p.hang('curtain', 0.1)
    p.line(line[: 3 + int(rng.integers(len(line) - 2))])
    p.islands(islands[: int(rng.integers(len(islands) + 1))], seats)
    p.scatter(int(rng.poisson(5 * density)))
    p.tops(density)
    for _ in range(int(rng.poisson(3 * density))):
        p.hang(_HUNG[int(rng.integers(len(_HUNG)))], rng.uniform(1.0, 1.6))
    shell = _shell(rng, outline, height)
    boxes = np.array(p.boxes).reshape(-1, 7)
    return Room(kind, outline, height, p.things + shell, boxes, 'shifted')
