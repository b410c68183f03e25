"""Small things on tables and beds of the second world. z = 0 is where they stand, metres."""

from __future__ import annotations

import numpy as np

from .materials import BRIGHTS, GLASS, GLOSSY, PRINT, fabric, make_paint, metal, wood
from .primitives import Shape, rotation

_PALE = ('white', 'white', 'gray', 'beige', 'blue', 'pink')


def cushion(rng: np.random.Generator) -> Shape:
    s = Shape()
    p = rng.uniform(0.32, 0.5)
    turn = rotation('x', -rng.uniform(0.0, 1.2))
    size = (p, p * rng.uniform(0.75, 1), rng.uniform(0.1, 0.18))
    s.box((0, 0, p * 0.2), size, fabric(rng), turn=turn, round_power=2.6)
    return s


def blanket(rng: np.random.Generator) -> Shape:
    """Folded, or thrown down in a heap."""
    s = Shape()
    paint, w, d = fabric(rng), rng.uniform(0.4, 0.9), rng.uniform(0.35, 0.7)
    if rng.random() < 0.5:
        for k in range(int(rng.integers(2, 5))):
            s.box((0, 0, 0.025 + 0.035 * k), (w, d, 0.04), paint, round_power=9)
    else:
        for _ in range(4):
            a = rng.uniform(0, 3)
            c = (*rng.uniform(-0.2, 0.2, 2) * (w, d), 0.06)
            s.box(c, (w * 0.8, d * 0.5, 0.16), paint, round_power=2.2, turn=rotation('z', a))
    return s


def paper(rng: np.random.Generator) -> Shape:
    s = Shape()
    for k in range(int(rng.integers(1, 5))):
        turn = rotation('z', rng.normal(0, 0.3))
        c = (*rng.normal(0, 0.05, 2), 0.003 + 0.004 * k)
        s.box(c, (0.21, 0.297, 0.004), make_paint(rng, 'white', PRINT, 0.15), turn=turn)
    return s


def plate(rng: np.random.Generator) -> Shape:
    s = Shape()
    r = rng.uniform(0.09, 0.14)
    s.cone((0, 0, 0), (0, 0, 0.025), r * 0.6, r, make_paint(rng, _PALE, GLOSSY), two_sided=True)
    return s


def bowl(rng: np.random.Generator) -> Shape:
    s = Shape()
    r, h, paint = rng.uniform(0.07, 0.16), rng.uniform(0.05, 0.1), make_paint(rng, BRIGHTS)
    s.cone((0, 0, 0), (0, 0, h), r * 0.5, r, paint, caps=False, two_sided=True)
    s.disc((0, 0, 0.01), (r * 0.55, 0, 0), (0, r * 0.55, 0), paint)
    if rng.random() < 0.4:
        s.next_part('fruit')
        for _ in range(4):
            c = (*rng.normal(0, r * 0.35, 2), h)
            s.box(
                c,
                (0.08, 0.08, 0.08),
                make_paint(rng, ('red', 'orange', 'yellow', 'green')),
                round_power=2,
            )
    return s


def cup(rng: np.random.Generator) -> Shape:
    s = Shape()
    h, r = rng.uniform(0.09, 0.15), rng.uniform(0.035, 0.045)
    paint = make_paint(rng, (*BRIGHTS, 'white', 'white'))
    s.cone((0, 0, 0), (0, 0, h), r * 0.75, r, paint, two_sided=True)
    return s


def tissue_box(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = (0.23, 0.12, rng.uniform(0.06, 0.1)) if rng.random() < 0.6 else (0.12, 0.12, 0.13)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h, make_paint(rng, BRIGHTS, PRINT, 0.3))
    s.next_part('tissue')
    s.box((0, 0, h + 0.025), (0.09, 0.04, 0.07), make_paint(rng, 'white'), round_power=2.2)
    return s


def paper_towel_roll(rng: np.random.Generator) -> Shape:
    s = Shape('roll')
    s.cone((0, 0, 0.01), (0, 0, 0.27), 0.06, 0.06, make_paint(rng, 'white'))
    s.next_part('stand')
    s.cone((0, 0, 0), (0, 0, 0.012), 0.08, 0.08, metal(rng))
    s.cone((0, 0, 0.27), (0, 0, 0.31), 0.012, 0.012, metal(rng))
    return s


def telephone(rng: np.random.Generator) -> Shape:
    s = Shape('base')
    paint = make_paint(rng, ('black', 'black', 'gray', 'white'))
    s.box((0, 0, 0.035), (0.19, 0.2, 0.05), paint, turn=rotation('x', 0.2))
    s.next_part('handset')
    s.box((-0.07, 0, 0.075), (0.05, 0.2, 0.04), paint, round_power=3, turn=rotation('x', 0.2))
    return s


def speaker(rng: np.random.Generator) -> Shape:
    s = Shape()
    k = rng.uniform(0.7, 1.8)
    w, d, h = 0.15 * k, 0.17 * k, 0.26 * k
    s.block(
        -w / 2, w / 2, -d / 2, d / 2, 0, h, make_paint(rng, ('black', 'black', 'brown', 'gray'))
    )
    s.next_part('cone')
    for z, r in ((0.3, 0.36), (0.75, 0.2)):
        s.cone(
            (0, -d / 2, h * z),
            (0, -d / 2 - 0.01, h * z),
            w * r,
            w * r * 0.9,
            make_paint(rng, ('gray', 'black')),
        )
    return s


