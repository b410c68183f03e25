"""The simulated user clicks where a person would: in the middle of the largest mistake."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unison3d.datasets.transforms.clicks import farthest_inside_clicks
from unison3d.models.click_simulation import ClickSimulator, SimulatedClick, correct
from unison3d.structures import Prompts

STEP = 0.05


def row_of_voxels(count: int) -> np.ndarray:
    """A point in the middle of each of ``count`` voxels along x."""
    points = np.full((count, 3), STEP / 2, np.float32)
    points[:, 0] += STEP * np.arange(count, dtype=np.float32)
    return points


def mask(count: int, *places: int) -> np.ndarray:
    found = np.zeros(count, bool)
    found[list(places)] = True
    return found


def test_middle_of_the_largest_wrong_region():
    simulator = ClickSimulator(row_of_voxels(20))
    # Missing: 2..4 and 8..12; extra: 16, 17. The largest is 8..12 and its middle 10.
    wanted = mask(20, *range(0, 5), *range(8, 13))
    found = mask(20, 0, 1, 16, 17)
    assert simulator.next_click(wanted, found) == SimulatedClick(10, True)
    found = mask(20, 0, 1, *range(8, 13), *range(14, 20))
    # At the end of the row only one side is a border.
    assert simulator.next_click(wanted, found) == SimulatedClick(19, False)


def test_missing_and_extra_points_are_different_regions():
    simulator = ClickSimulator(row_of_voxels(12))
    wanted, found = mask(12, 2, 3, 4, 5), mask(12, 6, 7, 8)
    # They touch, but only four of the seven want the same click.
    click = simulator.next_click(wanted, found)
    assert click.positive and click.point in (3, 4)


def test_nothing_wrong_and_everything_wrong():
    simulator = ClickSimulator(row_of_voxels(5))
    everything = np.ones(5, bool)
    assert simulator.next_click(everything, everything) is None
    assert simulator.next_click(everything, ~everything) == SimulatedClick(2, True)
    assert ClickSimulator(np.zeros((0, 3))).next_click(np.zeros(0, bool), np.zeros(0, bool)) is None


def test_equal_regions_are_taken_in_order():
    simulator = ClickSimulator(row_of_voxels(10))
    assert simulator.next_click(mask(10, 1, 7), mask(10)) == SimulatedClick(1, True)


def test_one_point_stands_for_a_voxel():
    points = np.repeat(row_of_voxels(4), 3, axis=0)
    simulator = ClickSimulator(points)
    np.testing.assert_array_equal(simulator.representatives, [0, 3, 6, 9])
    # Points that sit in one voxel do not make a region larger.
    assert simulator.next_click(mask(4, 3), mask(4)).point == 9


@pytest.mark.parametrize('seed', range(3))
def test_first_click_is_that_of_agile(seed):
    rng = np.random.default_rng(seed)
    points = rng.random((4000, 3)).astype(np.float32) * 0.6
    instances = (points[:, 0] > 0.25).astype(np.int64)
    simulator = ClickSimulator(points)
    inside = instances[simulator.representatives]
    expected = farthest_inside_clicks(points, instances, 2)
    for number in range(2):
        click = simulator.next_click(inside == number, np.zeros(len(inside), bool))
        assert click == SimulatedClick(expected[number], True)


@pytest.mark.parametrize('seed', range(3))
def test_regions_match_an_obvious_search(seed):
    rng = np.random.default_rng(seed)
    points = rng.random((600, 3)).astype(np.float32) * 0.6
    simulator = ClickSimulator(points)
    chosen = points[simulator.representatives]
    wanted, found = (rng.random((2, len(chosen))) < 0.25).tolist()
    wanted, found = np.array(wanted), np.array(found)
    wrong = wanted.astype(int) - found.astype(int)
    cells = np.floor(chosen / STEP).astype(int)
    touch = (np.abs(cells[:, None] - cells[None]) <= 1).all(2)
    touch &= (wrong[:, None] == wrong[None]) & (wrong != 0)[None]
    reach = touch.copy()
    for _ in range(len(chosen)):
        wider = reach | (reach.astype(np.float32) @ touch > 0)
        if (wider == reach).all():
            break
        reach = wider
    largest = reach[reach.sum(1).argmax()]
    click = simulator.next_click(wanted, found)
    node = int(np.flatnonzero(simulator.representatives == click.point)[0])
    assert largest[node]
    assert click.positive == (wrong[node] > 0)
    gaps = np.linalg.norm(chosen[largest][:, None] - chosen[~largest][None], axis=2).min(1)
    assert gaps.max() == pytest.approx(gaps[np.flatnonzero(largest).tolist().index(node)])


def test_prompts_grow_by_one_click_per_wrong_object():
    points = row_of_voxels(10)
    superpoints = np.arange(10) // 2
    prompts = Prompts(
        click_superpoints=torch.tensor([0, 4]),
        click_positive=torch.tensor([True, True]),
        click_objects=torch.tensor([0, 1]),
        click_targets=torch.tensor([3, 5]),
    )
    wanted = np.stack([mask(10, 0, 1, 2), mask(10, 8, 9)])
    found = np.stack([mask(10, 0, 1, 2), mask(10, 5, 6, 7, 8, 9)])
    after, clicked = correct(
        prompts, ClickSimulator(points), superpoints, wanted, found, np.array([0, 1])
    )
    assert clicked.tolist() == [1]
    assert after.click_superpoints.tolist() == [0, 4, 3]
    assert after.click_positive.tolist() == [True, True, False]
    assert after.click_objects.tolist() == [0, 1, 1]
    assert prompts.num_clicks == 2
