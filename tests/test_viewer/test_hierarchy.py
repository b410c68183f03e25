"""From a part to the whole."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.superpoints import SuperpointTree
from unison3d.viewer.hierarchy import GROWTH, PartLadder

# Eight superpoints: 0-1-2-3 are a chair (seat 0-1, legs 2-3), 4-5 a table, 6-7 the floor.
MERGES = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [0, 4], [6, 0]], np.int32)
TREE = SuperpointTree(8, MERGES, np.arange(7.0))
SIZES = np.array([10, 10, 5, 5, 20, 20, 100, 100])


def mask(*superpoints: int) -> np.ndarray:
    found = np.zeros(8, bool)
    found[list(superpoints)] = True
    return found


def named(levels: list[np.ndarray]) -> list[list[int]]:
    return [np.flatnonzero(level).tolist() for level in levels]


def test_regions_alone_grow_to_half_a_scene():
    ladder = PartLadder(TREE, SIZES)
    assert named(ladder.levels(0)) == [[0], [0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]
    assert named(ladder.levels(3)) == [[3], [2, 3], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]
    assert named(ladder.levels(0, max_levels=2)) == [[0], [0, 1, 2, 3, 4, 5]]


def test_objects_are_the_whole_and_regions_their_parts():
    # The model found the chair without one leg, the group, and a weak nonsense.
    proposals = np.stack([mask(0, 1, 2), mask(0, 1, 2, 3, 4, 5), mask(0, 6)])
    ladder = PartLadder(TREE, SIZES, proposals, np.array([0.9, 0.5, 0.05]))
    assert named(ladder.levels(0)) == [[0], [0, 1, 2], [0, 1, 2, 3, 4, 5]]
    assert named(ladder.levels(7)) == [[7]] or named(ladder.levels(7))[0] == [7]


@pytest.mark.parametrize('seed', range(5))
def test_levels_are_nested_and_clearly_larger(seed):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 100, 40)
    merges, alive = [], list(range(40))
    while len(alive) > 1:
        a, b = generator.choice(alive, 2, replace=False).tolist()
        merges.append((a, b))
        alive.remove(b)
    tree = SuperpointTree(40, np.array(merges, np.int32), np.arange(39.0))
    proposals = generator.random((20, 40)) < generator.random((20, 1))
    ladder = PartLadder(tree, sizes, proposals, generator.random(20))
    for superpoint in range(40):
        levels = ladder.levels(superpoint, max_levels=5)
        assert np.flatnonzero(levels[0]).tolist() == [superpoint]
        assert 1 <= len(levels) <= 5
        for small, large in zip(levels, levels[1:], strict=False):
            assert not (small & ~large).any()
            assert sizes[large].sum() >= GROWTH * sizes[small].sum()


def test_what_does_not_fit():
    with pytest.raises(SceneError, match='8 superpoints'):
        PartLadder(TREE, SIZES[:5])
    with pytest.raises(SceneError, match=r'expected 0\.\.7'):
        PartLadder(TREE, SIZES).levels(8)
