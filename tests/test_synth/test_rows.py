"""Column arithmetic gives what numpy's row arithmetic gives, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.synth.rows import bounds, lengths, row_sums, take


@pytest.mark.parametrize('columns', [2, 3, 5])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_sums_and_bounds_are_those_of_numpy(columns, dtype):
    a = np.random.default_rng(columns).standard_normal((1000, columns)).astype(dtype)
    before = a.copy()
    assert np.array_equal(row_sums(a), a.sum(1)) and row_sums(a).dtype == dtype
    low, high = bounds(a)
    assert np.array_equal(low, a.min(0)) and np.array_equal(high, a.max(0))
    assert low.dtype == dtype
    assert np.array_equal(a, before)


def test_lengths_and_rows():
    a = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    assert np.array_equal(lengths(a), np.linalg.norm(a, axis=1))
    index = np.array([7, 7, 0, 499])
    assert np.array_equal(take(a, index), a[index])


def test_no_rows():
    assert np.array_equal(bounds(np.zeros((0, 3), np.float32)), np.zeros((2, 3)))
    assert len(lengths(np.zeros((0, 3)))) == len(row_sums(np.zeros((0, 3)))) == 0
