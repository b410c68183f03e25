"""Boxes as geometry, and prompts that belong together."""

from __future__ import annotations

import math

import pytest
import torch

from unison3d.structures import Prompts, points_in_boxes


def test_points_in_an_upright_and_in_a_turned_box():
    points = torch.tensor(
        [[0.0, 0, 0], [1.4, 0, 0], [0, 1.4, 0], [1, 1, 0], [0, 0, 0.6], [2, 0, 0]]
    )
    size = [4.0, 1.0, 1.0]
    boxes = torch.tensor([[0.0, 0, 0, *size, 0], [0, 0, 0, *size, math.pi / 4]])
    assert points_in_boxes(points, boxes).tolist() == [
        [True, True, False, False, False, True],
        [True, False, False, True, False, False],
    ]
    assert points_in_boxes(points, boxes, margin=0.1)[:, 4].all()
    assert points_in_boxes(points, boxes[:0]).shape == (0, 6)
    assert points_in_boxes(points[:0], boxes).shape == (2, 0)


def test_prompts_move_and_grow_together():
    prompts = Prompts(
        click_superpoints=torch.tensor([4]),
        click_positive=torch.tensor([True]),
        click_objects=torch.tensor([1]),
        click_targets=torch.tensor([-1, 2]),
        texts=['a chair'],
        text_kinds=['plain'],
        boxes=torch.ones(1, 7),
        box_objects=torch.tensor([0]),
        click_texts=torch.tensor([-1, 0]),
        exclusive=True,
    )
    grown = prompts.with_clicks(torch.tensor([7]), torch.tensor([False]), torch.tensor([0]))
    assert grown.click_superpoints.tolist() == [4, 7]
    assert grown.click_positive.tolist() == [True, False]
    assert grown.click_objects.tolist() == [1, 0]
    assert prompts.num_clicks == 1
    moved = grown.to('cpu')
    assert vars(moved).keys() == vars(grown).keys()
    for name, value in vars(grown).items():
        other = vars(moved)[name]
        assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other


@pytest.mark.parametrize(
    'fields',
    [
        {'boxes': torch.zeros(1, 6), 'box_objects': torch.tensor([0])},
        {'boxes': torch.zeros(2, 7), 'box_objects': torch.tensor([0])},
        {'boxes': torch.zeros(1, 7), 'box_objects': torch.tensor([1])},
        {'click_texts': torch.tensor([0])},
        {'click_texts': torch.tensor([0, 0]), 'texts': ['a']},
    ],
)
def test_prompts_that_do_not_fit(fields):
    with pytest.raises(ValueError):
        Prompts(**{'click_targets': torch.tensor([-1]), **fields})
