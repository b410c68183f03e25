"""Small things that make a room look lived in. z = 0 is the surface they stand on, metres."""

from __future__ import annotations

import numpy as np

from .materials import BRIGHTS, CHECKER, GLASS, GLOSSY, fabric, make_paint, metal, wood
from .primitives import Shape, rotation


def lamp(rng: np.random.Generator) -> Shape:
    """Table lamp."""
    s = Shape('stand')
    h = rng.uniform(0.35, 0.7)
    foot = metal(rng) if rng.random() < 0.5 else wood(rng)
    if rng.random() < 0.3:
        s.cone((0, 0, 0), (0, 0, 0.03), 0.09, 0.08, foot)
        s.cone((0, 0, 0.03), (0, 0.06, h * 0.6), 0.01, 0.01, foot)
        s.cone((0, 0.06, h * 0.6), (0, -0.12, h), 0.01, 0.01, foot)
        s.cone((0, -0.12, h), (0, -0.2, h - 0.08), 0.03, 0.08, foot, two_sided=True)
        return s
    if rng.random() < 0.5:
        s.box((0, 0, h * 0.28), (0.16, 0.16, h * 0.56), foot, round_power=2.5)
    else:
        s.cone((0, 0, 0), (0, 0, 0.03), 0.09, 0.08, foot)
        s.cone((0, 0, 0.03), (0, 0, h * 0.65), 0.015, 0.015, foot)
    s.next_part('shade')
    r = rng.uniform(0.1, 0.19)
    s.cone(
        (0, 0, h * 0.58),
        (0, 0, h),
        r,
        r * rng.uniform(0.5, 1),
        make_paint(rng, ('white', 'white', 'beige', 'yellow')),
        caps=False,
        two_sided=True,
    )
    return s


def floor_lamp(rng: np.random.Generator) -> Shape:
    s = Shape('stand')
    h = rng.uniform(1.35, 1.8)
    foot = metal(rng)
    s.cone((0, 0, 0), (0, 0, 0.03), 0.15, 0.13, foot)
    s.cone((0, 0, 0.03), (0, 0, h), 0.014, 0.014, foot)
    s.next_part('shade')
    if rng.random() < 0.6:
        r = rng.uniform(0.14, 0.24)
        s.cone(
            (0, 0, h - 0.25),
            (0, 0, h),
            r,
            r * rng.uniform(0.5, 1),
            make_paint(rng, ('white', 'beige', 'yellow')),
            caps=False,
            two_sided=True,
        )
    else:
        s.cone(
            (0, 0, h),
            (0, 0, h + 0.12),
            0.04,
            0.17,
            make_paint(rng, ('white', 'gray', 'black')),
            two_sided=True,
        )
    return s


def plant(rng: np.random.Generator) -> Shape:
    """Pot with leaves; small on tables, up to man height on the floor."""
    return _plant(rng, rng.uniform(0.2, 0.45))


def floor_plant(rng: np.random.Generator) -> Shape:
    return _plant(rng, rng.uniform(0.6, 1.7))


def _plant(rng: np.random.Generator, h: float) -> Shape:
    s = Shape('pot')
    pot = h * rng.uniform(0.2, 0.35)
    r = min(pot * 0.6, 0.2)
    s.cone(
        (0, 0, 0),
        (0, 0, pot),
        r * 0.75,
        r,
        make_paint(rng, ('brown', 'white', 'black', 'orange', 'gray', 'blue')),
    )
    s.next_part('leaves')
    spread = h * rng.uniform(0.2, 0.4)
    for _ in range(int(rng.integers(8, 20))):
        a, e = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
        tip = np.array(
            [
                np.cos(a) * spread * rng.uniform(0.4, 1),
                np.sin(a) * spread * rng.uniform(0.4, 1),
                pot + (h - pot) * e,
            ]
        )
        size = np.array([spread * rng.uniform(0.4, 0.8), spread * 0.3, spread * 0.08])
        s.box(
            tip,
            size,
            make_paint(rng, 'green'),
            round_power=2.2,
            turn=rotation('z', a) @ rotation('y', rng.uniform(-0.3, 0.9)),
        )
    s.cone((0, 0, pot), (0, 0, h * 0.75), 0.012, 0.008, make_paint(rng, ('brown', 'green')))
    return s


def cardboard_box(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.2, 0.6), rng.uniform(0.18, 0.45), rng.uniform(0.12, 0.45)
    paint = make_paint(rng, ('brown', 'beige', 'beige', 'white', 'gray', 'blue'))
    if rng.random() < 0.6:
        s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h, paint)
    else:
        for sx in (-1, 1):
            s.box((sx * w / 2, 0, h / 2), (0.01, d, h), paint)
            s.box(
                (sx * (w / 2 + 0.06), 0, h - 0.02),
                (0.15, d, 0.01),
                paint,
                turn=rotation('y', sx * rng.uniform(0, 0.8)),
            )
        for sy in (-1, 1):
            s.box((0, sy * d / 2, h / 2), (w, 0.01, h), paint)
        s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h * rng.uniform(0.1, 0.8), paint)
    return s


