"""Cabinets, shelves, wardrobes and kitchen machines. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_seating import straight_legs
from .furniture_tables import drawer_block, handles
from .materials import (
    GLOSSY,
    Paint,
    make_paint,
    metal,
    wood,
)
from .primitives import Shape, rotation


def body_paint(rng: np.random.Generator) -> Paint:
    return (
        wood(rng)
        if rng.random() < 0.6
        else make_paint(rng, ('white', 'white', 'gray', 'beige', 'black', 'blue'))
    )


def door_fronts(
    s: Shape,
    rng: np.random.Generator,
    w: float,
    d: float,
    z0: float,
    z1: float,
    front: Paint,
    count: int,
) -> None:
    """Door fronts with gaps and handles; now and then one is open."""
    pull = metal(rng)
    dw = w / count
    for i in range(count):
        s.next_part('door')
        x0 = -w / 2 + i * dw
        if rng.random() < 0.05:
            a = rng.uniform(0.6, 1.6)
            c = np.array([x0, -d / 2, (z0 + z1) / 2]) + rotation('z', -a) @ np.array([dw / 2, 0, 0])
            s.box(c, (dw, 0.02, z1 - z0), front, turn=rotation('z', -a))
            continue
        s.block(
            x0 + 0.006,
            x0 + dw - 0.006,
            -d / 2 - 0.018,
            -d / 2 + 0.01,
            z0 + 0.006,
            z1 - 0.006,
            front,
        )
        side = x0 + (dw - 0.05 if i % 2 == 0 else 0.05)
        handles(s, side, -d / 2 - 0.02, (z0 + z1) / 2, pull, vertical=True)


def cabinet(rng: np.random.Generator) -> Shape:
    """Low sideboard, high cupboard or mixed drawer cabinet."""
    s = Shape()
    tall = rng.random() < 0.35
    w, d = rng.uniform(0.5, 1.6), rng.uniform(0.34, 0.62)
    h = rng.uniform(1.4, 2.1) if tall else rng.uniform(0.6, 1.15)
    if tall:
        w = min(w, 1.2)
    body = body_paint(rng)
    front = body if rng.random() < 0.7 else body_paint(rng)
    foot = rng.choice([0.0, 0.06, 0.12])
    if foot > 0.1:
        straight_legs(s, rng, w, d, foot, metal(rng))
    s.block(-w / 2, w / 2, -d / 2, d / 2, foot, h, body)
    style = rng.integers(3)
    count = max(1, round(w / rng.uniform(0.35, 0.6)))
    if style == 0:
        door_fronts(s, rng, w, d, foot + 0.03, h - 0.03, front, count)
    elif style == 1:
        mid = foot + (h - foot) * rng.uniform(0.5, 0.8)
        door_fronts(s, rng, w, d, foot + 0.03, mid, front, count)
        s.next_part('drawer')
        for i in range(count):
            x0, dw = -w / 2 + i * w / count, w / count
            s.block(x0 + 0.01, x0 + dw - 0.01, -d / 2 - 0.018, -d / 2, mid + 0.01, h - 0.03, front)
            handles(s, x0 + dw / 2, -d / 2 - 0.02, (mid + h) / 2, metal(rng))
    else:
        for i in range(count):
            x0, dw = -w / 2 + i * w / count, w / count
            drawer_block(
                s,
                rng,
                x0,
                x0 + dw,
                -d / 2,
                d / 2,
                foot,
                h - 0.03,
                body,
                front,
                max(2, round(h / 0.28)),
            )
    if rng.random() < 0.4:
        s.next_part('top')
        s.block(-w / 2 - 0.02, w / 2 + 0.02, -d / 2 - 0.02, d / 2, h, h + 0.025, front)
        h += 0.025
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def file_cabinet(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d = rng.uniform(0.38, 0.5), rng.uniform(0.45, 0.65)
    rows = int(rng.integers(2, 5))
    h = rows * rng.uniform(0.27, 0.34)
    body = make_paint(
        rng, ('gray', 'gray', 'black', 'beige', 'white', 'green', 'blue'), GLOSSY, 0.05
    )
    drawer_block(s, rng, -w / 2, w / 2, -d / 2, d / 2, 0, h, body, body, rows)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def base_cabinet(
    rng: np.random.Generator, width: float | None = None, height: float = 0.86
) -> Shape:
    """Kitchen base unit; the worktop is another object."""
    s = Shape()
    w, d = width or rng.uniform(0.8, 2.4), rng.uniform(0.54, 0.6)
    body = body_paint(rng)
    s.block(
        -w / 2, w / 2, -d / 2 + 0.06, d / 2, 0, 0.1, make_paint(rng, ('black', 'gray', 'brown'))
    )
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0.1, height, body)
    if rng.random() < 0.3:
        drawer_block(s, rng, -w / 2, -w / 2 + 0.5, -d / 2, d / 2, 0.1, height, body, body, 4)
    door_fronts(s, rng, w, d, 0.12, height - 0.02, body, max(1, round(w / 0.5)))
    return s


def wall_cabinet(rng: np.random.Generator) -> Shape:
    """Upper kitchen unit; hangs with its lower edge at z = 0 of its frame."""
    s = Shape()
    w, d, h = rng.uniform(0.6, 2.0), rng.uniform(0.28, 0.38), rng.uniform(0.5, 0.9)
    body = body_paint(rng)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h, body)
    door_fronts(s, rng, w, d, 0.01, h - 0.01, body, max(1, round(w / 0.45)))
    return s


def dresser(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.8, 1.6), rng.uniform(0.42, 0.55), rng.uniform(0.7, 1.2)
    body = wood(rng)
    cols = 1 if w < 1 else 2
    for i in range(cols):
        x0 = -w / 2 + i * w / cols
        drawer_block(
            s,
            rng,
            x0,
            x0 + w / cols,
            -d / 2,
            d / 2,
            0.05,
            h - 0.02,
            body,
            body,
            int(rng.integers(3, 6)),
        )
    s.block(-w / 2 - 0.015, w / 2 + 0.015, -d / 2 - 0.015, d / 2, h - 0.02, h, body)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def nightstand(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.36, 0.6), rng.uniform(0.34, 0.48), rng.uniform(0.45, 0.68)
    body = body_paint(rng)
    foot = rng.uniform(0.02, 0.2)
    straight_legs(s, rng, w, d, foot, body, thick=0.04)
    if rng.random() < 0.7:
        drawer_block(
            s, rng, -w / 2, w / 2, -d / 2, d / 2, foot, h, body, body, int(rng.integers(1, 4))
        )
    else:
        for x in (-w / 2 + 0.01, w / 2 - 0.01):
            s.block(x - 0.01, x + 0.01, -d / 2, d / 2, foot, h, body)
        s.block(-w / 2, w / 2, -d / 2, d / 2, foot, foot + 0.02, body)
        drawer_block(s, rng, -w / 2, w / 2, -d / 2, d / 2, h - 0.18, h, body, body, 1)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def wardrobe(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.9, 2.2), rng.uniform(0.52, 0.68), rng.uniform(1.85, 2.35)
    body = body_paint(rng)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h, body)
    door_fronts(
        s,
        rng,
        w,
        d,
        0.06,
        h - 0.04,
        body if rng.random() < 0.7 else body_paint(rng),
        max(2, round(w / 0.55)),
    )
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s
