"""A simulated user who corrects a mask: where the next click goes.

The rule, the same in training and in tests:

1. The first point of every voxel of 5 cm stands for the voxel.
2. A point is wrong if it belongs to the object and not to the mask (a missing point, which takes a
   positive click), or the other way round (an extra point, a negative click).
3. Wrong points of one kind whose voxels touch, also at an edge or a corner, form a region. The
   region with the most points is corrected; of equal ones that with the first point.
4. The click is the point of the region farthest from everything outside of it, the first of
   equals.

With an empty mask and an object in one piece this is the first click of AGILE3D.

Source: AGILE3D (arXiv:2306.00977) and InterObject3D (arXiv:2204.07183) take the middle of the
largest wrong region; connected regions are as in interactive segmentation of images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from unison3d.native import kernel
from unison3d.structures import Prompts

__all__ = ['ClickSimulator', 'SimulatedClick', 'correct', 'voxel_representatives']


class SimulatedClick(NamedTuple):
    """Where a user clicks next.

    Attributes:
        point: index of the clicked point.
        positive: True adds, False says "not this".
    """

    point: int
    positive: bool


def voxel_representatives(points: np.ndarray, voxel: float) -> np.ndarray:
    """The first point of every occupied voxel, voxels counted from the origin.

    Args:
        points: float32, (N, 3).
        voxel: metres.

    Returns:
        int64, (R,), ascending.
    """
    points = np.asarray(points)
    if len(points) == 0:
        return np.zeros(0, np.int64)
    cells = [np.floor(points[:, axis] / voxel).astype(np.int64) for axis in range(3)]
    size = [int(cell.max() - cell.min()) + 1 for cell in cells]
    x, y, z = (cell - cell.min() for cell in cells)
    keys = (x * size[1] + y) * size[2] + z
    if np.prod(size, dtype=np.float64) > 64 * len(keys):  # a table would waste memory
        return np.sort(np.unique(keys, return_index=True)[1])
    first = np.full(int(np.prod(size)), -1, np.int32)
    first[keys[::-1]] = np.arange(
        len(keys) - 1, -1, -1, dtype=np.int32
    )  # the first is written last
    is_first = np.zeros(len(keys), bool)
    is_first[first[first >= 0]] = True
    return np.flatnonzero(is_first)


class ClickSimulator:
    """Finds the next click on objects of one scene.

    Args:
        points: float, (N, 3), metres.
        voxel: metres. One point per voxel, the first, stands for the voxel.
    """

    def __init__(self, points: np.ndarray, voxel: float = 0.05) -> None:
        points = np.asarray(points)
        #: int64, (R,). The points that stand for their voxels, ascending.
        self.representatives = voxel_representatives(points, voxel)
        chosen = points[self.representatives]
        self._nodes = chosen.astype(np.float64)
        # The same rounding as in voxel_representatives, or two of them could share a voxel.
        cells = np.floor(chosen / voxel)
        # Voxels that touch have centres at most sqrt(3) voxels apart.
        pairs = cKDTree(cells, balanced_tree=False, compact_nodes=False).query_pairs(
            1.8, output_type='ndarray'
        )
        self._starts, self._neighbours = _adjacency(pairs, len(cells))

    def next_click(
        self, wanted: NDArray[np.bool_], found: NDArray[np.bool_]
    ) -> SimulatedClick | None:
        """The click that corrects the largest wrong region.

        Args:
            wanted: bool, (R,). The object, at the representatives.
            found: bool, (R,). The mask so far.

        Returns:
            The click; None where nothing is wrong.
        """
        wrong = wanted.astype(np.int8) - found.astype(np.int8)
        region = _largest_region(wrong, self._starts, self._neighbours)
        if len(region) == 0:
            return None
        deepest = region[self._deepest(region)]
        return SimulatedClick(int(self.representatives[deepest]), bool(wrong[deepest] > 0))

    def _deepest(self, region: NDArray[np.int64]) -> int:
        """Which node of a region is farthest from everything outside; the first of equals."""
        inside = self._nodes[region]
        outside = np.ones(len(self._nodes), bool)
        outside[region] = False
        if not outside.any():
            return int(((inside - inside.mean(0)) ** 2).sum(1).argmin())
        tree = cKDTree(self._nodes[outside], balanced_tree=False, compact_nodes=False)
        return int(tree.query(inside)[0].argmax())


def _adjacency(
    pairs: NDArray[np.int64], num_nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neighbours of node ``i`` are ``neighbours[starts[i]:starts[i + 1]]``."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    order = np.argsort(both[:, 0], kind='stable')
    starts = np.concatenate([[0], np.cumsum(np.bincount(both[:, 0], minlength=num_nodes))])
    return starts.astype(np.int64), both[order, 1].astype(np.int64)


@kernel
def _largest_region(wrong, starts, neighbours):
    """Nodes of the largest region of equal nonzero value, ascending; empty where all are zero."""
    count = len(wrong)
    seen = np.zeros(count, np.bool_)
    queue = np.empty(count, np.int64)
    best = np.empty(0, np.int64)
    for seed in range(count):
        if wrong[seed] == 0 or seen[seed]:
            continue
        seen[seed] = True
        queue[0] = seed
        first, last = 0, 1
        while first < last:
            node = queue[first]
            first += 1
            for place in range(starts[node], starts[node + 1]):
                other = neighbours[place]
                if wrong[other] == wrong[seed] and not seen[other]:
                    seen[other] = True
                    queue[last] = other
                    last += 1
        if last > len(best):
            best = queue[:last].copy()
    return np.sort(best)


def correct(
    prompts: Prompts,
    simulator: ClickSimulator,
    superpoints: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    found: NDArray[np.bool_],
    asked: NDArray[np.int64],
) -> tuple[Prompts, NDArray[np.int64]]:
    """One more click on every object whose mask is not right yet.

    Args:
        prompts: clicks so far.
        simulator: of the scene, R representatives.
        superpoints: int64, (N,).
        wanted: bool, (A, R). The objects at the representatives.
        found: bool, (A, R). Their masks.
        asked: int64, (A,). Numbers of these objects in ``prompts``.

    Returns:
        Prompts with a click more per object with a wrong point, and the numbers of those objects.
    """
    clicks, objects = [], []
    for row, number in enumerate(asked):
        click = simulator.next_click(wanted[row], found[row])
        if click is not None:
            clicks.append(click)
            objects.append(int(number))
    device = prompts.click_superpoints.device
    clicked = superpoints[[click.point for click in clicks]].astype(np.int64)
    further = prompts.with_clicks(
        torch.as_tensor(clicked, device=device),
        torch.tensor([click.positive for click in clicks], dtype=torch.bool, device=device),
        torch.tensor(objects, dtype=torch.int64, device=device),
    )
    return further, np.array(objects, dtype=np.int64)
