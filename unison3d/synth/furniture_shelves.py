"""Shelves and what is on them. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_storage import body_paint, door_fronts
from .materials import (
    BLACK_GLASS,
    BRIGHTS,
    GLASS,
    make_paint,
    metal,
    wood,
)
from .primitives import Shape, rotation


def fill_shelf(
    s: Shape,
    rng: np.random.Generator,
    x0: float,
    x1: float,
    y0: float,
    y1: float,
    z: float,
    h: float,
) -> None:
    """Books, boxes and gaps on one shelf board."""
    x = x0 + rng.uniform(0, 0.1)
    while x < x1 - 0.03:
        kind = rng.random()
        if kind < 0.12:
            x += rng.uniform(0.05, 0.3)
            continue
        if kind < 0.85:
            # A run of books drawn as one to four blocks: at scan resolution single spines melt
            # together.
            for _ in range(int(rng.integers(1, 5))):
                t = rng.uniform(0.02, 0.12)
                if x + t > x1:
                    break
                hh, dd = h * rng.uniform(0.55, 0.92), (y1 - y0) * rng.uniform(0.6, 0.95)
                lean = rotation('y', rng.uniform(0.1, 0.35)) if rng.random() < 0.07 else None
                s.box(
                    (x + t / 2, y1 - dd / 2, z + hh / 2),
                    (t, dd, hh),
                    make_paint(rng, BRIGHTS),
                    turn=lean,
                )
                x += t
            continue
        t = rng.uniform(0.1, 0.35)
        if x + t > x1:
            break
        hh = h * rng.uniform(0.3, 0.85)
        s.box(
            (x + t / 2, (y0 + y1) / 2, z + hh / 2),
            (t, (y1 - y0) * 0.8, hh),
            make_paint(rng, ('beige', 'brown', 'white', 'gray', 'black', 'green')),
            round_power=float(rng.choice([0, 3])),
        )
        x += t + 0.03


def _shelf_unit(rng: np.random.Generator, filled: float) -> Shape:
    s = Shape('frame')
    w, d = rng.uniform(0.5, 1.6), rng.uniform(0.24, 0.42)
    h = rng.uniform(0.8, 2.3)
    body = body_paint(rng)
    t = rng.uniform(0.015, 0.035)
    rows = max(2, round(h / rng.uniform(0.27, 0.42)))
    back = rng.random() < 0.75
    style = rng.integers(3)
    if style == 2:
        frame = metal(rng)
        for sx in (-1, 1):
            for sy in (-1, 1):
                s.box((sx * (w / 2 - 0.015), sy * (d / 2 - 0.015), h / 2), (0.03, 0.03, h), frame)
    else:
        for sx in (-1, 1):
            s.box((sx * (w / 2 - t / 2), 0, h / 2), (t, d, h), body)
        if style == 1 and w > 0.9:
            s.box((rng.uniform(-0.1, 0.1) * w, 0, h / 2), (t, d, h), body)
    if back and style != 2:
        s.block(-w / 2, w / 2, d / 2 - 0.012, d / 2, 0, h, body)
    step = (h - t) / rows
    doors = rng.random() < 0.15
    for i in range(rows + 1):
        z = i * step + (0.04 if i == 0 else 0)
        s.next_part('shelf')
        s.block(-w / 2, w / 2, -d / 2, d / 2, z, z + t, body)
        if doors and i == 0:
            s.block(-w / 2, w / 2, -d / 2 - 0.01, -d / 2 + 0.01, z, z + step, body)
        elif i < rows and rng.random() < filled:
            fill_shelf(s, rng, -w / 2 + t, w / 2 - t, -d / 2 + 0.02, d / 2 - 0.02, z + t, step - t)
    s.support(h + 0.01, -w / 2, w / 2, -d / 2, d / 2)
    return s


def bookshelf(rng: np.random.Generator) -> Shape:
    """Bookcase, mostly filled."""
    return _shelf_unit(rng, rng.uniform(0.65, 1.0))


def storage_shelf(rng: np.random.Generator) -> Shape:
    """Open rack with boxes and little else."""
    s = Shape('frame')
    w, d, h = rng.uniform(0.7, 1.6), rng.uniform(0.35, 0.6), rng.uniform(1.2, 2.1)
    frame = metal(rng)
    board = wood(rng) if rng.random() < 0.4 else frame
    for sx in (-1, 1):
        for sy in (-1, 1):
            s.box((sx * (w / 2 - 0.02), sy * (d / 2 - 0.02), h / 2), (0.035, 0.035, h), frame)
    rows = int(rng.integers(3, 6))
    for i in range(rows):
        z = 0.08 + i * (h - 0.12) / (rows - 1)
        s.next_part('shelf')
        s.block(-w / 2, w / 2, -d / 2, d / 2, z, z + 0.03, board)
        if i == rows - 1:
            break
        x = -w / 2 + 0.05
        while x < w / 2 - 0.2 and rng.random() < 0.85:
            t = rng.uniform(0.18, 0.5)
            if x + t > w / 2:
                break
            hh = rng.uniform(0.12, 0.32) * min(1, h / rows / 0.36)
            s.box(
                (x + t / 2, 0, z + 0.03 + hh / 2),
                (t, d * rng.uniform(0.5, 0.9), hh),
                make_paint(rng, ('beige', 'brown', 'white', 'gray', 'black', 'blue')),
            )
            x += t + rng.uniform(0.01, 0.15)
    return s


def wall_shelf(rng: np.random.Generator) -> Shape:
    """One or two boards on a wall with things on them."""
    s = Shape()
    w, d = rng.uniform(0.5, 1.4), rng.uniform(0.15, 0.28)
    body = body_paint(rng)
    for i in range(int(rng.integers(1, 3))):
        z = i * 0.36
        s.block(-w / 2, w / 2, -d / 2, d / 2, z, z + 0.025, body)
        if rng.random() < 0.8:
            fill_shelf(s, rng, -w / 2, w / 2, -d / 2, d / 2, z + 0.025, 0.28)
    return s


def tv_stand(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.9, 1.8), rng.uniform(0.36, 0.5), rng.uniform(0.38, 0.6)
    body = body_paint(rng)
    t = 0.03
    if rng.random() < 0.5:
        for z in (0.04, h * 0.5, h - t):
            s.block(-w / 2, w / 2, -d / 2, d / 2, z, z + t, body)
        for x in (-w / 2, -w / 6, w / 6, w / 2):
            s.box((x * 0.98, 0, h / 2), (t, d, h), body)
        s.block(
            -w / 4,
            w / 5,
            -d / 4,
            d / 4,
            h * 0.5 + t,
            h * 0.5 + 0.1,
            make_paint(rng, 'black', BLACK_GLASS),
        )
    else:
        s.block(-w / 2, w / 2, -d / 2, d / 2, 0.05, h, body)
        door_fronts(s, rng, w, d, 0.06, h - 0.02, body, 3)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def glass_cabinet(rng: np.random.Generator) -> Shape:
    """Display cabinet with glass doors."""
    s = Shape('frame')
    w, d, h = rng.uniform(0.6, 1.1), rng.uniform(0.35, 0.45), rng.uniform(1.5, 2.0)
    body = wood(rng)
    for sx in (-1, 1):
        s.box((sx * (w / 2 - 0.015), 0, h / 2), (0.03, d, h), body)
    s.block(-w / 2, w / 2, d / 2 - 0.02, d / 2, 0, h, body)
    low = h * rng.uniform(0.25, 0.45)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, low, body)
    door_fronts(s, rng, w, d, 0.02, low - 0.02, body, 2)
    for k in range(4):
        z = low + k * (h - low) / 3 - 0.02
        s.next_part('shelf')
        s.block(-w / 2, w / 2, -d / 2, d / 2, z, z + 0.025, body)
        if k < 3:
            fill_shelf(
                s,
                rng,
                -w / 2 + 0.05,
                w / 2 - 0.05,
                -d / 2 + 0.05,
                d / 2 - 0.03,
                z + 0.025,
                (h - low) / 3 * 0.8,
            )
    s.block(-w / 2, w / 2, -d / 2 - 0.01, -d / 2, low, h, make_paint(rng, ('gray', 'white'), GLASS))
    return s
