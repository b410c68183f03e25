"""From a part to the whole: growing masks around one click."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unison3d.errors import SceneError

if TYPE_CHECKING:
    from unison3d.superpoints import SuperpointTree

__all__ = ['PartLadder']

#: A step must have this many times the points of the one before, or nobody sees it.
GROWTH = 1.4
#: Share of a smaller mask that a larger one must cover to count as its whole.
INSIDE = 0.9
#: Share of a region that must lie in an object for the rest of it to be a part of the object.
PART = 0.5
#: Weaker proposals are no objects.
MIN_SCORE = 0.1


class PartLadder:
    """Masks around any superpoint, from the part to the whole.

    Objects that a model proposes are the main steps. Between the superpoint and the smallest
    object, and where no object is known, regions of the tree are the steps.

    Args:
        tree: regions of the scene.
        sizes: int64, (S,). Points of each superpoint.
        proposals: bool, (K, S), or None.
        scores: float, (K,).

    Raises:
        SceneError: arrays of different numbers of superpoints.
    """

    def __init__(
        self,
        tree: SuperpointTree,
        sizes: np.ndarray,
        proposals: np.ndarray | None = None,
        scores: np.ndarray | None = None,
    ) -> None:
        count = tree.num_superpoints
        if proposals is None or scores is None:
            proposals, scores = np.zeros((0, count), bool), np.zeros(0)
        if len(sizes) != count or proposals.shape[1] != count:
            raise SceneError(
                f'the tree has {count} superpoints, and there are {len(sizes)} sizes and '
                f'proposals over {proposals.shape[1]}.'
            )
        self._tree, self._sizes = tree, np.asarray(sizes, np.int64)
        strong = np.asarray(scores) >= MIN_SCORE
        self._proposals, self._scores = proposals[strong], np.asarray(scores)[strong]

    def levels(self, superpoint: int, *, max_levels: int = 8) -> list[np.ndarray]:
        """Masks around a superpoint.

        Args:
            superpoint: where somebody clicked, 0..S-1.
            max_levels: steps at most.

        Returns:
            bool, (S,), masks. Each contains the superpoint and the mask before, and has at least
            :data:`GROWTH` times its points. The first is the superpoint itself.

        Raises:
            SceneError: there is no such superpoint.
        """
        count = self._tree.num_superpoints
        if not 0 <= superpoint < count:
            raise SceneError(f'superpoint {superpoint} was clicked, expected 0..{count - 1}.')
        start = np.zeros(count, bool)
        start[superpoint] = True
        objects = self._nested_objects(superpoint)
        regions = self._regions(superpoint)
        if objects:
            smallest = objects[0]
            parts = [mask & smallest for mask in regions if self._covers(smallest, mask, PART)]
        else:
            # Half a scene is no object.
            half = self._sizes.sum() / 2
            parts = [mask for mask in regions if self._size(mask) <= half]
        ladder = [start]
        self._climb(ladder, parts)
        # An object says more than a region of about its size.
        while objects and len(ladder) > 1 and not self._is_step(ladder[-1], objects[0]):
            ladder.pop()
        self._climb(ladder, objects)
        return self._thinned(ladder, max_levels)

    def _climb(self, ladder: list[np.ndarray], masks: list[np.ndarray]) -> None:
        """Add the masks that are clearly larger than the one before."""
        for mask in masks:
            if self._is_step(ladder[-1], mask):
                ladder.append(mask | ladder[-1])

    def _is_step(self, small: np.ndarray, large: np.ndarray) -> bool:
        return self._size(small | large) >= GROWTH * self._size(small)

    def _nested_objects(self, superpoint: int) -> list[np.ndarray]:
        """Proposals around the superpoint, each inside the next; of similar ones the best."""
        rows = np.flatnonzero(self._proposals[:, superpoint])
        rows = rows[np.argsort(-self._scores[rows], kind='stable')]
        kept: list[np.ndarray] = []
        for row in rows:
            mask = self._proposals[row]
            size = self._size(mask)
            nested = all(
                self._covers(other, mask)
                if self._size(other) >= GROWTH * size
                else size >= GROWTH * self._size(other) and self._covers(mask, other)
                for other in kept
            )
            if nested:
                kept.append(mask)
        return sorted(kept, key=self._size)

    def _regions(self, superpoint: int) -> list[np.ndarray]:
        """Regions of the tree around the superpoint, growing by :data:`GROWTH` at least."""
        count = self._tree.num_superpoints
        # The merges that the clicked region takes part in, found by following its name.
        members = {s: [s] for s in range(count)}
        name, found = superpoint, []
        size = int(self._sizes[superpoint])
        for first, second in self._tree.merges.tolist():
            members[first] += members.pop(second)
            if name in (first, second):
                name = first
                mask = np.zeros(count, bool)
                mask[members[first]] = True
                if self._size(mask) >= GROWTH * size:
                    size = self._size(mask)
                    found.append(mask)
        return found

    def _thinned(self, ladder: list[np.ndarray], max_levels: int) -> list[np.ndarray]:
        """At most so many steps: those whose sizes are spread most evenly, first and last kept."""
        while len(ladder) > max(max_levels, 1):
            sizes = np.log([self._size(mask) for mask in ladder])
            gaps = sizes[2:] - sizes[:-2]
            del ladder[1 + int(gaps.argmin()) if len(gaps) else 0]
        return ladder

    def _size(self, mask: np.ndarray) -> int:
        return int(self._sizes[mask].sum())

    def _covers(self, whole: np.ndarray, part: np.ndarray, share: float = INSIDE) -> bool:
        return self._size(whole & part) >= share * self._size(part)
