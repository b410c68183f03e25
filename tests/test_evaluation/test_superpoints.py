"""Scores of superpoints on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.evaluation.functional import (
    achievable_accuracy,
    adjusted_rand_index,
    boundary_points,
    boundary_recall,
)

# Ten points in a row, 1 cm apart.
ROW = np.pad(np.arange(10)[:, None] / 100, ((0, 0), (0, 2)))
NEXT = np.stack([np.arange(9), np.arange(1, 10)], axis=1)


def test_every_superpoint_takes_its_best_label():
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    superpoints = [5, 5, 5, 5, 7, 7, 7, 7, 7, 9]
    # 3 of 4, then 3 of 5, then 1 of 1.
    assert achievable_accuracy(labels, superpoints) == pytest.approx(0.7)
    # Without label 0: 1 of 1, 3 of 5, 1 of 1.
    assert achievable_accuracy(labels, superpoints, ignore=0) == pytest.approx(5 / 7)


def test_finer_superpoints_are_never_worse():
    rng = np.random.default_rng(0)
    labels, coarse = rng.integers(0, 9, (2, 500))
    fine = coarse * 4 + rng.integers(0, 4, 500)
    assert achievable_accuracy(labels, fine) >= achievable_accuracy(labels, coarse)
    assert achievable_accuracy(labels, np.arange(500)) == 1


def test_boundaries_are_points_with_another_neighbour():
    labels = np.array([0, 0, 1, 1, 1, 3, 3, 3, 3, 3])
    np.testing.assert_array_equal(boundary_points(labels, NEXT), [1, 2, 4, 5])
    np.testing.assert_array_equal(boundary_points(labels, NEXT, ignore=0), [4, 5])


@pytest.mark.parametrize(
    ('tolerance', 'recall'), [(0.005, 0.0), (0.0101, 0.25), (0.0201, 0.5), (0.5, 1.0)]
)
def test_recall_grows_with_the_tolerance(tolerance, recall):
    labels = np.array([0, 0, 1, 1, 1, 1, 1, 1, 3, 3])  # boundary points 1, 2, 7, 8
    superpoints = np.array([0, 0, 0, 0, 4, 4, 4, 4, 4, 4])  # boundary points 3, 4
    found = boundary_recall(ROW, labels, superpoints, NEXT, tolerance=tolerance)
    assert found == recall


def test_recall_of_extremes():
    labels = np.repeat([0, 1], 5)
    assert boundary_recall(ROW, labels, np.zeros(10), NEXT) == 0
    assert boundary_recall(ROW, labels, np.arange(10), NEXT) == 1
    assert np.isnan(boundary_recall(ROW, np.zeros(10), labels, NEXT))
    assert np.isnan(boundary_recall(ROW, labels, labels, NEXT, ignore=1))


def test_nothing_to_measure():
    none = np.zeros(0, int)
    assert np.isnan(achievable_accuracy(none, none))
    assert np.isnan(achievable_accuracy([4, 4], [0, 1], ignore=4))
    assert np.isnan(boundary_recall(np.zeros((0, 3)), none, none, np.zeros((0, 2), int)))
    assert adjusted_rand_index(none, none) == 1


def test_rand_index_corrects_for_chance():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 5, (2, 4000))
    assert abs(adjusted_rand_index(first, second)) < 0.02
    assert adjusted_rand_index(first, (first * 7 + 3) % 5) == 1
    assert adjusted_rand_index(np.zeros(9), np.ones(9)) == 1
    # Worked by hand: pairs 2 + 1 + 1 = 4 and 3 + 1 = 4 of 10, together 2; expected 1.6.
    assert adjusted_rand_index([0, 0, 0, 1, 1], [0, 0, 1, 1, 1]) == pytest.approx(
        (2 - 1.6) / (4 - 1.6)
    )


def test_lengths_are_checked():
    with pytest.raises(SceneError, match='3 ids on one side and 2'):
        achievable_accuracy([0, 1, 2], [0, 1])
    with pytest.raises(SceneError, match='points has shape'):
        boundary_recall(ROW[:5], np.zeros(10), np.zeros(10), NEXT)
