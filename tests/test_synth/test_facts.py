"""Relations between hand-made objects."""

from __future__ import annotations

import numpy as np

from unison3d.synth.facts import Facts
from unison3d.synth.words import meaning, plural


def block(x0, x1, y0, y1, z0, z1, n=400) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform((x0, y0, z0), (x1, y1, z1), (n, 3)).astype(np.float32)


def facts_of(*blocks: np.ndarray, parents: tuple[int, ...] | None = None) -> Facts:
    ids = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks])
    order = np.random.default_rng(1).permutation(len(ids))
    names = [f'thing {i}' for i in range(len(blocks))]
    return Facts.measure(
        np.concatenate(blocks)[order],
        ids[order],
        names,
        [''] * len(blocks),
        list(parents or (-1,) * len(blocks)),
    )


TABLE = np.concatenate([block(0, 1.4, 0, 0.8, 0.7, 0.74), block(0, 0.05, 0, 0.05, 0, 0.7, 60)])


def test_extents_and_sizes():
    facts = facts_of(block(0, 1, 0, 2, 0, 0.5, 4000))
    assert np.allclose(facts.centers[0], [0.5, 1.0], atol=0.05)
    assert abs(facts.low[0]) < 0.02 and abs(facts.high[0] - 0.5) < 0.02
    assert abs(facts.sizes[0] - np.linalg.norm([1, 2, 0.5])) < 0.15


def test_near_and_gap():
    facts = facts_of(
        block(0, 1, 0, 1, 0, 1), block(1.1, 2, 0, 1, 0, 1), block(4, 5, 0, 1, 0, 1),
        block(1, 2, 1.5, 2, 0, 1),
    )  # fmt: skip
    assert facts.near(0, 1) == 1 and facts.near(1, 0) == 1
    assert facts.near(0, 2) == -1
    assert facts.near(0, 3) == 0, 'half a metre is neither'
    assert facts.gap(0, 2) > 2.5


def test_on_and_under():
    cup, bin_, far = (
        block(0.3, 0.4, 0.3, 0.4, 0.74, 0.84),
        block(0.5, 0.8, 0.3, 0.6, 0, 0.4),
        block(3, 3.3, 0.3, 0.6, 0, 0.4),
    )
    facts = facts_of(TABLE, cup, bin_, far, parents=(-1, 0, -1, -1))
    assert (facts.on(1, 0), facts.on(2, 0), facts.on(3, 0)) == (1, -1, -1)
    assert (facts.under(1, 0), facts.under(2, 0), facts.under(3, 0)) == (-1, 1, -1)


def test_above():
    picture, lamp = block(0.4, 0.9, 0.78, 0.8, 1.3, 1.8), block(3, 3.2, 0, 0.2, 1.3, 1.8)
    facts = facts_of(TABLE, picture, lamp)
    assert (facts.above(1, 0), facts.above(2, 0)) == (1, -1)


def test_between():
    left, right = block(0, 0.4, 0, 0.4, 0, 1), block(3, 3.4, 0, 0.4, 0, 1)
    middle, aside, behind = (
        block(1.5, 1.9, 0, 0.4, 0, 1),
        block(1.5, 1.9, 2, 2.4, 0, 1),
        block(5, 5.4, 0, 0.4, 0, 1),
    )
    facts = facts_of(left, right, middle, aside, behind)
    assert [facts.between(i, 0, 1) for i in (2, 3, 4)] == [1, -1, -1]


def test_words():
    assert 'office chair' in meaning('chair') and meaning('door') == {'door'}
    assert plural('shelf') == 'shelves' and plural('chair') == 'chairs'
