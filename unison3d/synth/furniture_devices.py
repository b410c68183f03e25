"""Electronics and single pieces such as a piano or a bicycle. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_seating import star_base, straight_legs
from .materials import (
    BLACK_GLASS,
    BRIGHTS,
    CHECKER,
    GLASS,
    GLOSSY,
    STRIPES,
    fabric,
    make_paint,
    metal,
    wood,
)
from .primitives import Shape, rotation


def monitor(rng: np.random.Generator) -> Shape:
    s = Shape('stand')
    w, h = rng.uniform(0.4, 0.62), rng.uniform(0.26, 0.36)
    body = make_paint(rng, ('black', 'black', 'gray'))
    z = rng.uniform(0.08, 0.16)
    s.box((0, 0.02, 0.01), (0.24, 0.18, 0.02), body)
    s.box((0, 0.06, z), (0.05, 0.03, 2 * z), body)
    s.next_part('screen')
    tilt = rotation('x', -rng.uniform(0, 0.15))
    s.box((0, 0.02, z + h / 2), (w, rng.uniform(0.025, 0.07), h), body, turn=tilt)
    s.box(
        (0, -0.012, z + h / 2),
        (w - 0.03, 0.01, h - 0.03),
        make_paint(rng, ('black', 'black', 'blue', 'gray'), BLACK_GLASS),
        turn=tilt,
    )
    return s


def tv(rng: np.random.Generator) -> Shape:
    """Flat television on a foot, or an old deep one."""
    s = Shape('stand')
    body = make_paint(rng, ('black', 'black', 'gray'))
    screen = make_paint(rng, 'black', BLACK_GLASS)
    if rng.random() < 0.2:
        w, h, d = rng.uniform(0.45, 0.75), rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.55)
        s.box((0, 0, h / 2), (w, d, h), body, round_power=12)
        s.box((0, -d / 2, h * 0.55), (w * 0.85, 0.02, h * 0.75), screen, round_power=8)
        return s
    w = rng.uniform(0.75, 1.35)
    h = w * 0.57
    s.box((0, 0, 0.012), (w * 0.4, 0.22, 0.024), body)
    s.box((0, 0.03, 0.06), (0.12, 0.04, 0.1), body)
    s.next_part('screen')
    s.box((0, 0, 0.07 + h / 2), (w, 0.05, h), body)
    s.box((0, -0.027, 0.07 + h / 2), (w - 0.05, 0.01, h - 0.05), screen)
    return s


def laptop(rng: np.random.Generator) -> Shape:
    s = Shape('keyboard')
    w, d = rng.uniform(0.3, 0.38), rng.uniform(0.21, 0.26)
    body = make_paint(rng, ('gray', 'black', 'white'))
    s.box((0, 0, 0.01), (w, d, 0.02), body)
    s.next_part('screen')
    turn = rotation('x', -rng.uniform(0.1, 0.5))
    s.box(
        np.array([0, d / 2, 0.01]) + turn @ np.array([0, 0, d / 2]), (w, 0.012, d), body, turn=turn
    )
    return s


def keyboard(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.box(
        (0, 0, 0.012),
        (rng.uniform(0.36, 0.46), rng.uniform(0.13, 0.17), 0.024),
        make_paint(rng, ('black', 'white', 'gray'), CHECKER, 0.1),
    )
    return s


def printer(rng: np.random.Generator) -> Shape:
    s = Shape('body')
    w, d, h = rng.uniform(0.38, 0.55), rng.uniform(0.35, 0.5), rng.uniform(0.2, 0.45)
    body = make_paint(rng, ('white', 'gray', 'black', 'beige'))
    s.box((0, 0, h / 2), (w, d, h), body, round_power=14)
    s.next_part('tray')
    s.box(
        (0, -d * 0.55, h * 0.3),
        (w * 0.7, d * 0.3, 0.02),
        make_paint(rng, ('gray', 'black', 'white')),
    )
    return s


def computer_tower(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.17, 0.22), rng.uniform(0.4, 0.5), rng.uniform(0.36, 0.48)
    s.block(
        -w / 2, w / 2, -d / 2, d / 2, 0, h, make_paint(rng, ('black', 'black', 'gray', 'white'))
    )
    return s


def fan(rng: np.random.Generator) -> Shape:
    s = Shape()
    h, r = rng.uniform(0.5, 1.2), rng.uniform(0.16, 0.24)
    body = make_paint(rng, ('white', 'black', 'gray'))
    s.cone((0, 0, 0), (0, 0, 0.03), r * 0.8, r * 0.7, body)
    s.cone((0, 0, 0.03), (0, 0, h), 0.02, 0.02, body)
    s.cone(
        (0, 0.06, h + r * 0.5),
        (0, -0.08, h + r * 0.5),
        r,
        r,
        make_paint(rng, ('white', 'black', 'gray'), STRIPES),
    )
    return s


def bicycle(rng: np.random.Generator) -> Shape:
    s = Shape()
    frame = make_paint(rng, BRIGHTS)
    dark = make_paint(rng, 'black')
    r = rng.uniform(0.3, 0.34)
    for x in (-0.5, 0.5):
        for k in range(12):
            a, b = 2 * np.pi * k / 12, 2 * np.pi * (k + 1) / 12
            s.cone(
                (x + r * np.cos(a), 0, r + r * np.sin(a)),
                (x + r * np.cos(b), 0, r + r * np.sin(b)),
                0.02,
                0.02,
                dark,
                caps=False,
            )
    for p, q in (
        ((-0.5, 0, r), (-0.15, 0, 0.75)),
        ((-0.5, 0, r), (-0.05, 0, 0.3)),
        ((-0.15, 0, 0.8), (-0.05, 0, 0.3)),
        ((-0.15, 0, 0.72), (0.38, 0, 0.78)),
        ((-0.05, 0, 0.3), (0.38, 0, 0.72)),
        ((0.5, 0, r), (0.36, 0, 0.95)),
    ):
        s.cone(p, q, 0.018, 0.018, frame, caps=False)
    s.box((-0.16, 0, 0.85), (0.25, 0.14, 0.06), dark, round_power=3)
    s.cone((0.35, -0.25, 0.98), (0.35, 0.25, 0.98), 0.015, 0.015, dark)
    return s


def piano(rng: np.random.Generator) -> Shape:
    s = Shape()
    body = make_paint(rng, ('black', 'black', 'brown'), GLOSSY, 0.05)
    w, h = rng.uniform(1.35, 1.5), rng.uniform(1.0, 1.25)
    s.block(-w / 2, w / 2, 0.0, 0.32, 0, h, body)
    s.block(-w / 2, w / 2, -0.3, 0.0, 0.58, 0.68, body)
    s.block(-w * 0.45, w * 0.45, -0.28, -0.12, 0.68, 0.7, make_paint(rng, 'white', STRIPES, 0.3))
    for sx in (-1, 1):
        s.box((sx * w * 0.46, -0.26, 0.3), (0.07, 0.07, 0.6), body)
    s.support(h, -w / 2, w / 2, 0.02, 0.3)
    return s


def ladder(rng: np.random.Generator) -> Shape:
    s = Shape('frame')
    h, w = rng.uniform(1.0, 1.9), rng.uniform(0.38, 0.48)
    frame = metal(rng, ('gray', 'orange', 'yellow'))
    for sx in (-1, 1):
        s.cone((sx * w / 2, -0.35, 0), (sx * w * 0.35, 0, h), 0.02, 0.02, frame)
        s.cone((sx * w / 2, 0.35, 0), (sx * w * 0.35, 0, h), 0.015, 0.015, frame)
    for z in np.arange(0.25, h, 0.26):
        s.box((0, -0.35 * (1 - z / h), z), (w * (1 - 0.3 * z / h), 0.08, 0.025), frame)
    return s


def ironing_board(rng: np.random.Generator) -> Shape:
    s = Shape()
    z = rng.uniform(0.78, 0.92)
    s.box((0, 0, z), (1.25, 0.36, 0.04), fabric(rng), round_power=5)
    frame = metal(rng)
    s.cone((-0.4, 0, 0), (0.3, 0, z), 0.015, 0.015, frame)
    s.cone((0.4, 0, 0), (-0.3, 0, z), 0.015, 0.015, frame)
    s.box((0.4, 0, 0.015), (0.03, 0.4, 0.03), frame)
    s.box((-0.4, 0, 0.015), (0.03, 0.4, 0.03), frame)
    return s


def podium(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.5, 0.75), rng.uniform(0.4, 0.55), rng.uniform(1.0, 1.2)
    body = wood(rng)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h - 0.1, body)
    s.box((0, 0, h - 0.05), (w * 1.1, d * 1.1, 0.04), body, turn=rotation('x', -0.2))
    return s


def water_cooler(rng: np.random.Generator) -> Shape:
    s = Shape('body')
    body = make_paint(rng, ('white', 'white', 'gray', 'black'))
    s.block(-0.16, 0.16, -0.16, 0.16, 0, 0.95, body)
    s.next_part('bottle')
    s.cone((0, 0, 0.95), (0, 0, 1.32), 0.13, 0.13, make_paint(rng, 'blue', GLASS))
    return s


def side_cart(rng: np.random.Generator) -> Shape:
    """Trolley with two or three trays."""
    s = Shape('frame')
    w, d, h = rng.uniform(0.4, 0.8), rng.uniform(0.35, 0.5), rng.uniform(0.6, 0.9)
    frame = metal(rng)
    straight_legs(s, rng, w, d, h, frame, thick=0.025, inset=0.0)
    for z in (0.15, h * 0.55, h - 0.02):
        s.next_part('shelf')
        s.block(-w / 2, w / 2, -d / 2, d / 2, z, z + 0.02, frame)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def coat_rack(rng: np.random.Generator) -> Shape:
    s = Shape('stand')
    h = rng.uniform(1.55, 1.85)
    frame = wood(rng) if rng.random() < 0.6 else metal(rng)
    star_base(s, rng, 0.25, 0.4, frame, arms=4)
    s.cone((0, 0, 0.1), (0, 0, h), 0.022, 0.018, frame)
    for k in range(4):
        a = k * np.pi / 2
        s.cone(
            (0, 0, h - 0.15), (0.15 * np.cos(a), 0.15 * np.sin(a), h - 0.03), 0.012, 0.012, frame
        )
    for _ in range(int(rng.integers(0, 3))):
        s.next_part('clothes')
        a = rng.uniform(0, 6)
        s.box(
            (0.15 * np.cos(a), 0.15 * np.sin(a), h - 0.5),
            (0.32, 0.18, 0.8),
            fabric(rng),
            round_power=3.5,
            taper=(0.5, 0.7),
            turn=rotation('z', a),
        )
    return s
