"""Tables, desks and counters. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_seating import sled_legs, straight_legs
from .materials import GLASS, PLAIN, TILES, Paint, make_paint, metal, wood
from .primitives import Shape


def _top_paint(rng: np.random.Generator) -> Paint:
    return (
        wood(rng)
        if rng.random() < 0.7
        else make_paint(rng, ('white', 'gray', 'black', 'beige', 'white'))
    )


def handles(
    s: Shape,
    x: float,
    y: float,
    z: float,
    paint: Paint,
    *,
    vertical: bool = False,
    length: float = 0.12,
) -> None:
    """A small bar handle standing out from a front at y."""
    size = (0.015, 0.03, length) if vertical else (length, 0.03, 0.015)
    s.box((x, y - 0.012, z), size, paint)


def drawer_block(
    s: Shape,
    rng: np.random.Generator,
    x0: float,
    x1: float,
    y0: float,
    y1: float,
    z0: float,
    z1: float,
    body: Paint,
    front: Paint,
    rows: int,
) -> None:
    """A cabinet body with a column of drawer fronts towards -y."""
    s.block(x0, x1, y0, y1, z0, z1, body)
    pull = metal(rng)
    h = (z1 - z0) / rows
    for i in range(rows):
        s.next_part('drawer')
        s.block(
            x0 + 0.008,
            x1 - 0.008,
            y0 - 0.018,
            y0 + 0.01,
            z0 + i * h + 0.008,
            z0 + (i + 1) * h - 0.008,
            front,
        )
        handles(
            s, (x0 + x1) / 2, y0 - 0.02, z0 + (i + 0.6) * h, pull, length=min(0.14, (x1 - x0) * 0.4)
        )


def _under_frame(
    s: Shape, rng: np.random.Generator, w: float, d: float, h: float, paint: Paint
) -> None:
    style = rng.integers(6)
    if style <= 1:
        straight_legs(s, rng, w, d, h, paint, thick=rng.uniform(0.035, 0.08))
        if rng.random() < 0.5:
            apron = rng.uniform(0.05, 0.1)
            for sy in (-1, 1):
                s.box((0, sy * (d / 2 - 0.05), h - apron / 2), (w - 0.1, 0.02, apron), paint)
            for sx in (-1, 1):
                s.box((sx * (w / 2 - 0.05), 0, h - apron / 2), (0.02, d - 0.1, apron), paint)
    elif style == 2:
        for sx in (-1, 1):
            x = sx * w * rng.uniform(0.3, 0.42)
            s.box((x, 0, 0.025), (0.07, d * 0.85, 0.05), paint)
            s.box((x, 0, h / 2), (0.06, 0.1, h), paint)
        s.box((0, 0, h * 0.45), (w * 0.75, 0.03, 0.08), paint)
    elif style == 3:
        for sx in (-1, 1):
            s.box((sx * (w / 2 - 0.03), 0, h / 2), (0.035, d * 0.95, h), paint)
        if rng.random() < 0.5:
            s.box((0, d / 2 - 0.05, h * 0.6), (w - 0.06, 0.02, h * 0.6), paint)
    elif style == 4:
        sled_legs(s, w * 0.9, d * 0.9, h, paint, radius=0.02)
    else:
        for sx in (-1, 1):
            for lean in (-1, 1):
                s.cone(
                    (sx * w * 0.4, lean * d * 0.4, 0),
                    (sx * w * 0.4, -lean * d * 0.4, h),
                    0.02,
                    0.02,
                    paint,
                    caps=False,
                )


def table(rng: np.random.Generator) -> Shape:
    """Rectangular dining or work table."""
    s = Shape('leg')
    w, d, h = rng.uniform(0.7, 1.8), rng.uniform(0.6, 0.95), rng.uniform(0.68, 0.78)
    return _table(s, rng, max(w, d), d, h)


def _table(s: Shape, rng: np.random.Generator, w: float, d: float, h: float) -> Shape:
    top = _top_paint(rng)
    t = rng.uniform(0.02, 0.06)
    _under_frame(s, rng, w, d, h - t, top if rng.random() < 0.5 else metal(rng))
    s.next_part('top')
    s.block(-w / 2, w / 2, -d / 2, d / 2, h - t, h, top)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def conference_table(rng: np.random.Generator) -> Shape:
    s = Shape('leg')
    w, d, h = rng.uniform(2.0, 3.6), rng.uniform(1.0, 1.4), rng.uniform(0.7, 0.77)
    top = _top_paint(rng)
    if rng.random() < 0.5:
        return _table(s, rng, w, d, h)
    for sx in (-1, 1):
        s.box((sx * w * 0.28, 0, h / 2), (rng.uniform(0.1, 0.5), d * 0.5, h - 0.04), top)
    s.next_part('top')
    s.box((0, 0, h - 0.025), (w, d, 0.05), top, round_power=float(rng.choice([6, 10, 20])))
    s.support(h, -w * 0.42, w * 0.42, -d * 0.42, d * 0.42)
    return s


def round_table(rng: np.random.Generator) -> Shape:
    s = Shape('leg')
    r, h = rng.uniform(0.35, 0.65), rng.uniform(0.68, 0.77)
    top = _top_paint(rng)
    _round(s, rng, r, h, top)
    return s


def _round(s: Shape, rng: np.random.Generator, r: float, h: float, top: Paint) -> None:
    frame = top if rng.random() < 0.5 else metal(rng)
    if rng.random() < 0.6:
        s.cone((0, 0, 0), (0, 0, 0.04), r * 0.6, r * 0.5, frame)
        s.cone((0, 0, 0.04), (0, 0, h), 0.04, 0.04, frame, caps=False)
    else:
        straight_legs(s, rng, r * 1.5, r * 1.5, h - 0.02, frame, thick=0.04)
    s.next_part('top')
    s.cone((0, 0, h - rng.uniform(0.02, 0.05)), (0, 0, h), r, r, top)
    s.support(h, -r * 0.65, r * 0.65, -r * 0.65, r * 0.65)


def coffee_table(rng: np.random.Generator) -> Shape:
    s = Shape('leg')
    h = rng.uniform(0.34, 0.48)
    if rng.random() < 0.25:
        _round(s, rng, rng.uniform(0.32, 0.5), h, _top_paint(rng))
        return s
    w, d = rng.uniform(0.7, 1.3), rng.uniform(0.45, 0.7)
    _table(s, rng, w, d, h)
    if rng.random() < 0.4:
        s.next_part('shelf')
        s.block(-w * 0.45, w * 0.45, -d * 0.42, d * 0.42, h * 0.3, h * 0.3 + 0.02, wood(rng))
    return s


def end_table(rng: np.random.Generator) -> Shape:
    s = Shape('leg')
    h, w = rng.uniform(0.45, 0.66), rng.uniform(0.38, 0.6)
    if rng.random() < 0.35:
        _round(s, rng, w / 2, h, _top_paint(rng))
        return s
    _table(s, rng, w, rng.uniform(0.38, 0.55), h)
    return s


def desk(rng: np.random.Generator) -> Shape:
    """Writing desk: with drawers, panels, an L-shaped return, a hutch or a screen."""
    s = Shape('leg')
    w, d, h = rng.uniform(0.95, 1.8), rng.uniform(0.5, 0.82), rng.uniform(0.69, 0.78)
    top = _top_paint(rng)
    frame = top if rng.random() < 0.5 else metal(rng)
    t = rng.uniform(0.02, 0.045)
    style = rng.integers(4)
    if style == 0:
        _under_frame(s, rng, w, d, h - t, frame)
    else:
        for sx in (-1, 1):
            if style == 2 or (style == 1 and sx > 0):
                cw = rng.uniform(0.32, 0.45)
                x0, x1 = (w / 2 - cw, w / 2 - 0.01) if sx > 0 else (-w / 2 + 0.01, -w / 2 + cw)
                drawer_block(
                    s,
                    rng,
                    x0,
                    x1,
                    -d / 2 + 0.03,
                    d / 2 - 0.03,
                    0.03,
                    h - t,
                    frame,
                    frame,
                    int(rng.integers(2, 5)),
                )
            else:
                s.box((sx * (w / 2 - 0.02), 0, (h - t) / 2), (0.03, d * 0.95, h - t), frame)
        s.box((0, d / 2 - 0.05, h * 0.65), (w - 0.06, 0.02, h * 0.6), frame)
    s.next_part('top')
    s.block(-w / 2, w / 2, -d / 2, d / 2, h - t, h, top)
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    extra = rng.random()
    if extra < 0.18:
        s.next_part('return')
        sx, rw, rd = (
            (1 if rng.random() < 0.5 else -1),
            rng.uniform(0.45, 0.6),
            rng.uniform(0.5, 0.9),
        )
        x = sx * (w - rw) / 2
        s.box((x, -d / 2 - rd / 2, h - t / 2), (rw, rd, t), top)
        s.box((x, -d / 2 - rd + 0.03, (h - t) / 2), (rw, 0.03, h - t), frame)
    elif extra < 0.36:
        s.next_part('screen')
        s.box(
            (0, d / 2, h + 0.2),
            (w, 0.03, rng.uniform(0.3, 0.7)),
            make_paint(rng, ('gray', 'blue', 'beige', 'white')),
        )
    elif extra < 0.46:
        s.next_part('hutch')
        hh = rng.uniform(0.35, 0.6)
        for sx in (-1, 1):
            s.box((sx * (w / 2 - 0.015), d / 2 - 0.14, h + hh / 2), (0.025, 0.26, hh), top)
        for z in (hh * 0.5, hh):
            s.box((0, d / 2 - 0.14, h + z), (w, 0.26, 0.022), top)
    return s


def counter(rng: np.random.Generator) -> Shape:
    """Worktop with a splash edge, on consoles or short panels (cabinets below are another
    object)."""
    s = Shape('top')
    w, d, h = rng.uniform(1.2, 2.8), rng.uniform(0.52, 0.66), rng.uniform(0.85, 0.95)
    return counter_top(s, rng, w, d, h, panels=True)


def counter_top(
    s: Shape, rng: np.random.Generator, w: float, d: float, h: float, *, panels: bool = False
) -> Shape:
    """A slab whose upper face is at height h; also used on top of base cabinets."""
    top = make_paint(
        rng,
        ('gray', 'white', 'black', 'beige', 'brown'),
        TILES if rng.random() < 0.2 else PLAIN,
        0.1,
    )
    t = rng.uniform(0.035, 0.07)
    s.block(-w / 2, w / 2, -d / 2, d / 2, h - t, h, top)
    if rng.random() < 0.5:
        s.next_part('splashback')
        s.block(-w / 2, w / 2, d / 2 - 0.02, d / 2, h, h + rng.uniform(0.05, 0.2), top)
    if panels:
        s.next_part('panel')
        body = wood(rng)
        for x in (-w / 2 + 0.03, w / 2 - 0.03):
            s.block(x - 0.02, x + 0.02, -d / 2 + 0.04, d / 2, 0, h - t, body)
        if rng.random() < 0.7:
            s.block(
                -w / 2,
                w / 2,
                (-d / 2 + 0.06) if rng.random() < 0.6 else d / 2 - 0.05,
                d / 2,
                0,
                h - t,
                body,
            )
    s.support(h, -w / 2 + 0.05, w / 2 - 0.05, -d / 2 + 0.05, d / 2 - 0.05)
    return s


def glass_table(rng: np.random.Generator) -> Shape:
    """Side table with a glass top, which depth cameras mostly miss."""
    s = Shape('leg')
    w, d, h = rng.uniform(0.5, 1.2), rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.75)
    frame = metal(rng)
    straight_legs(s, rng, w, d, h, frame, thick=0.03)
    for sy in (-1, 1):
        s.box((0, sy * d / 2, h), (w, 0.03, 0.03), frame)
    for sx in (-1, 1):
        s.box((sx * w / 2, 0, h), (0.03, d, 0.03), frame)
    s.next_part('top')
    s.block(-w / 2, w / 2, -d / 2, d / 2, h, h + 0.01, make_paint(rng, ('gray', 'white'), GLASS))
    s.support(h + 0.01, -w / 2, w / 2, -d / 2, d / 2)
    return s
