"""Draw points from all over a scene."""

from __future__ import annotations

import numpy as np

from unison3d.datasets.transforms.sample_edit import keep_instances, keep_points, sample_rng
from unison3d.errors import ConfigError
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SamplePoints:
    """Draw points uniformly; instances of which no point is left go, superpoints are renumbered.

    Args:
        num_points: drawn; a scene with fewer gives as many as it has, drawn all the same.
        replace: whether a point can come several times, as published for S3DIS.

    Source:
        OneFormer3D (arXiv:2311.14405) on S3DIS.
    """

    def __init__(self, num_points: int = 180_000, replace: bool = True) -> None:
        if num_points < 1:
            raise ConfigError(f'SamplePoints: num_points is {num_points}, expected 1 or more.')
        self.num_points = num_points
        self.replace = replace

    def __call__(self, results: dict) -> dict:
        count = len(results['points'])
        if count == 0:
            return results
        drawn = sample_rng(results).choice(count, min(self.num_points, count), self.replace)
        keep_points(results, drawn)
        if results.get('instance_semantic') is not None:
            num_instances = len(results['instance_semantic'])
            keep_instances(results, np.isin(np.arange(num_instances), results['instances']))
        return results
