"""Elastic distortion of the coordinates that decide the voxel of a point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unison3d.datasets.transforms.elastic import displace, noise_shape
from unison3d.datasets.transforms.sample_edit import sample_rng
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AddElasticCoords:
    """Add ``elastic_coords`` (N, 3) in voxel units: float64 distorted, float32 otherwise.

    Nothing else is changed: features, clicks and masks stay with the undistorted points.

    Args:
        prob: probability of the distortion; below 0 it never happens.
        voxel_size: metres.
        granularity: per stage, voxel units.
        magnitude: per stage, voxel units.
    """

    def __init__(
        self,
        prob: float = 0.5,
        voxel_size: float = 0.02,
        granularity: Sequence[float] = (6, 20),
        magnitude: Sequence[float] = (40, 160),
    ) -> None:
        self.prob = prob
        self.voxel_size = voxel_size
        self.stages = tuple(zip(granularity, magnitude, strict=True))

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        coords = results['points'][:, :3] / np.float32(self.voxel_size)
        if rng.random() < self.prob:
            for granularity, magnitude in self.stages:
                shape = (3, *noise_shape(coords, granularity))
                noise = rng.standard_normal(shape).astype(np.float32)
                coords = displace(coords, noise, granularity, magnitude)
        results['elastic_coords'] = coords
        return results
