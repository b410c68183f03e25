"""Named colours and procedural surface patterns.

A paint is what a primitive is covered with: a base colour that has a name (sentences use it), a
second colour for the pattern, and the pattern itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

(
    PLAIN,
    WOOD,
    CLOTH,
    STRIPES,
    CHECKER,
    BLOTCHES,
    CARPET,
    TILES,
    GLOSSY,
    GLASS,
    BLACK_GLASS,
    PLANKS,
    MARBLE,
    BRICK,
    PRINT,
    GRAIN,
) = range(16)

# Muted, warm tones: consumer cameras under lamps rarely see saturated colours indoors.
TONES: dict[str, tuple[tuple[float, float, float], ...]] = {
    'white': ((0.82, 0.81, 0.78), (0.75, 0.75, 0.74), (0.88, 0.87, 0.84)),
    'gray': ((0.45, 0.45, 0.45), (0.36, 0.37, 0.39), (0.55, 0.55, 0.54)),
    'black': ((0.10, 0.10, 0.11), (0.15, 0.14, 0.14), (0.07, 0.07, 0.08)),
    'brown': ((0.40, 0.25, 0.14), (0.32, 0.19, 0.11), (0.48, 0.30, 0.17), (0.27, 0.16, 0.10)),
    'beige': ((0.70, 0.61, 0.47), (0.64, 0.54, 0.40), (0.76, 0.68, 0.54)),
    'red': ((0.62, 0.13, 0.12), (0.50, 0.10, 0.12), (0.70, 0.20, 0.16)),
    'orange': ((0.82, 0.43, 0.12), (0.75, 0.36, 0.10)),
    'yellow': ((0.85, 0.72, 0.20), (0.78, 0.66, 0.28)),
    'green': ((0.20, 0.42, 0.20), (0.30, 0.48, 0.26), (0.14, 0.32, 0.20)),
    'blue': ((0.15, 0.24, 0.52), (0.22, 0.36, 0.62), (0.12, 0.17, 0.34)),
    'purple': ((0.36, 0.18, 0.44), (0.44, 0.26, 0.50)),
    'pink': ((0.80, 0.48, 0.55), (0.74, 0.40, 0.48)),
}
COLOR_NAMES: tuple[str, ...] = tuple(TONES)

WOODS = ('brown', 'brown', 'brown', 'beige', 'beige', 'orange', 'white', 'black')
METALS = ('gray', 'gray', 'black', 'white')
FABRICS = (
    'gray',
    'gray',
    'black',
    'blue',
    'brown',
    'beige',
    'red',
    'green',
    'white',
    'purple',
    'yellow',
    'orange',
    'pink',
)
BRIGHTS = ('red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'white', 'black')


class Paint(NamedTuple):
    """Colour and pattern of a primitive.

    Attributes:
        color: base colour, RGB in [0, 1].
        second: pattern colour, RGB in [0, 1].
        material: one of the pattern constants of this module.
        name: index into ``COLOR_NAMES`` of the base colour.
    """

    color: tuple[float, float, float]
    second: tuple[float, float, float]
    material: int
    name: int


def _painted(value: float) -> float:
    """Nothing painted is quite black or quite white."""
    return min(max(value, 0.02), 0.97)


def make_paint(
    rng: np.random.Generator,
    choices: tuple[str, ...] | str,
    material: int = PLAIN,
    contrast: float = 0.25,
) -> Paint:
    """Draw a paint whose base colour carries one of the given names.

    Args:
        rng: source of randomness.
        choices: colour names, drawn uniformly (repeat a name to favour it).
        material: pattern constant.
        contrast: how far the pattern colour is from the base colour, in [0, 1].
    """
    name = choices if isinstance(choices, str) else choices[int(rng.integers(len(choices)))]
    tones = TONES[name]
    tone = tones[int(rng.integers(len(tones)))]
    bright, tint = rng.uniform(0.85, 1.12), rng.normal(0, 0.015, 3).tolist()
    base = tuple(_painted(c * bright + d) for c, d in zip(tone, tint, strict=True))
    if material in (STRIPES, CHECKER, BLOTCHES):
        other = TONES[COLOR_NAMES[int(rng.integers(len(COLOR_NAMES)))]][0]
    else:
        factor = 0.6 if (base[0] + base[1] + base[2]) / 3 > 0.35 else 1.7
        other = tuple(c * factor for c in base)
    second = tuple(_painted(c + contrast * 2 * (o - c)) for c, o in zip(base, other, strict=True))
    return Paint(base, second, material, COLOR_NAMES.index(name))


def wood(rng: np.random.Generator, choices: tuple[str, ...] | str = WOODS) -> Paint:
    return make_paint(rng, choices, WOOD, 0.2)


def metal(rng: np.random.Generator, choices: tuple[str, ...] | str = METALS) -> Paint:
    return make_paint(rng, choices, GLOSSY, 0.1)


def fabric(rng: np.random.Generator, choices: tuple[str, ...] | str = FABRICS) -> Paint:
    material = (CLOTH, CLOTH, CLOTH, CLOTH, STRIPES, CHECKER, BLOTCHES)[int(rng.integers(7))]
    # Strong patterns would make the colour name a lie, so they stay faint.
    return make_paint(rng, choices, material, 0.12)


def _hash_noise(x: np.ndarray, y: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Cheap repeatable lattice noise in [0, 1] for integer-valued x, y."""
    v = np.sin(x * 12.9898 + y * 78.233 + seed * 37.719) * 43758.547
    return v - np.floor(v)


