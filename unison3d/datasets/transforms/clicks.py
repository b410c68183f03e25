"""Simulated clicks on objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from unison3d.datasets.transforms.sample_edit import sample_rng
from unison3d.errors import ConfigError
from unison3d.registry import TRANSFORMS


def voxel_representatives(points: np.ndarray, voxel: float) -> np.ndarray:
    """The first point of every occupied voxel, voxels counted from the origin.

    Args:
        points: float32, (N, 3).
        voxel: metres.

    Returns:
        int64, (R,), ascending.
    """
    cells = np.floor(np.asarray(points) / voxel).astype(np.int64).reshape(-1, 3)
    if len(cells) == 0:
        return np.zeros(0, np.int64)
    cells -= cells.min(0)
    size = cells.max(0) + 1
    keys = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    return np.sort(np.unique(keys, return_index=True)[1])


def farthest_inside_clicks(
    points: np.ndarray, instances: np.ndarray, num_instances: int, voxel: float = 0.05
) -> np.ndarray:
    """Per instance the representative farthest from everything outside the instance.

    Args:
        points: float32, (N, 3), metres.
        instances: int, (N,), 0..M-1, negative for none.
        num_instances: M.
        voxel: metres. One point per voxel, the first, stands for the voxel.

    Returns:
        int64, (M,), point index; -1 for an instance that represents no voxel. Without any
        representative outside, the one nearest to the middle of the instance.

    Source:
        Test clicks of AGILE3D (arXiv:2306.00977) as used by UniSeg3D; the full distance matrix
        of the published code is replaced by search trees, with equal results.
    """
    clicks = np.full(num_instances, -1, np.int64)
    chosen = voxel_representatives(points, voxel)
    nodes = np.asarray(points, np.float64)[chosen]
    owner = np.asarray(instances)[chosen]
    for instance in range(num_instances):
        mine = owner == instance
        if not mine.any():
            continue
        inside = nodes[mine]
        if mine.all():
            distance = -((inside - inside.mean(0)) ** 2).sum(1)
        else:
            distance = _distance_outside(inside, nodes[~mine])
        clicks[instance] = chosen[mine][distance.argmax()]
    return clicks


def _distance_outside(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Distance of each inside point to the nearest outside point, float64 (I,)."""
    # Only what is near the box of the object can be nearest. The margin grows until it is certain.
    low, high = inside.min(0), inside.max(0)
    margin = 0.5
    while True:
        near = ((outside >= low - margin) & (outside <= high + margin)).all(1)
        if near.any():
            distance = cKDTree(outside[near]).query(inside)[0]
            if near.all() or distance.max() <= margin:
                return distance
        margin *= 2


def nearest_to_middle(points: np.ndarray) -> int:
    """Index of the point nearest to the mean of the points, the published training click."""
    points = np.asarray(points)
    return int(((points - points.mean(0)) ** 2).sum(1).argmin())


