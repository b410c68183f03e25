"""Panoptic maps of class queries by hand, as they should be and as published."""

from __future__ import annotations

import torch

from unison3d.models.postprocess import PostprocessConfig, mask_quality, select_instances
from unison3d.models.postprocess_learned import merge_class_queries
from unison3d.structures import InstanceMasks

STUFF = (0, 1, 3)
# Four cells of 10 points; classes 0, 1, 3 are stuff, 2 is a thing.
CELLS = torch.arange(4).repeat_interleave(10)
CLASS_MASKS = torch.tensor(
    [[5.0, 0, 0, 0], [0, 5.0, 0, 1.0], [9.0, 9, 9, 9], [0, 0, 5.0, 0]], dtype=torch.float32
)


def instances(rows, scores) -> InstanceMasks:
    masks = torch.tensor(rows, dtype=torch.bool).reshape(len(scores), 4)
    return InstanceMasks(masks, CELLS, torch.full((len(scores),), 2), torch.tensor(scores))


def per_cell(values: torch.Tensor) -> list[int]:
    return values[::10].tolist()


def test_things_lie_over_the_best_stuff():
    found = instances([[0, 1, 1, 0], [0, 0, 1, 0]], [0.5, 0.9])
    semantic, segment = merge_class_queries(CLASS_MASKS, found, STUFF, 5)
    assert per_cell(semantic) == [0, 2, 2, 1]
    assert per_cell(segment) == [0, 4, 5, 1]


def test_published_ids_lose_the_lowest_score():
    found = instances([[0, 1, 1, 0], [0, 0, 1, 0]], [0.5, 0.9])
    semantic, segment = merge_class_queries(CLASS_MASKS, found, STUFF, 5, published_ids=True)
    assert per_cell(semantic) == [0, 1, 2, 1]
    # Ranks among the stuff classes, then things from the number of stuff classes on.
    assert per_cell(segment) == [0, 1, 3, 1]
    only = instances([[0, 1, 1, 0]], [0.5])
    semantic, segment = merge_class_queries(CLASS_MASKS, only, STUFF, 5, published_ids=True)
    assert per_cell(semantic) == [0, 1, 3, 1]
    assert per_cell(segment) == [0, 1, 2, 1]


def test_small_remains_go_to_stuff():
    found = instances([[0, 1, 0, 0], [1, 1, 1, 0]], [0.5, 0.9])
    semantic, segment = merge_class_queries(CLASS_MASKS, found, STUFF, 5)
    assert per_cell(semantic) == [2, 2, 2, 1]
    assert per_cell(segment) == [5, 5, 5, 1]
    semantic, _ = merge_class_queries(CLASS_MASKS, found, STUFF, 30)
    assert per_cell(semantic) == [0, 1, 3, 1]


def test_no_instances():
    semantic, segment = merge_class_queries(CLASS_MASKS, instances([], []), STUFF, 5)
    assert per_cell(semantic) == per_cell(segment) == [0, 1, 3, 1]


def test_the_inside_of_a_mask_can_begin_below_one_half():
    logits = torch.tensor([[2.0, -1.0, -6.0]])
    sigmoid = logits.sigmoid()[0]
    torch.testing.assert_close(mask_quality(logits), sigmoid[:1], atol=1e-5, rtol=0)
    mean = (sigmoid[0] + sigmoid[1]) / 2
    torch.testing.assert_close(mask_quality(logits, 0.01), mean[None], atol=1e-5, rtol=0)
    scores = select_instances(
        torch.tensor([[9.0, -9.0]]),
        logits,
        torch.tensor([[3.0]]),
        torch.arange(3).repeat_interleave(10),
        PostprocessConfig(
            inside_threshold=0.01, mask_threshold=0.15, min_points=15, instance_quality=True
        ),
    )
    assert scores.superpoint_masks.tolist() == [[True, True, False]]
    torch.testing.assert_close(scores.scores, 3 * mean[None], atol=1e-4, rtol=0)