def draw_grain(material: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw what is random in a pattern, apart from evaluating it, which only visible samples need.

    Args:
        material: int, (N,), pattern constants.
        rng: source of randomness.

    Returns:
        float64, (N,), in [0, 1), specks of the patterns that have them, else 0; and float32,
        (N,), standard normal grain.
    """
    specks = np.zeros(len(material))
    for kind in (CLOTH, CARPET, MARBLE):
        rows = np.flatnonzero(material == kind)
        # Carpets draw doubles and the others singles: published rooms hang on these very numbers.
        specks[rows] = rng.random(len(rows), np.float64 if kind == CARPET else np.float32)
    return specks, rng.standard_normal(len(material), np.float32)


def apply_pattern(
    color: np.ndarray,
    second: np.ndarray,
    material: np.ndarray,
    st: np.ndarray,
    seed: np.ndarray,
    specks: np.ndarray,
    noise: np.ndarray,
) -> np.ndarray:
    """Evaluate the pattern of every sample.

    Args:
        color: float32, (N, 3), base colours.
        second: float32, (N, 3), pattern colours.
        material: int, (N,), pattern constants.
        st: float32, (N, 2), metres along the surface.
        seed: float32, (N,), one number per primitive in [0, 1); shifts and scales the pattern.
        specks: float64, (N,), of :func:`draw_grain`; likewise ``noise``, float32.
        noise: see above.

    Returns:
        float32, (N, 3), albedo in [0, 1].
    """
    n = len(color)
    mix = np.zeros(n, np.float32)
    grain = np.full(n, 0.012, np.float32)
    for kind in np.unique(material).tolist():
        rows = np.flatnonzero(material == kind)
        s, t, q = st[rows, 0], st[rows, 1], seed[rows]
        if kind == WOOD:
            mix[rows] = 0.5 + 0.5 * np.sin(s * (60 + 60 * q) + 3 * np.sin(t * 4 + 9 * q) + 6 * q)
            grain[rows] = 0.02
        elif kind == PLANKS:
            mix[rows] = _hash_noise(
                np.floor(s / 0.12), np.floor(t / 1.1 + 7 * _hash_noise(np.floor(s / 0.12), 0, q)), q
            )
            grain[rows] = 0.025
        elif kind == CLOTH:
            mix[rows] = 0.3 * specks[rows].astype(np.float32)
            grain[rows] = 0.03
        elif kind == STRIPES:
            mix[rows] = np.sin(s * (25 + 60 * q) + 6 * q) > 0.1
            grain[rows] = 0.02
        elif kind == CHECKER:
            size = 0.06 + 0.2 * q
            mix[rows] = (np.floor(s / size) + np.floor(t / size)) % 2
            grain[rows] = 0.02
        elif kind == BLOTCHES:
            size = 0.05 + 0.15 * q
            mix[rows] = (
                np.sin(s / size + 9 * q + np.sin(t / size)) * np.sin(t / size * 1.3 + 5 * q) * 0.7
                + 0.4
            )
            grain[rows] = 0.03
        elif kind == CARPET:
            mix[rows] = (
                0.25 * np.sin(s * 5 + 9 * q) * np.sin(t * 4 + 2 * q) + 0.25 + 0.3 * specks[rows]
            )
            grain[rows] = 0.03
        elif kind == TILES:
            size = 0.2 + 0.3 * q
            line = (np.abs(s / size % 1 - 0.5) > 0.47) | (np.abs(t / size % 1 - 0.5) > 0.47)
            mix[rows] = np.where(
                line, 1.0, 0.25 * _hash_noise(np.floor(s / size), np.floor(t / size), q)
            )
        elif kind == MARBLE:
            vein = np.sin(s * 9 + 3 * np.sin(t * (5 + 4 * q) + 9 * q) + 2 * np.sin((s + t) * 14))
            mix[rows] = 0.6 * np.abs(vein) ** 6 + 0.2 * specks[rows].astype(np.float32)
        elif kind == BRICK:
            row = np.floor(t / 0.075)
            joint = (t / 0.075 % 1 < 0.16) | ((s / 0.22 + 0.5 * row) % 1 < 0.06)
            mix[rows] = np.where(
                joint, 1.0, 0.35 * _hash_noise(np.floor(s / 0.22 + 0.5 * row), row, q)
            )
            grain[rows] = 0.03
        elif kind == PRINT:
            # Lines of text, a picture in blocks, or rings.
            lines = (t / 0.025 % 1 > 0.5) & (
                _hash_noise(np.floor(s / 0.01), np.floor(t / 0.025), q) > 0.3
            )
            blocks = _hash_noise(np.floor(s / 0.09), np.floor(t / 0.07), q)
            rings = np.hypot(s - 0.15 - 0.1 * q, t - 0.2) / 0.06 % 1 > 0.5
            mix[rows] = np.where(q < 0.4, lines, np.where(q < 0.75, blocks, rings))
        elif kind == GRAIN:
            # Boards cut from a trunk: stretched rings with a slow wander, and gaps between boards.
            width = 0.09 + 0.12 * q
            board = np.floor(s / width)
            shift = _hash_noise(board, 0 * board, q)
            ring = (s * 55 + 4 * np.sin(t * (1.5 + 2 * shift) + 6 * shift) + 9 * shift) % 1
            mix[rows] = 0.55 * ring + 0.35 * shift + 0.6 * (s / width % 1 < 0.03)
            grain[rows] = 0.02
    out = color + np.clip(mix, 0, 1)[:, None] * (second - color)
    return out + noise[:, None] * grain[:, None]
