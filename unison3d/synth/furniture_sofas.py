"""Upholstered seats. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_seating import straight_legs, throw_over
from .materials import FABRICS, WOODS, Paint, fabric, metal, wood
from .primitives import Shape, rotation


def armchair(rng: np.random.Generator) -> Shape:
    """Upholstered chair with low arms, or a tub chair."""
    s = Shape('leg')
    w, d = rng.uniform(0.65, 0.95), rng.uniform(0.65, 0.9)
    z, top = rng.uniform(0.36, 0.46), rng.uniform(0.7, 1.05)
    main = fabric(rng)
    _upholstery(s, rng, w, d, z, top, main, cushions=1)
    return s


def _upholstery(
    s: Shape,
    rng: np.random.Generator,
    w: float,
    d: float,
    z: float,
    top: float,
    main: Paint,
    cushions: int,
    arms: tuple[bool, bool] = (True, True),
) -> None:
    """Body shared by sofas and armchairs."""
    k = float(rng.choice([0, 6, 9, 14]))
    foot = rng.uniform(0.02, 0.16)
    aw = rng.uniform(0.09, 0.25)
    arm_top = min(top - 0.05, z + rng.uniform(0.1, 0.26))
    back = rng.uniform(0.14, 0.28)
    seat_t = rng.uniform(0.1, 0.18)
    legs = wood(rng, ('brown', 'black', 'beige')) if rng.random() < 0.6 else metal(rng)
    if foot > 0.05:
        straight_legs(s, rng, w, d, foot, legs, thick=0.05)
    s.next_part('base')
    s.block(-w / 2, w / 2, -d / 2 + 0.02, d / 2, foot, z - seat_t + 0.02, main)
    s.next_part('back')
    turn = rotation('x', -rng.uniform(0, 0.2))
    s.box(
        (0, d / 2 - back / 2, (foot + top) / 2),
        (w, back, top - foot),
        main,
        round_power=k,
        turn=turn,
    )
    for sx, there in zip((-1, 1), arms, strict=True):
        if there:
            s.next_part('armrest')
            x = sx * (w / 2 - aw / 2)
            s.box((x, 0, (foot + arm_top) / 2), (aw, d, arm_top - foot), main, round_power=k)
            if rng.random() < 0.3:
                s.cone((x, -d / 2, arm_top), (x, d / 2, arm_top), aw * 0.55, aw * 0.55, main)
    left = -w / 2 + (aw if arms[0] else 0)
    right = w / 2 - (aw if arms[1] else 0)
    cw = (right - left) / cushions
    loose = rng.random() < 0.7
    for i in range(cushions):
        s.next_part('cushion')
        x = left + cw * (i + 0.5)
        s.box(
            (x, -back / 2, z - seat_t / 2),
            (cw * 0.99, d - back, seat_t),
            main,
            round_power=rng.uniform(5, 12),
        )
        if loose:
            s.box(
                (x, d / 2 - back - 0.06, z + (top - z) * 0.45),
                (cw * 0.96, 0.16, (top - z) * 0.95),
                main,
                round_power=rng.uniform(3, 7),
                turn=rotation('x', -rng.uniform(0.1, 0.3)),
            )
    s.support(z, left + 0.1, right - 0.1, -d / 2 + 0.1, d / 2 - back - 0.15)


def sofa(rng: np.random.Generator) -> Shape:
    """Straight or L-shaped sofa, with or without loose cushions, pillows and throws."""
    s = Shape('leg')
    seats = int(rng.choice([2, 2, 3, 3, 4]))
    w = 0.35 + seats * rng.uniform(0.5, 0.72)
    d, z, top = rng.uniform(0.78, 1.02), rng.uniform(0.36, 0.48), rng.uniform(0.66, 1.0)
    main = fabric(rng, (*FABRICS, 'brown', 'black', 'beige', 'gray'))
    arms = (True, True) if rng.random() < 0.8 else (rng.random() < 0.5, rng.random() < 0.5)
    _upholstery(s, rng, w, d, z, top, main, max(1, seats if rng.random() < 0.8 else 1), arms)
    if rng.random() < 0.18 and seats >= 3:
        sx = 1 if rng.random() < 0.5 else -1
        cw = rng.uniform(0.7, 0.95)
        depth = rng.uniform(0.5, 0.9)
        s.next_part('chaise')
        s.box(
            (sx * (w - cw) / 2, -d / 2 - depth / 2 + 0.05, z / 2 + 0.02),
            (cw, depth, z - 0.04),
            main,
            round_power=12,
        )
    for _ in range(int(rng.integers(0, 4))):
        s.next_part('pillow')
        p = rng.uniform(0.32, 0.5)
        s.box(
            (rng.uniform(-0.4, 0.4) * w, d * 0.12, z + p * 0.42),
            (p, 0.14, p),
            fabric(rng),
            round_power=rng.uniform(2.5, 4),
            turn=rotation('z', rng.normal(0, 0.2)) @ rotation('x', -0.35),
        )
    if rng.random() < 0.2:
        throw_over(s, rng, w * 0.4, d / 2 - 0.05, top, 0.5)
    return s


def ottoman(rng: np.random.Generator) -> Shape:
    s = Shape()
    main = fabric(rng)
    w, d, z = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.65), rng.uniform(0.32, 0.46)
    if rng.random() < 0.35:
        s.cone((0, 0, 0), (0, 0, z), w / 2, w / 2, main)
    else:
        s.box((0, 0, z / 2 + 0.03), (w, d, z - 0.06), main, round_power=rng.uniform(6, 14))
        straight_legs(s, rng, w, d, 0.08, wood(rng, WOODS), thick=0.04)
    return s


def beanbag(rng: np.random.Generator) -> Shape:
    s = Shape()
    main = fabric(rng)
    w, z = rng.uniform(0.75, 1.0), rng.uniform(0.5, 0.8)
    s.box((0, -0.05, z * 0.3), (w, w, z * 0.62), main, round_power=2.4)
    s.box((0, w * 0.18, z * 0.55), (w * 0.8, w * 0.5, z * 0.8), main, round_power=2.2)
    return s
