"""Simulated clicks on objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from unison3d.datasets.transforms.sample_edit import bounds, rows_by_id, sample_rng
from unison3d.errors import ConfigError
from unison3d.models.click_simulation import voxel_representatives
from unison3d.registry import TRANSFORMS


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
    surroundings = _Surroundings(points, instances, voxel)
    own = np.asarray(instances)[surroundings.representatives]
    for instance in np.unique(own[own >= 0]):
        mine = surroundings.representatives[own == instance]
        inside = np.asarray(points)[mine].astype(np.float64)
        if len(mine) == len(own):
            deepest = nearest_to_middle(inside)
        else:
            deepest = surroundings.deepest(int(instance), inside)
        clicks[instance] = mine[deepest]
    return clicks


def _tree(nodes: np.ndarray) -> cKDTree:
    # Quicker to build than the default, and asked too seldom for its balance to pay.
    return cKDTree(nodes, balanced_tree=False, compact_nodes=False)


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
        rows = rows_by_id(instances, num_instances)
        surroundings = _Surroundings(points, instances, self.voxel)
        for place, instance in enumerate(chosen):
            own = rows[instance]
            near = surroundings.near(instance, points[own])
            some = rng.choice(len(own), min(self.candidates, len(own)), replace=False)
            depth = surroundings.depth(near, points[own[some]])
            clicks = [(own[some[depth.argmax()]], True)]
            further = rng.choice(len(self.num_clicks_prob), p=self.num_clicks_prob)
            if further:
                inner, outer = surroundings.edges(near, points[own])
            for _ in range(further):
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
    #: About as many points of a large object are looked at to find its edge.
    EDGE_SAMPLE = 400

    def __init__(self, points: np.ndarray, instances: np.ndarray, voxel: float) -> None:
        self.representatives = voxel_representatives(points, voxel)
        # Sorted by x, so that what is near an object is looked for in a slice.
        order = np.argsort(points[self.representatives, 0], kind='stable')
        self.chosen = self.representatives[order]
        self.nodes = points[self.chosen]
        self.owner = instances[self.chosen]

    def near(self, instance: int, own: np.ndarray, reach: float = REACH) -> np.ndarray:
        """Rows of ``nodes`` outside an object and within reach of its box, ascending.

        Args:
            instance: the object.
            own: float, (P, 3), its points.
            reach: metres.
        """
        low, high = bounds(own)
        low, high = low - reach, high + reach
        start = np.searchsorted(self.nodes[:, 0], low[0], 'left')
        stop = np.searchsorted(self.nodes[:, 0], high[0], 'right')
        inside = self.owner[start:stop] != instance
        for axis in (1, 2):
            values = self.nodes[start:stop, axis]
            inside &= (values >= low[axis]) & (values <= high[axis])
        return start + np.flatnonzero(inside)

    def deepest(self, instance: int, inside: np.ndarray) -> int:
        """Which point of an object is farthest from everything outside it; the first of equals.

        Args:
            instance: the object.
            inside: float64, (P, 3), points of it.
        """
        # What has something outside within the margin is done; the deepest is among the others
        # while there are any. They get fewer as the margin grows.
        rows, margin = np.arange(len(inside)), 0.1
        num_outside = int((self.owner != instance).sum())
        while True:
            near = self.near(instance, inside[rows], margin)
            if len(near):
                tree = _tree(self.nodes[near].astype(np.float64))
                # A search that may stop at the margin takes a fraction of the time.
                limit = np.inf if len(near) == num_outside else 1.001 * margin
                distance = tree.query(inside[rows], distance_upper_bound=limit)[0]
                far = distance > margin
                if not far.any() or len(near) == num_outside:
                    return int(rows[distance.argmax()])
                rows = rows[far]
            margin *= 2

    def depth(self, near: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Distance of a few points (P, 3) to the surroundings, at most ``REACH``; float (P,)."""
        if len(near) == 0:
            return np.full(len(points), self.REACH)
        nodes = self.nodes[near].astype(np.float64)
        squared = [((nodes - point) ** 2).sum(1).min() for point in points.astype(np.float64)]
        return np.minimum(np.sqrt(squared), self.REACH)

    def edges(self, near: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The edge of an object from both sides.

        Returns:
            Rows of ``own`` (P, 3) near the edge (the nearest quarter), and the points of the scene
            just outside of those.
        """
        if len(near) == 0:
            return np.zeros(0, int), np.zeros(0, int)
        rows = np.arange(0, len(own), max(1, len(own) // self.EDGE_SAMPLE))
        distance, nearest = _tree(self.nodes[near]).query(own[rows])
        close = distance <= np.quantile(distance, 0.25)
        return rows[close], np.unique(self.chosen[near][nearest[close]])
