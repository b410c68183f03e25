"""Kitchen and laundry machines, radiators. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_tables import handles
from .materials import (
    BLACK_GLASS,
    BRIGHTS,
    GLOSSY,
    PLAIN,
    fabric,
    make_paint,
    metal,
)
from .primitives import Shape


def refrigerator(rng: np.random.Generator) -> Shape:
    s = Shape('body')
    small = rng.random() < 0.2
    w, d = (
        (rng.uniform(0.46, 0.56), rng.uniform(0.45, 0.55))
        if small
        else (rng.uniform(0.55, 0.92), rng.uniform(0.58, 0.78))
    )
    h = rng.uniform(0.8, 0.95) if small else rng.uniform(1.45, 1.95)
    body = make_paint(
        rng, ('white', 'white', 'white', 'gray', 'gray', 'black', 'beige'), GLOSSY, 0.05
    )
    s.block(-w / 2, w / 2, -d / 2 + 0.06, d / 2, 0.03, h, body)
    pull = metal(rng)
    if w > 0.8 and rng.random() < 0.6:
        for sx in (-1, 1):
            s.next_part('door')
            x = sorted((0.004 * sx, sx * w / 2))
            s.block(x[0], x[1], -d / 2, -d / 2 + 0.055, 0.06, h, body)
            handles(s, sx * 0.05, -d / 2 - 0.015, h * 0.55, pull, vertical=True, length=0.6)
    else:
        split = h * (rng.uniform(0.25, 0.4) if rng.random() < 0.5 else rng.uniform(0.6, 0.75))
        for z0, z1 in ((0.06, split - 0.006), (split + 0.006, h)):
            s.next_part('door')
            s.block(-w / 2, w / 2, -d / 2, -d / 2 + 0.055, z0, z1, body)
            handles(s, w * 0.4, -d / 2 - 0.015, (z0 + z1) / 2, pull, vertical=True, length=0.25)
    for _ in range(int(rng.integers(0, 4))):
        x, z = rng.uniform(-0.35, 0.35) * w, h * rng.uniform(0.5, 0.9)
        s.box((x, -d / 2 - 0.003, z), (0.1, 0.004, 0.14), make_paint(rng, BRIGHTS))
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def washing_machine(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.58, 0.7), rng.uniform(0.55, 0.7), rng.uniform(0.84, 0.98)
    body = make_paint(rng, ('white', 'white', 'gray'), GLOSSY, 0.05)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h, body)
    s.next_part('door')
    if rng.random() < 0.6:
        s.cone(
            (0, -d / 2, h * 0.5),
            (0, -d / 2 - 0.03, h * 0.5),
            0.2,
            0.17,
            make_paint(rng, ('gray', 'black'), BLACK_GLASS),
        )
        s.block(
            -w / 2,
            w / 2,
            -d / 2 - 0.01,
            -d / 2,
            h - 0.12,
            h,
            make_paint(rng, ('white', 'gray', 'black')),
        )
    else:
        s.block(-w / 2, w / 2, d / 2 - 0.15, d / 2, h, h + 0.15, body)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def oven(rng: np.random.Generator) -> Shape:
    """Free-standing stove with hob and oven door."""
    s = Shape()
    w, d, h = rng.uniform(0.5, 0.76), rng.uniform(0.56, 0.65), rng.uniform(0.86, 0.93)
    body = make_paint(rng, ('white', 'black', 'gray'), GLOSSY, 0.05)
    dark = make_paint(rng, 'black', BLACK_GLASS)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h, body)
    s.next_part('door')
    s.block(-w * 0.42, w * 0.42, -d / 2 - 0.02, -d / 2, h * 0.25, h * 0.72, dark)
    s.cone(
        (-w * 0.4, -d / 2 - 0.05, h * 0.76),
        (w * 0.4, -d / 2 - 0.05, h * 0.76),
        0.012,
        0.012,
        metal(rng),
    )
    s.next_part('hob')
    for sx in (-1, 1):
        for sy in (-1, 1):
            s.cone(
                (sx * w * 0.22, sy * d * 0.22, h),
                (sx * w * 0.22, sy * d * 0.22, h + 0.012),
                0.09,
                0.09,
                dark,
            )
    if rng.random() < 0.6:
        s.block(-w / 2, w / 2, d / 2 - 0.06, d / 2, h, h + rng.uniform(0.08, 0.2), body)
    return s


def microwave(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.42, 0.55), rng.uniform(0.3, 0.42), rng.uniform(0.24, 0.32)
    s.block(
        -w / 2,
        w / 2,
        -d / 2,
        d / 2,
        0,
        h,
        make_paint(rng, ('black', 'white', 'gray'), GLOSSY, 0.05),
    )
    s.next_part('door')
    s.block(
        -w * 0.47,
        w * 0.25,
        -d / 2 - 0.01,
        -d / 2,
        0.03,
        h - 0.03,
        make_paint(rng, 'black', BLACK_GLASS),
    )
    return s


def radiator(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, h, d = rng.uniform(0.6, 1.6), rng.uniform(0.4, 0.75), rng.uniform(0.07, 0.14)
    body = make_paint(rng, ('white', 'white', 'white', 'gray', 'beige'), PLAIN)
    z = rng.uniform(0.06, 0.18)
    if rng.random() < 0.5:
        s.sheet((-w / 2, -d / 2, z), (w, 0, 0), (0, 0, h), body, wave=0.012, folds=w / 0.06)
        s.block(-w / 2, w / 2, -d / 2 + 0.02, d / 2, z, z + h, body)
    else:
        for i in range(int(w / 0.09)):
            x = -w / 2 + 0.045 + i * 0.09
            s.box((x, 0, z + h / 2), (0.06, d, h), body, round_power=4)
    return s


def laundry_basket(rng: np.random.Generator) -> Shape:
    s = Shape('basket')
    w, h = rng.uniform(0.35, 0.5), rng.uniform(0.4, 0.65)
    paint = fabric(rng, ('white', 'beige', 'brown', 'blue', 'gray', 'pink'))
    s.box((0, 0, h / 2), (w, w * rng.uniform(0.7, 1), h), paint, taper=(1.2, 1.2), round_power=6)
    s.next_part('clothes')
    for _ in range(3):
        s.box(
            (rng.normal(0, 0.07), rng.normal(0, 0.06), h),
            (0.3, 0.25, 0.16),
            fabric(rng),
            round_power=2.5,
        )
    return s
