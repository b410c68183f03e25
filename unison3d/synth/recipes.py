"""What stands in which room."""

from __future__ import annotations

from collections.abc import Callable

from .groups import (
    STORAGE,
    chance,
    class_room,
    dining,
    library,
    lounge,
    meeting,
    pick,
    sleep_corner,
    store_room,
    wardrobe_wall,
    work_place,
)
from .groups_wet import corner_bath, kitchen_line, wash_room
from .placement import Furnisher

FLOOR_THINGS = (
    'box',
    'bag',
    'backpack',
    'shoe',
    'trash can',
    'basket',
    'box',
    'suitcase',
    'fan',
    'large plant',
    'floor lamp',
    'laundry basket',
    'trash can',
    'recycling bin',
    'stool',
    'ottoman',
    'coat rack',
    'ladder',
    'ironing board',
    'cart',
)


def hotel(f: Furnisher) -> None:
    sleep_corner(f)
    work_place(f)
    if chance(f, 0.6):
        stand = f.against_wall(pick(f, ('dresser', 'tv stand', 'cabinet')))
        if stand is not None:
            f.on_top(stand, 'tv', back=True)
    if chance(f, 0.5):
        f.anywhere(pick(f, ('armchair', 'sofa')))
    if chance(f, 0.4):
        corner_bath(f)
    elif chance(f, 0.4):
        wash_room(f)
    for _ in range(int(f.rng.integers(1, 4))):
        f.anywhere(pick(f, ('suitcase', 'bag', 'shoe', 'trash can')))
    if chance(f, 0.4):
        f.against_wall('refrigerator')


def studio(f: Furnisher) -> None:
    sleep_corner(f)
    kitchen_line(f)
    lounge(f)
    dining(f)
    work_place(f)
    if chance(f, 0.5):
        wash_room(f)


def extras(f: Furnisher, density: float) -> None:
    """Storage, radiators, wall things and floor clutter that any room may have; density about 0.3
    to 1.5."""
    rng = f.rng
    perimeter = sum(w.length for w in f.walls)
    for _ in range(int(rng.poisson(0.11 * perimeter * density))):
        unit = f.against_wall(pick(f, STORAGE))
        if unit is not None and chance(f, 0.6):
            f.on_top(
                unit,
                ('box', 'plant', 'book', 'basket', 'lamp', 'bag', 'printer', 'bottle'),
                int(rng.integers(1, 4)),
            )
    if chance(f, 0.35):
        f.against_wall('radiator')
    if chance(f, 0.04):
        f.against_wall('piano')
    if chance(f, 0.04):
        f.against_wall('bicycle')
    for _ in range(int(rng.poisson(0.16 * perimeter * density))):
        f.mount(
            pick(
                f,
                (
                    'picture',
                    'picture',
                    'poster',
                    'bulletin board',
                    'clock',
                    'whiteboard',
                    'wall shelf',
                    'mirror',
                    'jacket',
                    'picture',
                    'poster',
                ),
            ),
            (1.0, 1.7),
        )
    for _ in range(int(rng.poisson(0.28 * perimeter * density))):
        f.anywhere(pick(f, FLOOR_THINGS))


def _unit(f: Furnisher) -> None:
    unit = f.against_wall(pick(f, STORAGE))
    if unit is not None:
        f.on_top(
            unit,
            ('box', 'plant', 'book', 'basket', 'lamp', 'bag', 'printer', 'bottle'),
            int(f.rng.integers(0, 4)),
        )


def _seats(f: Furnisher) -> None:
    name = pick(
        f, ('chair', 'office chair', 'armchair', 'folding chair', 'chair', 'bench', 'ottoman')
    )
    for _ in range(int(f.rng.integers(1, 5))):
        f.against_wall(name, gap=(0.03, 0.3)) if chance(f, 0.6) else f.anywhere(name)


def _books(f: Furnisher) -> None:
    first = f.against_wall('bookshelf')
    if first is not None and chance(f, 0.4):
        f.beside(first, 'bookshelf', 1)


def _cold(f: Furnisher) -> None:
    f.against_wall('refrigerator')


def _buffet(f: Furnisher) -> None:
    bar = f.against_wall('counter')
    if bar is not None:
        f.on_top(
            bar,
            ('pot', 'bottle', 'mug', 'microwave', 'box', 'inset sink'),
            int(f.rng.integers(0, 5)),
        )


_FILL: dict[str, tuple[Callable[[Furnisher], None], ...]] = {
    'bedroom': (_unit, _unit, _books, work_place, lounge, sleep_corner, _seats),
    'living room': (_unit, _books, lounge, dining, _seats, work_place, _buffet),
    'office': (work_place, work_place, _unit, _books, _seats, dining, lounge, _cold),
    'kitchen': (_cold, _buffet, dining, _unit, kitchen_line, _seats),
    'bathroom': (_unit,),
    'studio': (_unit, _books, work_place, _seats, dining, _cold),
    'meeting room': (_unit, _books, _seats, _buffet, lounge, _cold),
}


def fill(f: Furnisher, kind: str, target: float) -> None:
    """Add groups that suit the room until ``target`` of the floor is covered or nothing more
    fits."""
    options = _FILL.get(kind, (_unit, _books, _seats))
    for _ in range(7):
        if f.coverage() >= target:
            return
        options[int(f.rng.integers(len(options)))](f)


# room kind -> (share, side lengths in metres, parts)
RECIPES: dict[str, tuple[float, tuple[float, float], tuple[Callable[[Furnisher], None], ...]]] = {
    'bedroom': (0.17, (2.7, 4.8), (sleep_corner, wardrobe_wall, work_place)),
    'living room': (0.17, (3.0, 6.0), (lounge, dining)),
    'office': (0.12, (2.8, 5.6), (work_place, work_place, work_place)),
    'kitchen': (0.13, (2.5, 4.5), (kitchen_line, dining)),
    'bathroom': (0.2, (1.9, 3.2), (wash_room,)),
    'hotel room': (0.05, (3.2, 5.5), (hotel,)),
    'studio': (0.09, (4.5, 7.0), (studio,)),
    'meeting room': (0.03, (3.2, 6.0), (meeting,)),
    'classroom': (0.02, (5.0, 7.0), (class_room,)),
    'storage room': (0.02, (2.5, 4.5), (store_room,)),
    'library': (0.01, (4.0, 6.5), (library,)),
}