def mouse(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.box(
        (0, 0, 0.015),
        (0.06, 0.11, 0.035),
        make_paint(rng, ('black', 'gray', 'white')),
        round_power=2.4,
    )
    return s


def headphones(rng: np.random.Generator) -> Shape:
    s = Shape('cup')
    paint = make_paint(rng, ('black', 'black', 'white', 'red'))
    for sx in (-1, 1):
        s.box((sx * 0.08, 0, 0.04), (0.04, 0.08, 0.08), paint, round_power=3)
    s.next_part('band')
    a = np.linspace(0, np.pi, 7)
    for p, q in zip(a[:-1], a[1:], strict=True):
        s.cone(
            (0.08 * np.cos(p), 0, 0.07 + 0.09 * np.sin(p)),
            (0.08 * np.cos(q), 0, 0.07 + 0.09 * np.sin(q)),
            0.012,
            0.012,
            paint,
            caps=False,
        )
    return s


def toaster(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.box(
        (0, 0, 0.1),
        (0.29, 0.17, 0.19),
        make_paint(rng, ('gray', 'black', 'white', 'red'), GLOSSY),
        round_power=7,
    )
    s.next_part('lever')
    s.box((0.15, 0, 0.12), (0.03, 0.03, 0.015), make_paint(rng, 'black'))
    return s


def coffee_maker(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.18, 0.28), rng.uniform(0.22, 0.3), rng.uniform(0.3, 0.4)
    paint = make_paint(rng, ('black', 'black', 'gray', 'red'))
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h * 0.12, paint)
    s.block(-w / 2, w / 2, 0, d / 2, h * 0.12, h, paint)
    s.block(-w / 2, w / 2, -d / 2, 0, h * 0.7, h, paint)
    s.next_part('jug')
    s.cone(
        (0, -d / 4, h * 0.13),
        (0, -d / 4, h * 0.55),
        w * 0.35,
        w * 0.25,
        make_paint(rng, 'black', GLASS),
    )
    return s


def kettle(rng: np.random.Generator) -> Shape:
    s = Shape()
    paint = metal(rng)
    s.cone((0, 0, 0), (0, 0, 0.2), 0.09, 0.06, paint)
    s.next_part('handle')
    s.box((0.1, 0, 0.13), (0.03, 0.03, 0.15), make_paint(rng, 'black'), round_power=4)
    s.next_part('spout')
    s.cone((-0.07, 0, 0.13), (-0.12, 0, 0.18), 0.025, 0.015, paint)
    return s


def dish_rack(rng: np.random.Generator) -> Shape:
    s = Shape('frame')
    w, d, frame = (
        rng.uniform(0.35, 0.5),
        rng.uniform(0.28, 0.36),
        metal(rng, ('gray', 'white', 'black')),
    )
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, 0.02, frame)
    for sx in (-1, 1):
        s.block(sx * w / 2 - 0.01, sx * w / 2 + 0.01, -d / 2, d / 2, 0, 0.12, frame)
    s.next_part('plate')
    for x in np.arange(-w * 0.4, w * 0.4, rng.uniform(0.04, 0.1)):
        s.cone((x, 0, 0.13), (x + 0.012, 0, 0.13), 0.11, 0.1, make_paint(rng, _PALE))
    return s


def tray(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, paint = rng.uniform(0.3, 0.5), rng.uniform(0.22, 0.34), wood(rng)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, 0.012, paint)
    for sx in (-1, 1):
        s.block(sx * w / 2 - 0.01, sx * w / 2 + 0.01, -d / 2, d / 2, 0, 0.04, paint)
    return s


def alarm_clock(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.box(
        (0, 0, 0.05),
        (rng.uniform(0.1, 0.2), 0.08, 0.1),
        make_paint(rng, ('black', 'gray', 'red')),
        round_power=6,
    )
    return s


def candle(rng: np.random.Generator) -> Shape:
    s = Shape()
    r, h = rng.uniform(0.03, 0.05), rng.uniform(0.08, 0.22)
    s.cone((0, 0, 0), (0, 0, h), r, r, make_paint(rng, ('white', 'red', 'beige', 'purple')))
    return s


def water_bottle(rng: np.random.Generator) -> Shape:
    s = Shape()
    h, r = rng.uniform(0.2, 0.28), rng.uniform(0.032, 0.042)
    s.cone((0, 0, 0), (0, 0, h * 0.8), r, r, make_paint(rng, BRIGHTS, GLOSSY))
    s.next_part('cap')
    s.cone(
        (0, 0, h * 0.8), (0, 0, h), r * 0.8, r * 0.6, make_paint(rng, ('black', 'white', 'blue'))
    )
    return s


def pitcher(rng: np.random.Generator) -> Shape:
    s = Shape()
    paint = make_paint(rng, ('white', 'blue', 'gray'), GLOSSY)
    s.cone((0, 0, 0), (0, 0, 0.24), 0.07, 0.06, paint, two_sided=True)
    s.next_part('handle')
    s.box((0.09, 0, 0.14), (0.03, 0.025, 0.16), paint, round_power=4)
    return s


def decoration(rng: np.random.Generator) -> Shape:
    """Vase or figure: a stack of rounded bodies."""
    s = Shape()
    z, paint = 0.0, make_paint(rng, (*BRIGHTS, 'brown', 'beige'), GLOSSY)
    r = rng.uniform(0.04, 0.09)
    for _ in range(int(rng.integers(2, 5))):
        h, top = rng.uniform(0.04, 0.12), r * rng.uniform(0.5, 1.3)
        s.cone((0, 0, z), (0, 0, z + h), r, top, paint)
        z, r = z + h, top
    return s
