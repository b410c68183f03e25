"""What tiles and windows found, joined along the seams."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.apis.tiles.merging import merge_masks, merge_panoptic
from unison3d.apis.tiles.superpoints import same_superpoints
from unison3d.apis.tiles.windows import MaskRows, WindowAnswer


def answer(window: int, ids: list[int], *masks: tuple[int, list[int]], **maps) -> WindowAnswer:
    """Masks as (class, superpoints), the first with the best score."""
    rows = MaskRows.of(
        [np.array(mask) for _, mask in masks],
        [label for label, _ in masks],
        [0.9 - 0.1 * window - 0.01 * k for k in range(len(masks))],
    )
    maps = {name: np.array(values) for name, values in maps.items()}
    return WindowAnswer(window, np.array(ids), maps, {'panoptic': rows, 'instance': rows})


def found(answers: list[WindowAnswer], home: list[int], sizes: list[int]) -> list[tuple]:
    rows = merge_masks(answers, 'instance', np.array(home), np.array(sizes)).rows
    return sorted((int(rows.labels[k]), rows.mask(k).tolist()) for k in range(len(rows)))


def test_an_object_across_a_seam_is_one_and_whole():
    # Superpoints 0..3 along x, the seam between 1 and 2; both windows see 1 and 2.
    answers = [answer(0, [0, 1, 2], (5, [0, 1, 2])), answer(1, [1, 2, 3], (5, [1, 2, 3]))]
    assert found(answers, [0, 0, 1, 1], [10, 10, 10, 10]) == [(5, [0, 1, 2, 3])]


def test_a_long_object_is_a_chain_of_windows():
    answers = [answer(w, [w, w + 1, w + 2], (5, [w, w + 1, w + 2])) for w in range(4)]
    assert found(answers, [0, 0, 1, 2, 3, 3], [10] * 6) == [(5, [0, 1, 2, 3, 4, 5])]


def test_other_classes_and_other_places_stay_apart():
    answers = [
        answer(0, [0, 1, 2], (5, [0, 1]), (7, [0])),
        answer(1, [1, 2, 3], (6, [2, 3]), (7, [3])),
    ]
    expected = [(5, [0, 1]), (6, [2, 3]), (7, [0]), (7, [3])]
    assert found(answers, [0, 0, 1, 1], [10] * 4) == expected


def test_a_crumb_that_both_windows_see_does_not_join_two_large_objects():
    answers = [answer(0, [0, 1, 2], (5, [0, 1])), answer(1, [1, 2, 3], (5, [1, 3]))]
    objects = found(answers, [0, 0, 1, 1], [100, 1, 50, 100])
    assert objects == [(5, [0, 1]), (5, [1, 3])]


def test_what_the_window_of_its_place_did_not_see_is_dropped():
    answers = [answer(0, [0, 1, 2], (5, [1, 2])), answer(1, [1, 2, 3])]
    assert found(answers, [0, 0, 1, 1], [10, 1, 10, 10]) == []
    # The same mask counts where most of it belongs to the window that saw it.
    assert found(answers, [0, 0, 1, 1], [10, 10, 1, 10]) == [(5, [1, 2])]


def test_the_score_is_that_of_the_owner():
    answers = [answer(0, [0, 1, 2], (5, [1, 2])), answer(1, [1, 2, 3], (5, [1, 2, 3]))]
    rows = merge_masks(answers, 'instance', np.array([0, 0, 1, 1]), np.array([1, 5, 9, 9])).rows
    assert rows.scores.tolist() == pytest.approx([0.8])


def test_every_superpoint_has_one_segment():
    answers = [
        answer(0, [0, 1, 2], (3, [0, 1]), panoptic_semantic=[3, 3, 0]),
        answer(1, [1, 2, 3], (4, [1, 2]), panoptic_semantic=[4, 4, 1]),
    ]
    home, sizes = np.array([0, 0, 1, 1]), np.array([10, 10, 20, 10])
    semantic, segment = merge_panoptic(answers, home, sizes, (0, 1), min_points=5)
    # Superpoint 1 is claimed twice and goes to the object its own window names.
    assert semantic.tolist() == [3, 3, 4, 1]
    assert segment.tolist() == [2, 2, 3, 1]
    semantic, segment = merge_panoptic(answers, home, sizes, (0, 1), min_points=20)
    assert semantic.tolist() == [0, 0, 0, 1]
    assert segment.tolist() == [0, 0, 0, 1]


def test_superpoints_of_two_tiles_are_one_where_most_of_what_both_see_is_shared():
    places_a, ids_a = np.arange(10), np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    places_b, ids_b = np.arange(2, 12), np.array([7, 7, 5, 5, 5, 6, 6, 6, 6, 6])
    # 0: exactly 7; 1: shares 3 of 4 with 5; 2: shares 2 of its 2 with 6, of 3 in all.
    assert same_superpoints(places_a, ids_a, places_b, ids_b).tolist() == [[0, 7], [1, 5], [2, 6]]
    assert len(same_superpoints(places_a, ids_a, places_b + 100, ids_b)) == 0
