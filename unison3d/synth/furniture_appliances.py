"""Appliances, large furniture and structures of the second world. Front is -y, metres."""

from __future__ import annotations

import numpy as np

from .furniture_tables import counter_top
from .materials import (
    BLACK_GLASS,
    BRICK,
    GLASS,
    GLOSSY,
    MARBLE,
    Paint,
    fabric,
    make_paint,
    metal,
    wood,
)
from .primitives import Shape, rotation


def fronts(
    s: Shape,
    rng: np.random.Generator,
    x: tuple[float, float],
    z: tuple[float, float],
    y: float,
    paint: Paint,
    rows: int,
    columns: int,
    name: str,
) -> None:
    """A grid of doors or drawers on a front at ``y``, each with a handle as a part of its own."""
    pull = metal(rng)
    dx, dz = (x[1] - x[0]) / columns, (z[1] - z[0]) / rows
    for i in range(rows * columns):
        x0, z0 = x[0] + i % columns * dx, z[0] + i // columns * dz
        s.next_part(name)
        s.block(x0 + 0.006, x0 + dx - 0.006, y - 0.02, y + 0.01, z0 + 0.006, z0 + dz - 0.006, paint)
        s.next_part('handle')
        if name == 'drawer':
            s.box((x0 + dx / 2, y - 0.035, z0 + dz * 0.65), (min(0.16, dx * 0.5), 0.03, 0.02), pull)
        else:
            side = x0 + (dx - 0.05 if i % 2 == 0 else 0.05)
            s.box((side, y - 0.035, z0 + dz / 2), (0.02, 0.03, min(0.2, dz * 0.5)), pull)


def closet(rng: np.random.Generator) -> Shape:
    """Built-in closet with hinged or sliding doors up to the ceiling; sometimes open."""
    s = Shape('frame')
    w, d, h = rng.uniform(1.0, 2.4), rng.uniform(0.5, 0.65), rng.uniform(2.0, 2.3)
    body = make_paint(rng, ('white', 'white', 'beige', 'gray')) if rng.random() < 0.6 else wood(rng)
    s.block(-w / 2, w / 2, d / 2 - 0.02, d / 2, 0, h, body)
    for x in (-w / 2, w / 2 - 0.03):
        s.block(x, x + 0.03, -d / 2, d / 2, 0, h, body)
    s.block(-w / 2, w / 2, -d / 2, d / 2, h - 0.04, h, body)
    if rng.random() < 0.3:
        s.next_part('rod')
        s.cone((-w / 2, 0, h - 0.3), (w / 2, 0, h - 0.3), 0.015, 0.015, metal(rng))
        s.next_part('clothes')
        for x in np.arange(-w / 2 + 0.1, w / 2 - 0.1, rng.uniform(0.07, 0.16)):
            drop = rng.uniform(0.6, 1.1)
            s.box((x, 0, h - 0.33 - drop / 2), (0.06, 0.42, drop), fabric(rng), round_power=4)
        return s
    count = int(np.ceil(w / 0.6))
    fronts(s, rng, (-w / 2 + 0.03, w / 2 - 0.03), (0.04, h - 0.05), -d / 2, body, 1, count, 'door')
    return s


def stove(rng: np.random.Generator) -> Shape:
    """Free-standing cooker with a back panel and knobs."""
    s = Shape()
    w, d, h = rng.uniform(0.55, 0.78), rng.uniform(0.58, 0.66), rng.uniform(0.87, 0.93)
    body = make_paint(rng, ('white', 'black', 'gray', 'gray'), GLOSSY, 0.05)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0.03, h, body)
    s.block(-w / 2, w / 2, d / 2 - 0.06, d / 2, h, h + rng.uniform(0.08, 0.24), body)
    fronts(s, rng, (-w / 2, w / 2), (0.22, h - 0.12), -d / 2, body, 1, 1, 'door')
    s.next_part('hob')
    s.block(
        -w * 0.48, w * 0.48, -d * 0.45, d * 0.38, h, h + 0.008, make_paint(rng, 'black', GLOSSY)
    )
    for sx in (-1, 1):
        for sy in (-1, 1):
            s.cone(
                (sx * w * 0.23, sy * d * 0.2, h),
                (sx * w * 0.23, sy * d * 0.2, h + 0.025),
                0.09,
                0.08,
                make_paint(rng, ('gray', 'black')),
            )
    s.next_part('knob')
    for x in np.linspace(-w * 0.35, w * 0.35, 5):
        s.cone((x, -d / 2, h - 0.06), (x, -d / 2 - 0.03, h - 0.06), 0.022, 0.02, metal(rng))
    s.support(h + 0.025, -w / 2, w / 2, -d / 2, d / 4)
    return s


