"""Mask losses and the matcher on numbers one can check by hand."""

from __future__ import annotations

import pytest
import torch

from unison3d.errors import ConfigError
from unison3d.models.losses import MaskSetLoss, MaskTargets, bce_loss, dice_loss, mask_iou
from unison3d.models.losses.mask_losses import pairwise_bce, pairwise_dice
from unison3d.models.matchers import SparseMatcher

LOGITS = torch.tensor([[2.0, -1.0, 0.5, -3.0]])
TARGET = torch.tensor([[True, False, True, False]])


def test_golden_values():
    # Appendix B1 of the engineering specification, computed in float64.
    assert bce_loss(LOGITS, TARGET).item() == pytest.approx(0.2407135, abs=1e-6)
    assert dice_loss(LOGITS, TARGET).item() == pytest.approx(0.1687084, abs=1e-6)
    assert mask_iou(LOGITS, TARGET).item() == pytest.approx(0.9999995, abs=1e-6)


def test_pairwise_costs_hold_the_single_losses():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 9, generator=generator)
    targets = torch.rand(3, 9, generator=generator) > 0.5
    bce = pairwise_bce(logits, targets.float())
    dice = pairwise_dice(logits, targets.float())
    for q in range(4):
        for m in range(3):
            torch.testing.assert_close(bce[q, m], bce_loss(logits[q : q + 1], targets[m : m + 1]))
            torch.testing.assert_close(dice[q, m], dice_loss(logits[q : q + 1], targets[m : m + 1]))


def _b2():
    logits = torch.tensor([[2.0, 2, -2, -2], [1, -1, -1, -1], [-2, -2, 2, 2], [-2, -2, -1, 3]])
    masks = torch.tensor([[True, True, False, False], [False, False, True, True]])
    return logits, masks, masks, torch.zeros(4, 3), torch.tensor([0, 1])


def test_matcher_golden_values():
    # Appendix B2: each query sits on the superpoint of its own index.
    logits, masks, on_target, classes, labels = _b2()
    matcher = SparseMatcher()
    cost = matcher.cost(logits, masks, on_target, classes, labels)
    expected = torch.tensor([[0.055624, 1e8], [0.735494, 1e8], [1e8, 0.055624], [1e8, 0.465266]])
    torch.testing.assert_close(cost, expected, atol=1e-5, rtol=1e-5)
    queries, objects = matcher(logits, masks, on_target, classes, labels)
    assert queries.tolist() == [0, 2]
    assert objects.tolist() == [0, 1]


def test_a_tie_matches_nothing():
    logits, masks, on_target, classes, labels = _b2()
    logits[1] = logits[0]
    queries, objects = SparseMatcher()(logits, masks, on_target, classes, labels)
    assert objects.tolist() == [1]
    assert queries.tolist() == [2]


def test_topk_gives_more_queries_per_object():
    queries, objects = SparseMatcher(topk=2)(*_b2())
    assert sorted(zip(objects.tolist(), queries.tolist(), strict=True)) == [
        (0, 0), (0, 1), (1, 2), (1, 3)
    ]  # fmt: skip


@pytest.mark.parametrize(('num_queries', 'num_objects'), [(0, 2), (3, 0), (1, 1), (0, 0)])
def test_matcher_with_little_or_nothing(num_queries, num_objects):
    matcher = SparseMatcher(topk=3)
    queries, objects = matcher(
        torch.randn(num_queries, 5),
        torch.ones(num_objects, 5, dtype=torch.bool),
        torch.ones(num_objects, num_queries, dtype=torch.bool),
    )
    assert len(queries) == len(objects) == min(num_queries, num_objects)


def _scene(value: float) -> MaskTargets:
    return MaskTargets(None, None, torch.full((1, 4), value), torch.ones(1, 4, dtype=torch.bool))


def test_dice_factors_of_last_and_other_layers():
    scenes = [_scene(0.5), _scene(1.0)]
    dice = torch.stack([dice_loss(s.mask_logits, s.masks) for s in scenes]).mean()
    for options, factor, final in (
        ({}, 4.0, True),
        ({}, 1.0, False),
        ({'dice_auxiliary': '4/B'}, 4 / 3, False),
    ):
        loss = MaskSetLoss(bce_weight=0.0, **options)(scenes, final=final, batch_size=3)
        torch.testing.assert_close(loss, factor * dice)


def test_unknown_words_are_refused():
    for options in ({'dice_auxiliary': '4 / B'}, {'average': 'scenes'}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            MaskSetLoss(**options)


def test_unknown_classes_are_not_learned():
    scene = _scene(0.0)
    scene.class_logits = torch.randn(2, 3, requires_grad=True)
    scene.labels = torch.tensor([-1, -1])
    with_class = MaskSetLoss()([scene], final=True, batch_size=1)
    without = MaskSetLoss()([_scene(0.0)], final=True, batch_size=1)
    torch.testing.assert_close(with_class.detach(), without)
    # A parameter without a gradient in one process would stop a distributed run.
    (gradient,) = torch.autograd.grad(with_class, scene.class_logits)
    assert not gradient.any()
