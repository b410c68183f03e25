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
from unison3d.structures.label_space import get_label_space

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
    best = {name: 0 if name.endswith('_rate') else 1 for name in values}
    assert values == pytest.approx(best)


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


@pytest.mark.parametrize('metric', all_metrics(), ids=lambda m: type(m).__name__)
def test_reports(metric):
    assert metric.report_tables() is not None
    assert metric.report_scenes() == []
    bare = SceneSample(pred_semantic=torch.zeros(3, dtype=torch.int64))
    evaluate(metric, [make_sample(), bare, make_sample(perfect=False)])
    good, nothing, worse = metric.report_scenes()
    assert good == pytest.approx(1)
    assert math.isnan(nothing)
    assert worse <= good
    (table,) = metric.report_tables()
    assert table.rows
    assert all(len(numbers) == len(table.columns) for _, numbers in table.rows)


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


def test_groups_of_scannet200():
    space = get_label_space('scannet200')
    chair, mattress = space.index('chair'), space.index('mattress')  # head and common, both base
    bag = space.index('bag')  # common, novel
    superpoints = torch.arange(3).repeat_interleave(EACH)
    classes = torch.tensor([chair, mattress, bag])
    found = torch.eye(3, dtype=torch.bool)[:2]
    sample = SceneSample(
        gt_semantic=classes[superpoints],
        gt_instances=superpoints,
        gt_instance_semantic=classes,
        pred_semantic=torch.where(superpoints == 1, bag, classes[superpoints]),
        pred_instances=InstanceMasks(found, superpoints, classes[:2] - 2, torch.tensor([0.9, 0.8])),
    )
    metric = InstanceMetric('scannet200', constant_score=True)
    values = evaluate(metric, [sample])
    expected = {'': 2 / 3, 'head_': 1, 'common_': 0.5, 'base_': 1, 'novel_': 0, 'constant_': 2 / 3}
    for group, value in expected.items():
        assert values[f'instance/{group}AP50'] == pytest.approx(value), group
    assert math.isnan(values['instance/tail_AP'])
    assert 'mattress' in metric.report_notes()[0]
    semantic = evaluate(SemanticMetric('scannet200'), [sample])
    assert semantic['semantic/head_mIoU'] == 1
    assert semantic['semantic/common_mIoU'] == pytest.approx(0.25)  # mattress 0, bag 1 of 2


def test_constant_confidence_is_reported_beside_the_ranked_ap():
    sample = make_sample()
    wrong = torch.zeros(1, 6, dtype=torch.bool)
    wrong[0, 0] = True
    masks = sample.pred_open
    sample.pred_open = InstanceMasks(
        torch.cat([masks.superpoint_masks, wrong]),
        masks.superpoints,
        torch.cat([masks.labels, masks.labels[:1]]),
        torch.tensor([0.9, 0.8, 0.7, 0.1]),
    )
    # The wall is annotated as another name, so that a chair there is wrong.
    sample.gt_instances = sample.gt_instances.clone()
    sample.gt_instances[:EACH] = 1
    values = evaluate(OpenVocabularyMetric(unseen=['lamp'], groups='scannet200'), [sample])
    # Found with certainty, and a wrong mask ranked last: precision does not suffer from it.
    ranked, constant = (values[f'open_vocabulary/seen_{n}AP50'] for n in ('', 'constant_'))
    table_recall = 0  # half of the table is missing from its mask
    assert ranked == pytest.approx((1 + table_recall) / 2)
    assert constant == pytest.approx(((1 + 1 / 2) / 2 + table_recall) / 2)
    assert values['open_vocabulary/base_AP50'] == pytest.approx((1 + table_recall) / 2)


