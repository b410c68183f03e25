"""Boxes of objects."""

from __future__ import annotations

import numpy as np

from unison3d.viewer.object_boxes import object_boxes


def test_as_a_loop_over_the_objects():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(500, 3)).astype(np.float32)
    ids = generator.choice([0, 2, 5, 900], 500).astype(np.int32)
    boxes = object_boxes(points, ids, [900, 2, 7])
    assert list(boxes) == [2, 900]
    for number, box in boxes.items():
        inside = points[ids == number]
        assert np.array_equal(box, [inside.min(axis=0), inside.max(axis=0)])
    assert object_boxes(points[:0], ids[:0], [1]) == {}
    assert object_boxes(points, ids, []) == {}
