"""Groups of furniture that belong together in any kind of room."""

from __future__ import annotations

import numpy as np

from .catalog import build
from .placement import Furnisher
from .primitives import Pose

SEATS = ('chair', 'chair', 'chair', 'folding chair', 'stool', 'office chair')


DESK_TOP = (
    'monitor',
    'keyboard',
    'laptop',
    'book',
    'mug',
    'lamp',
    'bottle',
    'book',
    'printer',
    'plant',
    'box',
)


TABLE_TOP = (
    'book',
    'mug',
    'bottle',
    'plant',
    'laptop',
    'bag',
    'box',
    'pot',
    'lamp',
    'basket',
    'clothes',
)


STORAGE = (
    'cabinet',
    'bookshelf',
    'cabinet',
    'bookshelf',
    'wardrobe',
    'dresser',
    'shelf',
    'file cabinet',
    'display cabinet',
)


def chance(f: Furnisher, p: float) -> bool:
    return bool(f.rng.random() < p)


def pick(f: Furnisher, names: tuple[str, ...]) -> str:
    return names[int(f.rng.integers(len(names)))]


def sleep_corner(f: Furnisher) -> None:
    kind = pick(f, ('bed',) * 8 + ('bunk bed', 'mattress'))
    beds = [kind] if not (kind == 'bed' and chance(f, 0.25)) else ['bed', 'bed']
    seed = int(f.rng.integers(1 << 30))
    for name in beds:
        shape = build(name, np.random.default_rng(seed))
        turn = 0.0 if chance(f, 0.7) else (np.pi / 2 if chance(f, 0.5) else -np.pi / 2)
        bed = f.against_wall(name, shape=shape, turn=turn)
        if bed is None:
            continue
        for side in (-1, 1):
            if chance(f, 0.6):
                stand = f.beside(
                    bed,
                    pick(f, ('nightstand', 'nightstand', 'nightstand', 'end table', 'stool')),
                    side,
                )
                if stand is not None:
                    f.on_top(
                        stand,
                        ('lamp', 'lamp', 'book', 'bottle', 'mug', 'box'),
                        int(f.rng.integers(0, 4)),
                    )
        f.on_top(
            bed,
            ('pillow', 'clothes', 'book', 'bag', 'stuffed animal', 'laptop', 'pillow', 'box'),
            int(f.rng.choice([0, 0, 1, 1, 2, 3])),
        )
        if turn == 0 and chance(f, 0.5):
            f.mount(pick(f, ('picture', 'picture', 'poster')), (1.2, 1.6), over=bed)
        if turn == 0 and chance(f, 0.15):
            f.near(bed, pick(f, ('bench', 'ottoman')), 0.0, -1.35, 0.0)


def wardrobe_wall(f: Furnisher) -> None:
    if chance(f, 0.5):
        closet = f.against_wall('wardrobe')
        if closet is not None and chance(f, 0.3):
            f.on_top(closet, ('box', 'suitcase', 'bag'), 1)


def lounge(f: Furnisher) -> None:
    sofa = f.against_wall('sofa', gap=(0.01, 0.3)) if chance(f, 0.85) else f.middle('sofa')
    if sofa is not None:
        depth = f.objects[sofa].shape.low[1]
        if chance(f, 0.8):
            low = f.near(
                sofa,
                pick(f, ('coffee table',) * 4 + ('table', 'ottoman', 'round table', 'glass table')),
                0.0,
                depth - f.rng.uniform(0.55, 0.85),
                0.0,
                jitter=0.05,
            )
            if low is not None:
                f.on_top(low, TABLE_TOP, int(f.rng.integers(0, 4)))
        for side in (-1, 1):
            if chance(f, 0.35):
                end = f.beside(
                    sofa,
                    pick(f, ('end table', 'end table', 'floor lamp', 'large plant', 'nightstand')),
                    side,
                )
                if end is not None:
                    f.on_top(end, ('lamp', 'lamp', 'plant', 'book'), 1)
        f.on_top(
            sofa,
            ('pillow', 'bag', 'clothes', 'laptop', 'book', 'backpack', 'stuffed animal'),
            int(f.rng.choice([0, 1, 1, 2])),
        )
        if chance(f, 0.45):
            f.mount(pick(f, ('picture', 'picture', 'poster', 'mirror')), (1.2, 1.6), over=sofa)
        for side in (-1, 1):
            if chance(f, 0.35):
                f.near(
                    sofa,
                    pick(f, ('armchair', 'armchair', 'chair', 'sofa', 'beanbag chair', 'ottoman')),
                    side * f.rng.uniform(1.3, 1.8),
                    depth - f.rng.uniform(0.6, 1.2),
                    -side * np.pi / 2 * 0.9,
                )
    for _ in range(int(f.rng.integers(0, 3))):
        f.anywhere(pick(f, ('armchair', 'armchair', 'ottoman', 'beanbag chair', 'chair')))
    if chance(f, 0.6):
        stand = f.against_wall(pick(f, ('tv stand', 'tv stand', 'tv stand', 'cabinet', 'dresser')))
        if stand is not None:
            if chance(f, 0.8):
                f.on_top(stand, 'tv', back=True)
            f.on_top(stand, ('box', 'plant', 'book', 'bottle'), 1)


def dining(f: Furnisher) -> None:
    kind = pick(f, ('table', 'table', 'table', 'round table', 'glass table'))
    table = f.middle(kind) if chance(f, 0.6) else f.against_wall(kind, gap=(0.02, 0.7))
    if table is not None:
        f.around(table, SEATS + ('bench',), int(f.rng.integers(2, 8)))
        f.on_top(table, TABLE_TOP, int(f.rng.choice([0, 0, 1, 2, 3, 4])))


