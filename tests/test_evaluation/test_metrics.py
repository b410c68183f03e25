"""The MMEngine metrics on small scenes, as samples and as dicts, in one and in several parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from unison3d.errors import SceneError
from unison3d.evaluation import (
    InstanceMetric,
    InteractiveMetric,
    OpenVocabularyMetric,
    PanopticMetric,
    ReferringMetric,
    SemanticMetric,
)
from unison3d.registry import METRICS
from unison3d.structures import SCANNET20, InstanceMasks, Prompts, SceneSample

EACH = 120  # points per superpoint, above the 100 that count as an object
CHAIR, TABLE = SCANNET20.index('chair'), SCANNET20.index('table')
NAMES = ['chair', 'table', 'lamp']


def make_sample(*, perfect: bool = True) -> SceneSample:
    """Six superpoints: wall, floor, chair, chair, table, and a lamp without a class."""
    superpoints = torch.arange(6).repeat_interleave(EACH)
    semantic = torch.tensor([0, 1, CHAIR, CHAIR, TABLE, 20])
    instances = torch.tensor([-1, -1, 0, 0, 1, 2])
    objects = torch.tensor(
        [[0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]], dtype=torch.bool
    )
    found = objects.clone()
    if not perfect:
        found[0, 3] = False  # half of the chair
    scores = torch.tensor([0.9, 0.8, 0.7])
    thing = torch.tensor([CHAIR, TABLE, 20]) - 2
    vocabulary = ['wall', 'table', 'chair', 'lamp', 'bench']
    open_labels = torch.tensor([vocabulary.index(name) for name in NAMES])
    open_semantic = torch.tensor([0, -1, 2, 2, 1, 3])
    sentences = torch.zeros(4, 3, dtype=torch.bool)
    sentences[0, 0] = sentences[1, 1] = sentences[2, 0] = sentences[2, 1] = True
    answers = torch.stack([found[0], found[1], found[0] | found[1], torch.zeros(6).bool()])
    prompts = Prompts(
        click_superpoints=torch.tensor([2, 4, 5]),
        click_positive=torch.ones(3, dtype=torch.bool),
        click_objects=torch.arange(3),
        click_targets=torch.tensor([0, 1, -1]),
        texts=['the chair', 'the table', 'both', 'the piano'],
        text_targets=sentences,
    )
    unknown = torch.full((4,), -1)
    return SceneSample(
        gt_semantic=semantic[superpoints],
        gt_instances=instances[superpoints],
        gt_instance_semantic=torch.tensor([CHAIR, TABLE, 20]),
        gt_names=NAMES,
        sp_masks=objects,
        prompts=prompts,
        pred_semantic=torch.where(semantic == 20, 0, semantic)[superpoints],
        pred_instances=InstanceMasks(found[:2], superpoints, thing[:2], scores[:2]),
        pred_panoptic_semantic=torch.where(semantic == 20, 0, semantic)[superpoints],
        pred_panoptic_instance=torch.tensor([0, 1, 2, 2, 3, 0])[superpoints],
        pred_clicks=InstanceMasks(found, superpoints, thing, scores),
        pred_texts=InstanceMasks(answers, superpoints, unknown, torch.ones(4)),
        pred_open=InstanceMasks(found, superpoints, open_labels, scores),
        pred_open_semantic=open_semantic[superpoints],
        vocabulary=vocabulary,
    )


def all_metrics() -> list:
    return [
        SemanticMetric(),
        InstanceMetric(class_agnostic=False),
        PanopticMetric(),
        InteractiveMetric(),
        ReferringMetric(),
        OpenVocabularyMetric(unseen=['lamp', 'bench']),
    ]


def evaluate(metric, samples) -> dict:
    metric.process({}, samples)
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('metric', all_metrics(), ids=lambda m: type(m).__name__)
def test_truth_scores_one_with_itself(metric):
    values = evaluate(metric, [make_sample(), make_sample()])
    assert values
    assert all(value == pytest.approx(1) for value in values.values()), values


@pytest.mark.parametrize('metric', all_metrics(), ids=lambda m: type(m).__name__)
def test_dicts_and_samples_give_the_same(metric):
    sample = make_sample(perfect=False)
    first = evaluate(metric, [sample])
    metric.results.clear()
    assert evaluate(metric, [sample.to_dict()]) == first


@pytest.mark.parametrize('metric', all_metrics(), ids=lambda m: type(m).__name__)
def test_scenes_without_truth_leave_no_numbers_but_keep_their_place(metric):
    bare = SceneSample(pred_semantic=torch.zeros(3, dtype=torch.int64))
    metric.process({}, [bare, make_sample(), bare])
    assert len(metric.results) == 3
    alone = evaluate(type(metric)(**_options(metric)), [make_sample()])
    assert metric.evaluate(3) == alone
    empty = evaluate(metric, [bare])
    assert all(math.isnan(value) for value in empty.values())


def _options(metric) -> dict:
    if isinstance(metric, OpenVocabularyMetric):
        return {'unseen': ['lamp', 'bench']}
    return {'class_agnostic': False} if isinstance(metric, InstanceMetric) else {}


def test_results_are_small():
    for metric in all_metrics():
        metric.process({}, [make_sample()])
        assert _bytes(metric.results) < 20_000


def _bytes(value) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(_bytes(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return sum(_bytes(v) for v in value)
    return sum(_bytes(v) for v in vars(value).values()) if hasattr(value, '__dict__') else 8


def test_metrics_are_built_from_config_and_run_in_the_evaluator():
    names = ['SemanticMetric', 'InstanceMetric', 'PanopticMetric', 'InteractiveMetric']
    configs = [{'type': name} for name in [*names, 'ReferringMetric']]
    configs.append({'type': 'OpenVocabularyMetric', 'unseen': ['lamp']})
    evaluator = Evaluator([METRICS.build(config) for config in configs])
    evaluator.process([make_sample()], {})
    values = evaluator.evaluate(1)
    for name in [
        'semantic/mIoU',
        'instance/AP50',
        'instance/agnostic_AP50',
        'panoptic/PQ',
        'interactive/IoU@1',
        'referring/acc@0.5',
        'open_vocabulary/unseen_AP50',
    ]:
        assert name in values


def test_semantic_by_hand():
    sample = make_sample()
    sample.pred_semantic = torch.zeros_like(sample.gt_semantic)
    values = evaluate(SemanticMetric(per_class=True), [sample])
    # Wall: one of five known superpoints. Floor, chair and table: nothing.
    assert values['semantic/IoU_wall'] == pytest.approx(1 / 5)
    assert values['semantic/mIoU'] == pytest.approx(1 / 20)
    assert values['semantic/acc'] == pytest.approx(1 / 5)
    assert math.isnan(values['semantic/IoU_sofa'])


def test_half_a_chair():
    sample = make_sample(perfect=False)
    instance = evaluate(InstanceMetric(per_class=True), [sample])
    # IoU of the chair is exactly 0.5: above 0.25, not above 0.5. The lamp is not predicted.
    assert instance['instance/AP50_chair'] == 0
    assert instance['instance/AP50'] == pytest.approx(0.5)
    assert instance['instance/AP25'] == pytest.approx(1)
    assert instance['instance/agnostic_AP25'] == pytest.approx(2 / 3)
    clicks = evaluate(InteractiveMetric(), [sample])
    assert clicks['interactive/IoU@1'] == pytest.approx(0.75)
    assert clicks['interactive/AP25'] == pytest.approx(1)
    texts = evaluate(ReferringMetric(), [sample])
    assert texts['referring/mIoU'] == pytest.approx((0.5 + 1 + 2 / 3 + 1) / 4)
    assert texts['referring/acc@0.5'] == pytest.approx(3 / 4)
    assert texts['referring/mIoU_zero'] == 1
    assert texts['referring/mIoU_multiple'] == pytest.approx(2 / 3)


def test_a_mask_classified_twice_counts_once_without_classes():
    sample = make_sample()
    twice = torch.tensor([0, 0, 1, 2])
    masks = sample.pred_clicks[twice]
    masks.scores = torch.tensor([0.9, 0.95, 0.8, 0.7])
    sample.pred_instances = masks
    values = evaluate(InstanceMetric(), [sample])
    assert values['instance/agnostic_AP'] == pytest.approx(1)
    assert values['instance/agnostic_AP50'] == pytest.approx(1)


def test_clicks_are_grouped_by_their_number():
    sample = make_sample(perfect=False)
    sample.prompts = Prompts(
        click_superpoints=torch.tensor([2, 3, 4]),
        click_positive=torch.ones(3, dtype=torch.bool),
        click_objects=torch.tensor([0, 0, 1]),
        click_targets=torch.tensor([0, 1, -1]),
    )
    values = evaluate(InteractiveMetric(), [sample])
    assert values['interactive/IoU@1'] == pytest.approx(1)
    assert values['interactive/IoU@2'] == pytest.approx(0.5)


def test_clicks_against_rounded_truth():
    sample = make_sample()
    # One point of the chair belongs to the table: raw truth differs from rounded truth.
    sample.gt_instances = sample.gt_instances.clone()
    sample.gt_instances[2 * EACH] = 1
    raw = evaluate(InteractiveMetric(), [sample])['interactive/IoU@1']
    rounded = evaluate(InteractiveMetric(ground_truth='superpoints'), [sample])
    assert raw < 1
    assert rounded['interactive/IoU@1'] == 1


def test_vocabularies_may_differ_between_scenes():
    first, second = make_sample(), make_sample()
    second.vocabulary = ['lamp', 'chair', 'table', 'wall']
    order = torch.tensor([second.vocabulary.index(name) for name in NAMES])
    second.pred_open.labels = order
    lookup = torch.tensor([3, 2, 1, 0, -1, -1])  # old vocabulary index to new; the last is -1
    second.pred_open_semantic = lookup[first.pred_open_semantic]
    values = evaluate(OpenVocabularyMetric(unseen=['Lamp']), [first, second])
    assert all(value == pytest.approx(1) for value in values.values()), values


def test_unseen_names_are_scored_apart():
    sample = make_sample()
    sample.pred_open.labels = torch.tensor([2, 1, 4])  # the lamp is called a bench
    values = evaluate(OpenVocabularyMetric(unseen=['lamp', 'bench']), [sample])
    assert values['open_vocabulary/seen_AP50'] == 1
    assert values['open_vocabulary/unseen_AP50'] == 0
    assert values['open_vocabulary/AP50'] == pytest.approx(2 / 3)


def test_missing_rows_are_refused():
    sample = make_sample()
    sample.pred_texts = sample.pred_texts[:2]
    with pytest.raises(SceneError, match='one row per sentence'):
        ReferringMetric().process({}, [sample])
    sample.pred_clicks = sample.pred_clicks[:1]
    with pytest.raises(SceneError, match='one row per object'):
        InteractiveMetric().process({}, [sample])


def test_empty_scene():
    nothing = torch.zeros(0, dtype=torch.int64)
    masks = InstanceMasks.empty(nothing, 0)
    sample = SceneSample(
        gt_semantic=nothing,
        gt_instances=nothing,
        gt_instance_semantic=nothing,
        gt_names=[],
        prompts=Prompts(text_targets=torch.zeros(0, 0, dtype=torch.bool)),
        pred_semantic=nothing,
        pred_instances=masks,
        pred_panoptic_semantic=nothing,
        pred_panoptic_instance=nothing,
        pred_clicks=masks,
        pred_texts=masks,
        pred_open=masks,
        pred_open_semantic=nothing,
        vocabulary=['chair'],
    )
    for metric in all_metrics():
        assert all(math.isnan(value) for value in evaluate(metric, [sample]).values())