def mini_fridge(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.44, 0.56), rng.uniform(0.45, 0.56), rng.uniform(0.5, 0.9)
    body = make_paint(rng, ('white', 'white', 'black', 'gray'), GLOSSY, 0.05)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0.02, h, body)
    fronts(s, rng, (-w / 2, w / 2), (0.04, h), -d / 2, body, 1, 1, 'door')
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def dishwasher(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = 0.6, rng.uniform(0.56, 0.62), rng.uniform(0.82, 0.88)
    body = make_paint(rng, ('white', 'gray', 'black'), GLOSSY, 0.05)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0.08, h, body)
    fronts(s, rng, (-w / 2, w / 2), (0.1, h - 0.12), -d / 2, body, 1, 1, 'door')
    s.next_part('panel')
    s.block(-w / 2, w / 2, -d / 2 - 0.02, -d / 2, h - 0.11, h, make_paint(rng, ('black', 'gray')))
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def dryer(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.6, 0.7), rng.uniform(0.6, 0.72), rng.uniform(0.85, 1.0)
    body = make_paint(rng, ('white', 'white', 'gray'), GLOSSY, 0.05)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0.02, h, body)
    s.next_part('panel')
    s.block(-w / 2, w / 2, d / 2 - 0.1, d / 2, h, h + rng.uniform(0.05, 0.17), body)
    s.next_part('door')
    s.box((0, -d / 2, h * 0.5), (w * 0.6, 0.05, h * 0.45), body, round_power=5)
    s.support(h, -w / 2, w / 2, -d / 2, d / 4)
    return s


def copier(rng: np.random.Generator) -> Shape:
    """Office copier: paper drawers, glass top, output tray, control panel."""
    s = Shape()
    w, d, h = rng.uniform(0.58, 0.85), rng.uniform(0.55, 0.7), rng.uniform(0.85, 1.15)
    body = make_paint(rng, ('white', 'beige', 'gray'), contrast=0.05)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0.03, h * 0.72, body)
    s.block(w * 0.22, w / 2, -d / 2, d / 2, h * 0.72, h * 0.88, body)
    s.block(-w / 2, -w * 0.4, -d / 2, d / 2, h * 0.72, h * 0.88, body)
    s.block(-w / 2, w / 2, d / 4, d / 2, h * 0.72, h * 0.88, body)
    s.block(-w / 2, w / 2, -d / 2, d / 2, h * 0.88, h, body)
    fronts(s, rng, (-w / 2, w / 2), (0.06, h * 0.55), -d / 2, body, 3, 1, 'drawer')
    s.next_part('panel')
    s.box(
        (w * 0.3, -d / 2 - 0.06, h * 0.92), (0.25, 0.14, 0.05), make_paint(rng, ('gray', 'black'))
    )
    s.next_part('tray')
    s.block(w / 2, w / 2 + 0.3, -d * 0.3, d * 0.3, h * 0.55, h * 0.57, body)
    return s


def stairs(rng: np.random.Generator) -> Shape:
    """A straight flight up along a wall, with a rail."""
    s = Shape('step')
    steps, rise, run = int(rng.integers(6, 13)), rng.uniform(0.16, 0.19), rng.uniform(0.25, 0.29)
    w = rng.uniform(0.8, 1.1)
    paint = wood(rng) if rng.random() < 0.6 else make_paint(rng, ('gray', 'white', 'beige'))
    x0 = -steps * run / 2
    for k in range(steps):
        low = 0.0 if k < 4 else (k - 3) * rise
        s.block(x0 + k * run, x0 + (k + 1) * run, -w / 2, w / 2, low, (k + 1) * rise, paint)
    s.next_part('rail')
    post = metal(rng) if rng.random() < 0.5 else wood(rng)
    for k in range(0, steps, 2):
        x, z = x0 + (k + 0.5) * run, (k + 1) * rise
        s.cone((x, -w / 2 + 0.04, z), (x, -w / 2 + 0.04, z + 0.9), 0.015, 0.015, post)
    s.cone(
        (x0, -w / 2 + 0.04, rise + 0.85),
        (x0 + steps * run, -w / 2 + 0.04, (steps + 1) * rise + 0.8),
        0.025,
        0.025,
        post,
    )
    return s


