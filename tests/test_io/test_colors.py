"""Colour ranges."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.io import colors_to_float, colors_to_uint8


def test_eight_bits_survive_the_round_trip():
    every = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    inside = colors_to_float(every)
    assert inside.dtype == np.float32 and inside.min() == 0 and inside.max() == 1
    np.testing.assert_array_equal(colors_to_uint8(inside), every)


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (np.array([[0, 128, 255]], np.uint8), [0, 128 / 255, 1]),
        (np.array([[0, 128, 255]], np.int64), [0, 128 / 255, 1]),
        (np.array([[0, 32768, 65535]], np.uint16), [0, 32768 / 65535, 1]),
        (np.array([[0, 128, 255]], np.uint16), [0, 128 / 255, 1]),
        (np.array([[0, 0.5, 1.0]]), [0, 0.5, 1]),
        (np.array([[0, 0.5, 1.0000001]]), [0, 0.5, 1]),
        (np.array([[0, 127.5, 255.0]], np.float32), [0, 0.5, 1]),
        (np.array([[0, 0.5, 1, 0.1]]), [0, 0.5, 1]),
        (np.array([[0, 1, 1]], np.uint8), [0, 1 / 255, 1 / 255]),
        (np.array([[False, True, True]]), [0, 1, 1]),
        (np.array([51], np.uint8), [0.2, 0.2, 0.2]),
    ],
)
def test_ranges(given, expected):
    np.testing.assert_allclose(colors_to_float(given), [expected], atol=1e-6)


def test_bad_rows_stay_visible():
    result = colors_to_float(np.array([[np.nan, 0, 0], [0, np.inf, 0], [0, 0, 255.0]]))
    assert np.isnan(result[0, 0]) and np.isinf(result[1, 1]) and result[2, 2] == 1


@pytest.mark.parametrize(
    'bad', [np.zeros((2, 5)), np.full((1, 3), -0.5), np.full((1, 3), 1e6), np.array([['a'] * 3])]
)
def test_no_colors(bad):
    with pytest.raises(SceneError):
        colors_to_float(bad)


def test_empty_and_input_untouched():
    assert colors_to_float(np.zeros((0, 3), np.uint8)).shape == (0, 3)
    given = np.array([[0, 127.5, 255.0]], np.float32)
    colors_to_float(given)
    assert given[0, 2] == 255
