"""Primitive surfaces. A ``Shape`` only records their parameters; ``surfaces`` samples them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .materials import Paint

FAMILIES = ('box', 'cone', 'disc', 'sheet')
_EYE = tuple(np.eye(3).ravel().tolist())


def _cross(a, b) -> np.ndarray:
    """Cross product of two vectors (3,), which takes ``np.cross`` ten times as long."""
    (a0, a1, a2), (b0, b1, b2) = a, b
    return np.array([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0])


def _length(a: np.ndarray) -> float:
    """Length of a vector (3,)."""
    x, y, z = a.tolist()
    return math.sqrt(x * x + y * y + z * z)


class Support(NamedTuple):
    """A horizontal surface that can carry things: height and rectangle in the local frame,
    metres."""

    z: float
    x0: float
    x1: float
    y0: float
    y1: float


def rotation(axis: str, angle: float) -> np.ndarray:
    """Rotation matrix (3, 3) about a local axis; angle in radians, right-handed."""
    c, s = np.cos(angle), np.sin(angle)
    if axis == 'x':
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    if axis == 'y':
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass
class Shape:
    """A rigid object made of primitives, in its own frame (x width, y depth with the back at +y,
    z up).

    Args:
        base: name of the first part.
    """

    base: str = 'body'
    rows: dict[str, list[tuple]] = field(default_factory=lambda: {f: [] for f in FAMILIES})
    attrs: dict[str, list[tuple]] = field(default_factory=lambda: {f: [] for f in FAMILIES})
    supports: list[Support] = field(default_factory=list)
    part: int = 0
    low: np.ndarray = field(default_factory=lambda: np.full(3, np.inf))
    high: np.ndarray = field(default_factory=lambda: np.full(3, -np.inf))
    part_names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.part_names.append(self.base)

    def next_part(self, name: str) -> int:
        """Start a new part: primitives added from here on carry its id, the place of its name in
        ``part_names``."""
        self.part += 1
        self.part_names.append(name)
        return self.part

    @property
    def size(self) -> np.ndarray:
        """(3,) extent of the axis-aligned box in metres."""
        return self.high - self.low

    def turned(self, turn: np.ndarray) -> Shape:
        """A copy turned by the rotation matrix (3, 3), standing on z = 0, without supports."""
        box = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
        ends = (self.low + box * self.size) @ turn.T
        rise = np.array([0, 0, -ends[:, 2].min()])
        out = Shape(self.base, attrs=self.attrs, part=self.part)
        out.part_names = list(self.part_names)
        out.low, out.high = ends.min(0) + rise, ends.max(0) + rise
        # Every family starts with a place; the vectors that follow, and where the rest begins.
        vectors = {'box': 0, 'cone': 3, 'disc': 2, 'sheet': 2}
        for family, rows in self.rows.items():
            for row in rows:
                place = turn @ row[:3] + rise
                if family == 'box':
                    turned = (turn @ np.reshape(row[3:12], (3, 3))).ravel()
                    out.rows[family].append((*place, *turned, *row[12:]))
                    continue
                end = 3 + 3 * vectors[family]
                turned = (np.reshape(row[3:end], (-1, 3)) @ turn.T).ravel()
                out.rows[family].append((*place, *turned, *row[end:]))
        return out

    def _add(self, family: str, row: tuple, paint: Paint, two_sided: bool, low, high) -> None:
        self.rows[family].append(row)
        self.attrs[family].append(
            (*paint.color, *paint.second, paint.material, paint.name, self.part, two_sided)
        )
        self.low = np.minimum(self.low, low)
        self.high = np.maximum(self.high, high)

    def box(
        self,
        center,
        size,
        paint: Paint,
        *,
        turn: np.ndarray | None = None,
        round_power: float = 0.0,
        taper: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """Add a box, a rounded box or an ellipsoid.

        Args:
            center: (3,) metres.
            size: (3,) full extents, metres.
            paint: colour and pattern.
            turn: (3, 3) rotation about the centre.
            round_power: 0 sharp, 2 ellipsoid, 4 to 12 a pillow-like to slightly rounded box.
            taper: scale of the top face in x and y relative to the bottom.
        """
        half = np.maximum(np.asarray(size, float) / 2, 1e-4)
        reach = half
        if taper != (1.0, 1.0):
            reach = half * (max(1, taper[0]), max(1, taper[1]), 1)
        if turn is not None:
            reach = np.abs(turn) @ reach
        c = np.asarray(center, float)
        self._add(
            'box',
            (*c, *(_EYE if turn is None else turn.ravel()), *half, round_power, *taper),
            paint,
            False,
            c - reach,
            c + reach,
        )

    def block(
        self, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, paint: Paint, **kw
    ) -> None:
        """Add a box by its limits, metres."""
        self.box(
            ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2), (x1 - x0, y1 - y0, z1 - z0), paint, **kw
        )

    def cone(
        self,
        start,
        end,
        r0: float,
        r1: float,
        paint: Paint,
        *,
        caps: bool = True,
        two_sided: bool = False,
    ) -> None:
        """Add a cylinder or frustum from ``start`` to ``end`` with radii ``r0`` and ``r1``
        (metres)."""
        p, q = np.asarray(start, float), np.asarray(end, float)
        h = q - p
        axis = h / max(_length(h), 1e-6)
        side = _cross(axis, (0, 0, 1) if abs(axis[2]) < 0.9 else (1, 0, 0))
        side /= _length(side)
        other = _cross(axis, side)
        reach = max(r0, r1) * np.sqrt(np.maximum(0, 1 - axis * axis))
        self._add(
            'cone',
            (*p, *h, *side, *other, r0, r1),
            paint,
            two_sided,
            np.minimum(p, q) - reach,
            np.maximum(p, q) + reach,
        )
        if caps:
            if r1 > 0.004:
                self._add(
                    'disc', (*q, *(side * r1), *(other * r1)), paint, False, q - reach, q + reach
                )
            if r0 > 0.004:
                self._add(
                    'disc', (*p, *(side * r0), *(-other * r0)), paint, False, p - reach, p + reach
                )

    def disc(self, center, u, v, paint: Paint, *, two_sided: bool = False) -> None:
        """Add an elliptic disc spanned by the radius vectors ``u`` and ``v``; its normal is u x
        v."""
        c, u, v = (np.asarray(a, float) for a in (center, u, v))
        reach = np.sqrt(u * u + v * v)
        self._add('disc', (*c, *u, *v), paint, two_sided, c - reach, c + reach)

    def sheet(
        self,
        origin,
        a,
        b,
        paint: Paint,
        *,
        wave: float = 0.0,
        folds: float = 0.0,
        phase: float = 0.0,
        bend: float = 0.0,
        flare: float = 0.0,
        two_sided: bool = True,
    ) -> None:
        """Add a parallelogram ``origin + u a + v b`` with normal a x b, folded and bent along its
        normal.

        Args:
            origin: (3,) metres.
            a: (3,) first edge; folds run across it.
            b: (3,) second edge.
            paint: colour and pattern.
            wave: amplitude of the folds, metres.
            folds: number of folds along ``a``.
            phase: radians.
            bend: height of the parabola along ``b``, metres.
            flare: how much the folds grow along ``b`` (0 not at all, 1 from nothing to twice).
            two_sided: visible from both sides.
        """
        o, a, b = (np.asarray(x, float) for x in (origin, a, b))
        corners = np.stack([o, o + a, o + b, o + a + b])
        grow = abs(wave) * (1 + flare) + abs(bend)
        n = np.abs(_cross(a, b))
        reach = grow * n / max(_length(n), 1e-9)
        self._add(
            'sheet',
            (*o, *a, *b, wave, folds, phase, bend, flare),
            paint,
            two_sided,
            corners.min(0) - reach,
            corners.max(0) + reach,
        )

    def support(self, z: float, x0: float, x1: float, y0: float, y1: float) -> None:
        self.supports.append(Support(z, x0, x1, y0, y1))


class Pose(NamedTuple):
    """Where a shape stands: translation in metres and heading in radians."""

    x: float
    y: float
    z: float
    yaw: float