def fireplace(rng: np.random.Generator) -> Shape:
    s = Shape('surround')
    w, d, h = rng.uniform(1.1, 1.6), rng.uniform(0.25, 0.45), rng.uniform(1.0, 1.3)
    paint = make_paint(rng, ('red', 'gray', 'white', 'brown'), BRICK, 0.25)
    for x in (-w / 2, w / 2 - w * 0.22):
        s.block(x, x + w * 0.22, -d / 2, d / 2, 0, h, paint)
    s.block(-w * 0.28, w * 0.28, -d / 2, d / 2, h * 0.68, h, paint)
    s.next_part('hearth')
    s.block(-w * 0.28, w * 0.28, d / 2 - 0.04, d / 2, 0, h * 0.7, make_paint(rng, 'black'))
    s.block(-w / 2, w / 2, -d / 2 - 0.25, -d / 2, 0, 0.05, paint)
    s.next_part('mantel')
    s.block(-w / 2 - 0.08, w / 2 + 0.08, -d / 2 - 0.1, d / 2, h, h + 0.06, wood(rng))
    s.support(h + 0.06, -w / 2, w / 2, -d / 2, d / 2)
    return s


def kitchen_counter(rng: np.random.Generator) -> Shape:
    """A worktop on drawers and doors, seen as one thing."""
    s = Shape('top')
    w, h = rng.uniform(1.0, 2.4), rng.uniform(0.84, 0.94)
    stone = make_paint(rng, ('gray', 'black', 'beige', 'white'), MARBLE, 0.25)
    if rng.random() < 0.7:
        s.block(-w / 2 - 0.01, w / 2 + 0.01, -0.32, 0.31, h - 0.04, h, stone)
    else:
        counter_top(s, rng, w, 0.62, h)
    s.next_part('body')
    body = wood(rng) if rng.random() < 0.5 else make_paint(rng, ('white', 'gray', 'beige', 'blue'))
    s.block(-w / 2, w / 2, -0.28, 0.3, 0.1, h - 0.04, body)
    count = max(1, round(w / rng.uniform(0.4, 0.6)))
    if rng.random() < 0.6:
        fronts(s, rng, (-w / 2, w / 2), (0.1, h * 0.72), -0.28, body, 1, count, 'door')
        fronts(s, rng, (-w / 2, w / 2), (h * 0.72, h - 0.05), -0.28, body, 1, count, 'drawer')
    else:
        fronts(s, rng, (-w / 2, w / 2), (0.1, h - 0.05), -0.28, body, 3, count, 'drawer')
    s.support(h, -w / 2, w / 2, -0.3, 0.3)
    return s


def divider(rng: np.random.Generator) -> Shape:
    """Cubicle wall or folding screen."""
    s = Shape('panel')
    h, count = rng.uniform(1.2, 1.8), int(rng.integers(2, 5))
    paint, frame = fabric(rng, ('gray', 'beige', 'blue', 'green')), metal(rng)
    w, fold = rng.uniform(0.5, 0.9), rng.uniform(0, 0.5)
    x, y = -count * w * np.cos(fold) / 2, 0.0
    for k in range(count):
        a = fold if k % 2 else -fold
        c = np.array([x + w / 2 * np.cos(a), y + w / 2 * np.sin(a), h / 2])
        s.box(c, (w - 0.03, 0.05, h - 0.1), paint, turn=rotation('z', a))
        s.box(c + (0, 0, h / 2 - 0.04), (w, 0.06, 0.03), frame, turn=rotation('z', a))
        x, y = x + w * np.cos(a), y + w * np.sin(a)
    return s


def shower(rng: np.random.Generator) -> Shape:
    """Glass cabin with a tray, a head and one or two tiled walls."""
    s = Shape('tray')
    w, d, h = rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.0), rng.uniform(1.85, 2.05)
    body, frame = make_paint(rng, 'white', GLOSSY, 0.05), metal(rng, ('gray', 'white'))
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, 0.1, body)
    s.next_part('frame')
    for sx in (-1, 1):
        for y in (-d / 2, d / 2):
            s.box((sx * w / 2, y, h / 2), (0.04, 0.04, h), frame)
    s.box((0, -d / 2, h), (w, 0.04, 0.04), frame)
    s.next_part('door')
    glass = make_paint(rng, ('white', 'gray'), GLASS)
    s.block(-w / 2, w / 2, -d / 2 - 0.005, -d / 2 + 0.005, 0.1, h, glass)
    s.block(w / 2 - 0.005, w / 2 + 0.005, -d / 2, d / 2, 0.1, h, glass)
    s.next_part('head')
    s.cone((0, d / 2, h * 0.8), (0, d / 2 - 0.2, h), 0.012, 0.012, frame)
    s.cone((0, d / 2 - 0.2, h), (0, d / 2 - 0.22, h - 0.04), 0.03, 0.08, frame)
    return s


