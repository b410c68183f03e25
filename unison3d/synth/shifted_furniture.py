"""Furniture of the shifted world. Front is -y, back is +y, z = 0 the surface below, metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .materials import BLOTCHES, GLOSSY, MARBLE
from .primitives import Shape, rotation
from .shifted_shapes import bend, dark, extrude, loft, pale, ring, timber, tint, tube, turned_body
from .shifted_small import (
    bench,
    floor_lamp,
    lidded,
    ottoman,
    panel,
    plant,
    radiator,
    rounded,
    screen,
    stool,
    vase_like,
)

Rng = np.random.Generator


def trumpet(s: Shape, rng: Rng, h: float, paint) -> None:
    r = rng.uniform(0.18, 0.3)
    turned_body(s, [(0, r), (0.03, r * 0.9), (0.12, 0.05), (h * 0.6, 0.03), (h, 0.09)], paint)


def hoops(s: Shape, w: float, d: float, h: float, paint) -> None:
    """Two bent runners under a seat or top."""
    a = bend(7, np.pi, 2 * np.pi)
    for x in (-w * 0.42, w * 0.42):
        arc = np.stack([0 * a + x, d * 0.45 * np.cos(a), h + (h - 0.02) * np.sin(a)], 1)
        tube(s, arc, 0.016, paint)


def chair(rng: Rng) -> Shape:
    """A bent shell on runners or on a trumpet foot."""
    s = Shape('leg')
    w, z, h = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.5), rng.uniform(0.3, 0.6)
    d = rng.uniform(0.4, 0.5)
    foot = dark(rng) if rng.random() < 0.5 else timber(rng)
    trumpet(s, rng, z, foot) if rng.random() < 0.5 else hoops(s, w, d, z, foot)
    main = tint(rng)
    s.next_part('seat')
    extrude(s, np.array([(-d / 2, z - 0.04), (-d * 0.4, z), (d * 0.3, z - 0.01)]), w, main)
    s.box((0, -0.03, z + 0.01), (w * 0.9, d * 0.8, 0.05), main, round_power=4)
    s.next_part('back')
    a = bend(5, -0.5, 1.1)
    y, up = d * 0.3 + 0.16 * np.sin(a) + 0.07, z + h * (a + 0.5) / 1.6
    extrude(s, np.stack([y, up], 1), w * rng.uniform(0.6, 1), main)
    return s


def egg_chair(rng: Rng) -> Shape:
    """Swivel chair with an egg for a back."""
    s = Shape('base')
    z, main = rng.uniform(0.42, 0.52), tint(rng)
    trumpet(s, rng, z, dark(rng))
    s.next_part('seat')
    s.box((0, 0, z), (0.54, 0.5, 0.14), main, round_power=2.6)
    s.next_part('back')
    turn = rotation('x', -rng.uniform(0.05, 0.3))
    s.box(
        (0, 0.24, z + 0.36), (0.5, 0.12, rng.uniform(0.55, 0.8)), main, turn=turn, round_power=2.2
    )
    return s


def tub_chair(rng: Rng) -> Shape:
    s = Shape('base')
    r, z, main = rng.uniform(0.36, 0.46), rng.uniform(0.36, 0.44), tint(rng)
    turned_body(s, [(0, r * 0.7), (z * 0.8, r)], main)
    s.next_part('seat')
    s.box((0, -0.03, z), (2 * r * 0.85, 2 * r * 0.85, 0.16), main, round_power=3)
    s.next_part('back')
    ring(s, r, r, 0.1, z + rng.uniform(0.25, 0.5), 0.1, main, arc=(-0.08, 0.58))
    return s


def curved_sofa(rng: Rng) -> Shape:
    s = Shape('base')
    rx, ry, main = rng.uniform(0.85, 1.25), rng.uniform(0.4, 0.55), tint(rng)
    z = rng.uniform(0.34, 0.42)
    s.box((0, 0, z * 0.5), (2 * rx * 0.92, 2 * ry * 0.9, z), main, round_power=5)
    s.next_part('cushion')
    for k in range(int(rng.integers(2, 4))):
        x = rx * (0.55 * k - 0.55)
        s.box((x, -0.05, z + 0.05), (rx * 0.55, ry * 1.4, 0.18), main, round_power=2.8)
    s.next_part('back')
    ring(s, rx, ry, 0.08, z + rng.uniform(0.3, 0.5), 0.17, main, arc=(-0.05, 0.55))
    s.support(z + 0.12, -rx * 0.6, rx * 0.6, -ry * 0.6, ry * 0.3)
    return s


def table(rng: Rng, size=(1.0, 2.0), height=(0.7, 0.8)) -> Shape:
    """Oval or bean top on trumpet feet or on two slabs."""
    s = Shape('leg')
    w, h = rng.uniform(*size), rng.uniform(*height)
    d, foot = w * rng.uniform(0.5, 0.9), timber(rng)
    if w < 1.2 or rng.random() < 0.4:
        trumpet(s, rng, h, foot)
    else:
        for x in (-w * 0.3, w * 0.3):
            s.box((x, 0, h / 2), (0.06, d * 0.6, h), foot, taper=(1, 0.5))
    s.next_part('top')
    s.box((0, 0, h), (w, d, rng.uniform(0.04, 0.09)), tint(rng), round_power=rng.uniform(2.5, 6))
    s.support(h + 0.03, -w * 0.32, w * 0.32, -d * 0.32, d * 0.32)
    return s


def low_table(rng: Rng) -> Shape:
    return table(rng, (0.6, 1.1), (0.3, 0.45))


def desk(rng: Rng) -> Shape:
    """A waterfall slab with a rounded pedestal."""
    s = Shape('panel')
    w, d, h = rng.uniform(1.1, 1.7), rng.uniform(0.55, 0.75), rng.uniform(0.7, 0.77)
    main = timber(rng) if rng.random() < 0.5 else pale(rng)
    s.box((-w / 2, 0, h / 2), (0.05, d, h), main, round_power=12)
    s.next_part('top')
    s.box((0, 0, h), (w, d, 0.06), main, round_power=14)
    s.next_part('drawer')
    body = tint(rng)
    for k in range(3):
        s.box((w / 2 - 0.22, 0.02, 0.12 + 0.21 * k), (0.4, d * 0.8, 0.2), body, round_power=9)
        s.cone(
            (w / 2 - 0.22, -d * 0.4, 0.14 + 0.21 * k),
            (w / 2 - 0.22, -d * 0.4 - 0.03, 0.14 + 0.21 * k),
            0.025,
            0.02,
            dark(rng),
        )
    s.support(h + 0.03, -w * 0.46, w * 0.46, -d * 0.45, d * 0.45)
    return s


def bed(rng: Rng) -> Shape:
    s = Shape('frame')
    w, length = rng.uniform(0.95, 1.9), rng.uniform(1.9, 2.15)
    z, frame = rng.uniform(0.18, 0.32), timber(rng)
    s.box((0, 0, z * 0.6), (w + 0.2, length + 0.15, z * 0.8), frame, round_power=7)
    s.next_part('mattress')
    s.box((0, 0, z + 0.12), (w, length, 0.26), pale(rng), round_power=7)
    s.next_part('blanket')
    share = rng.uniform(0.4, 0.75)
    y = -length / 2 + share * length / 2
    s.box((0, y, z + 0.17), (w + 0.08, length * share, 0.26), tint(rng), round_power=5)
    s.next_part('headboard')
    s.box(
        (0, length / 2 + 0.03, 0.5), (w + 0.15, 0.09, rng.uniform(0.8, 1.2)), frame, round_power=3
    )
    for x in (-w * 0.24, w * 0.24) if w > 1.3 else (0.0,):
        s.next_part('pillow')
        s.box((x, length * 0.38, z + 0.3), (0.55, 0.34, 0.17), pale(rng), round_power=2.3)
    s.support(z + 0.27, -w * 0.35, w * 0.35, -length * 0.4, length * 0.15)
    return s


def chest(rng: Rng, size=(0.6, 1.5), height=(0.6, 1.4)) -> Shape:
    """A cupboard that widens or narrows upwards, with round-cornered doors and knobs."""
    s = Shape()
    w, d, h = rng.uniform(*size), rng.uniform(0.36, 0.55), rng.uniform(*height)
    lean, main = rng.uniform(0.85, 1.12), timber(rng) if rng.random() < 0.5 else tint(rng)
    for x in (-w * 0.38, w * 0.38):
        for y in (-d * 0.35, d * 0.35):
            s.cone((x, y, 0), (x, y, 0.14), 0.015, 0.03, main)
    loft(s, [(0.14, w, d), (h * 0.6, w * (1 + lean) / 2, d), (h, w * lean, d)], main)
    count = max(1, round(w / 0.45))
    for k in range(count):
        x = w * 0.9 * ((k + 0.5) / count - 0.5)
        s.next_part('door')
        s.box(
            (x, -d / 2, (h + 0.14) / 2),
            (w * 0.82 / count, 0.04, (h - 0.14) * 0.86),
            tint(rng),
            round_power=6,
        )
        s.next_part('handle')
        s.box(
            (x + 0.1 * w / count, -d / 2 - 0.03, h * 0.55),
            (0.04, 0.04, 0.04),
            dark(rng),
            round_power=2,
        )
    s.support(h, -w * lean * 0.45, w * lean * 0.45, -d * 0.45, d * 0.45)
    return s


def wardrobe(rng: Rng) -> Shape:
    return chest(rng, (0.9, 1.8), (1.8, 2.2))


def nightstand(rng: Rng) -> Shape:
    s = Shape()
    r, h, main = rng.uniform(0.2, 0.27), rng.uniform(0.42, 0.6), tint(rng)
    turned_body(s, [(0, r * 0.9), (h * 0.5, r), (h, r * 0.95)], main)
    s.next_part('door')
    s.box((0, -r, h / 2), (r, 0.05, h * 0.6), timber(rng), round_power=4)
    s.support(h, -r * 0.6, r * 0.6, -r * 0.6, r * 0.6)
    return s


def bookshelf(rng: Rng) -> Shape:
    """A ladder of boards between leaning posts, with books that slant."""
    s = Shape('frame')
    w, h, d = rng.uniform(0.6, 1.3), rng.uniform(1.3, 2.1), rng.uniform(0.28, 0.4)
    main = timber(rng)
    for x in (-w / 2, w / 2):
        tube(s, np.array([(x, -d / 2, 0), (x, d * 0.3, h)]), 0.02, main)
        tube(s, np.array([(x, d / 2, 0), (x, d / 2, h)]), 0.02, main)
    for z in np.linspace(0.15, h - 0.05, int(rng.integers(4, 7))):
        s.next_part('shelf')
        depth = d * (1 - 0.6 * z / h)
        s.box((0, d / 2 - depth / 2, z), (w, depth, 0.03), main, round_power=12)
        s.next_part('book')
        x = -w * 0.45
        while x < w * 0.4 and rng.random() < 0.93 and z < h - 0.2:
            t, tall = rng.uniform(0.02, 0.06), rng.uniform(0.16, 0.26)
            turn = rotation('y', rng.normal(0, 0.12))
            s.box(
                (x, d / 2 - depth * 0.5, z + tall / 2), (t, depth * 0.7, tall), tint(rng), turn=turn
            )
            x += t * 1.25
    return s


def counter(rng: Rng) -> Shape:
    s = Shape('top')
    w, d, h = rng.uniform(1.2, 2.4), rng.uniform(0.55, 0.68), rng.uniform(0.86, 0.96)
    stone = tint(rng, saturation=(0, 0.15), material=MARBLE)
    s.box((0, 0, h), (w, d, 0.07), stone, round_power=16)
    s.box((-w / 2 + 0.04, 0, h / 2), (0.08, d, h), stone, round_power=16)
    s.next_part('door')
    body = tint(rng)
    for k in range(int(w / 0.5)):
        s.box(
            (-w / 2 + 0.33 + 0.5 * k, 0.02, h * 0.5),
            (0.46, d * 0.85, h * 0.8),
            body,
            round_power=14,
        )
    s.support(h + 0.035, -w * 0.45, w * 0.45, -d * 0.4, d * 0.4)
    return s


def refrigerator(rng: Rng) -> Shape:
    s = Shape()
    w, d, h = rng.uniform(0.55, 0.75), rng.uniform(0.55, 0.7), rng.uniform(1.3, 1.95)
    body = tint(rng, saturation=(0.0, 0.5), value=(0.55, 0.95), material=GLOSSY)
    cut = rng.uniform(0.55, 0.75)
    s.box((0, 0.03, h / 2), (w, d * 0.9, h), body, round_power=9)
    for z0, z1 in ((0.06, cut * h - 0.01), (cut * h + 0.01, h)):
        s.next_part('door')
        s.box((0, -d * 0.42, (z0 + z1) / 2), (w * 0.98, 0.14, z1 - z0), body, round_power=7)
        s.next_part('handle')
        bar = np.array(
            [
                (-w * 0.3, -d * 0.5, z1 - 0.1),
                (0, -d * 0.56, z1 - 0.1),
                (w * 0.3, -d * 0.5, z1 - 0.1),
            ]
        )
        tube(s, bar, 0.014, dark(rng))
    return s


def toilet(rng: Rng) -> Shape:
    s = Shape('base')
    body = pale(rng, GLOSSY)
    turned_body(s, [(0, 0.14), (0.15, 0.11), (0.4, 0.2)], body, y=-0.1)
    s.next_part('seat')
    s.box((0, -0.1, 0.42), (0.4, 0.52, 0.07), body, round_power=2.3)
    s.next_part('tank')
    turned_body(s, [(0.35, 0.2), (0.78, 0.22)], body, y=0.24)
    return s


def sink(rng: Rng) -> Shape:
    s = Shape('base')
    body, h = pale(rng, GLOSSY), rng.uniform(0.8, 0.9)
    turned_body(s, [(0, 0.16), (0.1, 0.08), (h - 0.16, 0.07)], body)
    s.next_part('basin')
    r = rng.uniform(0.22, 0.3)
    s.cone((0, 0, h - 0.16), (0, 0, h), 0.08, r, body, caps=False, two_sided=True)
    s.next_part('tap')
    a = bend(6, 0, np.pi)
    arc = np.stack([0 * a, r * 0.75 - 0.08 + 0.08 * np.cos(a), h + 0.14 + 0.06 * np.sin(a)], 1)
    tube(s, np.concatenate([[(0, r * 0.75, h)], arc]), 0.013, dark(rng))
    return s


def bathtub(rng: Rng) -> Shape:
    s = Shape('wall')
    rx, ry, h = rng.uniform(0.75, 0.9), rng.uniform(0.36, 0.44), rng.uniform(0.5, 0.62)
    body = tint(rng, saturation=(0, 0.4), value=(0.7, 0.97), material=GLOSSY)
    ring(s, rx, ry, 0.02, h, 0.07, body)
    s.next_part('bottom')
    s.box((0, 0, 0.12), (2 * rx * 0.9, 2 * ry * 0.9, 0.08), body, round_power=3)
    return s


def curtain(rng: Rng) -> Shape:
    s = Shape('rod')
    w, h = rng.uniform(0.5, 1.6), rng.uniform(1.6, 2.2)
    tube(s, np.array([(-w / 2 - 0.1, 0, h), (w / 2 + 0.1, 0, h)]), 0.018, dark(rng))
    s.next_part('cloth')
    fall = (0, rng.uniform(-0.1, 0.1), -h + 0.02)
    wave = rng.uniform(0.04, 0.09)
    s.sheet((w / 2, 0, h - 0.02), (-w, 0, 0), fall, tint(rng), wave=wave, folds=w / 0.28, bend=0.06)
    return s


def shower_curtain(rng: Rng) -> Shape:
    s = Shape('rod')
    r, h, paint = rng.uniform(0.5, 0.8), rng.uniform(1.75, 1.95), tint(rng, value=(0.6, 0.95))
    a = bend(9, np.pi, np.pi * rng.uniform(1.4, 2))
    path = np.stack([r * np.cos(a), r * np.sin(a) + r / 2, 0 * a + h], 1)
    tube(s, path, 0.015, dark(rng))
    s.next_part('cloth')
    for p, q in zip(path[:-1], path[1:], strict=True):
        s.sheet(p, q - p, (0, 0, -h + 0.1), paint, wave=0.03, folds=2)
    return s


def picture(rng: Rng) -> Shape:
    s = Shape('frame')
    r = rng.uniform(0.18, 0.5)
    oval, frame = rng.uniform(0.7, 1.4), dark(rng)
    a = bend(int(rng.choice([6, 8, 14])) + 1, 0, 2 * np.pi)
    rim = np.stack([r * np.cos(a), 0 * a - 0.015, r * oval * (1 + np.sin(a))], 1)
    tube(s, rim, 0.025, frame)
    s.next_part('image')
    art = tint(rng, material=BLOTCHES)
    s.disc((0, -0.012, r * oval), (r, 0, 0), (0, 0, r * oval), art, two_sided=True)
    return s


BUILDERS: dict[str, Callable[[Rng], Shape]] = {
    'chair': chair,
    'office chair': egg_chair,
    'armchair': tub_chair,
    'sofa': curved_sofa,
    'table': table,
    'coffee table': low_table,
    'desk': desk,
    'bed': bed,
    'cabinet': chest,
    'wardrobe': wardrobe,
    'nightstand': nightstand,
    'dresser': chest,
    'bookshelf': bookshelf,
    'counter': counter,
    'refrigerator': refrigerator,
    'toilet': toilet,
    'sink': sink,
    'bathtub': bathtub,
    'curtain': curtain,
    'shower curtain': shower_curtain,
    'picture': picture,
    'bench': bench,
    'stool': stool,
    'ottoman': ottoman,
    'plant': plant,
    'floor lamp': floor_lamp,
    'lamp': vase_like(0.3, 0.6),
    'decoration': vase_like(0.12, 0.35),
    'bottle': vase_like(0.18, 0.3),
    'cup': vase_like(0.08, 0.13),
    'pillow': rounded((0.45, 0.3, 0.16), 0.2, power=(2, 3)),
    'cushion': rounded((0.4, 0.4, 0.14), 0.2, power=(2, 3)),
    'box': rounded((0.4, 0.32, 0.3), 0.35, power=(9, 20)),
    'suitcase': rounded((0.45, 0.24, 0.65), 0.15, power=(5, 10)),
    'backpack': rounded((0.32, 0.22, 0.45), 0.15, power=(2.5, 4)),
    'bag': rounded((0.35, 0.18, 0.32), 0.25, power=(2.3, 5)),
    'shoe': rounded((0.11, 0.28, 0.1), 0.15, power=(2, 3)),
    'book': rounded((0.17, 0.24, 0.05), 0.4, power=(18, 30)),
    'microwave': rounded((0.48, 0.36, 0.28), 0.15, power=(6, 12)),
    'washing machine': rounded((0.62, 0.62, 0.9), 0.1, power=(8, 14)),
    'trash can': lidded,
    'radiator': radiator,
    'monitor': screen((0.45, 0.75)),
    'tv': screen((0.9, 1.5)),
    'whiteboard': panel((1.5, 0.9), 'board', pale),
    'mirror': panel((0.6, 0.9), 'glass', dark),
    'clock': panel((0.3, 0.3), 'face', pale),
    'door': panel((0.95, 2.05), 'panel', timber),
    'window': panel((1.3, 1.1), 'glass', pale),
}
