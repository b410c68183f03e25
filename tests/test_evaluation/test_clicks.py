"""Clicks until a mask is good, over curves and over records."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.evaluation.functional import (
    clicks_to_reach,
    clicks_until,
    iou_at_click,
    iou_at_clicks,
)

NAN = float('nan')
CURVES = [[0.4, 0.8, 0.7], [0.2, NAN, NAN], [0.9, 0.95, NAN], [NAN, NAN, NAN]]


def test_first_click_that_reaches_the_threshold():
    assert clicks_to_reach(CURVES, 0.8).tolist() == [2, 20, 1, 20]
    assert clicks_to_reach(CURVES, 0.8, limit=1).tolist() == [1, 1, 1, 1]
    assert clicks_to_reach(CURVES, 0.95, limit=5).tolist() == [5, 5, 2, 5]


def test_iou_after_a_click_keeps_the_last_one():
    np.testing.assert_array_equal(iou_at_click(CURVES, 1), [0.4, 0.2, 0.9, NAN])
    np.testing.assert_array_equal(iou_at_click(CURVES, 3), [0.7, 0.2, 0.95, NAN])


def test_no_objects():
    assert clicks_to_reach(np.zeros((0, 4)), 0.5).shape == (0,)
    assert iou_at_click(np.zeros((0, 4)), 4).shape == (0,)
    assert clicks_to_reach(np.zeros((2, 0)), 0.5, limit=7).tolist() == [7, 7]


def test_curves_and_records_agree():
    rng = np.random.default_rng(0)
    curves = rng.random((9, 6))
    clicks = np.tile(np.arange(1, 7), 9)
    objects = np.repeat(np.arange(9), 6)
    for threshold in (0.3, 0.7, 0.9):
        records = clicks_until(clicks, curves.ravel(), objects, threshold)
        assert clicks_to_reach(curves, threshold).mean() == pytest.approx(records)
    for k in (1, 4):
        records = iou_at_clicks(clicks, curves.ravel(), objects, k)
        assert iou_at_click(curves, k).mean() == pytest.approx(records)


def test_what_cannot_be_a_curve():
    with pytest.raises(SceneError, match='Divide percentages'):
        clicks_to_reach([[40.0, 80.0]], 0.8)
    with pytest.raises(SceneError, match='one row per object'):
        iou_at_click([0.4, 0.8], 1)
    for k in (0, 3):
        with pytest.raises(SceneError, match='2 clicks'):
            iou_at_click([[0.4, 0.8]], k)
    with pytest.raises(SceneError, match='limit is 0'):
        clicks_to_reach([[0.4]], 0.8, limit=0)
