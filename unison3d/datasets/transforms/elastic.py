"""Elastic distortion of coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import convolve1d, map_coordinates

from unison3d.datasets.transforms.sample_edit import sample_rng
from unison3d.registry import TRANSFORMS


def noise_shape(coords: np.ndarray, granularity: float) -> tuple[int, int, int]:
    """Size of the noise grid that covers the coordinates.

    Args:
        coords: float, (N, 3), voxel units.
        granularity: half the distance of the nodes, voxel units.
    """
    reach = np.abs(coords).max(0) if len(coords) else np.zeros(3)
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
    shape = np.array(blurred.shape[1:])
    places = (np.asarray(coords, np.float64) + (shape - 1) * granularity) / (2 * granularity)
    inside = ((places >= 0) & (places <= shape - 1)).all(1)
    moved = np.asarray(coords, np.float64).copy()
    for axis in range(3):
        shift = map_coordinates(
            blurred[axis].astype(np.float64), places[inside].T, order=1, mode='nearest'
        )
        moved[inside, axis] += magnitude * shift
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
