"""Objects of another scene, set down where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unison3d.datasets.transforms.combine import (
    append_scene,
    check_can_combine,
    drop_doubtful,
    same_fields,
)
from unison3d.datasets.transforms.free_space import FreeSpace, Surface
from unison3d.datasets.transforms.sample_edit import mentions, sample_rng
from unison3d.registry import TRANSFORMS

#: Names of objects on which others stand.
SUPPORTS = ('table', 'desk', 'counter', 'cabinet', 'nightstand', 'dresser', 'tv stand', 'bench')
#: Names of objects that belong to a wall or the ceiling and cannot be set down elsewhere.
FIXED = (
    *('door', 'window', 'curtain', 'picture', 'poster', 'counter', 'whiteboard', 'blinds'),
    *('mirror', 'bulletin board', 'wall cabinet', 'wall shelf', 'wall', 'floor', 'ceiling'),
    *('radiator', 'sink', 'kitchen cabinet', 'clock', 'ceiling light', 'doorframe', 'unlabeled'),
)
#: metres. An object whose lowest point is nearer than this to a surface stands on it.
CONTACT = 0.15


@TRANSFORMS.register_module()
class PasteObjects:
    """Set down objects of another scene of the data set, on the floor or on furniture.

    An object that stood on the floor is set on free floor, one that stood on a table or the like
    on another such top; what hangs or belongs to a wall is left alone. It keeps its height above
    its support, is turned at random about z, and is set down only where its column is free of
    points and its footprint is carried (see :class:`FreeSpace`). Its points bring their
    superpoints, cut to the object, its label and its name. Sentences that the new object may have
    made wrong are dropped. Put it before transforms that withhold classes or crop.

    Args:
        prob: probability of pasting.
        max_objects: objects per scene, 1 to this many are tried.
        attempts: places tried per object.
        min_points: smaller objects are not taken.
        max_extent: metres; larger objects are not taken.
        floor_class: class of the floor.
        supports: names of objects that carry others.
        fixed: names of objects that are not taken. A name stands for every name that contains it
            as a word.
    """

    def __init__(
        self,
        prob: float = 0.5,
        max_objects: int = 3,
        attempts: int = 64,
        min_points: int = 100,
        max_extent: float = 2.5,
        floor_class: int = 1,
        supports: Sequence[str] = SUPPORTS,
        fixed: Sequence[str] = FIXED,
    ) -> None:
        self.prob = prob
        self.max_objects = max_objects
        self.attempts = attempts
        self.min_points = min_points
        self.max_extent = max_extent
        self.floor_class = floor_class
        self.supports = tuple(supports)
        self.fixed = tuple(fixed)

    def __call__(self, results: dict) -> dict:
        check_can_combine(self, results)
        rng = sample_rng(results)
        if rng.random() >= self.prob:
            return results
        other = results['draw_scene'](rng)
        floor, other_floor = self._floor(results), self._floor(other)
        if floor is None or other_floor is None or not same_fields(results, other):
            return results
        for instance in rng.permutation(len(other['instance_names']))[: self.max_objects]:
            part = self._take(other, int(instance))
            if part is None:
                continue
            height = self._standing_height(other, int(instance), part, other_floor)
            if height is None:
                continue
            placed = self._place(results, part, height, floor, other_floor, rng)
            if placed is not None:
                part['points'] = placed
                self._turned_normals(part)
                drop_doubtful(results, part['instance_names'], part['instance_semantic'])
                append_scene(results, part)
        return results

    def _floor(self, sample: dict) -> float | None:
        heights = sample['points'][sample['semantic'] == self.floor_class, 2]
        return float(np.median(heights)) if len(heights) else None

    def _take(self, sample: dict, instance: int) -> dict | None:
        """The object as a sample of its own, or None where it is not to be taken."""
        name = sample['instance_names'][instance]
        rows = np.flatnonzero(sample['instances'] == instance)
        if len(rows) < self.min_points or mentions(name, self.fixed):
            return None
        points = sample['points'][rows]
        if np.ptp(points, axis=0).max() > self.max_extent:
            return None
        keys = ('colors', 'normals', 'superpoints', 'semantic', 'ignore')
        part = {key: sample[key][rows] for key in keys if sample.get(key) is not None}
        return {
            **part,
            'points': points,
            'instances': np.zeros(len(rows), np.int64),
            'instance_semantic': sample['instance_semantic'][[instance]],
            'instance_names': [name],
        }

    def _standing_height(
        self, sample: dict, instance: int, part: dict, floor: float
    ) -> float | None:
        """Height of what the object stands on, or None where it stands on nothing known."""
        bottom = float(part['points'][:, 2].min())
        if abs(bottom - floor) < CONTACT:
            return floor
        low, high = part['points'][:, :2].min(0), part['points'][:, :2].max(0)
        beneath = ((sample['points'][:, :2] >= low) & (sample['points'][:, :2] <= high)).all(1)
        for support in self._supports(sample):
            if support == instance:
                continue
            heights = sample['points'][beneath & (sample['instances'] == support), 2]
            heights = heights[heights < bottom + CONTACT / 2]
            if len(heights) and bottom - heights.max() < CONTACT:
                return float(heights.max())
        return None

    def _supports(self, sample: dict) -> list[int]:
        names = sample['instance_names']
        return [row for row, name in enumerate(names) if mentions(name, self.supports)]

    def _place(
        self,
        results: dict,
        part: dict,
        height: float,
        floor: float,
        other_floor: float,
        rng: np.random.Generator,
    ) -> np.ndarray | None:
        """The points of the object at a free place, or None."""
        space = FreeSpace(results['points'])
        if height == other_floor:
            at_floor = results['semantic'] == self.floor_class
            surfaces = [space.floor(results['points'][at_floor], floor)]
        else:
            tops = (results['points'][results['instances'] == s] for s in self._supports(results))
            surfaces = [space.top(points) for points in tops if len(points)]
        surfaces = [surface for surface in surfaces if surface is not None]
        if not surfaces:
            return None
        angle = rng.uniform(-np.pi, np.pi)
        part['turn'] = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = part['points'].astype(np.float64)
        points[:, :2] = (points[:, :2] - points[:, :2].mean(0)) @ part['turn']
        surface: Surface = surfaces[int(rng.integers(len(surfaces)))]
        points[:, 2] += surface.height - height
        offset = space.find_place(points, surface, self.attempts, rng)
        if offset is None:
            return None
        points[:, :2] += offset
        return points.astype(np.float32)

    @staticmethod
    def _turned_normals(part: dict) -> None:
        turn = part.pop('turn')
        if part.get('normals') is not None:
            normals = part['normals'].copy()
            normals[:, :2] = normals[:, :2] @ turn
            part['normals'] = normals.astype(np.float32)
