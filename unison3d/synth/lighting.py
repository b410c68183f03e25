"""Light of the later worlds: lamps with fall-off and colour, corners that are darker."""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

from .rooms import Room
from .rows import bounds, lengths

_CELL = 0.1  # metres


@kernel
def _open_share(points, normals, taken, low, cell, probes, out):
    """Share of short probes from every point that end in empty space."""
    nx, ny, nz = taken.shape
    for i in range(len(points)):
        free = 0
        for k in range(len(probes)):
            side = 0.0
            for d in range(3):
                side += probes[k, d] * normals[i, d]
            sign = 1.0 if side >= 0 else -1.0
            hit = False
            for step in (1.0, 2.2):
                # The start is lifted off the surface, which would otherwise hide from itself.
                x = points[i, 0] + 1.2 * cell * normals[i, 0] + step * sign * probes[k, 0]
                y = points[i, 1] + 1.2 * cell * normals[i, 1] + step * sign * probes[k, 1]
                z = points[i, 2] + 1.2 * cell * normals[i, 2] + step * sign * probes[k, 2]
                a = int((x - low[0]) / cell)
                b = int((y - low[1]) / cell)
                c = int((z - low[2]) / cell)
                if 0 <= a < nx and 0 <= b < ny and 0 <= c < nz and taken[a, b, c]:
                    hit = True
            free += not hit
        out[i] = free / len(probes)


def openness(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How open the space before every point is: 1 in the middle of a wall, less in corners and
    under furniture; float32 (N,).

    Args:
        points: float32 (N, 3) metres, at least one.
        normals: float32 (N, 3) unit, towards the free side.
    """
    low = bounds(points)[0] - _CELL
    at = ((points - low) / np.float32(_CELL)).astype(np.int64)
    taken = np.zeros(bounds(at)[1] + 2, np.bool_)
    taken[at[:, 0], at[:, 1], at[:, 2]] = True
    k = np.arange(10)
    z = 1 - (2 * k + 1) / 10
    r, turn = np.sqrt(1 - z * z), 2.399963 * k
    probes = 0.16 * np.stack([r * np.cos(turn), r * np.sin(turn), z], 1).astype(np.float32)
    out = np.empty(len(points), np.float32)
    _open_share(points, normals, taken, low.astype(np.float32), np.float32(_CELL), probes, out)
    return out


def light_points(
    points: np.ndarray, normals: np.ndarray, room: Room, rng: np.random.Generator
) -> np.ndarray:
    """Light that arrives at every point: ambient, lamps under the ceiling or on furniture, and
    perhaps daylight from one side, each with its colour temperature; float32 (N, 3)."""
    shade = 0.45 + 0.55 * openness(points, normals) ** rng.uniform(0.6, 1.6)
    warm = rng.normal(0, 0.06)
    out = np.full((len(points), 3), rng.uniform(0.25, 0.55), np.float32)
    out *= np.array([1 + warm, 1, 1 - warm], np.float32)
    low, high = room.polygon.min(0), room.polygon.max(0)
    for _ in range(int(rng.integers(1, 4))):
        lamp = np.array([*rng.uniform(low, high), rng.uniform(0.8, room.height)], np.float32)
        to = lamp - points
        far = lengths(to)
        facing = np.clip(np.einsum('ij,ij->i', to, normals) / np.maximum(far, 0.1), 0, 1)
        power = (
            rng.uniform(0.3, 0.9) * (0.3 + 0.7 * facing) / (1 + (far / rng.uniform(1.2, 4)) ** 2)
        )
        tint = np.array([1.08, 1.0, 0.84]) if rng.random() < 0.6 else np.array([0.96, 1.0, 1.05])
        out += power.astype(np.float32)[:, None] * tint.astype(np.float32)
    if rng.random() < 0.5:
        a = rng.uniform(0, 2 * np.pi)
        sun = np.array([np.cos(a), np.sin(a), 0.35], np.float32)
        day = np.clip(normals @ (sun / np.linalg.norm(sun)), 0, 1) * rng.uniform(0.1, 0.5)
        out += day.astype(np.float32)[:, None] * np.array([0.95, 1.0, 1.08], np.float32)
    return out * shade.astype(np.float32)[:, None]