def book(rng: np.random.Generator) -> Shape:
    """One book or a small pile."""
    s = Shape()
    z = 0.0
    for _ in range(int(rng.integers(1, 5))):
        t = rng.uniform(0.015, 0.05)
        s.box(
            (rng.normal(0, 0.01), rng.normal(0, 0.01), z + t / 2),
            (rng.uniform(0.14, 0.24), rng.uniform(0.18, 0.3), t),
            make_paint(rng, BRIGHTS),
            turn=rotation('z', rng.normal(0, 0.2)),
        )
        z += t
    return s


def bottle(rng: np.random.Generator) -> Shape:
    s = Shape()
    h, r = rng.uniform(0.18, 0.34), rng.uniform(0.03, 0.05)
    paint = make_paint(
        rng,
        ('green', 'blue', 'white', 'brown', 'red', 'gray'),
        GLASS if rng.random() < 0.3 else GLOSSY,
    )
    s.cone((0, 0, 0), (0, 0, h * 0.65), r, r, paint)
    s.cone((0, 0, h * 0.65), (0, 0, h * 0.8), r, r * 0.4, paint, caps=False)
    s.cone((0, 0, h * 0.8), (0, 0, h), r * 0.4, r * 0.4, paint)
    return s


def mug(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.cone((0, 0, 0), (0, 0, 0.1), 0.042, 0.045, make_paint(rng, BRIGHTS))
    s.box((0.06, 0, 0.05), (0.03, 0.012, 0.06), make_paint(rng, BRIGHTS))
    return s


def pillow(rng: np.random.Generator) -> Shape:
    s = Shape()
    w = rng.uniform(0.35, 0.65)
    s.box(
        (0, 0, 0.08),
        (w, w * rng.uniform(0.6, 1), 0.17),
        fabric(rng),
        round_power=rng.uniform(2.3, 3.5),
        turn=rotation('x', rng.uniform(-0.3, 0.1)),
    )
    return s


def bag(rng: np.random.Generator) -> Shape:
    """Shopping or hand bag."""
    s = Shape()
    w, d, h = rng.uniform(0.25, 0.45), rng.uniform(0.1, 0.25), rng.uniform(0.22, 0.42)
    paint = make_paint(rng, BRIGHTS if rng.random() < 0.5 else ('black', 'brown', 'white', 'beige'))
    s.box(
        (0, 0, h / 2),
        (w, d, h),
        paint,
        round_power=rng.uniform(4, 9),
        taper=(0.9, rng.uniform(0.3, 1)),
    )
    for sy in (-1, 1):
        s.box((0, sy * d * 0.2, h + 0.06), (w * 0.4, 0.015, 0.14), paint)
    return s


def backpack(rng: np.random.Generator) -> Shape:
    s = Shape('bag')
    w, d, h = rng.uniform(0.28, 0.36), rng.uniform(0.16, 0.26), rng.uniform(0.4, 0.52)
    paint = make_paint(rng, ('black', 'black', 'blue', 'gray', 'red', 'green', 'purple'))
    turn = rotation('x', -rng.uniform(0, 0.35))
    s.box(
        (0, 0, h / 2), (w, d, h), paint, round_power=rng.uniform(3, 5), turn=turn, taper=(0.8, 0.7)
    )
    s.next_part('pocket')
    s.box((0, -d * 0.5, h * 0.3), (w * 0.75, d * 0.4, h * 0.45), paint, round_power=3, turn=turn)
    return s


def suitcase(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.36, 0.5), rng.uniform(0.2, 0.3), rng.uniform(0.5, 0.75)
    paint = make_paint(rng, ('black', 'black', 'blue', 'red', 'gray', 'purple'))
    s.box((0, 0, h / 2 + 0.03), (w, d, h), paint, round_power=9)
    if rng.random() < 0.5:
        for sx in (-1, 1):
            s.box((sx * w * 0.25, d * 0.35, h + 0.15), (0.015, 0.015, 0.25), metal(rng))
        s.box((0, d * 0.35, h + 0.28), (w * 0.5, 0.03, 0.03), metal(rng))
    return s


def trash_can(rng: np.random.Generator) -> Shape:
    """Round, square or swing-top bin, open or with a bag."""
    s = Shape('bin')
    r, h = rng.uniform(0.11, 0.22), rng.uniform(0.25, 0.65)
    paint = make_paint(rng, ('black', 'black', 'gray', 'gray', 'white', 'blue', 'green', 'beige'))
    if rng.random() < 0.5:
        s.cone((0, 0, 0), (0, 0, h), r * 0.8, r, paint, caps=False, two_sided=True)
        s.disc(
            (0, 0, h * rng.uniform(0.1, 0.8)),
            (r * 0.85, 0, 0),
            (0, r * 0.85, 0),
            make_paint(rng, ('white', 'gray', 'black')),
        )
    else:
        w, d = 2 * r, 2 * r * rng.uniform(0.6, 1)
        for sx in (-1, 1):
            s.box((sx * w / 2, 0, h / 2), (0.01, d, h), paint, turn=rotation('y', sx * 0.06))
        for sy in (-1, 1):
            s.box((0, sy * d / 2, h / 2), (w, 0.01, h), paint, turn=rotation('x', -sy * 0.06))
        level = h * rng.uniform(0.3, 1.0)
        s.block(
            -w * 0.45,
            w * 0.45,
            -d * 0.45,
            d * 0.45,
            level - 0.02,
            level,
            make_paint(rng, ('white', 'gray', 'black')),
        )
    if rng.random() < 0.3:
        s.next_part('lid')
        s.cone(
            (0, 0, h - 0.06),
            (0, 0, h + 0.02),
            r * 1.05,
            r * 1.02,
            make_paint(rng, ('white', 'black')),
            caps=False,
            two_sided=True,
        )
    return s


def recycling_bin(rng: np.random.Generator) -> Shape:
    s = Shape('bin')
    w, d, h = rng.uniform(0.3, 0.42), rng.uniform(0.25, 0.45), rng.uniform(0.38, 0.75)
    paint = make_paint(rng, ('blue', 'blue', 'green'))
    for sx in (-1, 1):
        s.box((sx * w / 2, 0, h / 2), (0.015, d, h), paint)
    for sy in (-1, 1):
        s.box((0, sy * d / 2, h / 2), (w, 0.015, h), paint)
    s.block(
        -w * 0.46,
        w * 0.46,
        -d * 0.46,
        d * 0.46,
        0,
        h * rng.uniform(0.2, 0.95),
        make_paint(rng, ('white', 'beige')),
    )
    return s


def shoe(rng: np.random.Generator) -> Shape:
    """A pair of shoes."""
    s = Shape()
    paint = make_paint(rng, ('black', 'brown', 'white', 'red', 'blue', 'gray'))
    for sx in (-1, 1):
        turn = rotation('z', rng.normal(0, 0.2))
        x, y = sx * rng.uniform(0.06, 0.1), rng.normal(0, 0.03)
        s.box((x, y, 0.035), (0.1, 0.28, 0.07), paint, round_power=3, turn=turn)
        s.box((x, y + 0.08, 0.07), (0.085, 0.12, 0.12), paint, round_power=3, turn=turn)
    return s


def clothes(rng: np.random.Generator) -> Shape:
    """A heap of clothes."""
    s = Shape()
    for _ in range(int(rng.integers(2, 6))):
        s.box(
            (rng.normal(0, 0.1), rng.normal(0, 0.1), rng.uniform(0.02, 0.08)),
            (rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.4), rng.uniform(0.05, 0.16)),
            fabric(rng),
            round_power=2.3,
            turn=rotation('z', rng.uniform(0, 3)),
        )
    return s