def test_curves_of_a_simulated_user():
    first, second = make_sample(), make_sample()
    first.pred_click_curves = torch.tensor([[0.4, 0.9], [0.85, float('nan')], [0.1, 0.1]])
    second.pred_click_curves = torch.tensor([[0.5, 0.6, 0.7], [0.8, 0.9, 0.95], [0.0, 0.0, 0.0]])
    values = evaluate(InteractiveMetric(counts=(1, 3, 5), targets=(80,)), [first, second])
    # The third object of each scene has no known target.
    assert values['interactive/IoU@1'] == pytest.approx((0.4 + 0.85 + 0.5 + 0.8) / 4)
    assert values['interactive/IoU@3'] == pytest.approx((0.9 + 0.85 + 0.7 + 0.95) / 4)
    assert 'interactive/IoU@5' not in values
    assert values['interactive/NoC@80'] == pytest.approx((2 + 1 + 20 + 1) / 4)
    first.pred_click_curves = first.pred_click_curves[:2]
    with pytest.raises(SceneError, match='one row per object'):
        InteractiveMetric().process({}, [first])


def test_published_confidence_of_clicks():
    sample = make_sample()
    sample.pred_clicks = sample.pred_clicks[:]
    sample.pred_clicks.superpoint_masks = sample.pred_clicks.superpoint_masks.clone()
    sample.pred_clicks.superpoint_masks[1] = False  # the table is missed
    probabilities = torch.zeros(3, len(SCANNET20.things))
    probabilities[0, CHAIR - 2], probabilities[1, TABLE - 2] = 0.2, 0.9
    sample.pred_click_probabilities = probabilities
    own = evaluate(InteractiveMetric(), [sample])
    assert own['interactive/AP50'] == pytest.approx(1 / 2)
    published = evaluate(InteractiveMetric(confidence='true_class'), [sample])
    assert published['interactive/AP50'] == pytest.approx(1 / 4)
    del sample.pred_click_probabilities
    with pytest.raises(SceneError, match='pred_click_probabilities'):
        InteractiveMetric(confidence='true_class').process({}, [sample])
    with pytest.raises(ValueError, match='confidence'):
        InteractiveMetric(confidence='guess')


def test_sentences_by_kind_and_by_distractors():
    sample = make_sample(perfect=False)
    sample.prompts.text_kinds = ['class', 'relation', 'count', 'zero']
    # A second chair somewhere: "the chair" has a distractor, "the table" is the only table.
    sample.gt_instance_semantic = torch.tensor([CHAIR, TABLE, CHAIR])
    values = evaluate(ReferringMetric(), [sample])
    assert values['referring/mIoU_kind_class'] == pytest.approx(0.5)
    assert values['referring/acc@0.5_kind_relation'] == 1
    assert values['referring/mIoU_distractors'] == pytest.approx(0.5)
    assert values['referring/mIoU_unique'] == 1
    assert values['referring/zero_acc'] == 1
    assert values['referring/false_positive_rate'] == 0
    assert values['referring/false_negative_rate'] == 0
    sample.pred_texts.superpoint_masks = sample.pred_texts.superpoint_masks.flip(0)
    turned = evaluate(ReferringMetric(), [sample])
    assert turned['referring/zero_acc'] == 0
    assert turned['referring/false_positive_rate'] == 1
    assert turned['referring/false_negative_rate'] == pytest.approx(1 / 3)


def test_sentences_against_rounded_truth():
    sample = make_sample()
    sample.sp_masks = sample.sp_masks.clone()
    sample.sp_masks[1] = False  # the table owns no superpoint
    sample.pred_texts.superpoint_masks[1] = False
    raw = evaluate(ReferringMetric(), [sample])
    rounded = evaluate(ReferringMetric(ground_truth='superpoints'), [sample])
    assert raw['referring/mIoU_single'] == pytest.approx(1 / 2)
    # Nothing found of nothing left is no success.
    assert rounded['referring/mIoU_single'] == pytest.approx(1 / 2)
    del sample.sp_masks
    with pytest.raises(SceneError, match='SuperpointTargets'):
        ReferringMetric(ground_truth='superpoints').process({}, [sample])
