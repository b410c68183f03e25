"""Furniture of the second world: more kinds of rooms, and what makes them look lived in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .catalog import build
from .groups import chance, pick
from .placement import Furnisher
from .primitives import Pose, rotation
from .recipes import RECIPES as FIRST_RECIPES

_TABLES = frozenset(
    {'table', 'dining table', 'round table', 'conference table', 'coffee table', 'end table'}
    | {'glass table'}
)
_ON_TABLES = ('paper', 'cup', 'plate', 'bowl', 'tissue box', 'water bottle', 'candle', 'tray')
_ON_TABLES += ('decoration', 'water pitcher', 'purse', 'hat', 'telephone', 'paper', 'book')
_ON_DESKS = ('paper', 'paper', 'mouse', 'telephone', 'headphones', 'cup', 'tissue box', 'speaker')
_ON_DESKS += ('storage organizer', 'water bottle', 'book', 'book')
_ON_COUNTERS = ('toaster', 'coffee maker', 'coffee kettle', 'dish rack', 'paper towel roll', 'cup')
_ON_COUNTERS += ('toaster oven', 'plate', 'bowl', 'tray', 'water pitcher', 'bowl', 'bottle')
_ON_STORAGE = ('storage bin', 'decoration', 'speaker', 'storage organizer', 'candle', 'book', 'hat')
_ON_SOFAS = ('cushion', 'cushion', 'cushion', 'blanket', 'pillow')
_ON_BEDS = ('blanket', 'cushion', 'clothes', 'purse', 'pillow', 'pillow')
_STORAGE = frozenset({'cabinet', 'dresser', 'tv stand', 'file cabinet', 'bookshelf', 'nightstand'})
_LOOSE = ('crate', 'storage bin', 'paper bag', 'shoe', 'shoe', 'bag', 'box', 'power strip', 'ball')
_LOOSE += ('bucket', 'backpack', 'vacuum cleaner', 'dumbbell', 'storage bin', 'box', 'suitcase')
_LEANING = ('picture', 'poster', 'guitar', 'broom', 'board', 'mirror', 'whiteboard')


def pile(f: Furnisher) -> None:
    """Boxes or bins on each other."""
    base = f.anywhere(pick(f, ('box', 'storage bin', 'crate', 'box')))
    for _ in range(int(f.rng.integers(1, 4))):
        if base is None:
            return
        below = f.objects[base]
        kind = pick(f, ('box', 'storage bin', 'box'))
        shape = build(kind, f.rng)
        if (shape.size[:2] > below.shape.size[:2] * 1.15).any():
            return
        top = below.pose.z + below.shape.high[2]
        pose = Pose(*below.pose[:2], top, below.pose.yaw + f.rng.normal(0, 0.15))
        base = f.add(kind, shape, pose, parent=base, solid=False)


def lean(f: Furnisher, kind: str) -> None:
    """Something tall that stands on the floor and leans against a wall."""
    shape = build(kind, f.rng).turned(rotation('x', -f.rng.uniform(0.08, 0.3)))
    f.against_wall(kind, shape=shape, gap=(0.0, 0.02))


def strew(f: Furnisher, index: int, kinds: tuple[str, ...], share: float) -> None:
    """Small things on top of an object, more of them where there is more room."""
    supports = f.objects[index].shape.supports
    if not supports:
        return
    _, x0, x1, y0, y1 = supports[0]
    area = max(0.0, (x1 - x0) * (y1 - y0))
    f.on_top(index, kinds, int(f.rng.poisson(share * min(6.0, 7 * area))))


def clutter_tops(f: Furnisher, density: float) -> None:
    for index in range(len(f.objects)):
        kind = f.objects[index].kind
        if kind in _TABLES:
            strew(f, index, _ON_TABLES, 0.6 * density)
        elif kind == 'desk':
            strew(f, index, _ON_DESKS, 0.8 * density)
        elif kind in ('counter', 'kitchen counter'):
            strew(f, index, _ON_COUNTERS, 0.5 * density)
        elif kind in ('sofa', 'armchair', 'sofa chair'):
            strew(f, index, _ON_SOFAS, 0.7 * density)
        elif kind in ('bed', 'mattress'):
            strew(f, index, _ON_BEDS, 0.4 * density)
        elif kind in _STORAGE:
            strew(f, index, _ON_STORAGE, 0.4 * density)


def fixtures(f: Furnisher, kind: str) -> None:
    """Switches beside doors, outlets low on walls, vents, lights, signs."""
    rng = f.rng
    for thing in [o for o in f.objects if o.kind == 'door'][:2]:
        wall = f.walls[thing.wall]
        shape = build('light switch', rng)
        s = float((np.array(thing.pose[:2]) - wall.start) @ wall.along)
        s += (thing.shape.size[0] / 2 + 0.15) * rng.choice([-1, 1])
        if 0.1 < s < wall.length - 0.1:
            pose = Pose(*wall.at(s, 0.012), rng.uniform(1.0, 1.2), wall.yaw)
            if f.fits(shape, pose, gap=0.0, edge=False):
                f.add('light switch', shape, pose, wall=thing.wall)
    for _ in range(int(rng.integers(0, 4))):
        f.mount('power outlet', (0.25, 0.4))
    for name, share, z in (
        ('vent', 0.25, (1.9, 2.2)),
        ('light', 0.25, (1.6, 1.9)),
        ('calendar', 0.15, (1.2, 1.5)),
        ('hung decoration', 0.3, (1.2, 1.6)),
        ('pipe', 0.12, (0.0, 0.1)),
    ):
        if chance(f, share):
            f.mount(name, z)
    if kind in ('office', 'corridor', 'meeting room', 'classroom', 'copy room', 'library'):
        for name, share, z in (
            ('sign', 0.5, (1.4, 1.7)),
            ('fire extinguisher', 0.3, (0.5, 0.9)),
            ('board', 0.4, (1.0, 1.3)),
            ('paper towel dispenser', 0.1, (1.1, 1.3)),
        ):
            if chance(f, share):
                f.mount(name, z)


def kitchen(f: Furnisher) -> None:
    if chance(f, 0.7):
        stove = f.against_wall('stove', gap=(0.0, 0.03))
        if stove is not None:
            f.on_top(stove, ('pot', 'coffee kettle', 'pot'), int(f.rng.integers(0, 3)))
            if chance(f, 0.7):
                f.mount('range hood', (1.45, 1.6), over=stove)
            for side in (-1, 1):
                if chance(f, 0.5):
                    f.beside(stove, pick(f, ('dishwasher', 'kitchen counter')), side)
    if chance(f, 0.5):
        bench = f.against_wall('kitchen counter', gap=(0.0, 0.02))
        if bench is not None and chance(f, 0.4):
            f.on_top(bench, 'inset sink')
    if chance(f, 0.3):
        f.mount('paper towel dispenser', (1.1, 1.3))
    if chance(f, 0.4):
        f.anywhere('trash can')


def bath(f: Furnisher) -> None:
    if chance(f, 0.35):
        f.against_wall('shower', gap=(0.0, 0.02))
    for name, share, z in (
        ('soap dispenser', 0.4, (1.0, 1.2)),
        ('paper towel dispenser', 0.3, (1.0, 1.3)),
        ('toilet paper holder', 0.4, (0.55, 0.75)),
        ('toilet paper dispenser', 0.15, (0.55, 0.75)),
        ('bathroom cabinet', 0.3, (1.2, 1.4)),
        ('rail', 0.35, (0.75, 1.1)),
        ('handicap bar', 0.2, (0.7, 0.9)),
    ):
        if chance(f, share):
            f.mount(name, z)
    for name in ('mat', 'scale', 'plunger', 'bucket', 'broom'):
        if chance(f, 0.25):
            f.anywhere(name)


def bedroom(f: Furnisher) -> None:
    if chance(f, 0.5):
        f.against_wall('closet', gap=(0.0, 0.02))
    if chance(f, 0.25):
        f.anywhere('rack')
    for index in range(len(f.objects)):
        if f.objects[index].kind == 'nightstand' and chance(f, 0.4):
            f.on_top(index, ('alarm clock', 'tissue box', 'water bottle', 'telephone'), 1)


def parlour(f: Furnisher) -> None:
    if chance(f, 0.4):
        f.anywhere('sofa chair')
    if chance(f, 0.12):
        f.against_wall('fireplace', gap=(0.0, 0.02))
    if chance(f, 0.1):
        f.against_wall('stairs', gap=(0.0, 0.02))
    for _ in range(int(f.rng.integers(0, 3))):
        f.anywhere(pick(f, ('speaker', 'guitar', 'music stand', 'stool')))


def work_room(f: Furnisher) -> None:
    if chance(f, 0.2):
        f.against_wall('copier')
    if chance(f, 0.2):
        f.against_wall('mini fridge')
    for _ in range(int(f.rng.choice([0, 0, 1, 2]))):
        f.anywhere('divider')
    if chance(f, 0.15):
        f.mount('blackboard', (0.8, 1.0))
    if chance(f, 0.12):
        f.mount('projector screen', (0.8, 1.1))


def dining_place(f: Furnisher) -> None:
    table = f.middle('dining table')
    if table is not None:
        f.around(table, ('chair', 'chair', 'chair', 'stool'), int(f.rng.integers(2, 7)))


def corridor(f: Furnisher) -> None:
    for _ in range(int(f.rng.integers(0, 4))):
        f.mount(pick(f, ('picture', 'jacket', 'rail', 'sign', 'mirror', 'poster')), (1.1, 1.5))
    for _ in range(int(f.rng.integers(0, 5))):
        f.anywhere(pick(f, ('shoe', 'shoe', 'bag', 'trash can', 'mat', 'coat rack', 'box')))
    if chance(f, 0.4):
        f.against_wall(pick(f, ('shelf', 'cabinet', 'bench', 'closet', 'radiator')))
    if chance(f, 0.15):
        f.mount('mailbox', (0.8, 1.1))


def laundry(f: Furnisher) -> None:
    first = f.against_wall('washing machine')
    if first is not None:
        f.beside(first, 'clothes dryer', 1)
        f.on_top(first, ('box', 'clothes', 'bottle'), 2)
    for _ in range(int(f.rng.integers(2, 6))):
        f.anywhere(
            pick(f, ('laundry basket', 'ironing board', 'bucket', 'broom', 'basket', 'rack'))
        )
    f.against_wall(pick(f, ('shelf', 'cabinet', 'sink')))


def copy_room(f: Furnisher) -> None:
    for _ in range(int(f.rng.integers(1, 3))):
        f.against_wall('copier')
    for _ in range(int(f.rng.integers(1, 4))):
        f.against_wall(pick(f, ('cabinet', 'shelf', 'machine', 'table', 'file cabinet', 'mailbox')))
    for _ in range(int(f.rng.integers(1, 4))):
        f.anywhere(pick(f, ('recycling bin', 'box', 'trash can', 'cart')))


def dressing(f: Furnisher) -> None:
    for _ in range(int(f.rng.integers(1, 4))):
        f.against_wall(pick(f, ('closet', 'shelf', 'rack', 'dresser')), gap=(0.0, 0.03))
    for _ in range(int(f.rng.integers(2, 6))):
        f.anywhere(pick(f, ('shoe', 'box', 'suitcase', 'storage bin', 'bag', 'laundry basket')))


def lived_in(f: Furnisher, kind: str, density: float) -> None:
    """Fixtures, clutter on surfaces and floors, piles and leaning things.

    Args:
        f: a room with its main furniture.
        kind: of the room.
        density: about 0.3 (tidy) to 1.5 (messy).
    """
    rng = f.rng
    fixtures(f, kind)
    clutter_tops(f, density)
    perimeter = sum(w.length for w in f.walls)
    for _ in range(int(rng.poisson(0.15 * perimeter * density))):
        f.anywhere(pick(f, _LOOSE))
    for _ in range(int(rng.poisson(0.7 * density))):
        pile(f)
    for _ in range(int(rng.poisson(0.6 * density))):
        lean(f, pick(f, _LEANING))
    if chance(f, 0.03):
        f.anywhere('person')


_Part = Callable[[Furnisher], None]
_MORE: dict[str, tuple[_Part, ...]] = {
    'bedroom': (bedroom,),
    'living room': (parlour,),
    'office': (work_room,),
    'kitchen': (kitchen, dining_place),
    'bathroom': (bath,),
    'hotel room': (bedroom,),
    'studio': (kitchen, bedroom),
    'meeting room': (work_room,),
    'classroom': (work_room,),
}
# room kind -> (share, side lengths in metres, parts)
RECIPES: dict[str, tuple[float, tuple[float, float], tuple[_Part, ...]]] = {
    name: (share, sides, (*parts, *_MORE.get(name, ())))
    for name, (share, sides, parts) in FIRST_RECIPES.items()
}
RECIPES |= {
    'corridor': (0.03, (1.2, 5.0), (corridor,)),
    'laundry room': (0.03, (1.8, 3.2), (laundry,)),
    'copy room': (0.02, (2.2, 4.0), (copy_room,)),
    'closet room': (0.01, (1.5, 2.6), (dressing,)),
}
