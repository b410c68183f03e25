"""Things fixed to walls, of the second world. z = 0 is their lower edge, y = 0.0x the wall side."""

from __future__ import annotations

import numpy as np

from .furniture_appliances import fronts
from .materials import (
    BRIGHTS,
    GLOSSY,
    MARBLE,
    PLAIN,
    PRINT,
    STRIPES,
    fabric,
    make_paint,
    metal,
    wood,
)
from .primitives import Shape


def light_switch(rng: np.random.Generator) -> Shape:
    s = Shape('plate')
    s.box((0, 0, 0.06), (rng.uniform(0.08, 0.16), 0.02, 0.12), make_paint(rng, ('white', 'beige')))
    s.next_part('switch')
    s.box((0, -0.015, 0.06), (0.03, 0.02, 0.05), make_paint(rng, 'white'))
    return s


def power_outlet(rng: np.random.Generator) -> Shape:
    s = Shape('plate')
    s.box((0, 0, 0.06), (rng.uniform(0.08, 0.14), 0.02, 0.12), make_paint(rng, ('white', 'beige')))
    return s


def dispenser(rng: np.random.Generator) -> Shape:
    """Paper towel dispenser."""
    s = Shape()
    w, d, h = rng.uniform(0.26, 0.34), rng.uniform(0.12, 0.22), rng.uniform(0.3, 0.42)
    paint = make_paint(rng, ('white', 'gray', 'black'), GLOSSY, 0.05)
    s.box((0, 0, h / 2 + 0.06), (w, d, h), paint, round_power=10)
    s.next_part('paper')
    s.box((0, -d * 0.2, 0.03), (w * 0.6, 0.01, 0.1), make_paint(rng, 'white'))
    return s


def soap_dispenser(rng: np.random.Generator) -> Shape:
    s = Shape()
    s.box(
        (0, 0, 0.11), (0.11, 0.1, 0.22), make_paint(rng, ('white', 'gray', 'black')), round_power=6
    )
    s.next_part('nozzle')
    s.cone((0, -0.03, 0.0), (0, -0.03, -0.03), 0.015, 0.01, metal(rng))
    return s


def rail(rng: np.random.Generator) -> Shape:
    """Hand rail or grab bar, level or upright."""
    s = Shape('bar')
    w, paint = rng.uniform(0.4, 1.6), metal(rng, ('gray', 'white', 'black'))
    r = rng.uniform(0.015, 0.022)
    s.cone((-w / 2, -0.06, 0.03), (w / 2, -0.06, 0.03), r, r, paint)
    s.next_part('bracket')
    for x in (-w / 2 + 0.03, w / 2 - 0.03):
        s.cone((x, 0, 0.03), (x, -0.06, 0.03), r * 1.5, r, paint)
    return s


def sign(rng: np.random.Generator) -> Shape:
    s = Shape()
    w, h = rng.uniform(0.15, 0.4), rng.uniform(0.12, 0.35)
    s.block(-w / 2, w / 2, -0.01, 0.01, 0, h, make_paint(rng, BRIGHTS, PRINT, 0.4))
    return s


def calendar(rng: np.random.Generator) -> Shape:
    s = Shape('page')
    w = rng.uniform(0.25, 0.38)
    s.block(-w / 2, w / 2, -0.006, 0.006, 0, w * 0.8, make_paint(rng, 'white', PRINT, 0.25))
    s.next_part('image')
    s.block(-w / 2, w / 2, -0.008, 0.006, w * 0.8, w * 1.6, make_paint(rng, BRIGHTS, PRINT, 0.5))
    return s


def board(rng: np.random.Generator) -> Shape:
    """Notice board or panel full of papers."""
    s = Shape('frame')
    w, h = rng.uniform(0.6, 2.0), rng.uniform(0.5, 1.1)
    s.block(
        -w / 2, w / 2, -0.015, 0.015, 0, h, make_paint(rng, ('brown', 'green', 'gray', 'beige'))
    )
    s.next_part('paper')
    for _ in range(int(rng.integers(2, 10))):
        x, z = rng.uniform(-0.4, 0.4) * w, rng.uniform(0.15, 0.85) * h
        tint = make_paint(rng, ('white', 'white', 'yellow', 'blue', 'pink'), PRINT, 0.2)
        s.box((x, -0.018, z), (0.18, 0.006, 0.24), tint)
    return s


def blackboard(rng: np.random.Generator) -> Shape:
    s = Shape('board')
    w, h = rng.uniform(1.2, 3.0), rng.uniform(0.9, 1.25)
    s.block(-w / 2, w / 2, -0.015, 0.015, 0, h, make_paint(rng, ('black', 'green'), contrast=0.1))
    s.next_part('ledge')
    s.block(-w / 2, w / 2, -0.08, 0.01, -0.03, 0, wood(rng))
    return s


def vent(rng: np.random.Generator) -> Shape:
    s = Shape('grille')
    w, h = rng.uniform(0.25, 0.6), rng.uniform(0.15, 0.4)
    s.block(-w / 2, w / 2, -0.012, 0.01, 0, h, make_paint(rng, ('white', 'gray'), STRIPES, 0.3))
    return s


def pipe(rng: np.random.Generator) -> Shape:
    s = Shape()
    h, r = rng.uniform(1.4, 2.2), rng.uniform(0.02, 0.06)
    paint = make_paint(rng, ('white', 'gray', 'beige', 'red'))
    for k in range(int(rng.integers(1, 4))):
        s.cone((k * 3.5 * r, -r, 0), (k * 3.5 * r, -r, h), r, r, paint)
    return s


