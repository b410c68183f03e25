"""Loose things on floors of the second world, z = 0 where they stand. Front is -y, metres."""

from __future__ import annotations

import numpy as np

from .materials import BRIGHTS, GLOSSY, PRINT, fabric, make_paint, metal, wood
from .primitives import Shape, rotation


def crate(rng: np.random.Generator) -> Shape:
    """Open box: crate, storage bin or container, empty or full."""
    s = Shape()
    w, d, h = rng.uniform(0.3, 0.55), rng.uniform(0.25, 0.42), rng.uniform(0.15, 0.36)
    paint = wood(rng) if rng.random() < 0.3 else make_paint(rng, BRIGHTS)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, 0.015, paint)
    for sx in (-1, 1):
        s.block(sx * w / 2 - 0.012, sx * w / 2 + 0.012, -d / 2, d / 2, 0, h, paint)
        s.block(-w / 2, w / 2, sx * d / 2 - 0.012, sx * d / 2 + 0.012, 0, h, paint)
    if rng.random() < 0.5:
        s.next_part('contents')
        for _ in range(5):
            c = (*rng.uniform(-0.3, 0.3, 2) * (w, d), h * 0.7)
            s.box(
                c,
                rng.uniform(0.08, 0.2, 3),
                make_paint(rng, BRIGHTS),
                turn=rotation('z', rng.uniform(0, 3)),
            )
    return s


def storage_bin(rng: np.random.Generator) -> Shape:
    """Lidded plastic container."""
    s = Shape()
    w, d, h = rng.uniform(0.35, 0.6), rng.uniform(0.28, 0.42), rng.uniform(0.18, 0.38)
    s.box(
        (0, 0, h / 2),
        (w * 0.92, d * 0.92, h),
        make_paint(rng, ('white', 'blue', 'gray'), GLOSSY),
        round_power=20,
        taper=(1.06, 1.06),
    )
    s.next_part('lid')
    s.box(
        (0, 0, h), (w, d, 0.03), make_paint(rng, ('blue', 'white', 'gray', 'red')), round_power=14
    )
    s.support(h + 0.015, -w / 2, w / 2, -d / 2, d / 2)
    return s


def bucket(rng: np.random.Generator) -> Shape:
    s = Shape()
    r, h, paint = rng.uniform(0.12, 0.17), rng.uniform(0.22, 0.34), make_paint(rng, BRIGHTS)
    s.cone((0, 0, 0), (0, 0, h), r * 0.75, r, paint, caps=False, two_sided=True)
    s.disc((0, 0, 0.01), (r * 0.75, 0, 0), (0, r * 0.75, 0), paint)
    if rng.random() < 0.4:
        s.next_part('mop')
        s.cone((0.05, 0, 0.1), (0.3, 0.1, 1.2), 0.012, 0.012, wood(rng))
    return s


def ball(rng: np.random.Generator) -> Shape:
    s = Shape()
    r = rng.uniform(0.08, 0.13) if rng.random() < 0.7 else rng.uniform(0.27, 0.34)
    s.box((0, 0, r), (2 * r, 2 * r, 2 * r), make_paint(rng, BRIGHTS), round_power=2)
    return s


def vacuum(rng: np.random.Generator) -> Shape:
    s = Shape()
    paint = make_paint(rng, ('red', 'blue', 'gray', 'black', 'purple'))
    s.box((0, 0, 0.06), (0.3, 0.25, 0.11), paint, round_power=4)
    s.box((0, 0.08, 0.4), (0.16, 0.16, 0.6), paint, round_power=4, turn=rotation('x', -0.15))
    s.next_part('handle')
    s.cone((0, 0.12, 0.65), (0, 0.28, 1.1), 0.016, 0.016, make_paint(rng, ('black', 'gray')))
    return s


def guitar(rng: np.random.Generator) -> Shape:
    """On a stand or leaning: body of two rounds and a neck."""
    s = Shape()
    turn = rotation('x', -rng.uniform(0.1, 0.3))
    paint = wood(rng, ('brown', 'orange', 'black', 'red'))
    for z, w in ((0.22, 0.38), (0.5, 0.29)):
        s.box(turn @ np.array([0, 0, z]), (w, 0.1, w * 0.95), paint, turn=turn, round_power=3)
    s.next_part('neck')
    s.box(turn @ np.array([0, 0, 0.85]), (0.055, 0.03, 0.6), wood(rng), turn=turn)
    return s


def broom(rng: np.random.Generator) -> Shape:
    s = Shape('brush')
    s.box((0, 0, 0.06), (0.3, 0.05, 0.12), make_paint(rng, BRIGHTS))
    s.next_part('stick')
    s.cone((0, 0, 0.1), (0.05, 0.2, 1.3), 0.012, 0.012, wood(rng))
    return s


def plunger(rng: np.random.Generator) -> Shape:
    s = Shape('cup')
    s.cone((0, 0, 0), (0, 0, 0.09), 0.07, 0.03, make_paint(rng, ('red', 'black')))
    s.next_part('stick')
    s.cone((0, 0, 0.09), (0, 0, 0.5), 0.012, 0.012, wood(rng))
    return s