def projector_screen(rng: np.random.Generator) -> Shape:
    s = Shape('case')
    w, h = rng.uniform(1.4, 2.4), rng.uniform(1.0, 1.6)
    s.box((0, 0, h), (w + 0.1, 0.08, 0.09), make_paint(rng, ('white', 'black')))
    s.next_part('cloth')
    s.sheet((w / 2, 0, 0), (-w, 0, 0), (0, 0, h), make_paint(rng, 'white'))
    return s


def rack(rng: np.random.Generator) -> Shape:
    """Open clothes or drying rack."""
    s = Shape('frame')
    w, h, frame = rng.uniform(0.7, 1.3), rng.uniform(0.9, 1.6), metal(rng)
    for sx in (-1, 1):
        s.cone((sx * w / 2, -0.2, 0.02), (sx * w / 2, 0.2, 0.02), 0.015, 0.015, frame)
        s.cone((sx * w / 2, 0, 0), (sx * w / 2, 0, h), 0.014, 0.014, frame)
    s.cone((-w / 2, 0, h), (w / 2, 0, h), 0.014, 0.014, frame)
    s.next_part('clothes')
    for x in np.arange(-w / 2 + 0.08, w / 2 - 0.05, rng.uniform(0.08, 0.25)):
        drop = rng.uniform(0.4, h - 0.25)
        s.box((x, 0, h - drop / 2 - 0.03), (0.05, 0.4, drop), fabric(rng), round_power=4)
    return s


def recliner(rng: np.random.Generator) -> Shape:
    """Sofa chair: fat arms, split back cushions, a skirt down to the floor."""
    s = Shape('base')
    w, d, z = rng.uniform(0.85, 1.05), rng.uniform(0.82, 0.98), rng.uniform(0.42, 0.48)
    main = fabric(rng, ('brown', 'black', 'beige', 'gray', 'red', 'green', 'blue'))
    arm, t = rng.uniform(0.16, 0.24), rng.uniform(0.2, 0.28)
    s.box((0, 0, z * 0.35), (w - arm, d * 0.95, z * 0.7), main, round_power=14)
    s.next_part('seat')
    s.box((0, -t / 2, z - 0.09), (w - 2 * arm, d - t, 0.2), main, round_power=5)
    s.next_part('back')
    h = rng.uniform(0.45, 0.62)
    turn = rotation('x', -rng.uniform(0.1, 0.4))
    for k in range(int(rng.integers(1, 4))):
        c = np.array([0, d / 2 - t * 0.7, z]) + turn @ np.array([0, 0, h * (0.3 + 0.33 * k)])
        s.box(c, (w - arm * 1.4, t, h * 0.5), main, turn=turn, round_power=4)
    s.next_part('armrest')
    for sx in (-1, 1):
        s.box((sx * (w - arm) / 2, -0.03, 0.3), (arm, d * 0.92, 0.6), main, round_power=5)
    if rng.random() < 0.3:
        s.next_part('footrest')
        s.box((0, -d / 2 - 0.22, z - 0.1), (w - 2 * arm, 0.45, 0.12), main, round_power=6)
    return s


def screen_oven(rng: np.random.Generator) -> Shape:
    """Toaster oven."""
    s = Shape()
    w, d, h = rng.uniform(0.36, 0.5), rng.uniform(0.28, 0.36), rng.uniform(0.2, 0.28)
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0.015, h, make_paint(rng, ('gray', 'black', 'white')))
    s.next_part('door')
    glass = make_paint(rng, 'black', BLACK_GLASS)
    s.block(-w * 0.45, w * 0.2, -d / 2 - 0.012, -d / 2, 0.04, h - 0.03, glass)
    s.next_part('knob')
    for z in (h * 0.3, h * 0.6):
        s.cone((w * 0.36, -d / 2, z), (w * 0.36, -d / 2 - 0.02, z), 0.02, 0.018, metal(rng))
    return s
