"""Cut a part out of a scene."""

from __future__ import annotations

import numpy as np

from unison3d.datasets.transforms.sample_edit import keep_instances, keep_points, sample_rng
from unison3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CropScene:
    """Keep a horizontal window around a random point, and at most ``max_points`` points.

    The window bounds memory in training and cuts objects as the edge of a scan does. Superpoints
    are numbered anew. An instance of which too little is left is no longer an instance: its points
    are marked in ``ignore``. Sentences that lost their target, or an object that they need, go.

    Args:
        max_points: the points horizontally nearest to the middle of the window are kept.
        window: metres, edge of the square window, turned at random. None takes no window.
        prob: probability of the window; ``max_points`` holds always.
        min_visible: share of an instance's points that has to be left.
        min_instance_points: and points that have to be left.
    """

    def __init__(
        self,
        max_points: int = 100_000,
        window: float | None = None,
        prob: float = 1.0,
        min_visible: float = 0.3,
        min_instance_points: int = 20,
    ) -> None:
        self.max_points = max_points
        self.window = window
        self.prob = prob
        self.min_visible = min_visible
        self.min_instance_points = min_instance_points

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        points = results['points']
        if len(points) == 0:
            return results
        offset = points[:, :2] - points[rng.integers(len(points)), :2]
        keep = np.ones(len(points), bool)
        if self.window is not None and rng.random() < self.prob:
            angle = rng.uniform(0, np.pi / 2)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            keep = (np.abs(offset @ turn) <= self.window / 2).all(1)
        if keep.sum() > self.max_points:
            # Far points first out; those already outside the window count as infinitely far.
            distance = np.where(keep, (offset**2).sum(1), np.inf)
            nearest = np.argpartition(distance, self.max_points)[: self.max_points]
            keep = np.zeros(len(points), bool)
            keep[nearest] = True
        if keep.all():
            return results
        instances = results.get('instances')
        if instances is None:
            return keep_points(results, keep)
        num_instances = len(results['instance_names'])
        before = np.bincount(instances[instances >= 0], minlength=num_instances)
        keep_points(results, keep)
        instances = results['instances']
        after = np.bincount(instances[instances >= 0], minlength=num_instances)
        stays = (after >= self.min_visible * before) & (after >= self.min_instance_points)
        stays |= after == before  # what was small before the crop was not made so by it
        stays &= after > 0
        rest = np.append(~stays, False)[instances]
        if results.get('ignore') is None:
            results['ignore'] = np.zeros(len(instances), bool)
        results['ignore'] = results['ignore'] | rest
        return keep_instances(results, stays)