@TRANSFORMS.register_module()
class SampleClicks:
    """Click on objects as a person would.

    Adds ``click_points`` float32 (P, 3), ``click_index`` int64 (P,) (the point clicked),
    ``click_superpoints`` int64 (P,), ``click_positive`` bool (P,), ``click_objects`` int64 (P,)
    dense and ascending, ``click_targets`` int64 (O,) instance per object.

    Args:
        mode: ``'train'``: the first click is a random point of the object, preferably away from
            its edge; further clicks are positive or negative near the edge. ``'agile'``: one
            click per instance, the one of :func:`farthest_inside_clicks`.
        max_objects: objects per sample in training. None takes all.
        num_clicks_prob: probability of 1, 2, ... clicks on an object in training.
        negative_prob: probability that a further click is negative.
        candidates: random points compared for the first click; more lead farther inside, 1 is
            uniform.
        voxel: metres, spacing at which edges are looked for.
        min_points: smaller instances get no click in training.
    """

    def __init__(
        self,
        mode: Literal['train', 'agile'] = 'train',
        max_objects: int | None = 20,
        num_clicks_prob: Sequence[float] = (0.7, 0.2, 0.1),
        negative_prob: float = 0.5,
        candidates: int = 3,
        voxel: float = 0.05,
        min_points: int = 20,
    ) -> None:
        if mode not in ('train', 'agile'):
            raise ConfigError(f'SampleClicks: mode is {mode!r}, expected "train" or "agile".')
        self.mode = mode
        self.max_objects = max_objects
        self.num_clicks_prob = np.asarray(num_clicks_prob, np.float64)
        self.num_clicks_prob = self.num_clicks_prob / self.num_clicks_prob.sum()
        self.negative_prob = negative_prob
        self.candidates = candidates
        self.voxel = voxel
        self.min_points = min_points

    def __call__(self, results: dict) -> dict:
        clicks = self._train(results) if self.mode == 'train' else self._agile(results)
        index, positive, objects, targets = (np.asarray(part, np.int64) for part in clicks)
        results['click_index'] = index
        results['click_points'] = results['points'][index].astype(np.float32)
        results['click_superpoints'] = results['superpoints'][index].astype(np.int64)
        results['click_positive'] = positive.astype(bool)
        results['click_objects'] = objects
        results['click_targets'] = targets
        return results

    def _agile(self, results: dict) -> tuple[list, list, list, list]:
        points, instances = results['points'], results['instances']
        num_instances = len(results['instance_semantic'])
        index, targets = [], []
        clicks = farthest_inside_clicks(points, instances, num_instances, self.voxel)
        for instance, click in enumerate(clicks):
            if click < 0:  # in no voxel of its own; still an object that a person can click
                own = np.flatnonzero(instances == instance)
                if len(own) == 0:
                    continue
                click = own[nearest_to_middle(points[own])]
            index.append(click)
            targets.append(instance)
        return index, [1] * len(index), list(range(len(index))), targets

    def _train(self, results: dict) -> tuple[list, list, list, list]:
        rng = sample_rng(results)
        points, instances = results['points'], results['instances']
        num_instances = len(results['instance_semantic'])
        counts = np.bincount(instances[instances >= 0], minlength=num_instances)
        usable = counts >= self.min_points
        if results.get('sp_masks') is not None:
            usable &= results['sp_masks'].any(1)  # without a superpoint there is nothing to learn
        chosen = rng.permutation(np.flatnonzero(usable))[: self.max_objects]
        index, positive, objects = [], [], []
        if len(chosen) == 0:
            return index, positive, objects, chosen
        order = np.argsort(instances, kind='stable')
        starts = np.searchsorted(instances[order], np.arange(num_instances + 1))
        surroundings = _Surroundings(points, instances, self.voxel)
        for place, instance in enumerate(chosen):
            own = order[starts[instance] : starts[instance + 1]]
            depth, inner, outer = surroundings.of(instance, points[own])
            some = rng.choice(len(own), min(self.candidates, len(own)), replace=False)
            clicks = [(own[some[depth[some].argmax()]], True)]
            for _ in range(rng.choice(len(self.num_clicks_prob), p=self.num_clicks_prob)):
                if rng.random() < self.negative_prob and len(outer):
                    clicks.append((rng.choice(outer), False))
                else:
                    clicks.append((rng.choice(own[inner] if len(inner) else own), True))
            for click, sign in clicks:
                index.append(click)
                positive.append(sign)
                objects.append(place)
        return index, positive, objects, chosen


class _Surroundings:
    """What lies around the objects of a scene."""

    #: metres. Farther surroundings do not matter for a click.
    REACH = 0.3

    def __init__(self, points: np.ndarray, instances: np.ndarray, voxel: float) -> None:
        self.chosen = voxel_representatives(points, voxel)
        self.nodes = points[self.chosen]
        self.owner = instances[self.chosen]

    def of(self, instance: int, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Depth and edges of an object.

        Args:
            instance: the object.
            own: float32, (P, 3), its points.

        Returns:
            float (P,) distance of each point to the surroundings, at most ``REACH``; rows of
            ``own`` near the edge (the nearest quarter); points of the scene just outside of those.
        """
        low, high = own.min(0) - self.REACH, own.max(0) + self.REACH
        near = ((self.nodes >= low) & (self.nodes <= high)).all(1) & (self.owner != instance)
        if not near.any():
            return np.full(len(own), self.REACH), np.zeros(0, int), np.zeros(0, int)
        distance, nearest = cKDTree(self.nodes[near]).query(own)
        inner = np.flatnonzero(distance <= np.quantile(distance, 0.25))
        outer = np.unique(self.chosen[near][nearest[inner]])
        return np.minimum(distance, self.REACH), inner, outer
