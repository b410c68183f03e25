"""Light in a room and what a small camera makes of it."""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

from .rooms import Room


@kernel
def _light(albedo, points, normals, lamps, ambient, gain, gamma, color):
    """Light that pixels (M, 3) send to the camera; rows of ``lamps``: place, power and reach."""
    for i in range(len(albedo)):
        light = ambient
        for lamp in lamps:
            x, y, z = lamp[0] - points[i, 0], lamp[1] - points[i, 1], lamp[2] - points[i, 2]
            far = np.sqrt(x * x + y * y + z * z)
            facing = (x * normals[i, 0] + y * normals[i, 1] + z * normals[i, 2]) / max(far, 0.1)
            facing = min(max(facing, 0.0), 1.0)
            light += lamp[3] * (0.35 + 0.65 * facing) / (1 + (far / lamp[4]) ** 2)
        # Corners and the space under furniture are darker.
        light *= 0.82 + 0.18 * min(max(points[i, 2] / 0.6, 0.0), 1.0)
        for c in range(3):
            color[i, c] = max(0.0, albedo[i, c] * light * gain[c]) ** gamma


@kernel
def _develop(color, scale, saturation, grain, out):
    """Exposure, saturation, grain and clipping; uint8 (M, 3)."""
    for i in range(len(color)):
        gray = scale * (color[i, 0] + color[i, 1] + color[i, 2]) / 3
        for c in range(3):
            value = gray + saturation * (scale * color[i, c] - gray) + 0.02 * grain[i, c]
            out[i, c] = np.uint8(min(max(value, 0.0), 1.0) * 255 + 0.5)


class Lighting:
    """Ambient light, one to three soft lamps, and a camera with automatic exposure.

    Args:
        room: its outline and height bound the lamps.
        rng: source of randomness.
    """

    def __init__(self, room: Room, rng: np.random.Generator) -> None:
        count = int(rng.integers(1, 4))
        low, high = room.polygon.min(0), room.polygon.max(0)
        self._ambient = rng.uniform(0.35, 0.6)
        self._lamps = np.array(
            [
                [*rng.uniform(low, high), rng.uniform(1.2, room.height), power, rng.uniform(2, 5)]
                for power in rng.uniform(0.5, 1.1, count) / count
            ]
        )
        self._balance = np.array([1.04, 1.0, 0.9]) + rng.normal(0, [0.07, 0.03, 0.1])
        self._gamma = rng.uniform(0.9, 1.4)
        self._aim = rng.uniform(0.42, 0.66)
        self._saturation = rng.uniform(0.6, 1.05)

    def expose(
        self,
        albedo: np.ndarray,
        points: np.ndarray,
        normals: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Colours of the pixels of one image.

        Args:
            albedo: float32, (M, 3), in [0, 1].
            points: float32, (M, 3), room frame.
            normals: float32, (M, 3), unit, towards the camera.
            rng: drift of exposure and white balance, and grain.

        Returns:
            uint8, (M, 3).
        """
        gain = self._balance * (1 + rng.normal(0, 0.06)) * (1 + rng.normal(0, 0.02, 3))
        color = np.empty(albedo.shape, np.float32)
        _light(albedo, points, normals, self._lamps, self._ambient, gain, self._gamma, color)
        # Slow automatic exposure: most of the way to the brightness the camera aims at.
        level = max(float(color.mean()), 0.05) if len(color) else 1.0
        scale = self._aim / (0.7 * level + 0.3 * 0.45)
        grain = rng.standard_normal(color.shape, np.float32)
        out = np.empty(color.shape, np.uint8)
        _develop(color, scale, self._saturation, grain, out)
        return out
