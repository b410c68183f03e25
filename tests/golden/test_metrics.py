"""Every number of the recorded evaluation (semantic, instance, panoptic, clicks, sentences)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from conftest import data_files, fixture_files, fixtures_root

from tests.golden.recorded import Recorded, RecordedArrays
from unison3d.evaluation import (
    InstanceMetric,
    InteractiveMetric,
    PanopticMetric,
    ReferringMetric,
    SemanticMetric,
)
from unison3d.evaluation.functional import (
    InstanceEvaluator,
    PanopticEvaluator,
    SemanticEvaluator,
    class_points,
    clicks_to_reach,
    clicks_until,
    confusion_matrix,
    iou_at_click,
    iou_at_clicks,
    mask_iou,
    prompt_summary,
    referring_summary,
)
from unison3d.structures import SCANNET20, InstanceMasks, Prompts, SceneSample

#: What the latest test of a file has read.
READ: dict = {}
CASES = pytest.mark.parametrize('path', fixture_files('uniseg3d', 'metrics_inputs*.npz'))


def _load(path):
    arrays = RecordedArrays(path)
    numbers = path.with_name(_json_name(path.name)).read_text(encoding='utf-8')
    expected = Recorded(json.loads(numbers))
    READ[path] = arrays, expected
    config = json.loads(str(arrays['config_json']))
    scenes = sorted({k.split('/')[0] for k in arrays.files if k.startswith('scene')})
    return arrays, expected, config, scenes


def _json_name(name: str) -> str:
    return name.replace('_inputs', '').replace('.npz', '.json')


def _close(actual, expected, key=''):
    expected = np.array(expected, dtype=np.float64)  # null becomes nan
    actual = np.asarray(actual, dtype=np.float64)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6, err_msg=key)


@CASES
def test_semantic(path):
    arrays, expected, config, scenes = _load(path)
    evaluator = SemanticEvaluator(config['ignore_index'])
    for scene in scenes:
        evaluator.update(arrays[f'{scene}/pred/semantic'], arrays[f'{scene}/gt/pts_semantic_mask'])
    result = evaluator.compute()
    _close(result.miou, expected['semantic']['miou'])
    _close(result.accuracy, expected['semantic']['acc'])
    _close(result.mean_accuracy, expected['semantic']['acc_cls'])
    _close(result.miou, expected['summary']['miou'])
    for name, iou in zip(config['class_names'], [*result.iou, np.nan], strict=True):
        _close(iou, expected['semantic'][name], name)


@CASES
def test_instance(path):
    arrays, expected, config, scenes = _load(path)
    stuff = len(config['stuff_class_inds'])
    things = list(range(len(config['thing_class_inds'])))
    evaluator = InstanceEvaluator(things, min_points=config['instance_min_region_size'])
    for scene in scenes:
        semantic = arrays[f'{scene}/gt/pts_semantic_mask'].astype(int)
        ids = arrays[f'{scene}/gt/pts_instance_mask'].astype(int) - stuff
        ids = np.where(ids < 0, -1, ids)
        labels = np.full(ids.max() + 1 if ids.size else 0, -1)
        labels[ids[ids >= 0][::-1]] = semantic[ids >= 0][::-1] - stuff  # class of the first point
        evaluator.update(
            arrays[f'{scene}/pred/instance_masks'],
            arrays[f'{scene}/pred/instance_labels'],
            arrays[f'{scene}/pred/instance_scores'],
            ids,
            labels,
        )
    result = evaluator.compute()
    table, quality = result.table(), result.precision_recall(0.5)
    names = [config['class_names'][i] for i in config['thing_class_inds']]
    for name, (ap, ap50, ap25), (precision, recall) in zip(names, table, quality, strict=True):
        reference = expected['instance']['classes'][name]
        for key, value in [
            ('ap', ap),
            ('ap50%', ap50),
            ('ap25%', ap25),
            ('prec50%', precision),
            ('rec50%', recall),
        ]:
            _close(value, reference[key], f'{name} {key}')
    ap, ap50, ap25 = result.mean()
    _close(ap, expected['instance']['all_ap'])
    _close(ap50, expected['instance']['all_ap_50%'])
    _close(ap25, expected['instance']['all_ap_25%'])
    for key, value in [('all_ap', ap), ('all_ap_50%', ap50), ('all_ap_25%', ap25)]:
        _close(value, expected['summary'][key], key)
    precision, recall = np.nanmean(quality, axis=0)
    _close(precision, expected['instance']['all_prec_50%'])
    _close(recall, expected['instance']['all_rec_50%'])


@CASES
def test_panoptic(path):
    arrays, expected, config, scenes = _load(path)
    evaluator = PanopticEvaluator(
        config['ignore_index'],
        config['stuff_class_inds'],
        min_points=config['min_num_points'],
        absent='zero',
    )
    evaluated = 0
    for scene in scenes:
        semantic = arrays[f'{scene}/pred/panoptic_semantic']
        truth = arrays[f'{scene}/gt/pts_semantic_mask']
        evaluator.update(
            semantic,
            arrays[f'{scene}/pred/panoptic_instance'],
            truth,
            arrays[f'{scene}/gt/pts_instance_mask'],
        )
        evaluated = evaluated + confusion_matrix(semantic, truth, config['ignore_index'])
    counts, result = evaluator.counts, evaluator.compute()
    per_class = expected['panoptic_per_class']
    size = config['ignore_index']
    np.testing.assert_array_equal(counts.true_positives, per_class['tp'][:size])
    np.testing.assert_array_equal(counts.false_positives, per_class['fp'][:size])
    np.testing.assert_array_equal(counts.false_negatives, per_class['fn'][:size])
    np.testing.assert_array_equal(evaluated.T, per_class['confusion'])
    np.testing.assert_array_equal(counts.points, class_points(evaluated))
    _close(counts.iou_sum, per_class['iou_sum'][:size])
    _close(result.pq, per_class['pq'][:size])
    _close(result.sq, per_class['sq'][:size])
    _close(result.rq, per_class['rq'][:size])
    summary = result.summary()
    for name, value in expected['panoptic'].items():
        _close(summary[name.replace('_mean', '')], value, name)
    _close(summary['pq'], expected['summary']['pq'])


@CASES
def test_prompts(path):
    arrays, expected, _, scenes = _load(path)
    summary = expected['summary']
    ious = {'point_prompt': [], 'text_prompt': []}
    scores = []
    for scene in scenes:
        for kind, values in ious.items():
            values.append(
                mask_iou(
                    arrays[f'{scene}/{kind}/pred_masks'],
                    arrays[f'{scene}/{kind}/gt_masks'],
                    empty=0.0,
                )
            )
        scores.append(arrays[f'{scene}/point_prompt/prob'])
    for kind, values in ious.items():
        with_prompts = [v for v in values if len(v)]
        assert len(with_prompts) == len(expected[f'{kind}_ious'])
        for actual, reference in zip(with_prompts, expected[f'{kind}_ious'], strict=True):
            _close(actual, reference, kind)
    clicks = prompt_summary(np.concatenate(ious['point_prompt']), np.concatenate(scores))
    _close(clicks['miou'], summary['Point Prompt mIoU'])
    _close(clicks['ap'], summary['Point Prompt AP'])
    _close(clicks['ap50'], summary['Point Prompt AP@50'])
    _close(clicks['ap25'], summary['Point Prompt AP@25'])
    texts = referring_summary(np.concatenate(ious['text_prompt']))
    _close(texts['miou'], summary['Text Prompt mIoU'])
    _close(texts['acc50'], summary['Text_Precision_half'])
    _close(texts['acc25'], summary['Text_Precision_quarter'])


@CASES
def test_metric_classes(path):
    """The metrics of MMEngine, with the settings of published numbers, say the same."""
    arrays, expected, config, scenes = _load(path)
    num_stuff = len(config['stuff_class_inds'])
    samples = [_closed_sample(arrays, scene, num_stuff) for scene in scenes]
    samples += [sample for scene in scenes for sample in _prompted_samples(arrays, scene)]
    summary = expected['summary']
    metrics = [
        SemanticMetric(),
        InstanceMetric(min_points=config['instance_min_region_size'], class_agnostic=False),
        PanopticMetric(absent='zero', min_points=config['min_num_points']),
        InteractiveMetric(ground_truth='superpoints', confidence='true_class'),
        ReferringMetric(ground_truth='superpoints'),
    ]
    values = {}
    for metric in metrics:
        metric.process({}, samples)
        values |= metric.evaluate(len(samples))
    for name, key in [
        ('semantic/mIoU', 'miou'),
        ('instance/AP', 'all_ap'),
        ('instance/AP50', 'all_ap_50%'),
        ('instance/AP25', 'all_ap_25%'),
        ('panoptic/PQ', 'pq'),
        ('interactive/IoU@1', 'Point Prompt mIoU'),
        ('interactive/AP', 'Point Prompt AP'),
        ('interactive/AP50', 'Point Prompt AP@50'),
        ('interactive/AP25', 'Point Prompt AP@25'),
        ('referring/mIoU', 'Text Prompt mIoU'),
        ('referring/acc@0.5', 'Text_Precision_half'),
        ('referring/acc@0.25', 'Text_Precision_quarter'),
    ]:
        _close(values[name], summary[key], name)


def _closed_sample(arrays, scene: str, num_stuff: int) -> SceneSample:
    """Classes and objects of a scene whose superpoints are its points."""
    points = {
        name: torch.from_numpy(arrays[f'{scene}/{name}'].astype(np.int64))
        for name in (
            'gt/pts_semantic_mask',
            'gt/pts_instance_mask',
            'pred/semantic',
            'pred/panoptic_semantic',
            'pred/panoptic_instance',
        )
    }
    semantic = points['gt/pts_semantic_mask']
    ids = (points['gt/pts_instance_mask'] - num_stuff).clamp(min=-1)
    classes = torch.full((int(ids.max()) + 1,), len(SCANNET20))
    for point in torch.where(ids >= 0)[0].flip(0).tolist():
        classes[ids[point]] = semantic[point]  # class of the first point
    masks, labels, scores = (
        torch.from_numpy(arrays[f'{scene}/pred/instance_{name}'])
        for name in ('masks', 'labels', 'scores')
    )
    return SceneSample(
        gt_semantic=semantic,
        gt_instances=ids,
        gt_instance_semantic=classes,
        pred_semantic=points['pred/semantic'],
        pred_panoptic_semantic=points['pred/panoptic_semantic'],
        pred_panoptic_instance=points['pred/panoptic_instance'],
        pred_instances=InstanceMasks(masks, torch.arange(len(ids)), labels, scores),
    )


def _prompted_samples(arrays, scene: str) -> Iterator[SceneSample]:
    """A sample per prompt, since the true masks of prompts overlap."""
    for kind in ('point_prompt', 'text_prompt'):
        masks = torch.from_numpy(arrays[f'{scene}/{kind}/pred_masks'])
        points, one = torch.arange(masks.shape[1]), torch.ones(1, dtype=torch.bool)
        none, zero = torch.tensor([-1]), torch.zeros(1, dtype=torch.int64)
        for row, truth in enumerate(torch.from_numpy(arrays[f'{scene}/{kind}/gt_masks'])):
            answer = InstanceMasks(masks[row : row + 1], points, none, torch.zeros(1))
            sample = SceneSample(
                gt_instances=torch.full((len(points),), -1),
                gt_instance_semantic=torch.tensor([SCANNET20.things[0]]),
                sp_masks=truth[None],
            )
            if kind == 'point_prompt':
                sample.prompts = Prompts(zero, one, zero, zero)
                sample.pred_clicks = answer
                confidence = torch.from_numpy(arrays[f'{scene}/{kind}/prob'])[row]
                sample.set_data({'pred_click_probabilities': confidence[None, None]})
            else:
                sample.prompts = Prompts(texts=[''], text_targets=one[None])
                sample.pred_texts = answer
            yield sample


@CASES
def test_nothing_stays_uncompared(path):
    unread = None
    for check in (test_semantic, test_instance, test_panoptic, test_prompts):
        check(path)
        left = {name for part in READ[path] for name in part.unread()}
        unread = left if unread is None else unread & left
    assert not unread


def test_every_file_of_numbers_has_a_test():
    folder = fixtures_root() / 'uniseg3d'
    inputs = [_json_name(file.name) for file in folder.glob('metrics_inputs*.npz')]
    assert sorted(inputs) == sorted(file.name for file in folder.glob('metrics*.json'))


@pytest.mark.parametrize('path', data_files('eval_oracles', '*/*.csv.gz'))
def test_published_click_curves(path):
    expected = json.loads(path.with_name('expected.json').read_text(encoding='utf-8'))
    expected = expected.get(path.name.split('.')[0], expected)
    table = np.loadtxt(path, dtype=str)
    objects = np.char.add(np.char.add(table[:, 1], ' '), table[:, 2])
    clicks, ious = table[:, 3].astype(float), table[:, 4].astype(float)
    if ious.max() > 1:
        ious = ious / 100  # one of the sources stores per cent
    curves = _as_curves(clicks, ious, objects)
    for name, value in expected.items():
        kind, _, number = name.partition('@')
        if kind == 'NoC':
            _close(clicks_until(clicks, ious, objects, float(number) / 100), value, name)
            if curves is not None:
                _close(clicks_to_reach(curves, float(number) / 100).mean(), value, name)
        elif kind == 'IoU':
            _close(iou_at_clicks(clicks, ious, objects, float(number)), value, name)
            if curves is not None:
                _close(iou_at_click(curves, int(number)).mean(), value, name)
        else:
            assert kind in ('objects', 'objects_seen'), name
            assert len(np.unique(objects)) == value


def _as_curves(clicks, ious, objects):
    """IoU per object and click without the state before the first click.

    None where clicks are averages over the objects of a scene, which is no table.
    """
    if (clicks % 1 != 0).any():
        return None
    names, rows = np.unique(objects, return_inverse=True)
    curves = np.full((len(names), int(clicks.max())), np.nan)
    clicked = clicks > 0
    curves[rows[clicked], clicks[clicked].astype(int) - 1] = ious[clicked]
    return curves
