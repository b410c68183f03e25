"""Things that hang on walls: back at +y, lower edge at z = 0, metres."""

from __future__ import annotations

import numpy as np

from .materials import (
    BLACK_GLASS,
    BLOTCHES,
    BRIGHTS,
    GLOSSY,
    STRIPES,
    fabric,
    make_paint,
    metal,
    wood,
)
from .primitives import Shape


def towel(rng: np.random.Generator) -> Shape:
    """Towel on a rail; the lower edge is at z = 0."""
    s = Shape('rail')
    w, h = rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.8)
    paint = fabric(rng, ('white', 'white', 'beige', 'blue', 'red', 'green', 'pink', 'gray'))
    s.cone((-w / 2 - 0.05, 0, h), (w / 2 + 0.05, 0, h), 0.012, 0.012, metal(rng))
    s.next_part('cloth')
    s.sheet((w / 2, -0.03, h), (-w, 0, 0), (0, 0, -h), paint, wave=0.012, folds=rng.uniform(0.5, 3))
    s.sheet(
        (w / 2, 0.02, h), (-w, 0, 0), (0, 0, -h * rng.uniform(0.5, 1)), paint, wave=0.01, folds=2
    )
    s.box((0, 0, h), (w, 0.06, 0.03), paint, round_power=4)
    return s


def jacket(rng: np.random.Generator) -> Shape:
    """Garment on a hook; the lower edge is at z = 0."""
    s = Shape()
    w, h = rng.uniform(0.3, 0.5), rng.uniform(0.6, 1.0)
    s.box(
        (0, 0, h / 2),
        (w, rng.uniform(0.08, 0.2), h),
        fabric(rng),
        round_power=rng.uniform(3, 6),
        taper=(0.6, 0.8),
    )
    return s


def whiteboard(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, h = rng.uniform(0.9, 2.6), rng.uniform(0.8, 1.25)
    s.block(-w / 2, w / 2, -0.015, 0.015, 0, h, make_paint(rng, 'white', GLOSSY, 0.05))
    frame = metal(rng, ('gray', 'gray', 'brown'))
    s.block(-w / 2, w / 2, -0.06, 0.01, -0.01, 0.015, frame)
    s.block(-w / 2, w / 2, -0.025, 0.01, h - 0.015, h + 0.01, frame)
    for _ in range(int(rng.integers(0, 4))):
        x, z = rng.uniform(-0.4, 0.4) * w, rng.uniform(0.3, 0.8) * h
        s.box(
            (x, -0.017, z),
            (rng.uniform(0.1, 0.5), 0.003, rng.uniform(0.05, 0.3)),
            make_paint(rng, ('white', 'white', 'blue', 'red'), STRIPES, 0.4),
        )
    return s


def bulletin_board(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, h = rng.uniform(0.6, 1.6), rng.uniform(0.5, 1.0)
    s.block(
        -w / 2, w / 2, -0.015, 0.015, 0, h, make_paint(rng, ('beige', 'brown', 'orange', 'blue'))
    )
    for _ in range(int(rng.integers(2, 9))):
        x, z = rng.uniform(-0.42, 0.42) * w, rng.uniform(0.15, 0.85) * h
        s.box(
            (x, -0.018, z),
            (rng.uniform(0.08, 0.22), 0.004, rng.uniform(0.1, 0.3)),
            make_paint(rng, ('white', *BRIGHTS)),
        )
    return s


def clock(rng: np.random.Generator) -> Shape:
    s = Shape()
    r = rng.uniform(0.12, 0.2)
    s.cone((0, 0.02, r), (0, -0.02, r), r, r, make_paint(rng, ('black', 'gray', 'brown')))
    s.cone(
        (0, -0.02, r),
        (0, -0.025, r),
        r * 0.9,
        r * 0.88,
        make_paint(rng, ('white', 'white', 'black')),
    )
    return s


def picture(rng: np.random.Generator) -> Shape:
    """Framed picture."""
    s = Shape('frame')
    w, h = rng.uniform(0.25, 1.2), rng.uniform(0.25, 0.9)
    t = rng.uniform(0.015, 0.05)
    frame = wood(rng) if rng.random() < 0.6 else metal(rng)
    b = rng.uniform(0.015, 0.06)
    s.block(-w / 2, w / 2, -t, 0.01, 0, b, frame)
    s.block(-w / 2, w / 2, -t, 0.01, h - b, h, frame)
    for sx in (-1, 1):
        s.box((sx * (w / 2 - b / 2), -t / 2, h / 2), (b, t, h), frame)
    s.next_part('image')
    s.block(-w / 2, w / 2, -t * 0.6, 0.01, 0, h, make_paint(rng, BRIGHTS, BLOTCHES, 0.6))
    if rng.random() < 0.5:
        s.block(
            -w * 0.28,
            w * 0.28,
            -t * 0.7,
            0,
            h * 0.25,
            h * 0.75,
            make_paint(rng, BRIGHTS, BLOTCHES, 0.6),
        )
    return s


def poster(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, h = rng.uniform(0.3, 0.9), rng.uniform(0.4, 1.1)
    s.block(-w / 2, w / 2, -0.004, 0.01, 0, h, make_paint(rng, BRIGHTS, BLOTCHES, 0.6))
    for _ in range(int(rng.integers(1, 5))):
        x, z = rng.uniform(-0.3, 0.3) * w, rng.uniform(0.2, 0.8) * h
        s.box(
            (x, -0.005, z),
            (w * rng.uniform(0.2, 0.5), 0.003, h * rng.uniform(0.1, 0.3)),
            make_paint(rng, BRIGHTS),
        )
    return s


def mirror(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, h = rng.uniform(0.4, 1.1), rng.uniform(0.5, 1.5)
    # Depth cameras see holes in mirrors, and here and there the plane of the glass.
    glass = make_paint(rng, ('gray', 'white', 'beige'), BLACK_GLASS, 0.1)
    s.block(-w / 2, w / 2, -0.02, 0.01, 0, h, glass)
    frame = wood(rng) if rng.random() < 0.5 else metal(rng)
    for sx in (-1, 1):
        s.box((sx * w / 2, -0.01, h / 2), (0.04, 0.04, h), frame)
    for z in (0, h):
        s.box((0, -0.01, z), (w, 0.04, 0.04), frame)
    return s


def toilet_paper(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.cone((-0.055, -0.07, 0.06), (0.055, -0.07, 0.06), 0.06, 0.06, make_paint(rng, 'white'))
    return s
