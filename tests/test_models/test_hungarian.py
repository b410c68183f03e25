"""The cheapest assignment, next to trying all of them."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from unison3d.errors import SceneError
from unison3d.models.matchers import HungarianMatcher
from unison3d.registry import TASK_UTILS


def random_case(num_queries: int, num_targets: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_queries, 9, generator=generator) * 3
    masks = torch.rand(num_targets, 9, generator=generator) > 0.5
    class_logits = torch.randn(num_queries, 4, generator=generator)
    return logits, masks, class_logits, torch.arange(num_targets) % 3


def total_cost(case, pairs) -> float:
    """Costs written out pair by pair."""
    logits, masks, class_logits, labels = case
    total = 0.0
    for query, target in pairs:
        probability, mask = logits[query].sigmoid(), masks[target].float()
        total += torch.nn.functional.binary_cross_entropy(probability, mask).item()
        total += 1 - (2 * (probability * mask).sum() + 1) / (probability.sum() + mask.sum() + 1)
        total -= 0.5 * class_logits[query].softmax(0)[labels[target]]
    return float(total)


@pytest.mark.parametrize('seed', range(4))
def test_no_assignment_is_cheaper(seed):
    case = random_case(5, 3, seed)
    queries, targets = HungarianMatcher()(*case)
    assert queries.tolist() == sorted(queries.tolist())
    assert sorted(targets.tolist()) == [0, 1, 2]
    found = total_cost(case, zip(queries, targets, strict=True))
    others = [total_cost(case, zip(p, range(3), strict=True)) for p in permutations(range(5), 3)]
    assert found == pytest.approx(min(others), abs=1e-5)


def test_more_objects_than_queries():
    queries, targets = HungarianMatcher()(*random_case(2, 4, 0))
    assert queries.tolist() == [0, 1]
    assert len(set(targets.tolist())) == 2


def test_two_objects_that_want_one_query_share():
    logits = torch.tensor([[9.0, 9.0, -9.0], [2.0, 2.0, -2.0]])
    masks = torch.tensor([[True, True, False], [True, True, False]])
    queries, targets = HungarianMatcher()(logits, masks)
    assert queries.tolist() == [0, 1]
    assert sorted(targets.tolist()) == [0, 1]


def test_an_unknown_class_costs_nothing():
    logits = torch.zeros(2, 3)
    masks = torch.ones(1, 3, dtype=torch.bool)
    class_logits = torch.tensor([[0.0, 9.0], [9.0, 0.0]])
    matcher = HungarianMatcher(class_weight=5.0)
    assert matcher(logits, masks, class_logits, torch.tensor([0]))[0].tolist() == [1]
    assert matcher(logits, masks, class_logits, torch.tensor([1]))[0].tolist() == [0]
    assert matcher(logits, masks, class_logits, torch.tensor([-1]))[0].tolist() == [0]


@pytest.mark.parametrize(('num_queries', 'num_targets'), [(3, 0), (0, 3), (0, 0)])
def test_nothing_to_match(num_queries, num_targets):
    queries, targets = HungarianMatcher()(*random_case(num_queries, num_targets, 0))
    assert queries.dtype == targets.dtype == torch.int64
    assert len(queries) == len(targets) == 0


def test_a_diverged_network_is_named():
    logits, masks, class_logits, labels = random_case(3, 2, 0)
    logits[1, 2] = torch.nan
    with pytest.raises(SceneError, match='2 of 6 matching costs are not finite'):
        HungarianMatcher()(logits, masks, class_logits, labels)


def test_it_is_built_by_name():
    matcher = TASK_UTILS.build({'type': 'HungarianMatcher', 'dice_weight': 2.0})
    assert matcher.pair_cost.dice_weight == 2.0
