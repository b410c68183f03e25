"""Matrix NMS, instance selection and panoptic merging against recorded results."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import fixture_files

from unison3d.models.postprocess import (
    PostprocessConfig,
    matrix_nms,
    predict_panoptic,
    predict_semantic,
    prompt_masks,
    select_instances,
)

PATHS = fixture_files('uniseg3d', 'postprocess*.npz')


def _cases(prefix: str) -> list:
    params = []
    for param in PATHS:
        if param.values[0] is None:
            return [pytest.param(None, None, marks=param.marks)]
        names = json.loads(str(np.load(param.values[0])['config_json']))['cases']
        params += [
            pytest.param(param.values[0], name, id=f'{param.id}-{name}')
            for name in sorted(names)
            if name.startswith(prefix)
        ]
    return params


def _config(settings: dict) -> PostprocessConfig:
    test = settings['test_cfg']
    return PostprocessConfig(
        topk=test['topk_insts'],
        mask_threshold=test['sp_score_thr'],
        score_threshold=test['inst_score_thr'],
        panoptic_score_threshold=test['pan_score_thr'],
        min_points=test['npoint_thr'],
        object_normalization=test['obj_normalization'],
        instance_quality=settings['inst_test_iou'],
        panoptic_quality=settings['pano_test_iou'],
        nms=test['nms'],
        nms_kernel=test['matrix_nms_kernel'],
        stuff=tuple(test['stuff_classes']),
    )


@pytest.mark.parametrize(('path', 'case'), _cases('nms/'))
def test_matrix_nms(path, case):
    arrays = np.load(path)
    settings = json.loads(str(arrays['config_json']))['cases'][case]
    masks, labels, scores = (
        torch.from_numpy(arrays[f'{case}/in/{name}']) for name in ('masks', 'labels', 'scores')
    )
    options = {
        ours: settings[theirs]
        for ours, theirs in [
            ('sigma', 'sigma'),
            ('pre_topk', 'nms_pre'),
            ('min_score', 'filter_thr'),
            ('max_masks', 'max_num'),
        ]
        if settings.get(theirs, -1) != -1
    }
    values, rows = matrix_nms(masks, labels, scores, kernel=settings['kernel'], **options)
    assert torch.isfinite(values).all()
    expected_rows = arrays[f'{case}/out/keep_inds']
    name = f'{case}/out/scores'
    if name in arrays.files:
        expected = arrays[name]
    else:
        # Stored with a non-number: three identical masks. Ours gives that one 0, ranked last.
        expected = arrays[f'{name}_naninf']
        by_row = dict(zip(rows.tolist(), values.tolist(), strict=True))
        for row, value in zip(expected_rows.tolist(), expected.tolist(), strict=True):
            target = value if np.isfinite(value) else 0.0
            np.testing.assert_allclose(by_row[row], target, rtol=1e-5, atol=1e-7)
        return
    np.testing.assert_array_equal(rows.numpy(), expected_rows)
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(labels[rows].numpy(), arrays[f'{case}/out/labels'])
    np.testing.assert_array_equal(masks[rows].numpy(), arrays[f'{case}/out/masks'])


@pytest.mark.parametrize(('path', 'case'), _cases('panoptic/'))
def test_selection_and_merging(path, case):
    arrays = np.load(path)
    settings = json.loads(str(arrays['config_json']))['cases'][case]
    config = _config(settings)
    given = {
        name: torch.from_numpy(arrays[f'{case}/in/{name}'])
        for name in ('cls_preds', 'masks', 'preds_iou', 'sem_preds')
    }
    superpoints = torch.from_numpy(arrays[f'{case}/in/superpoints']).long()
    heads = (given['cls_preds'], given['masks'], given['preds_iou'])
    found = select_instances(*heads, superpoints, config)
    _same_instances(found, arrays, f'{case}/out/inst', ordered=config.nms)
    candidates = select_instances(
        *heads,
        superpoints,
        config,
        score_threshold=config.panoptic_score_threshold,
        use_quality=config.panoptic_quality,
    )
    _same_instances(candidates, arrays, f'{case}/out/pan_candidates', ordered=config.nms)
    num_classes = settings['num_classes'] + len(config.stuff)
    semantic = predict_semantic(given['sem_preds'], superpoints, num_classes)
    np.testing.assert_array_equal(semantic.numpy(), arrays[f'{case}/out/semantic'])
    merged = predict_panoptic(*heads, given['sem_preds'], superpoints, config)
    for name, actual in zip(('semantic', 'instance'), merged, strict=True):
        np.testing.assert_array_equal(actual.numpy(), arrays[f'{case}/out/panoptic/{name}'])


def _same_instances(found, arrays, prefix, *, ordered, separator='/', **tolerance):
    masks, labels, scores = (
        arrays[f'{prefix}{separator}{name}'] for name in ('masks', 'labels', 'scores')
    )
    ours = (found.masks.numpy(), found.labels.numpy(), found.scores.numpy())
    if not ordered:
        first = np.lexsort((ours[1], -ours[2]))
        ours = tuple(values[first] for values in ours)
        first = np.lexsort((labels, -scores))
        masks, labels, scores = masks[first], labels[first], scores[first]
    np.testing.assert_array_equal(ours[0], masks)
    np.testing.assert_array_equal(ours[1], labels)
    np.testing.assert_allclose(ours[2], scores, **(tolerance or {'rtol': 1e-5}))


@pytest.mark.parametrize('path', fixture_files('uniseg3d', 'full_forward_*.npz'))
def test_outputs_of_the_whole_model(path):
    arrays = np.load(path)
    settings = json.loads(str(arrays['config_json']))
    config = _config(settings)
    final = {
        name: torch.from_numpy(arrays[f'dec/final/{name}'])
        for name in ('cls_preds', 'sem_preds', 'masks')
    }
    superpoints = torch.from_numpy(arrays['in/superpoints']).long()
    size = int(superpoints.max()) + 1
    clicks = slice(size, size + len(arrays['pre/point_prompts']))
    sentences = slice(clicks.stop, None)
    quality = torch.from_numpy(arrays['dec/preds_iou'])
    heads = (final['cls_preds'][:size], final['masks'][:size], quality)
    found = select_instances(*heads, superpoints, config)
    _same_instances(found, arrays, 'out/inst', ordered=config.nms, separator='_', atol=5e-5)
    num_classes = settings['num_semantic_classes']
    semantic = predict_semantic(final['sem_preds'][:size], superpoints, num_classes)
    np.testing.assert_array_equal(semantic.numpy(), arrays['out/semantic'])
    merged = predict_panoptic(*heads, final['sem_preds'][:size], superpoints, config)
    np.testing.assert_array_equal(merged[0].numpy(), arrays['out/panoptic_semantic'])
    np.testing.assert_array_equal(merged[1].numpy(), arrays['out/panoptic_instance'])
    for name, rows in [('point', clicks), ('text', sentences)]:
        masks = prompt_masks(final['masks'][rows], superpoints, config).masks
        np.testing.assert_array_equal(masks.numpy(), arrays[f'out/{name}_prompt_masks'])
    labels = arrays['pre/gt_labels_3d'][arrays['pre/point_prompt_instance_ids']]
    probabilities = final['cls_preds'][clicks].softmax(dim=1)[range(len(labels)), labels]
    np.testing.assert_allclose(probabilities.numpy(), arrays['out/point_prompt_prob'], atol=5e-5)