def work_place(f: Furnisher) -> None:
    kind = 'desk' if chance(f, 0.8) else 'table'
    desk = (
        f.against_wall(kind, gap=(0.01, 0.15))
        if chance(f, 0.8)
        else f.anywhere(kind, yaw=f.walls[0].yaw)
    )
    if desk is None:
        return
    low = f.objects[desk].shape.low[1]
    if chance(f, 0.9):
        f.near(
            desk,
            pick(
                f,
                (
                    'office chair',
                    'office chair',
                    'office chair',
                    'chair',
                    'chair',
                    'stool',
                    'armchair',
                ),
            ),
            f.rng.uniform(-0.25, 0.25),
            low - f.rng.uniform(-0.1, 0.5),
            np.pi,
            overlap=True,
            jitter=0.6,
        )
    if chance(f, 0.7):
        f.on_top(desk, 'monitor', int(f.rng.choice([1, 1, 1, 2])), back=True)
    f.on_top(desk, DESK_TOP, int(f.rng.integers(0, 6)))
    if chance(f, 0.3):
        f.near(
            desk,
            pick(f, ('computer tower', 'trash can', 'file cabinet', 'box', 'backpack')),
            f.rng.uniform(-0.4, 0.4),
            0.0,
            0.0,
            overlap=True,
        )
    if chance(f, 0.3):
        f.beside(
            desk, pick(f, ('file cabinet', 'file cabinet', 'bookshelf', 'trash can', 'printer')), 1
        )


def meeting(f: Furnisher) -> None:
    table = f.middle(pick(f, ('conference table', 'conference table', 'table', 'round table')))
    if table is not None:
        f.around(table, ('office chair', 'office chair', 'chair'), int(f.rng.integers(4, 13)))
        f.on_top(
            table, ('laptop', 'mug', 'bottle', 'book', 'bag', 'keyboard'), int(f.rng.integers(0, 5))
        )
    if chance(f, 0.7):
        f.mount('whiteboard', (0.75, 1.1))
    if chance(f, 0.5):
        stand = f.against_wall(pick(f, ('cabinet', 'table', 'tv stand')))
        if stand is not None and chance(f, 0.7):
            f.on_top(stand, 'tv', back=True)
    if chance(f, 0.3):
        f.against_wall('water cooler')
    for _ in range(int(f.rng.integers(0, 5))):
        f.against_wall(pick(f, ('office chair', 'chair', 'folding chair')), gap=(0.05, 0.3))


def class_room(f: Furnisher) -> None:
    rng = f.rng
    seed = int(rng.integers(1 << 30))
    kind = pick(f, ('table', 'desk'))
    wall = f.walls[int(np.argmax([w.length for w in f.walls]))]
    low, high = f.polygon.min(0) + 0.9, f.polygon.max(0) - 0.9
    seat = pick(f, ('chair', 'folding chair', 'office chair'))
    seat_seed = int(rng.integers(1 << 30))
    step = rng.uniform(1.5, 1.9), rng.uniform(1.3, 1.7)
    for x in np.arange(low[0], high[0], step[0]):
        for y in np.arange(low[1], high[1], step[1]):
            if chance(f, 0.15):
                continue
            shape = build(kind, np.random.default_rng(seed))
            pose = Pose(
                x + rng.normal(0, 0.06),
                y + rng.normal(0, 0.06),
                0.0,
                wall.yaw + rng.normal(0, 0.06),
            )
            desk = f.try_add(kind, shape, pose)
            if desk is None:
                continue
            for dx in (-0.3, 0.3) if shape.size[0] > 1.2 else (0.0,):
                if chance(f, 0.85):
                    chair = build(seat, np.random.default_rng(seat_seed))
                    at = f.local(desk, dx, shape.low[1] - rng.uniform(-0.1, 0.3))
                    f.try_add(
                        seat,
                        chair,
                        Pose(*at, 0.0, pose.yaw + np.pi + rng.normal(0, 0.25)),
                        ignore=desk,
                        gap=-0.02,
                    )
            f.on_top(
                desk,
                ('book', 'laptop', 'bag', 'bottle', 'monitor', 'keyboard'),
                int(rng.choice([0, 0, 1, 2])),
            )
    if chance(f, 0.8):
        f.mount('whiteboard', (0.75, 1.1))
    if chance(f, 0.4):
        f.anywhere('podium')


def store_room(f: Furnisher) -> None:
    for _ in range(int(f.rng.integers(2, 6))):
        f.against_wall(
            pick(
                f,
                (
                    'shelf',
                    'shelf',
                    'cabinet',
                    'bookshelf',
                    'file cabinet',
                    'wardrobe',
                    'washing machine',
                ),
            )
        )
    for _ in range(int(f.rng.integers(4, 14))):
        got = f.anywhere(
            pick(
                f,
                (
                    'box',
                    'box',
                    'box',
                    'bag',
                    'suitcase',
                    'ladder',
                    'folding chair',
                    'cart',
                    'basket',
                    'fan',
                    'trash can',
                    'bicycle',
                    'table',
                    'ironing board',
                ),
            )
        )
        if got is not None and f.objects[got].kind == 'table':
            f.on_top(got, ('box', 'printer', 'bag', 'clothes'), 3)


def library(f: Furnisher) -> None:
    for _ in range(int(f.rng.integers(4, 9))):
        f.against_wall('bookshelf')
    for _ in range(int(f.rng.integers(0, 3))):
        f.middle('bookshelf')
    dining(f)
    lounge(f)
