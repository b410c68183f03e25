"""Instance and semantic scores equal the official ScanNet benchmark scripts."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from conftest import fixture_files

from unison3d.evaluation.benchmark_files import read_benchmark_ids, read_benchmark_predictions
from unison3d.evaluation.functional import (
    InstanceEvaluator,
    SemanticEvaluator,
    decode_scannet_ids,
    dense_labels,
)


def _scenes(arrays) -> list[str]:
    names = {name.split('/')[0] for name in arrays.files if name.startswith('scene')}
    return sorted(names, key=lambda name: int(name.removeprefix('scene')))


def _setting(candidates, num_classes: int | None = None) -> dict:
    """Classes, thresholds and smallest instance, from the first file that states them.

    Some files hold results only; the rest stands in an instance file beside them.

    Args:
        candidates: array files.
        num_classes: take a file of as many classes.
    """
    for candidate in candidates:
        arrays = np.load(candidate)
        if 'class_ids' in arrays.files and num_classes in (None, len(arrays['class_ids'])):
            params = json.loads(str(arrays['params_json']))
            return {
                'class_ids': arrays['class_ids'],
                'thresholds': arrays['thresholds'],
                'min_points': params['min_region_size'],
            }
    pytest.skip(f'none of {len(candidates)} instance files states the setting')


@pytest.mark.parametrize('path', fixture_files('scannet_eval', 'instance_scannet*.npz'))
def test_instance(path):
    arrays = np.load(path)
    evaluator = InstanceEvaluator(**_setting([path]))
    for scene in _scenes(arrays):
        codes = arrays[f'{scene}/gt']
        masks = np.unpackbits(arrays[f'{scene}/masks'], axis=0)[: len(codes)].T
        ids, labels = decode_scannet_ids(codes)
        evaluator.update(
            masks, arrays[f'{scene}/pred_label'], arrays[f'{scene}/pred_conf'], ids, labels
        )
    result = evaluator.compute()
    np.testing.assert_allclose(result.ap, arrays['ap'], atol=1e-9)
    np.testing.assert_allclose(result.table(), arrays['table_ap_ap50_ap25'], atol=1e-9)
    np.testing.assert_allclose(result.mean(), arrays['mean_ap_ap50_ap25'], atol=1e-9)
    if 'head_mean_ap_ap50_ap25' in arrays.files:
        _check_groups(path, arrays, result)


def _check_groups(path, arrays, result):
    tables = json.loads(path.with_name('scannet200_labels.json').read_text(encoding='utf-8'))
    params = json.loads(str(arrays['params_json']))
    validation = set(tables['validation_names'])
    class_names = [str(name) for name in arrays['class_names']]
    groups = {name: set(tables[name]) & validation for name in ('head', 'common', 'tail')}
    for group, names in (groups | {'validation': validation}).items():
        chosen = [i for i, name in enumerate(class_names) if name in names]
        assert len(chosen) == params.get(f'{group}_classes_counted', len(chosen))
        np.testing.assert_allclose(
            result.mean(chosen), arrays[f'{group}_mean_ap_ap50_ap25'], atol=1e-9
        )


@pytest.mark.parametrize('path', fixture_files('scannet_eval', 'instance_all_ignored*.npz'))
def test_only_prediction_of_a_class_is_ignored(path):
    arrays = np.load(path)
    beside = sorted(path.parent.glob('instance_*.npz'))
    evaluator = InstanceEvaluator(**_setting([path, *beside], len(arrays['ap_fixed'])))
    ids, gt_labels = decode_scannet_ids(arrays['gt'])
    evaluator.update(arrays['masks'].T, arrays['pred_label'], arrays['pred_conf'], ids, gt_labels)
    np.testing.assert_allclose(evaluator.compute().ap, arrays['ap_fixed'], atol=1e-9)


@pytest.mark.parametrize('path', fixture_files('scannet_eval', 'semantic_*.npz'))
def test_semantic(path):
    arrays = np.load(path)
    class_ids = arrays['class_ids']
    evaluator = SemanticEvaluator(len(class_ids))
    for scene in _scenes(arrays):
        evaluator.update(
            dense_labels(arrays[f'{scene}/pred'], class_ids),
            dense_labels(arrays[f'{scene}/gt'], class_ids),
        )
    result = evaluator.compute()
    # Ours also counts vertices without true class (last row), which no score uses.
    np.testing.assert_array_equal(evaluator.confusion[:-1], arrays['confusion'][:-1])
    np.testing.assert_array_equal(result.true_positives, arrays['true_positives'])
    np.testing.assert_array_equal(result.denominators, arrays['denominators'])
    np.testing.assert_allclose(result.iou, arrays['iou'], atol=1e-12)


@pytest.mark.parametrize('path', fixture_files('scannet_eval', 'text_example/expected.csv'))
def test_text_files(path):
    with path.open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    # The text files carry no setting: that of the arrays beside them, of the same script.
    class_ids = [int(row['class id']) for row in rows]
    setting = _setting(sorted(path.parent.parent.glob('instance_*.npz')))
    evaluator = InstanceEvaluator(**{**setting, 'class_ids': class_ids})
    for listing in sorted((path.parent / 'pred').glob('*.txt')):
        masks, labels, scores = read_benchmark_predictions(listing)
        ids, gt_labels = decode_scannet_ids(read_benchmark_ids(path.parent / 'gt' / listing.name))
        evaluator.update(masks, labels, scores, ids, gt_labels)
    expected = [[float(row[key]) for key in ('ap', 'ap50', 'ap25')] for row in rows]
    np.testing.assert_allclose(evaluator.compute().table(), expected, atol=1e-9)