def basket(rng: np.random.Generator) -> Shape:
    s = Shape()
    r, h = rng.uniform(0.12, 0.22), rng.uniform(0.15, 0.35)
    paint = make_paint(rng, ('brown', 'beige', 'white', 'gray'), CHECKER, 0.1)
    s.cone((0, 0, 0), (0, 0, h), r * 0.85, r, paint, caps=False, two_sided=True)
    s.disc((0, 0, h * rng.uniform(0.1, 0.8)), (r * 0.9, 0, 0), (0, r * 0.9, 0), fabric(rng))
    return s


def pot(rng: np.random.Generator) -> Shape:
    """Cooking pot, bowl or jar."""
    s = Shape()
    r, h = rng.uniform(0.06, 0.15), rng.uniform(0.08, 0.22)
    s.cone(
        (0, 0, 0),
        (0, 0, h),
        r * rng.uniform(0.6, 1),
        r,
        metal(rng) if rng.random() < 0.6 else make_paint(rng, BRIGHTS),
    )
    return s


def stuffed_animal(rng: np.random.Generator) -> Shape:
    s = Shape()
    k = rng.uniform(0.7, 1.4)
    paint = fabric(rng, ('brown', 'beige', 'white', 'pink', 'yellow'))
    s.box((0, 0, 0.12 * k), (0.2 * k, 0.17 * k, 0.24 * k), paint, round_power=2.2)
    s.box((0, -0.01, 0.29 * k), (0.15 * k, 0.15 * k, 0.14 * k), paint, round_power=2.1)
    for sx in (-1, 1):
        s.box((sx * 0.07 * k, 0, 0.36 * k), (0.05 * k, 0.03 * k, 0.05 * k), paint, round_power=2)
        s.box(
            (sx * 0.1 * k, -0.09 * k, 0.04 * k),
            (0.08 * k, 0.16 * k, 0.08 * k),
            paint,
            round_power=2.2,
        )
    return s
