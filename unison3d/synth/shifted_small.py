"""Small and plain things of the shifted world. Front is -y, back is +y, metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .materials import GLOSSY, PLAIN
from .primitives import Shape
from .shifted_shapes import bend, dark, extrude, pale, ring, timber, tint, tube, turned_body

Rng = np.random.Generator


def bench(rng: Rng) -> Shape:
    s = Shape('seat')
    w, h = rng.uniform(1.0, 1.7), rng.uniform(0.4, 0.48)
    path = np.array([(-0.1, 0), (-0.2, h * 0.9), (-0.1, h), (0.15, h), (0.22, h * 0.9), (0.1, 0)])
    extrude(s, path, w, timber(rng))
    s.support(h, -w / 2, w / 2, -0.1, 0.15)
    return s


def stool(rng: Rng) -> Shape:
    s = Shape()
    r, h = rng.uniform(0.15, 0.22), rng.uniform(0.4, 0.75)
    turned_body(s, [(0, r), (h / 2, r * rng.uniform(0.4, 0.7)), (h, r)], tint(rng))
    return s


def ottoman(rng: Rng) -> Shape:
    s = Shape()
    r = rng.uniform(0.25, 0.4)
    s.box((0, 0, r * 0.6), (2 * r, 2 * r, 1.2 * r), tint(rng), round_power=2.2)
    return s


def vase_like(low: float, high: float, name: str = 'body') -> Callable[[Rng], Shape]:
    """Builder of small turned things between two heights."""

    def build(rng: Rng) -> Shape:
        s = Shape(name)
        h = rng.uniform(low, high)
        r = h * rng.uniform(0.2, 0.4)
        levels = [(h * t, r * rng.uniform(0.5, 1)) for t in np.linspace(0, 1, 5)]
        turned_body(s, levels, tint(rng))
        return s

    return build


def plant(rng: Rng) -> Shape:
    s = Shape('pot')
    h = rng.uniform(0.35, 1.6)
    turned_body(s, [(0, h * 0.1), (h * 0.25, h * 0.15)], tint(rng))
    s.next_part('leaves')
    for k in range(int(rng.integers(9, 18))):
        a, up = 2.4 * k, rng.uniform(0.3, 1)
        tip = (h * 0.4 * np.cos(a) * up, h * 0.4 * np.sin(a) * up, h * (0.4 + 0.6 * rng.random()))
        s.cone((0, 0, h * 0.25), tip, 0.03, 0.008, tint(rng, hue=0.33, material=PLAIN))
    return s


def floor_lamp(rng: Rng) -> Shape:
    s = Shape('stand')
    h, metal = rng.uniform(1.4, 1.9), dark(rng)
    turned_body(s, [(0, 0.16), (0.04, 0.15)], metal)
    a = bend(8, 0, 2.2)
    path = np.stack([0 * a, -0.35 * (1 - np.cos(a)), h - 0.35 + 0.35 * np.sin(a)], 1)
    tube(s, np.concatenate([[(0, 0, 0)], path]), 0.014, metal)
    s.next_part('shade')
    x, y, z = path[-1]
    s.box((x, y, z - 0.05), (0.3, 0.3, 0.2), pale(rng), round_power=2)
    return s


def rounded(size, spread: float, name: str = 'body', power=(3, 8)) -> Callable[[Rng], Shape]:
    """Builder of rounded boxes of about a size (3,), each side varied by ``spread``."""

    def build(rng: Rng) -> Shape:
        s = Shape(name)
        w, d, h = np.array(size) * rng.uniform(1 - spread, 1 + spread, 3)
        s.box((0, 0, h / 2), (w, d, h), tint(rng), round_power=rng.uniform(*power))
        if h > 0.15:
            s.support(h, -w * 0.3, w * 0.3, -d * 0.3, d * 0.3)
        return s

    return build


def screen(size: tuple[float, float]) -> Callable[[Rng], Shape]:
    """Builder of curved screens on a foot."""

    def build(rng: Rng) -> Shape:
        s = Shape('stand')
        w, body = rng.uniform(*size), dark(rng)
        turned_body(s, [(0, 0.12), (0.02, 0.1), (0.03, 0.02), (0.14, 0.02)], body)
        s.next_part('screen')
        h = w * 0.5
        s.sheet((-w / 2, 0, 0.08), (0, 0, h), (w, 0, 0), body, bend=0.05)
        return s

    return build


def panel(size, name: str, make) -> Callable[[Rng], Shape]:
    """Builder of flat things on walls."""

    def build(rng: Rng) -> Shape:
        s = Shape(name)
        w, h = np.array(size) * rng.uniform(0.7, 1.3, 2)
        s.box((0, -0.015, h / 2), (w, 0.03, h), make(rng), round_power=rng.uniform(4, 20))
        return s

    return build


def radiator(rng: Rng) -> Shape:
    s = Shape()
    w, h, paint = rng.uniform(0.5, 1.3), rng.uniform(0.5, 0.9), pale(rng, GLOSSY)
    for x in np.arange(-w / 2, w / 2, 0.09):
        tube(s, np.array([(x, 0, 0.08), (x, 0, h)]), 0.03, paint)
    return s


def lidded(rng: Rng) -> Shape:
    """Trash can: six-sided, wider at the top."""
    s = Shape('bin')
    h, r, paint = rng.uniform(0.3, 0.7), rng.uniform(0.12, 0.2), tint(rng)
    ring(s, r, r, 0, h, 0.02, paint)
    s.disc((0, 0, 0.02), (r, 0, 0), (0, r, 0), paint)
    return s
