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
        whole_superpoints: take superpoints as a whole, those first whose middle is nearest, until
            the next one would not fit. One that is larger than the budget by itself is cut.
    """

    def __init__(
        self,
        max_points: int = 100_000,
        window: float | None = None,
        prob: float = 1.0,
        min_visible: float = 0.3,
        min_instance_points: int = 20,
        whole_superpoints: bool = False,
    ) -> None:
        self.max_points = max_points
        self.window = window
        self.prob = prob
        self.min_visible = min_visible
        self.min_instance_points = min_instance_points
        self.whole_superpoints = whole_superpoints

    def __call__(self, results: dict) -> dict:
        rng = sample_rng(results)
        points = results['points']
        if len(points) == 0:
            return results
        middle = points[rng.integers(len(points)), :2]
        if self.window is None and len(points) <= self.max_points:
            return results
        offset = points[:, :2] - middle
        keep = np.ones(len(points), bool)
        if self.window is not None and rng.random() < self.prob:
            angle = rng.uniform(0, np.pi / 2)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            keep = (np.abs(offset @ turn) <= self.window / 2).all(1)
        if self.whole_superpoints:
            keep = _keep_whole(results['superpoints'], offset, keep, self.max_points)
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


def _keep_whole(
    superpoints: np.ndarray, offset: np.ndarray, keep: np.ndarray, max_points: int
) -> np.ndarray:
    """Points of the superpoints nearest to the middle, each superpoint whole; bool (N,).

    Args:
        superpoints: int, (N,), 0..S-1.
        offset: float, (N, 2), from the middle of the window.
        keep: bool, (N,), what the window left; a superpoint counts where most of it is in there.
        max_points: points to keep, at least those of the first superpoint.
    """
    sizes = np.bincount(superpoints)
    filled = np.maximum(sizes, 1)
    middle = np.stack([np.bincount(superpoints, offset[:, axis]) for axis in (0, 1)], 1)
    distance = ((middle / filled[:, None]) ** 2).sum(1)
    inside = 2 * np.bincount(superpoints, keep) > sizes
    inside[superpoints[(offset**2).sum(1).argmin()]] = True  # something is always left
    order = np.argsort(np.where(inside, distance, np.inf), kind='stable')[: inside.sum()]
    fits = np.cumsum(sizes[order]) <= max_points
    fits[:1] = True
    chosen = np.zeros(len(sizes), bool)
    chosen[order[fits]] = True
    return chosen[superpoints]
