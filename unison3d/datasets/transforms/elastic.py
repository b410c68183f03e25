"""Elastic distortion of coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import convolve1d

from unison3d.datasets.transforms.sample_edit import bounds, sample_rng
from unison3d.native import kernel
from unison3d.registry import TRANSFORMS


def noise_shape(coords: np.ndarray, granularity: float) -> tuple[int, int, int]:
    """Size of the noise grid that covers the coordinates.

    Args:
        coords: float, (N, 3), voxel units.
        granularity: half the distance of the nodes, voxel units.
    """
    low, high = bounds(coords) if len(coords) else (np.zeros(3), np.zeros(3))
    reach = np.maximum(-low, high)
    return tuple(int(n) for n in np.floor(reach).astype(np.int64) // granularity + 3)


def displace(
    coords: np.ndarray, noise: np.ndarray, granularity: float, magnitude: float
) -> np.ndarray:
    """Shift coordinates by smooth noise.

    The noise is blurred twice with three taps along every axis. Its nodes lie ``2 * granularity``
    apart, centred at zero; it is interpolated linearly and is zero outside the grid.

    Args:
        coords: float, (N, 3), voxel units.
        noise: float32, (3, X, Y, Z). White noise, one grid per direction of the shift.
        granularity: half the distance of the nodes, voxel units.
        magnitude: factor on the blurred noise, voxel units.

    Returns:
        float64, (N, 3).

    Source:
        The elastic distortion of SPFormer, OneFormer3D and UniSeg3D (arXiv:2407.03263).
    """
    taps = np.full(3, 1 / 3, np.float32)
    blurred = np.asarray(noise, np.float32)
    for axis in (1, 2, 3, 1, 2, 3):
        blurred = convolve1d(blurred, taps, axis=axis, mode='constant', cval=0.0)
    # Directions last, so that the three shifts of a node lie side by side.
    nodes = np.ascontiguousarray(blurred.transpose(1, 2, 3, 0))
    return _shift(np.ascontiguousarray(coords), nodes, float(granularity), float(magnitude))


@kernel
def _shift(coords: np.ndarray, nodes: np.ndarray, granularity: float, magnitude: float):
    """Add the linearly interpolated noise to each point; float64 (N, 3)."""
    moved = np.empty((len(coords), 3), np.float64)
    cell = np.empty(3, np.int64)
    part = np.empty(3, np.float64)
    for row in range(len(coords)):
        inside = True
        for axis in range(3):
            value = np.float64(coords[row, axis])
            moved[row, axis] = value
            last = nodes.shape[axis] - 1
            place = (value + last * granularity) / (2 * granularity)
            if not 0 <= place <= last:
                inside = False
                break
            cell[axis] = min(int(place), last - 1)
            part[axis] = place - cell[axis]
        if not inside:
            for axis in range(3):
                moved[row, axis] = np.float64(coords[row, axis])
            continue
        for corner in range(8):
            x, y, z = corner >> 2, (corner >> 1) & 1, corner & 1
            weight = part[0] if x else 1 - part[0]
            weight *= part[1] if y else 1 - part[1]
            weight *= part[2] if z else 1 - part[2]
            for axis in range(3):
                moved[row, axis] += (
                    magnitude * weight * nodes[cell[0] + x, cell[1] + y, cell[2] + z, axis]
                )
    return moved


@TRANSFORMS.register_module()
class ElasticDistortion:
    """Add ``elastic_points`` float32 (N, 3), metres: where the voxel grid sees the points.

    Point features, clicks and masks stay with the undistorted ``points``.

    Args:
        prob: probability of the distortion; otherwise ``elastic_points`` equals ``points``.
        voxel_size: metres per voxel unit.
        granularity: per stage, voxel units.
        magnitude: per stage, voxel units.
        in_place: write the distorted points to ``points`` instead.
    """

    def __init__(
        self,
        prob: float = 0.5,
        voxel_size: float = 0.02,
        granularity: Sequence[float] = (6, 20),
        magnitude: Sequence[float] = (40, 160),
        in_place: bool = False,
    ) -> None:
        self.prob = prob
        self.voxel_size = voxel_size
        self.stages = tuple(zip(granularity, magnitude, strict=True))
        self.in_place = in_place

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        coords = results['points'] / np.float32(self.voxel_size)
        if rng.random() < self.prob:
            for granularity, magnitude in self.stages:
                shape = (3, *noise_shape(coords, granularity))
                noise = rng.standard_normal(shape, dtype=np.float32)
                coords = displace(coords, noise, granularity, magnitude)
        key = 'points' if self.in_place else 'elastic_points'
        results[key] = (coords * self.voxel_size).astype(np.float32)
        return results
