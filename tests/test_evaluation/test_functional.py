"""Scores against hand calculations on scenes of a few points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unison3d.errors import SceneError
from unison3d.evaluation.functional import (
    InstanceEvaluator,
    PanopticEvaluator,
    SemanticEvaluator,
    clicks_until,
    confusion_matrix,
    decode_scannet_ids,
    dense_labels,
    distinct_masks,
    iou_at_clicks,
    mask_iou,
    mask_overlaps,
    overlaps_and_sizes,
    prompt_ap,
    referring_summary,
)

# --- counting ------------------------------------------------------------------------------------


def test_dense_labels_follow_the_given_order():
    assert dense_labels([7, 3, 0, -5], [3, 7]).tolist() == [1, 0, 2, 2]
    assert dense_labels([1, 2], []).tolist() == [0, 0]


@given(st.integers(0, 70), st.integers(0, 5), st.integers(0, 3), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_overlaps_equal_counting_one_by_one(num_points, num_masks, num_ids, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(-1, num_ids, num_points)
    masks = rng.random((num_masks, num_points)) < rng.random()
    counts, sizes = overlaps_and_sizes(masks, ids, num_ids)
    for row, mask in zip(counts, masks, strict=True):
        expected = [(ids[mask] == i).sum() for i in range(num_ids)] + [(ids[mask] < 0).sum()]
        assert row.tolist() == expected
    assert sizes.tolist() == [(ids == i).sum() for i in range(num_ids)]
    # The same masks in another order in memory, and as numbers.
    for other in (np.asfortranarray(masks), masks.astype(np.float32) * 3):
        np.testing.assert_array_equal(mask_overlaps(other, ids, num_ids), counts)


def test_overlaps_refuse_what_does_not_belong():
    masks = np.ones((1, 2), bool)
    with pytest.raises(SceneError, match='An id is 3 where 3'):
        mask_overlaps(masks, [0, 3], 3)
    for superpoints in ([0, 2], [-1, 0]):
        with pytest.raises(SceneError, match='Superpoint ids run from'):
            mask_overlaps(masks, [0, 1], 3, superpoints)


def test_overlaps_over_points_and_over_superpoints_agree():
    rng = np.random.default_rng(0)
    superpoints = rng.integers(0, 9, 200)
    ids = rng.integers(-1, 4, 200)
    masks = rng.random((6, 9)) > 0.5
    over_superpoints = mask_overlaps(masks, ids, 4, superpoints)
    np.testing.assert_array_equal(over_superpoints, mask_overlaps(masks[:, superpoints], ids, 4))
    expected = [[int((m[superpoints] & (ids == i)).sum()) for i in (0, 1, 2, 3, -1)] for m in masks]
    np.testing.assert_array_equal(over_superpoints, expected)


def test_overlaps_of_another_scan_are_refused():
    with pytest.raises(SceneError, match='different scans'):
        mask_overlaps(np.ones((1, 5)), np.zeros(4), 1)
    with pytest.raises(SceneError, match='different scans'):
        mask_overlaps(np.ones((1, 2)), np.zeros(4), 1, superpoints=[0, 1, 1])


def test_distinct_masks_keep_the_best_of_equal_ones():
    masks = np.array([[1, 0], [1, 0], [0, 1]], dtype=bool)
    assert distinct_masks(masks, [0.2, 0.9, 0.5]).tolist() == [1, 2]
    assert distinct_masks(np.zeros((0, 3), dtype=bool), []).tolist() == []


def test_decode_scannet_ids():
    ids, labels = decode_scannet_ids([0, 5002, 3001, 5002, 12, -1])
    assert ids.tolist() == [-1, 1, 0, 1, -1, -1]
    assert labels.tolist() == [3, 5]


# --- semantic ------------------------------------------------------------------------------------


def test_semantic_by_hand():
    evaluator = SemanticEvaluator(3)
    evaluator.update(pred=[0, 0, 1, 1, 3], gt=[0, 1, 1, 3, 1])
    result = evaluator.compute()
    # Class 0: 1 right, 2 predicted. Class 1: 1 right of 3; the point without truth is ignored.
    assert result.iou[:2].tolist() == pytest.approx([1 / 2, 1 / 3])
    assert np.isnan(result.iou[2])
    assert result.miou == pytest.approx(5 / 12)
    assert result.accuracy == pytest.approx(2 / 4)
    assert result.mean_accuracy == pytest.approx((1 + 1 / 3) / 2)


def test_semantic_without_points():
    result = SemanticEvaluator(2).compute()
    assert np.isnan(result.miou)
    assert np.isnan(result.accuracy)


def test_confusion_of_unequal_lengths_is_refused():
    with pytest.raises(SceneError, match='2 predicted and 3 true'):
        confusion_matrix([0, 1], [0, 1, 1], 2)


# --- instances -----------------------------------------------------------------------------------


def _rows(*spans: tuple[int, int], size: int = 40) -> np.ndarray:
    masks = np.zeros((len(spans), size), dtype=bool)
    for row, (begin, end) in enumerate(spans):
        masks[row, begin:end] = True
    return masks


def _ids(*spans: tuple[int, int], size: int = 40) -> np.ndarray:
    ids = np.full(size, -1)
    for index, (begin, end) in enumerate(spans):
        ids[begin:end] = index
    return ids


def _evaluate(masks, scores, ids, *, labels=None, gt_labels=None, **options):
    options.setdefault('min_points', 1)
    evaluator = InstanceEvaluator([1], **options)
    num_objects = int(ids.max(initial=-1)) + 1
    evaluator.update(
        masks,
        [1] * len(masks) if labels is None else labels,
        scores,
        ids,
        [1] * num_objects if gt_labels is None else gt_labels,
    )
    return evaluator.compute()


def test_ap_worked_value():
    ids = _ids((0, 10), (10, 20), (20, 30))
    # Right at 0.9 and 0.7; the prediction at 0.8 covers 0.4 of the third object.
    result = _evaluate(_rows((0, 10), (20, 24), (10, 20)), [0.9, 0.8, 0.7], ids)
    assert result.mean()[1] == pytest.approx(0.5277778)
    assert result.precision_recall(0.5)[0].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_constant_score_is_r_times_one_plus_p_over_two():
    ids = _ids((0, 10), (10, 20), (20, 40))
    masks = _rows((0, 10), (10, 20), (20, 24))
    result = _evaluate(masks, [0.3, 0.2, 0.9], ids, constant_score=True)
    assert result.mean()[1] == pytest.approx(2 / 3 * (1 + 2 / 3) / 2)


def test_prediction_on_void_is_ignored_and_on_nothing_known_is_wrong():
    ids = _ids((0, 10))
    result = _evaluate(_rows((0, 10), (20, 40)), [0.5, 0.9], ids)
    assert result.mean() == (1.0, 1.0, 1.0)
    # The same prediction on an object of another evaluated class is a false positive.
    evaluator = InstanceEvaluator([1, 2], min_points=1)
    evaluator.update(_rows((0, 10), (20, 40)), [1, 1], [0.5, 0.9], _ids((0, 10), (20, 40)), [1, 2])
    assert evaluator.compute().table()[0, 1] == pytest.approx(0.25)


def test_duplicates_become_false_positives_with_the_lower_score():
    ids = _ids((0, 10), (10, 20))
    result = _evaluate(_rows((0, 10), (0, 10), (10, 20)), [0.8, 0.9, 0.7], ids)
    # Right at 0.9, wrong at 0.8, right at 0.7.
    assert result.mean()[1] == pytest.approx((2 / 3 + 1 / 2 + 1 + 1) / 4)


def test_small_objects_and_small_predictions_do_not_count():
    ids = _ids((0, 4), (10, 30))
    result = _evaluate(_rows((0, 4), (10, 30)), [0.9, 0.8], ids, min_points=5)
    assert result.mean() == (1.0, 1.0, 1.0)
    # A large prediction on a small object is ignored as well.
    result = _evaluate(_rows((0, 5), (10, 30)), [0.9, 0.8], ids, min_points=5)
    assert result.mean() == (1.0, 1.0, 1.0)


def test_class_without_truth_is_nan_and_class_without_prediction_is_zero():
    evaluator = InstanceEvaluator([1, 2, 3], min_points=1)
    evaluator.update(_rows((0, 10)), [3], [0.9], _ids((0, 10)), [2])
    table = evaluator.compute().table()
    assert np.isnan(table[0]).all()
    assert table[1].tolist() == [0, 0, 0]
    assert np.isnan(table[2]).all()


def test_without_classes_labels_do_not_matter():
    evaluator = InstanceEvaluator(None, min_points=1)
    evaluator.update(_rows((0, 10), (10, 30)), [4, -1], [0.9, 0.1], _ids((0, 10), (10, 30)), [7, 9])
    assert evaluator.compute().mean() == (1.0, 1.0, 1.0)


def test_nothing_predicted_and_nothing_there():
    empty = np.zeros((0, 40), dtype=bool)
    assert _evaluate(empty, [], _ids((0, 10))).mean() == (0, 0, 0)
    assert np.isnan(_evaluate(empty, [], _ids()).mean()).all()
    assert np.isnan(InstanceEvaluator([1]).compute().mean()).all()


@pytest.mark.parametrize('codes', [[5007, 0, 999, 1000, 5007, 39002], [12, 0], []])
def test_codes_of_any_size_are_split_alike(codes):
    ids, labels = decode_scannet_ids(codes)
    # A code beyond any table takes the general path.
    same, all_labels = decode_scannet_ids([*codes, 9_000_000_001])
    assert ids.tolist() == same[:-1].tolist()
    assert labels.tolist() == all_labels[:-1].tolist()
    names, codes = np.unique(np.asarray(codes, dtype=int)), np.asarray(codes, dtype=int)
    assert labels.tolist() == [name // 1000 for name in names if name >= 1000]
    assert ((ids < 0) == (codes < 1000)).all()


def test_bad_instance_input_is_refused():
    with pytest.raises(SceneError, match='nan'):
        _evaluate(_rows((0, 10)), [float('nan')], _ids((0, 10)))
    with pytest.raises(SceneError, match='An id is 0 where 0 are expected'):
        _evaluate(_rows((0, 10)), [1], _ids((0, 10)), gt_labels=[])
    with pytest.raises(SceneError, match='2 masks, 1 labels'):
        _evaluate(_rows((0, 10), (10, 20)), [1, 1], _ids((0, 10)), labels=[1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 60))
def test_truth_scores_one_with_itself(seed, num_objects, num_points):
    rng = np.random.default_rng(seed)
    ids = rng.integers(-1, max(num_objects, 1), num_points)
    ids = np.where(ids >= num_objects, -1, ids)
    labels = rng.integers(0, 3, num_objects)
    masks = ids[None, :] == np.arange(num_objects)[:, None]
    evaluator = InstanceEvaluator(range(3), min_points=1)
    evaluator.update(masks, labels, rng.random(num_objects), ids, labels)
    values = evaluator.compute().table()
    assert (np.isclose(values, 1) | np.isnan(values)).all()
    semantic = np.append(labels, 3)[ids]
    panoptic = PanopticEvaluator(3)
    panoptic.update(semantic, ids, semantic, ids)
    pq = panoptic.compute().pq
    assert (np.isclose(pq, 1) | np.isnan(pq)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_of_points_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    ids, labels = rng.integers(-1, 5, 80), rng.integers(0, 3, 5)
    masks, scores = rng.random((9, 80)) > 0.6, rng.random(9)
    pred_labels, order = rng.integers(0, 3, 9), rng.permutation(80)
    tables = []
    for points in (np.arange(80), order):
        evaluator = InstanceEvaluator(range(3), min_points=3)
        evaluator.update(masks[:, points], pred_labels, scores, ids[points], labels)
        tables.append(evaluator.compute().table())
    np.testing.assert_array_equal(*tables)


# --- panoptic ------------------------------------------------------------------------------------


def test_pq_worked_value():
    gt = np.repeat([0, 1, 2], 10)
    pred = np.concatenate([np.repeat([5, -1], [8, 2]), np.repeat([6, -1], [6, 4]), np.full(10, -1)])
    gt, pred = np.append(gt, np.full(10, -1)), np.append(pred, np.full(10, 7))
    evaluator = PanopticEvaluator(2)
    evaluator.update(np.zeros(40), pred, np.zeros(40), gt)
    result = evaluator.compute()
    # IoU 0.8 and 0.6 found, one false alarm, one missed.
    assert result.sq[0] == pytest.approx(0.7)
    assert result.rq[0] == pytest.approx(2 / 3)
    assert result.pq[0] == pytest.approx(0.4666667)
    assert result.summary()['pq'] == pytest.approx(0.4666667)
    assert evaluator.counts.result(absent='zero').summary()['pq'] == pytest.approx(0.4666667 / 2)


def test_wrongly_classified_part_leaves_the_area():
    evaluator = PanopticEvaluator(2)
    evaluator.update([0] * 7 + [1] * 3, [4] * 10, [0] * 10, [0] * 10)
    assert evaluator.compute().pq[0] == pytest.approx(0.7)
    assert evaluator.counts.false_positives.tolist() == [0, 1]


def test_half_overlap_is_not_a_match():
    evaluator = PanopticEvaluator(1)
    evaluator.update([0] * 10, [0] * 5 + [-1] * 5, [0] * 10, [0] * 10)
    assert evaluator.counts.true_positives.tolist() == [0]


def test_panoptic_without_points_and_with_unequal_lengths():
    evaluator = PanopticEvaluator(2, stuff=(0,))
    evaluator.update([], [], [], [])
    assert np.isnan(evaluator.compute().summary()['pq'])
    with pytest.raises(SceneError, match='different scans'):
        evaluator.update([0], [0], [0, 0], [0, 0])


# --- prompts -------------------------------------------------------------------------------------


def test_prompt_ap_worked_values():
    ious, scores = [0.9, 0.6, 0.3], [0.2, 0.9, 0.5]
    assert prompt_ap(ious, scores, 0.25) == pytest.approx(1.0)
    assert prompt_ap(ious, scores, 0.5) == pytest.approx(0.5555556)
    assert prompt_ap(ious, scores) == pytest.approx(0.1777778)
    assert np.isnan(prompt_ap([], []))


def test_mask_iou_of_empty_masks():
    pred, gt = np.array([[0, 0], [1, 0], [1, 1]]), np.array([[0, 0], [0, 0], [1, 0]])
    assert mask_iou(pred, gt).tolist() == [1, 0, 0.5]
    assert mask_iou(pred, gt, empty=0.0).tolist() == [0, 0, 0.5]
    assert mask_iou([[0, 1]], [[0, 1, 1]], superpoints=[0, 1, 1]).tolist() == [1]
    with pytest.raises(SceneError, match='one of each'):
        mask_iou(pred, gt[:2])


def test_referring_summary_tells_kinds_apart():
    summary = referring_summary([1.0, 0.3, 0.6, 0.0], [0, 1, 2, 1])
    assert summary['miou'] == pytest.approx(0.475)
    assert (summary['acc25'], summary['acc50']) == (0.75, 0.5)
    assert summary['acc50_zero'] == 1
    assert summary['acc25_single'] == 0.5
    assert summary['miou_multiple'] == pytest.approx(0.6)
    assert 'miou_zero' not in referring_summary([0.5], [1])
    assert np.isnan(referring_summary([])['miou'])


def test_clicks_until_and_iou_at():
    clicks = [1, 2, 3, 1, 2, 3]
    ious = [0.4, 0.5, 0.9, 0.1, 0.2, 0.3]
    objects = ['a', 'a', 'a', 'b', 'b', 'b']
    assert clicks_until(clicks, ious, objects, 0.5) == pytest.approx((2 + 20) / 2)
    assert clicks_until(clicks, ious, objects, 0.95, max_clicks=10) == 10
    assert iou_at_clicks(clicks, ious, objects, 2) == pytest.approx(0.35)
    assert np.isnan(iou_at_clicks(clicks, ious, objects, 9))
