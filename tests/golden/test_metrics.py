"""Every number of the recorded evaluation (semantic, instance, panoptic, clicks, sentences)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import data_files, fixture_files

from unison3d.evaluation.functional import (
    InstanceEvaluator,
    PanopticEvaluator,
    SemanticEvaluator,
    clicks_until,
    iou_at_clicks,
    mask_iou,
    prompt_summary,
    referring_summary,
)

CASES = pytest.mark.parametrize('path', fixture_files('uniseg3d', 'metrics_inputs*.npz'))


def _load(path):
    arrays = np.load(path)
    expected = json.loads(path.with_name(_json_name(path.name)).read_text(encoding='utf-8'))
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
    for name, iou in zip(config['class_names'], result.iou, strict=False):
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
    for scene in scenes:
        evaluator.update(
            arrays[f'{scene}/pred/panoptic_semantic'],
            arrays[f'{scene}/pred/panoptic_instance'],
            arrays[f'{scene}/gt/pts_semantic_mask'],
            arrays[f'{scene}/gt/pts_instance_mask'],
        )
    counts, result = evaluator.counts, evaluator.compute()
    per_class = expected['panoptic_per_class']
    size = config['ignore_index']
    np.testing.assert_array_equal(counts.true_positives, per_class['tp'][:size])
    np.testing.assert_array_equal(counts.false_positives, per_class['fp'][:size])
    np.testing.assert_array_equal(counts.false_negatives, per_class['fn'][:size])
    np.testing.assert_array_equal(counts.confusion.T, per_class['confusion'])
    _close(counts.iou_sum, per_class['iou_sum'][:size])
    _close(result.pq, per_class['pq'][:size])
    _close(result.sq, per_class['sq'][:size])
    _close(result.rq, per_class['rq'][:size])
    summary = result.summary()
    for name, value in expected['panoptic'].items():
        _close(summary[name.replace('_mean', '')], value, name)


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


@pytest.mark.parametrize('path', data_files('eval_oracles', '*/*.csv.gz'))
def test_published_click_curves(path):
    expected = json.loads(path.with_name('expected.json').read_text(encoding='utf-8'))
    expected = expected.get(path.name.split('.')[0], expected)
    table = np.loadtxt(path, dtype=str)
    objects = np.char.add(np.char.add(table[:, 1], ' '), table[:, 2])
    clicks, ious = table[:, 3].astype(float), table[:, 4].astype(float)
    if ious.max() > 1:
        ious = ious / 100  # one of the sources stores per cent
    for name, value in expected.items():
        kind, _, number = name.partition('@')
        if kind == 'NoC':
            _close(clicks_until(clicks, ious, objects, float(number) / 100), value, name)
        elif kind == 'IoU':
            _close(iou_at_clicks(clicks, ious, objects, float(number)), value, name)
        elif kind == 'objects':
            assert len(np.unique(objects)) == value
