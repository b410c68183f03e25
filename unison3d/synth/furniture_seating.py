"""Things to sit on: chairs, stools, benches and sofas. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .materials import METALS, Paint, fabric, make_paint, metal, wood
from .primitives import Shape, rotation


def straight_legs(
    s: Shape,
    rng: np.random.Generator,
    w: float,
    d: float,
    h: float,
    paint: Paint,
    *,
    thick: float | None = None,
    inset: float = 0.02,
) -> None:
    """Four legs below a w x d rectangle: square, round, tapered or splayed."""
    t = thick or rng.uniform(0.025, 0.06)
    style = rng.integers(3)
    splay = rng.uniform(0, 0.06) if style == 2 else 0.0
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (w / 2 - inset - t / 2), sy * (d / 2 - inset - t / 2)
            if style == 0:
                s.box((x, y, h / 2), (t, t, h), paint)
            else:
                s.cone(
                    (x + sx * splay, y + sy * splay, 0),
                    (x, y, h),
                    t * (0.35 if style == 2 else 0.5),
                    t / 2,
                    paint,
                    caps=False,
                )


def star_base(
    s: Shape, rng: np.random.Generator, radius: float, h: float, paint: Paint, arms: int = 5
) -> None:
    """Office-chair base: arms with castors and a gas column up to height h."""
    turn = rng.uniform(0, 2 * np.pi)
    hub = rng.uniform(0.08, 0.13)
    for k in range(arms):
        a = turn + 2 * np.pi * k / arms
        x, y = radius * np.cos(a), radius * np.sin(a)
        s.cone((0, 0, hub + 0.02), (x, y, hub - 0.02), 0.035, 0.02, paint, caps=False)
        s.box((x, y, 0.03), (0.05, 0.05, 0.06), paint, round_power=3)
    s.cone((0, 0, hub - 0.02), (0, 0, h), 0.03, 0.025, paint, caps=False)


def sled_legs(s: Shape, w: float, d: float, h: float, paint: Paint, radius: float = 0.013) -> None:
    """Cantilever tube frame on both sides."""
    for sx in (-1, 1):
        x = sx * (w / 2 - radius)
        s.cone((x, -d / 2, radius), (x, d / 2, radius), radius, radius, paint)
        s.cone((x, -d / 2 + radius, 0), (x, -d / 2 + radius, h), radius, radius, paint, caps=False)
    s.cone((-w / 2, d / 2, radius), (w / 2, d / 2, radius), radius, radius, paint)


def armrests(
    s: Shape, rng: np.random.Generator, w: float, d: float, seat: float, paint: Paint, post: Paint
) -> None:
    top = seat + rng.uniform(0.17, 0.25)
    length = rng.uniform(0.5, 0.8) * d
    for sx in (-1, 1):
        x = sx * (w / 2 + 0.02)
        s.box((x, 0, top), (rng.uniform(0.04, 0.09), length, 0.035), paint, round_power=6)
        s.box(
            (x, 0.3 * length * rng.uniform(-1, 1), (seat + top) / 2 - 0.02),
            (0.03, 0.05, top - seat + 0.04),
            post,
        )


def _seat(s: Shape, rng: np.random.Generator, w: float, d: float, z: float, paint: Paint) -> None:
    t = rng.uniform(0.025, 0.1)
    s.box((0, 0, z - t / 2), (w, d, t), paint, round_power=float(rng.choice([0, 5, 8, 14])))


def _back(
    s: Shape,
    rng: np.random.Generator,
    w: float,
    d: float,
    z: float,
    h: float,
    paint: Paint,
    frame: Paint,
) -> None:
    """Back rest: solid board, curved shell, slats or a mesh frame."""
    style = rng.integers(4)
    lean = -rng.uniform(0.02, 0.3)
    turn = rotation('x', lean)
    gap = rng.uniform(0, 0.18) if style != 3 else 0.0
    centre = np.array([0, d / 2 - 0.02, z]) + turn @ np.array([0, 0, gap + (h - gap) / 2])
    t = rng.uniform(0.02, 0.09)
    if style == 0:
        s.box(centre, (w, t, h - gap), paint, turn=turn, round_power=float(rng.choice([0, 6, 10])))
    elif style == 1:
        o = centre + turn @ np.array([w / 2, 0, -(h - gap) / 2])
        s.sheet(
            o, turn @ np.array([0, 0, h - gap]), (-w, 0, 0), paint, bend=-rng.uniform(0.03, 0.1)
        )
        s.sheet(
            o + np.array([0, 0.03, 0]),
            turn @ np.array([0, 0, h - gap]),
            (-w, 0, 0),
            paint,
            bend=-0.05,
        )
    elif style == 2:
        count = int(rng.integers(2, 6))
        if rng.random() < 0.5:
            for k in range(count):
                off = turn @ np.array([0, 0, (h - gap) * ((k + 0.5) / count - 0.5)])
                s.box(centre + off, (w, t * 0.6, (h - gap) / count * 0.6), paint, turn=turn)
        else:
            for k in range(count + 1):
                off = np.array([w * (k / count - 0.5), 0, 0])
                s.box(centre + off, (0.03, 0.025, h - gap), paint, turn=turn)
            s.box(
                centre + turn @ np.array([0, 0, (h - gap) / 2]),
                (w + 0.03, 0.03, 0.07),
                paint,
                turn=turn,
            )
    else:
        s.box(
            centre,
            (w, t, h),
            paint,
            turn=turn,
            round_power=float(rng.choice([4, 8])),
            taper=(rng.uniform(0.7, 1), 1),
        )
    if gap > 0.02 and style != 2:
        for sx in (-1, 1) if rng.random() < 0.7 else (0,):
            s.box(
                centre + turn @ np.array([sx * w * 0.42, 0.01, -h / 2]),
                (0.035, 0.025, gap + 0.1),
                frame,
                turn=turn,
            )
    elif style == 2:
        for sx in (-1, 1):
            s.box(
                centre + turn @ np.array([sx * w * 0.47, 0.01, -gap / 2]),
                (0.035, 0.03, h),
                frame,
                turn=turn,
            )


def throw_over(
    s: Shape, rng: np.random.Generator, w: float, y: float, z: float, drop: float
) -> None:
    """Clothes hanging over an edge."""
    paint = fabric(rng)
    s.next_part('clothes')
    x = rng.uniform(-0.2, 0.2) * w
    width = rng.uniform(0.5, 0.9) * w
    s.sheet(
        (x - width / 2, y, z + 0.02),
        (width, 0, 0),
        (rng.uniform(-0.05, 0.05), -0.03, -drop),
        paint,
        wave=0.02,
        folds=rng.uniform(1, 4),
        bend=0.03,
    )
    s.sheet(
        (x - width / 2, y + 0.04, z + 0.02),
        (width, 0, 0),
        (0, 0.05, -drop * rng.uniform(0.5, 1)),
        paint,
        wave=0.02,
        folds=rng.uniform(1, 4),
        bend=0.03,
    )
    s.box((x, y, z + 0.02), (width, 0.09, 0.05), paint, round_power=3)


def chair(rng: np.random.Generator) -> Shape:
    """Four-legged, sled or pedestal chair for dining rooms and visitors."""
    s = Shape('leg')
    w, d = rng.uniform(0.38, 0.54), rng.uniform(0.38, 0.52)
    z, h = rng.uniform(0.42, 0.5), rng.uniform(0.3, 0.58)
    wooden = rng.random() < 0.55
    frame = wood(rng) if wooden else metal(rng)
    main = frame if wooden and rng.random() < 0.6 else fabric(rng)
    style = rng.integers(4)
    if style == 0:
        sled_legs(s, w, d, z, frame)
    elif style == 1 and rng.random() < 0.4:
        s.cone((0, 0, 0), (0, 0, 0.03), 0.24, 0.22, frame)
        s.cone((0, 0, 0.03), (0, 0, z), 0.03, 0.03, frame, caps=False)
    else:
        straight_legs(s, rng, w, d, z - 0.02, frame, thick=rng.uniform(0.02, 0.045))
        if rng.random() < 0.3:
            for sx in (-1, 1):
                s.box((sx * w * 0.44, 0, z * 0.4), (0.02, d * 0.85, 0.03), frame)
    s.next_part('seat')
    _seat(s, rng, w, d, z, main)
    s.next_part('back')
    _back(s, rng, w * rng.uniform(0.85, 1.02), d, z, h, main, frame)
    if rng.random() < 0.25:
        s.next_part('armrest')
        armrests(s, rng, w, d, z, frame, frame)
    if rng.random() < 0.12:
        throw_over(s, rng, w, d / 2 + 0.03, z + h, h * 0.9)
    return s


def office_chair(rng: np.random.Generator) -> Shape:
    """Swivel chair on a star base."""
    s = Shape('base')
    w, d = rng.uniform(0.44, 0.56), rng.uniform(0.42, 0.54)
    z, h = rng.uniform(0.42, 0.56), rng.uniform(0.4, 0.75)
    base = make_paint(rng, ('black', 'black', 'gray', 'white'))
    main = fabric(
        rng, ('black', 'black', 'black', 'gray', 'gray', 'blue', 'red', 'green', 'beige', 'brown')
    )
    star_base(s, rng, rng.uniform(0.26, 0.34), z - 0.06, base)
    s.next_part('seat')
    t = rng.uniform(0.06, 0.13)
    s.box((0, 0, z - t / 2), (w, d, t), main, round_power=rng.uniform(4, 10))
    s.next_part('back')
    turn = rotation('x', -rng.uniform(0.05, 0.25))
    gap = rng.uniform(0.05, 0.2)
    bw = w * rng.uniform(0.8, 1.0)
    centre = np.array([0, d / 2 - 0.03, z]) + turn @ np.array([0, 0.03, gap + (h - gap) / 2])
    s.box(
        centre,
        (bw, rng.uniform(0.04, 0.11), h - gap),
        main,
        turn=turn,
        round_power=rng.uniform(3, 9),
        taper=(rng.uniform(0.75, 1.05), 1),
    )
    s.box((0, d / 2 - 0.01, z + gap / 2), (0.08, 0.03, gap + 0.16), base, turn=turn)
    if rng.random() < 0.15:
        s.box(
            centre + turn @ np.array([0, 0, h / 2]),
            (bw * 0.6, 0.08, 0.14),
            main,
            turn=turn,
            round_power=4,
        )
    if rng.random() < 0.7:
        s.next_part('armrest')
        armrests(s, rng, w, d, z, base, base)
    if rng.random() < 0.15:
        throw_over(s, rng, bw, d / 2 + 0.06, z + h, h * 0.8)
    return s


def folding_chair(rng: np.random.Generator) -> Shape:
    s = Shape('leg')
    w, d, z, h = (
        rng.uniform(0.4, 0.47),
        rng.uniform(0.38, 0.44),
        rng.uniform(0.42, 0.46),
        rng.uniform(0.32, 0.42),
    )
    frame, main = metal(rng), fabric(rng, ('gray', 'black', 'blue', 'beige', 'white', 'brown'))
    r = rng.uniform(0.009, 0.014)
    for sx in (-1, 1):
        x = sx * w / 2
        s.cone((x, -d * 0.55, 0), (x, d * 0.55, z + h), r, r, frame, caps=False)
        s.cone((x * 0.92, d * 0.6, 0), (x * 0.92, -d * 0.4, z), r, r, frame, caps=False)
    s.next_part('seat')
    s.box(
        (0, 0, z),
        (w * 0.95, d, 0.025),
        main,
        round_power=10,
        turn=rotation('x', rng.uniform(0, 0.1)),
    )
    s.next_part('back')
    s.box(
        (0, d * 0.5, z + h * 0.75),
        (w, 0.025, h * 0.5),
        main,
        round_power=8,
        turn=rotation('x', -0.2),
    )
    return s


def stool(rng: np.random.Generator) -> Shape:
    """Round or square stool, low or bar height."""
    s = Shape('leg')
    z = rng.uniform(0.42, 0.52) if rng.random() < 0.6 else rng.uniform(0.62, 0.8)
    r = rng.uniform(0.15, 0.22)
    frame = metal(rng) if rng.random() < 0.5 else wood(rng)
    main = frame if rng.random() < 0.4 else fabric(rng)
    style = rng.integers(3)
    if style == 0:
        straight_legs(s, rng, 2 * r, 2 * r, z - 0.03, frame, thick=0.03)
        s.cone((-r, 0, z * 0.35), (r, 0, z * 0.35), 0.012, 0.012, frame)
    elif style == 1:
        s.cone((0, 0, 0), (0, 0, 0.03), r * 1.15, r, frame)
        s.cone((0, 0, 0.03), (0, 0, z), 0.03, 0.03, frame, caps=False)
    else:
        star_base(s, rng, r * 1.3, z - 0.03, frame)
    s.next_part('seat')
    t = rng.uniform(0.03, 0.09)
    if rng.random() < 0.6:
        s.cone((0, 0, z - t), (0, 0, z), r, r, main)
    else:
        s.box((0, 0, z - t / 2), (2 * r, 2 * r, t), main, round_power=8)
    return s


def bench(rng: np.random.Generator) -> Shape:
    s = Shape('leg')
    w, d, z = rng.uniform(0.9, 1.8), rng.uniform(0.3, 0.48), rng.uniform(0.4, 0.5)
    frame = wood(rng) if rng.random() < 0.7 else metal(rng, METALS)
    main = frame if rng.random() < 0.5 else fabric(rng)
    if rng.random() < 0.5:
        straight_legs(s, rng, w, d, z - 0.03, frame)
    else:
        for sx in (-1, 1):
            s.box((sx * w * 0.42, 0, z / 2), (0.05, d * 0.9, z - 0.04), frame)
    s.next_part('seat')
    s.box(
        (0, 0, z - 0.03),
        (w, d, rng.uniform(0.04, 0.12)),
        main,
        round_power=float(rng.choice([0, 8])),
    )
    if rng.random() < 0.25:
        s.next_part('back')
        s.box((0, d / 2, z + 0.22), (w, 0.04, 0.3), main, turn=rotation('x', -0.12))
    s.support(z, -w / 2, w / 2, -d / 2, d / 2)
    return s