def extinguisher(rng: np.random.Generator) -> Shape:
    s = Shape('tank')
    s.cone((0, -0.08, 0), (0, -0.08, 0.4), 0.075, 0.07, make_paint(rng, 'red', GLOSSY))
    s.next_part('valve')
    s.box((0, -0.08, 0.45), (0.05, 0.12, 0.08), make_paint(rng, 'black'))
    return s


def range_hood(rng: np.random.Generator) -> Shape:
    s = Shape('hood')
    w, paint = rng.uniform(0.58, 0.9), metal(rng, ('gray', 'white', 'black'))
    s.box((0, -0.24, 0.09), (w, 0.48, 0.18), paint, taper=(0.55, 0.6))
    s.next_part('chimney')
    s.block(-0.13, 0.13, -0.25, 0.0, 0.16, rng.uniform(0.4, 0.7), paint)
    return s


def mailbox(rng: np.random.Generator) -> Shape:
    s = Shape('frame')
    w, h = rng.uniform(0.5, 1.4), rng.uniform(0.5, 1.1)
    body = make_paint(rng, ('gray', 'white', 'brown'), PLAIN)
    s.block(-w / 2, w / 2, -0.15, 0.1, 0, h, body)
    fronts(
        s,
        rng,
        (-w / 2, w / 2),
        (0, h),
        -0.15,
        body,
        max(2, int(h / 0.2)),
        max(2, int(w / 0.3)),
        'door',
    )
    return s


def windowsill(rng: np.random.Generator) -> Shape:
    s = Shape()
    w = rng.uniform(0.8, 2.0)
    s.block(
        -w / 2,
        w / 2,
        -rng.uniform(0.12, 0.3),
        0.0,
        0,
        0.03,
        make_paint(rng, ('white', 'beige', 'gray'), MARBLE, 0.15),
    )
    s.support(0.03, -w / 2, w / 2, -0.2, 0.0)
    return s


def light(rng: np.random.Generator) -> Shape:
    """Wall lamp."""
    s = Shape('base')
    s.box((0, 0, 0.1), (0.1, 0.03, 0.14), metal(rng))
    s.next_part('shade')
    s.cone(
        (0, -0.1, 0.05),
        (0, -0.1, 0.22),
        0.06,
        rng.uniform(0.06, 0.12),
        make_paint(rng, ('white', 'yellow', 'beige')),
        two_sided=True,
    )
    return s


def hung_decoration(rng: np.random.Generator) -> Shape:
    """Wreath, mask or tapestry."""
    s = Shape()
    if rng.random() < 0.5:
        r, paint = rng.uniform(0.12, 0.22), make_paint(rng, ('green', 'brown', 'red'))
        a = np.linspace(0, 2 * np.pi, 9)
        for p, q in zip(a[:-1], a[1:], strict=True):
            s.cone(
                (r * np.cos(p), -0.03, r + r * np.sin(p)),
                (r * np.cos(q), -0.03, r + r * np.sin(q)),
                0.035,
                0.035,
                paint,
                caps=False,
            )
    else:
        w, h = rng.uniform(0.4, 1.3), rng.uniform(0.5, 1.2)
        s.sheet((w / 2, -0.01, 0), (-w, 0, 0), (0, 0, h), fabric(rng), wave=0.012, folds=3)
    return s


def storage_organizer(rng: np.random.Generator) -> Shape:
    """Hanging or standing block of small drawers."""
    s = Shape('frame')
    w, d, h = rng.uniform(0.3, 0.6), rng.uniform(0.18, 0.3), rng.uniform(0.3, 0.7)
    body = make_paint(rng, ('white', 'gray', 'blue', 'beige'))
    s.block(-w / 2, w / 2, -d / 2, d / 2, 0, h, body)
    tints = make_paint(rng, BRIGHTS)
    fronts(
        s,
        rng,
        (-w / 2, w / 2),
        (0, h),
        -d / 2,
        tints,
        int(rng.integers(2, 5)),
        int(rng.integers(1, 4)),
        'drawer',
    )
    s.support(h, -w / 2, w / 2, -d / 2, d / 2)
    return s


def bathroom_cabinet(rng: np.random.Generator) -> Shape:
    """Medicine cabinet."""
    s = Shape()
    w, h = rng.uniform(0.4, 0.9), rng.uniform(0.5, 0.8)
    body = make_paint(rng, ('white', 'white', 'beige', 'gray'))
    s.block(-w / 2, w / 2, -0.14, 0, 0, h, body)
    fronts(s, rng, (-w / 2, w / 2), (0, h), -0.14, body, 1, 1 if w < 0.6 else 2, 'door')
    return s


def holder(rng: np.random.Generator) -> Shape:
    """Toilet paper holder or dispenser with its roll."""
    s = Shape('holder')
    body = make_paint(rng, ('white', 'gray', 'black'))
    s.box(
        (0, -0.06, 0.1), (rng.uniform(0.14, 0.3), 0.12, rng.uniform(0.14, 0.3)), body, round_power=5
    )
    s.next_part('roll')
    s.cone((-0.055, -0.07, 0.0), (0.055, -0.07, 0.0), 0.055, 0.055, make_paint(rng, 'white'))
    return s