def scale(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.box(
        (0, 0, 0.025),
        (0.3, 0.28, 0.05),
        make_paint(rng, ('white', 'black', 'gray')),
        round_power=12,
    )
    return s


def purse(rng: np.random.Generator) -> Shape:
    s = Shape()
    paint = fabric(rng, ('brown', 'black', 'red', 'beige', 'pink'))
    s.box((0, 0, 0.12), (0.3, 0.12, 0.24), paint, round_power=5, taper=(0.75, 0.5))
    s.next_part('strap')
    a = np.linspace(0, np.pi, 6)
    for p, q in zip(a[:-1], a[1:], strict=True):
        s.cone(
            (0.09 * np.cos(p), 0, 0.22 + 0.12 * np.sin(p)),
            (0.09 * np.cos(q), 0, 0.22 + 0.12 * np.sin(q)),
            0.01,
            0.01,
            paint,
            caps=False,
        )
    return s


def hat(rng: np.random.Generator) -> Shape:
    s = Shape('brim')
    paint = fabric(rng)
    s.cone((0, 0, 0), (0, 0, 0.015), 0.15, 0.14, paint)
    s.next_part('crown')
    s.box((0, 0, 0.06), (0.18, 0.2, 0.13), paint, round_power=2.5)
    return s


def paper_bag(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.2, 0.34), rng.uniform(0.12, 0.2), rng.uniform(0.28, 0.42)
    s.box(
        (0, 0, h / 2),
        (w, d, h),
        make_paint(rng, ('brown', 'beige', 'white'), PRINT, 0.15),
        taper=(1.0, rng.uniform(0.3, 1)),
    )
    return s


def power_strip(rng: np.random.Generator) -> Shape:
    """With its cable, which wanders over the floor."""
    s = Shape()
    paint = make_paint(rng, ('white', 'white', 'black'))
    s.box((0, 0, 0.02), (0.36, 0.06, 0.04), paint)
    s.next_part('cable')
    p, a = np.array([0.18, 0.0, 0.01]), 0.0
    for _ in range(9):
        a += rng.normal(0, 0.7)
        q = p + 0.11 * np.array([np.cos(a), np.sin(a), 0])
        s.cone(p, q, 0.009, 0.009, paint, caps=False)
        p = q
    return s


def dumbbell(rng: np.random.Generator) -> Shape:
    s = Shape('weight')
    paint = make_paint(rng, ('black', 'gray', 'blue', 'pink'))
    for sx in (-1, 1):
        s.cone((sx * 0.08, 0, 0.06), (sx * 0.15, 0, 0.06), 0.06, 0.06, paint)
    s.next_part('grip')
    s.cone((-0.08, 0, 0.06), (0.08, 0, 0.06), 0.016, 0.016, metal(rng))
    return s


def person(rng: np.random.Generator) -> Shape:
    """Someone who stood still while the room was scanned."""
    s = Shape('leg')
    h = rng.uniform(1.55, 1.85)
    trousers, shirt = fabric(rng, ('blue', 'black', 'gray', 'brown')), fabric(rng)
    skin = make_paint(rng, ('beige', 'brown', 'beige'))
    for sx in (-1, 1):
        s.cone((sx * 0.1, 0, 0.03), (sx * 0.08, 0, h * 0.48), 0.06, 0.09, trousers)
    s.next_part('torso')
    s.box((0, 0, h * 0.65), (0.42, 0.24, h * 0.36), shirt, round_power=4, taper=(1.1, 0.9))
    s.next_part('arm')
    for sx in (-1, 1):
        hand = (sx * 0.28, -rng.uniform(0, 0.3), h * 0.5)
        s.cone((sx * 0.22, 0, h * 0.8), hand, 0.05, 0.035, shirt)
    s.next_part('head')
    s.box((0, 0, h * 0.92), (0.17, 0.2, 0.25), skin, round_power=2.4)
    return s


def machine(rng: np.random.Generator) -> Shape:
    """Some device with a panel and pipes, or a work bench tool."""
    s = Shape()
    w, d, h = rng.uniform(0.4, 0.8), rng.uniform(0.35, 0.6), rng.uniform(0.6, 1.4)
    s.block(
        -w / 2, w / 2, -d / 2, d / 2, 0.04, h, make_paint(rng, ('gray', 'blue', 'green', 'white'))
    )
    s.next_part('panel')
    s.block(-w * 0.3, w * 0.3, -d / 2 - 0.02, -d / 2, h * 0.6, h * 0.85, make_paint(rng, 'black'))
    s.next_part('pipe')
    s.cone((w * 0.3, d * 0.2, h), (w * 0.3, d * 0.2, h + 0.3), 0.05, 0.05, metal(rng))
    return s


def music_stand(rng: np.random.Generator) -> Shape:
    s = Shape('stand')
    frame, h = metal(rng, ('black', 'gray')), rng.uniform(1.0, 1.3)
    for a in (0.0, 2.1, 4.2):
        s.cone((0.25 * np.cos(a), 0.25 * np.sin(a), 0), (0, 0, 0.35), 0.01, 0.01, frame)
    s.cone((0, 0, 0.1), (0, 0, h), 0.012, 0.012, frame)
    s.next_part('desk')
    s.box((0, -0.03, h + 0.1), (0.5, 0.015, 0.32), frame, turn=rotation('x', -0.4))
    return s


def mat(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d = rng.uniform(0.5, 0.95), rng.uniform(0.4, 0.6)
    s.box((0, 0, 0.01), (w, d, 0.02), fabric(rng), round_power=30)
    return s
