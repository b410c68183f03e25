"""The catalogue covers the classes, and every builder makes things of believable size."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.structures.label_space import SCANNET20
from unison3d.synth.catalog import (
    CLASSES,
    FURNITURE,
    build,
    seen_names,
    spoken_name,
    withheld_names,
)

KINDS = [name for name, kind in FURNITURE.items() if kind.builder is not None]


def test_class_names_are_those_of_the_label_space():
    assert CLASSES == tuple(SCANNET20.classes)


def test_every_thing_class_has_a_kind_and_training_sees_all_of_them():
    seen = {k.semantic for k in FURNITURE.values() if not k.withheld}
    assert seen == set(range(2, 21))


def test_withheld_names_are_few_and_separate():
    assert len(withheld_names()) == 7
    assert not set(withheld_names()) & set(seen_names())
    assert {spoken_name(k) for k in FURNITURE} == set(withheld_names()) | set(seen_names())


@pytest.mark.parametrize('name', KINDS)
def test_builders_make_believable_sizes(name):
    sizes = []
    for seed in range(12):
        shape = build(name, np.random.default_rng(seed))
        assert np.isfinite(shape.size).all() and (shape.size > 0).all()
        assert shape.low[2] > -0.1, 'nothing reaches far below the surface it stands on'
        assert shape.high[2] < 2.6 and shape.size[:2].max() < 4.0
        for support in shape.supports:
            assert support.x0 < support.x1 and support.y0 < support.y1
            assert 0 < support.z <= shape.high[2] + 0.05
        sizes.append(shape.size)
    assert np.ptp(sizes, axis=0).max() > 0 or name in ('mug', 'toilet paper', 'water cooler')


@pytest.mark.parametrize('name', ['chair', 'sofa', 'bed', 'desk', 'cabinet', 'bookshelf'])
def test_builders_repeat_and_vary(name):
    def rows(seed: int) -> list:
        shape = build(name, np.random.default_rng(seed))
        return [shape.rows, shape.attrs, shape.supports]

    assert rows(3) == rows(3)
    assert len({str(rows(seed)) for seed in range(8)}) == 8
    counts = {sum(len(r) for r in rows(seed)[0].values()) for seed in range(20)}
    assert len(counts) > 2, 'structure varies, not only size'
