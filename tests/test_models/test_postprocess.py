from __future__ import annotations

import pytest
import torch

from unison3d.errors import ConfigError
from unison3d.models.postprocess import (
    PostprocessConfig,
    distinct_proposals,
    mask_quality,
    matrix_nms,
    merge_panoptic,
    predict_panoptic,
    predict_semantic,
    prompt_masks,
    select_instances,
    select_proposals,
)
from unison3d.structures import InstanceMasks

LARGE = 12.0


def _scene(*owners: int, points_each: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask logits of as many queries as there are owners, and superpoints of equal size."""
    logits = torch.full((max(owners) + 1, len(owners)), -LARGE)
    for superpoint, owner in enumerate(owners):
        logits[owner, superpoint] = LARGE
    return logits, torch.arange(len(owners)).repeat_interleave(points_each)


def _certain(labels: list[int], num_classes: int = 3) -> torch.Tensor:
    logits = torch.zeros(len(labels), num_classes + 1)
    logits[torch.arange(len(labels)), torch.tensor(labels)] = LARGE
    return logits


def test_matrix_nms_hand_values():
    masks = torch.tensor([[1, 1, 0, 0], [1, 0.5, 0, 0], [0, 0, 1, 1]])
    scores, rows = matrix_nms(masks, torch.tensor([3, 3, 3]), torch.tensor([0.9, 0.8, 0.7]))
    assert rows.tolist() == [0, 2, 1]
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.7, 0.2]))


def test_matrix_nms_compares_within_a_label_only():
    masks = torch.tensor(
        [[0.9, 0.8, 0.1, 0], [0.9, 0.6, 0.2, 0], [0.7, 0.9, 0, 0.1], [0, 0.1, 0.8, 0.9]]
    )
    scores, rows = matrix_nms(masks, torch.tensor([3, 3, 3, 5]), torch.tensor([0.9, 0.5, 0.8, 0.7]))
    assert rows.tolist() == [0, 3, 2, 1]
    torch.testing.assert_close(
        scores, torch.tensor([0.9, 0.7, 0.29767, 0.20091]), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize('kernel', ['linear', 'gaussian'])
def test_identical_and_empty_masks_keep_scores_finite(kernel):
    masks = torch.tensor([[1.0, 1, 0]] * 4 + [[0.0, 0, 0]] * 2)
    scores, rows = matrix_nms(
        masks, torch.zeros(6, dtype=torch.int64), torch.linspace(0.9, 0.4, 6), kernel=kernel
    )
    assert torch.isfinite(scores).all()
    assert (scores >= 0).all()
    assert rows[0] == 0
    assert sorted(rows.tolist()) == list(range(6))


def test_matrix_nms_without_masks():
    scores, rows = matrix_nms(torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    assert scores.shape == rows.shape == (0,)


def test_mask_quality_of_a_mask_without_positive_logit_is_zero():
    quality = mask_quality(torch.tensor([[-1.0, -2.0], [LARGE, -1.0]]))
    assert quality[0] == 0
    assert quality[1] == pytest.approx(1, abs=1e-4)


def test_select_instances_finds_each_object_once():
    logits, superpoints = _scene(0, 0, 1, 1, 2)
    config = PostprocessConfig(topk=3, min_points=5)
    found = select_instances(_certain([0, 2, 1]), logits, None, superpoints, config)
    assert sorted(found.labels.tolist()) == [0, 1, 2]
    assert (found.masks.sum(dim=0) == 1).all()
    assert (found.scores > 0.9).all()


def test_sizes_are_counted_in_points_and_must_exceed_the_minimum():
    logits, superpoints = _scene(0, 1, 1)
    cls_logits = _certain([0, 1])
    for minimum, expected in [(9, 2), (10, 1), (19, 1), (20, 0)]:
        config = PostprocessConfig(topk=2, min_points=minimum)
        assert len(select_instances(cls_logits, logits, None, superpoints, config)) == expected


def test_mask_threshold_is_strict():
    logits = torch.tensor([[0.0, 0.1]])
    superpoints = torch.tensor([0, 1])
    config = PostprocessConfig(mask_threshold=0.5, min_points=0)
    assert prompt_masks(logits, superpoints, config).masks.tolist() == [[False, True]]


@pytest.mark.parametrize(('queries', 'superpoint_count'), [(0, 4), (3, 0), (0, 0), (1, 1), (5, 7)])
def test_any_number_of_queries_and_superpoints(queries, superpoint_count):
    superpoints = torch.arange(superpoint_count)
    cls_logits = torch.zeros(queries, 4)
    mask_logits = torch.zeros(queries, superpoint_count)
    quality = torch.ones(queries, 1)
    config = PostprocessConfig()
    found = select_instances(cls_logits, mask_logits, quality, superpoints, config)
    assert found.superpoint_masks.shape == (len(found), superpoint_count)
    proposals, rows = select_proposals(mask_logits, quality, superpoints, config)
    assert len(rows) == len(proposals)
    assert len(distinct_proposals(proposals, config)) <= len(proposals)
    assert proposals.superpoint_masks.shape[1] == superpoint_count
    semantic_logits = torch.zeros(superpoint_count, 20)
    semantic, segment = predict_panoptic(
        cls_logits, mask_logits, quality, semantic_logits, superpoints, config
    )
    assert semantic.shape == segment.shape == (superpoint_count,)
    assert predict_semantic(semantic_logits, superpoints, 20).shape == (superpoint_count,)
    assert prompt_masks(mask_logits, superpoints, config).masks.shape == (
        queries,
        superpoint_count,
    )


def test_quality_multiplies_only_where_asked():
    logits, superpoints = _scene(0, 1)
    quality = torch.tensor([0.5, 0.25])
    config = PostprocessConfig(topk=2, min_points=0)
    plain = select_instances(_certain([0, 1]), logits, quality, superpoints, config)
    scaled = select_instances(
        _certain([0, 1]), logits, quality[:, None], superpoints, config, use_quality=True
    )
    assert plain.scores.tolist() == pytest.approx([1, 1], abs=1e-3)
    assert scaled.scores.tolist() == pytest.approx([0.5, 0.25], abs=1e-3)


def _candidates(rows: list[list[int]], scores: list[float], points_each: int = 10):
    masks = torch.tensor(rows, dtype=torch.bool).reshape(len(scores), -1)
    superpoints = torch.arange(masks.shape[1]).repeat_interleave(points_each)
    return InstanceMasks(masks, superpoints, torch.arange(len(scores)), torch.tensor(scores))


def test_panoptic_paints_the_best_on_top():
    instances = _candidates([[1, 1, 0, 0], [0, 1, 1, 0]], [0.9, 0.6])
    stuff = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    config = PostprocessConfig(min_points=5)
    semantic, segment = merge_panoptic(stuff, instances, config)
    assert semantic[::10].tolist() == [2, 2, 3, 1]
    assert segment[::10].tolist() == [3, 3, 2, 1]


def test_panoptic_gives_small_remains_to_stuff_without_renumbering():
    # The weaker instance keeps one superpoint of ten points: not more than the minimum.
    instances = _candidates([[1, 1, 0, 0], [0, 1, 1, 0]], [0.9, 0.6])
    stuff = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    semantic, segment = merge_panoptic(stuff, instances, PostprocessConfig(min_points=10))
    assert semantic[::10].tolist() == [2, 2, 1, 1]
    assert segment[::10].tolist() == [3, 3, 1, 1]


def test_panoptic_without_instances_is_the_stuff_map_twice():
    stuff = torch.tensor([[1.0, 0], [0, 1]])
    semantic, segment = merge_panoptic(stuff, _candidates([[0, 0]], [0.9])[:0], PostprocessConfig())
    assert semantic.tolist() == segment.tolist() == [0] * 10 + [1] * 10


def test_permuting_points_permutes_results():
    generator = torch.Generator().manual_seed(3)
    cls_logits = torch.randn(12, 5, generator=generator)
    mask_logits = 3 * torch.randn(12, 12, generator=generator)
    semantic_logits = torch.randn(12, 6, generator=generator)
    superpoints = torch.randint(0, 12, (400,), generator=generator)
    order = torch.randperm(400, generator=generator)
    config = PostprocessConfig(min_points=20, panoptic_score_threshold=0.1)
    heads = (cls_logits, mask_logits, None)
    before = select_instances(*heads, superpoints, config)
    after = select_instances(*heads, superpoints[order], config)
    assert torch.equal(before.masks[:, order], after.masks)
    assert torch.equal(before.scores, after.scores)
    before = predict_panoptic(*heads, semantic_logits, superpoints, config)
    after = predict_panoptic(*heads, semantic_logits, superpoints[order], config)
    assert torch.equal(before[0][order], after[0])
    assert torch.equal(before[1][order], after[1])


def test_proposals_have_no_class_and_no_minimum_size():
    logits, superpoints = _scene(0, 1)
    found, rows = select_proposals(
        logits, torch.tensor([0.9, 0.3]), superpoints, PostprocessConfig(min_points=1000)
    )
    assert rows.tolist() == [0]
    assert found.labels.tolist() == [-1]
    assert found.scores.tolist() == pytest.approx([0.9], abs=1e-3)


@pytest.mark.parametrize(
    'options', [{'nms_kernel': 'cubic'}, {'topk': 0}, {'stuff': (1, 2)}, {'stuff': ()}]
)
def test_config_rejects_values_without_meaning(options):
    with pytest.raises(ConfigError):
        PostprocessConfig(**options)


def test_of_overlapping_proposals_the_best_stays():
    masks = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=torch.bool)
    superpoints = torch.tensor([0, 0, 0, 1, 1, 1, 2, 3, 3, 3])
    scores = torch.tensor([0.5, 0.9, 0.4, 0.8])
    found = InstanceMasks(masks, superpoints, torch.full((4,), -1), scores)
    config = PostprocessConfig(min_points=0, proposal_overlap=0.5)
    # Row 1 beats row 0 (5 of 6 points shared) and leaves row 2 (1 of 9); row 3 is empty.
    assert distinct_proposals(found, config).tolist() == [1, 2]
    loose = PostprocessConfig(min_points=0, proposal_overlap=0.9)
    assert distinct_proposals(found, loose).tolist() == [1, 0, 2]
    assert distinct_proposals(found, PostprocessConfig(min_points=5)).tolist() == [1]
