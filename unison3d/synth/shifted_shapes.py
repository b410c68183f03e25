"""Forms and colours of the shifted world: lofts, tubes, extrusions, superquadrics."""

from __future__ import annotations

import colorsys

import numpy as np

from .materials import BLOTCHES, CLOTH, COLOR_NAMES, GLOSSY, MARBLE, PLAIN, STRIPES, Paint
from .materials import TONES as NAMED_TONES
from .primitives import Shape

_TONES = np.array([np.mean(NAMED_TONES[name], axis=0) for name in COLOR_NAMES])


def tint(
    rng: np.random.Generator,
    *,
    hue: float | None = None,
    saturation: tuple[float, float] = (0.1, 0.75),
    value: tuple[float, float] = (0.3, 0.95),
    material: int | None = None,
) -> Paint:
    """A paint by hue, saturation and value (each 0 to 1); its name is that of the nearest tone."""
    h = rng.random() if hue is None else (hue + rng.normal(0, 0.03)) % 1.0
    color = np.array(colorsys.hsv_to_rgb(h, rng.uniform(*saturation), rng.uniform(*value)))
    if material is None:
        material = (PLAIN, CLOTH, GLOSSY, STRIPES, BLOTCHES, MARBLE)[int(rng.integers(6))]
    second = np.clip(color + rng.choice([-1, 1]) * rng.uniform(0.04, 0.15), 0.02, 0.98)
    name = int(((_TONES - color) ** 2).sum(1).argmin())
    return Paint(tuple(color.tolist()), tuple(second.tolist()), material, name)


def pale(rng: np.random.Generator, material: int = PLAIN) -> Paint:
    return tint(rng, saturation=(0.0, 0.12), value=(0.75, 0.97), material=material)


def dark(rng: np.random.Generator, material: int = GLOSSY) -> Paint:
    return tint(rng, saturation=(0.0, 0.3), value=(0.06, 0.28), material=material)


def timber(rng: np.random.Generator) -> Paint:
    return tint(rng, hue=0.08, saturation=(0.25, 0.6), value=(0.3, 0.8), material=STRIPES)


def turned_body(s: Shape, profile: list[tuple[float, float]], paint: Paint, x=0.0, y=0.0) -> None:
    """A body of revolution about the vertical through (x, y); rows of height and radius."""
    for (z0, r0), (z1, r1) in zip(profile[:-1], profile[1:], strict=True):
        s.cone((x, y, z0), (x, y, z1), r0, r1, paint, caps=False, two_sided=True)
    z, r = profile[-1]
    if r > 0.005:
        s.disc((x, y, z), (r, 0, 0), (0, r, 0), paint)


def loft(s: Shape, levels: list[tuple[float, float, float]], paint: Paint, y: float = 0.0) -> None:
    """Rectangular sections (z, width, depth) joined by straight sides."""
    for (z0, w0, d0), (z1, w1, d1) in zip(levels[:-1], levels[1:], strict=True):
        centre, size = (0, y, (z0 + z1) / 2), (w0, d0, z1 - z0)
        s.box(centre, size, paint, taper=(w1 / w0, d1 / d0))


def tube(s: Shape, path: np.ndarray, radius: float, paint: Paint) -> None:
    """A round bar along points (K, 3)."""
    for p, q in zip(path[:-1], path[1:], strict=True):
        s.cone(p, q, radius, radius, paint, caps=False)


def extrude(s: Shape, profile: np.ndarray, width: float, paint: Paint) -> None:
    """A bent sheet: points (K, 2) of y and z, drawn out along x."""
    for (y0, z0), (y1, z1) in zip(profile[:-1], profile[1:], strict=True):
        s.sheet((-width / 2, y0, z0), (width, 0, 0), (0, y1 - y0, z1 - z0), paint)


def ring(
    s: Shape, rx: float, ry: float, z0: float, z1: float, thick: float, paint: Paint, arc=(0.0, 1.0)
) -> None:
    """An upright wall along a part of an ellipse; ``arc`` in turns, 0 at +x, 0.25 at +y (back)."""
    count = max(4, int(18 * (arc[1] - arc[0])))
    a = 2 * np.pi * np.linspace(arc[0], arc[1], count + 1)
    for p, q in zip(a[:-1], a[1:], strict=True):
        start = np.array([rx * np.cos(p), ry * np.sin(p), 0])
        end = np.array([rx * np.cos(q), ry * np.sin(q), 0])
        along = end - start
        length = np.linalg.norm(along)
        c, t = along[0] / length, along[1] / length
        turn = np.array([[c, -t, 0], [t, c, 0], [0, 0, 1]])
        centre = (start + end) / 2 + (0, 0, (z0 + z1) / 2)
        s.box(centre, (length * 1.08, thick, z1 - z0), paint, turn=turn, round_power=8)


def bend(count: int, start: float, end: float) -> np.ndarray:
    """Angles in radians from ``start`` to ``end``."""
    return np.linspace(start, end, count)
