"""Beds, curtains and bathroom ware. Front is -y, back is +y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_seating import straight_legs
from .furniture_tables import drawer_block
from .materials import CHECKER, GLOSSY, PLAIN, Paint, fabric, make_paint, metal, wood
from .primitives import Shape, rotation

_BEDDING = (
    'white',
    'white',
    'beige',
    'gray',
    'blue',
    'red',
    'green',
    'brown',
    'pink',
    'purple',
    'yellow',
)


def _bedding(
    s: Shape, rng: np.random.Generator, w: float, length: float, z: float, y_head: float
) -> None:
    """Mattress, blanket (flat, rumpled or half thrown back) and pillows, on a base whose top is
    z."""
    t = rng.uniform(0.14, 0.28)
    y0 = y_head - length
    sheet = fabric(rng, ('white', 'white', 'beige', 'blue', 'gray'))
    s.next_part('mattress')
    s.box(
        (0, y_head - length / 2, z + t / 2),
        (w, length, t),
        sheet,
        round_power=float(rng.choice([8, 14, 20])),
    )
    top = z + t
    cover = fabric(rng, _BEDDING)
    if rng.random() < 0.9:
        s.next_part('blanket')
        end = y_head - length * (
            rng.uniform(0.2, 0.35) if rng.random() < 0.8 else rng.uniform(0.4, 0.7)
        )
        hang = rng.uniform(0.02, 0.3)
        wave = rng.uniform(0.004, 0.03)
        s.sheet(
            (-w / 2 - 0.02, y0 - 0.02, top + 0.03),
            (w + 0.04, 0, 0),
            (0, end - y0, 0),
            cover,
            wave=wave,
            folds=rng.uniform(1, 4),
            phase=rng.uniform(0, 6),
            bend=rng.uniform(0, 0.04),
            two_sided=False,
        )
        for sx in (-1, 1):
            s.sheet(
                (sx * (w / 2 + 0.025), y0, top + 0.02),
                (0, end - y0, 0),
                (sx * 0.02, 0, -hang),
                cover,
                wave=0.01,
                folds=rng.uniform(2, 8),
            )
        s.sheet(
            (-w / 2, y0 - 0.025, top + 0.02),
            (w, 0, 0),
            (0, -0.02, -hang),
            cover,
            wave=0.01,
            folds=rng.uniform(2, 6),
        )
        if rng.random() < 0.4:
            for _ in range(int(rng.integers(1, 4))):
                s.box(
                    (rng.uniform(-0.3, 0.3) * w, rng.uniform(y0 + 0.3, end), top + 0.05),
                    (rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.25)),
                    cover,
                    round_power=2.2,
                    turn=rotation('z', rng.uniform(0, 3)),
                )
    pillows = fabric(rng, ('white', 'white', 'beige', *_BEDDING))
    count = 1 if w < 1.2 else 2
    for layer in range(int(rng.integers(1, 3))):
        for i in range(count):
            s.next_part('pillow')
            pw = min(0.7, w / count * 0.9) * rng.uniform(0.85, 1.0)
            x = (i - (count - 1) / 2) * w / count
            lean = -rng.uniform(0.0, 0.9)
            s.box(
                (x, y_head - 0.25 - 0.12 * layer, top + 0.08 + 0.08 * layer),
                (pw, 0.42, 0.16),
                pillows if layer == 0 else fabric(rng),
                round_power=rng.uniform(2.3, 3.5),
                turn=rotation('z', rng.normal(0, 0.08)) @ rotation('x', -lean),
            )
    s.support(top + 0.03, -w * 0.4, w * 0.4, y0 + 0.2, y_head - 0.8)


def _head_board(
    s: Shape, rng: np.random.Generator, w: float, y: float, h: float, paint: Paint
) -> None:
    style = rng.integers(3)
    if style == 0:
        s.block(-w / 2, w / 2, y, y + rng.uniform(0.03, 0.1), 0, h, paint)
    elif style == 1:
        s.box((0, y + 0.04, h / 2), (w, 0.08, h), paint, round_power=rng.uniform(5, 14))
    else:
        for x in np.linspace(-w / 2 + 0.02, w / 2 - 0.02, int(rng.integers(4, 10))):
            s.box((x, y + 0.02, h / 2), (0.035, 0.035, h), paint)
        s.block(-w / 2, w / 2, y, y + 0.04, h - 0.06, h, paint)


def bed(rng: np.random.Generator) -> Shape:
    """Single or double bed: frame, divan, platform or low metal bed."""
    s = Shape('frame')
    w = float(rng.choice([0.9, 1.0, 1.2, 1.4, 1.55, 1.8])) * rng.uniform(0.97, 1.04)
    length = rng.uniform(1.88, 2.08)
    y = length / 2
    frame = wood(rng) if rng.random() < 0.6 else (fabric(rng) if rng.random() < 0.5 else metal(rng))
    style = rng.integers(4)
    z = rng.uniform(0.2, 0.42)
    if style == 0:
        straight_legs(s, rng, w, length, z - 0.1, frame, thick=0.06)
        s.block(-w / 2 - 0.03, w / 2 + 0.03, -y - 0.03, y, z - 0.15, z, frame)
    elif style == 1:
        s.block(-w / 2, w / 2, -y, y, 0.02, z, frame)
    elif style == 2:
        drawer_block(s, rng, -w / 2, w / 2, -y, y, 0, z, frame, frame, 1)
    else:
        s.block(-w / 2 - 0.1, w / 2 + 0.1, -y - 0.1, y, 0.1, z, frame)
        s.block(-w / 2 + 0.1, w / 2 - 0.1, -y + 0.1, y, 0, 0.1, frame)
    if rng.random() < 0.75:
        s.next_part('headboard')
        _head_board(s, rng, w + 0.08, y, rng.uniform(0.75, 1.25), frame)
    if rng.random() < 0.25:
        s.next_part('footboard')
        _head_board(s, rng, w + 0.08, -y - 0.08, z + rng.uniform(0.1, 0.45), frame)
    _bedding(s, rng, w, length, z, y)
    return s


def bunk_bed(rng: np.random.Generator) -> Shape:
    s = Shape('frame')
    w, length = rng.uniform(0.88, 1.05), rng.uniform(1.9, 2.05)
    frame = wood(rng) if rng.random() < 0.6 else metal(rng)
    h = rng.uniform(1.5, 1.75)
    for sx in (-1, 1):
        for sy in (-1, 1):
            s.box((sx * w / 2, sy * length / 2, h / 2), (0.06, 0.06, h), frame)
    for z in (rng.uniform(0.25, 0.4), rng.uniform(1.1, 1.3)):
        s.block(-w / 2, w / 2, -length / 2, length / 2, z - 0.12, z, frame)
        _bedding(s, rng, w - 0.06, length - 0.06, z, length / 2 - 0.03)
    s.block(-w / 2, w / 2, -length / 2, -length / 2 + 0.03, h - 0.1, h, frame)
    for z in np.arange(0.3, h, 0.28):
        s.box((w / 2 + 0.03, -length / 4, z), (0.03, 0.4, 0.03), frame)
    return s


def mattress(rng: np.random.Generator) -> Shape:
    """A bed without a frame, on the floor or on a low base."""
    s = Shape('base')
    w = float(rng.choice([0.9, 1.2, 1.4, 1.6]))
    z = rng.uniform(0.01, 0.2)
    s.block(-w / 2, w / 2, -1.0, 1.0, 0, z, fabric(rng, ('gray', 'white', 'beige', 'black')))
    _bedding(s, rng, w, 2.0, z, 1.0)
    return s


def curtain_sheet(
    rng: np.random.Generator, width: float, height: float, paint: Paint, rod: bool = True
) -> Shape:
    """Folded cloth hanging from z = height down to z = 0 in its frame."""
    s = Shape('rod')
    folds = width / rng.uniform(0.09, 0.22)
    if rod:
        s.cone(
            (-width / 2 - 0.1, 0, height), (width / 2 + 0.1, 0, height), 0.012, 0.012, metal(rng)
        )
    s.next_part('cloth')
    s.sheet(
        (width / 2, 0, height - 0.01),
        (-width, 0, 0),
        (0, rng.uniform(-0.03, 0.02), -height + 0.01),
        paint,
        wave=rng.uniform(0.02, 0.06),
        folds=folds,
        phase=rng.uniform(0, 6),
        flare=rng.uniform(0, 0.6),
    )
    return s


def curtain(rng: np.random.Generator) -> Shape:
    """A side panel, or a curtain that is nearly closed."""
    height = rng.uniform(1.3, 2.4)
    width = rng.uniform(0.3, 0.8) if rng.random() < 0.6 else rng.uniform(0.9, 2.2)
    return curtain_sheet(
        rng,
        width,
        height,
        fabric(
            rng,
            ('white', 'beige', 'gray', 'brown', 'red', 'blue', 'green', 'orange', 'white', 'beige'),
        ),
        rod=rng.random() < 0.6,
    )


def blinds(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, h = rng.uniform(0.8, 1.8), rng.uniform(0.6, 1.5)
    paint = make_paint(rng, ('white', 'beige', 'gray'))
    s.sheet((w / 2, 0, h), (0, 0, -h), (-w, 0, 0), paint, wave=0.012, folds=h / 0.08)
    s.block(-w / 2, w / 2, -0.03, 0.03, h - 0.04, h, paint)
    return s


def shower_curtain(rng: np.random.Generator) -> Shape:
    paint = make_paint(
        rng,
        ('white', 'white', 'blue', 'beige', 'green', 'gray', 'pink'),
        CHECKER if rng.random() < 0.3 else PLAIN,
        0.1,
    )
    return curtain_sheet(rng, rng.uniform(0.5, 1.5), rng.uniform(1.65, 1.9), paint)


def toilet(rng: np.random.Generator) -> Shape:
    s = Shape('base')
    body = make_paint(rng, ('white', 'white', 'white', 'beige'), GLOSSY, 0.05)
    w, d, z = rng.uniform(0.36, 0.42), rng.uniform(0.6, 0.72), rng.uniform(0.38, 0.46)
    tank = rng.uniform(0.15, 0.22)
    bowl = d - tank
    yb = -d / 2 + bowl / 2
    if rng.random() < 0.75:
        s.cone((0, yb + 0.08, 0), (0, yb, z - 0.04), 0.11, w / 2 - 0.02, body, caps=False)
        s.block(-0.1, 0.1, yb, d / 2 - tank, 0, z - 0.08, body)
    else:
        s.box((0, yb, z * 0.6), (w * 0.95, bowl, z * 0.6), body, round_power=4)
    s.next_part('seat')
    s.box((0, yb, z - 0.02), (w, bowl * 1.02, 0.05), body, round_power=2.6)
    if rng.random() < 0.4:
        s.box((0, d / 2 - tank + 0.0, z + 0.2), (w, 0.04, 0.42), body, round_power=2.6)
    elif rng.random() < 0.3:
        s.disc((0, yb, z + 0.01), (w * 0.3, 0, 0), (0, bowl * 0.32, 0), make_paint(rng, 'gray'))
    s.next_part('tank')
    if rng.random() < 0.85:
        h = rng.uniform(0.68, 0.85)
        s.box(
            (0, d / 2 - tank / 2, (z + h) / 2),
            (w * rng.uniform(0.95, 1.2), tank, h - z + 0.04),
            body,
            round_power=12,
        )
        s.box((0, d / 2 - tank / 2, h + 0.015), (w * 1.12, tank + 0.02, 0.03), body, round_power=14)
        s.support(h + 0.03, -w / 2, w / 2, d / 2 - tank, d / 2)
    return s


def _basin(
    s: Shape, rng: np.random.Generator, w: float, d: float, z: float, depth: float, body: Paint
) -> None:
    """Open bowl: walls, bottom and a tap; its rim is at z."""
    t = 0.03
    inner = make_paint(rng, ('white', 'gray')) if rng.random() < 0.2 else body
    s.box((0, 0, z - depth), (w * 0.75, d * 0.7, 0.02), inner, round_power=5)
    for sx in (-1, 1):
        s.box((sx * (w / 2 - t / 2), 0, z - depth / 2), (t, d, depth), body)
    for sy in (-1, 1):
        s.box((0, sy * (d / 2 - t / 2), z - depth / 2), (w, t, depth), body)
    s.next_part('tap')
    tap = metal(rng, ('gray',))
    s.cone((0, d / 2 - 0.04, z), (0, d / 2 - 0.04, z + 0.16), 0.02, 0.016, tap)
    s.cone((0, d / 2 - 0.04, z + 0.15), (0, d / 2 - 0.2, z + 0.13), 0.014, 0.014, tap)


def _round_basin(
    s: Shape, rng: np.random.Generator, r: float, z: float, depth: float, body: Paint
) -> None:
    """Round bowl with a shelf for the tap behind it; its rim is at z."""
    s.cone((0, 0, z - depth), (0, 0, z), r * 0.55, r, body, caps=False, two_sided=True)
    s.cone((0, 0, z - 0.03), (0, 0, z), r, r * 1.06, body, caps=False, two_sided=True)
    s.disc((0, 0, z - depth + 0.01), (r * 0.56, 0, 0), (0, r * 0.56, 0), body)
    s.block(-r * 0.8, r * 0.8, r * 0.75, r + 0.08, z - 0.06, z, body, round_power=8)
    s.next_part('tap')
    tap = metal(rng, ('gray',))
    s.cone((0, r, z), (0, r, z + 0.15), 0.02, 0.016, tap)
    s.cone((0, r, z + 0.14), (0, r - 0.15, z + 0.12), 0.014, 0.014, tap)


def sink(rng: np.random.Generator) -> Shape:
    """Pedestal sink, wall basin with trap, or vanity basin."""
    s = Shape('base')
    body = make_paint(rng, ('white', 'white', 'white', 'gray', 'beige'), GLOSSY, 0.05)
    w, d, z = rng.uniform(0.42, 0.68), rng.uniform(0.38, 0.52), rng.uniform(0.8, 0.92)
    depth = rng.uniform(0.12, 0.2)
    style = rng.integers(3)
    if style == 0:
        s.cone((0, 0.05, 0), (0, 0.05, z - depth), 0.12, 0.09, body, caps=False)
    elif style == 1:
        s.cone((0, 0.1, z - depth - 0.25), (0, 0.1, z - depth), 0.025, 0.025, metal(rng))
    else:
        s.cone((0, 0, z - depth - 0.1), (0, 0, z - depth), w * 0.2, w * 0.35, body)
    s.next_part('basin')
    if rng.random() < 0.4:
        _round_basin(s, rng, rng.uniform(0.18, 0.24), z, depth, body)
    else:
        _basin(s, rng, w, d, z, depth, body)
    return s


def inset_sink(rng: np.random.Generator) -> Shape:
    """Kitchen or vanity sink that sits in a counter; z = 0 is the worktop."""
    s = Shape('basin')
    body = make_paint(rng, ('gray', 'gray', 'white', 'white'), GLOSSY, 0.05)
    w, d = rng.uniform(0.42, 0.8), rng.uniform(0.38, 0.46)
    # The worktop has no hole, so the bowl is drawn as a raised rim around a darker floor just
    # above it.
    s.box((0, 0, 0.012), (w * 0.92, d * 0.9, 0.012), make_paint(rng, ('gray', 'gray', 'white')))
    rise = rng.uniform(0.03, 0.12)
    for sx in (-1, 1):
        s.box((sx * (w / 2 - 0.02), 0, rise / 2), (0.04, d, rise), body, round_power=6)
    for sy in (-1, 1):
        s.box((0, sy * (d / 2 - 0.02), rise / 2), (w, 0.04, rise), body, round_power=6)
    tap = metal(rng, ('gray',))
    s.next_part('tap')
    top = rng.uniform(0.15, 0.32)
    s.cone((0, d / 2, 0), (0, d / 2, top), 0.02, 0.015, tap)
    s.cone((0, d / 2, top), (0, d / 2 - 0.2, top - 0.03), 0.014, 0.014, tap)
    return s


def bathtub(rng: np.random.Generator) -> Shape:
    s = Shape('wall')
    w, d, h = rng.uniform(1.4, 1.75), rng.uniform(0.68, 0.85), rng.uniform(0.42, 0.6)
    body = make_paint(rng, ('white', 'white', 'white', 'white', 'gray'), GLOSSY, 0.05)
    rim = rng.uniform(0.05, 0.1)
    bottom = rng.uniform(0.08, 0.16)
    for sx in (-1, 1):
        s.box((sx * (w / 2 - rim / 2), 0, h / 2), (rim, d, h), body)
    for sy in (-1, 1):
        s.box((0, sy * (d / 2 - rim / 2), h / 2), (w, rim, h), body)
    s.next_part('bottom')
    s.block(-w / 2 + rim, w / 2 - rim, -d / 2 + rim, d / 2 - rim, bottom - 0.02, bottom, body)
    slope = rng.uniform(0.1, 0.35)
    s.sheet(
        (-w / 2 + rim + slope, -d / 2 + rim, bottom),
        (0, d - 2 * rim, 0),
        (-slope, 0, h - bottom - 0.02),
        body,
    )
    if rng.random() < 0.6:
        s.next_part('tap')
        s.cone((w / 2 - 0.05, 0, h), (w / 2 - 0.05, 0, h + 0.12), 0.02, 0.02, metal(rng, ('gray',)))
    return s


def vanity(rng: np.random.Generator) -> Shape:
    """Bathroom cabinet that carries a basin."""
    s = Shape()
    w, d, h = rng.uniform(0.6, 1.4), rng.uniform(0.45, 0.55), rng.uniform(0.78, 0.86)
    body = wood(rng) if rng.random() < 0.5 else make_paint(rng, ('white', 'gray', 'beige'))
    drawer_block(s, rng, -w / 2, w / 2, -d / 2, d / 2, 0.08, h, body, body, int(rng.integers(1, 3)))
    s.next_part('top')
    s.block(
        -w / 2 - 0.01,
        w / 2 + 0.01,
        -d / 2 - 0.02,
        d / 2,
        h,
        h + 0.03,
        make_paint(rng, ('white', 'gray', 'beige', 'black')),
    )
    s.support(h + 0.03, -w / 2, w / 2, -d / 2, d / 2)
    return s
