"""Instance and semantic scores equal the official ScanNet benchmark scripts."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from conftest import fixture_files, fixtures_root

from tests.golden.recorded import Recorded, RecordedArrays
from unison3d.evaluation import InstanceMetric, SemanticMetric
from unison3d.evaluation.benchmark_files import read_benchmark_ids, read_benchmark_predictions
from unison3d.evaluation.functional import (
    InstanceEvaluator,
    SemanticEvaluator,
    decode_scannet_ids,
    dense_labels,
)
from unison3d.structures import InstanceMasks, SceneSample
from unison3d.structures.label_space import SCANNET20, SCANNET200, LabelSpace, frequency_groups

FOLDER = 'scannet_eval'
#: Files that a test below compares; another kind of file has to get one.
COMPARED = (
    'instance_scannet*.npz',
    'instance_all_ignored*.npz',
    'semantic_*.npz',
    'text_example/*',
    'scannet200_labels.json',
)
DESCRIBED = ('README.md', 'ARRAYS.tsv')
#: What the latest test of a file has read.
READ: dict = {}


def _load(path) -> RecordedArrays:
    READ[path] = RecordedArrays(path)
    return READ[path]


def _space(class_ids) -> LabelSpace:
    return SCANNET200 if len(class_ids) > 100 else SCANNET20


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
    arrays = _load(path)
    setting = _setting([path])
    np.testing.assert_array_equal(setting['class_ids'], arrays['class_ids'])
    np.testing.assert_array_equal(setting['thresholds'], arrays['thresholds'])
    evaluator = InstanceEvaluator(**setting)
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
    space = _space(arrays['class_ids'])
    assert list(space.thing_names) == arrays['class_names'].tolist()
    params = Recorded(json.loads(str(arrays['params_json'])))
    absent = np.isnan(result.ap).all(axis=1)
    assert absent.sum() == params['classes_without_ground_truth']
    assert (result.table()[~absent, 0] == 0).sum() == params['classes_with_zero_ap']
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
    arrays = _load(path)
    assert 'official_script_raises' in json.loads(str(arrays['params_json']))
    beside = sorted(path.parent.glob('instance_*.npz'))
    evaluator = InstanceEvaluator(**_setting([path, *beside], len(arrays['ap_fixed'])))
    ids, gt_labels = decode_scannet_ids(arrays['gt'])
    evaluator.update(arrays['masks'].T, arrays['pred_label'], arrays['pred_conf'], ids, gt_labels)
    np.testing.assert_allclose(evaluator.compute().ap, arrays['ap_fixed'], atol=1e-9)


@pytest.mark.parametrize('path', fixture_files('scannet_eval', 'semantic_*.npz'))
def test_semantic(path):
    arrays = _load(path)
    class_ids = arrays['class_ids']
    assert sorted(arrays['class_names'].tolist()) == sorted(_space(class_ids).classes)
    assert json.loads(str(arrays['params_json']))['scenes'] == len(_scenes(arrays))
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


@pytest.mark.parametrize('path', fixture_files(FOLDER, 'instance_scannet*.npz'))
def test_instance_metric(path):
    """The metric of MMEngine, over samples in the label space of the package."""
    arrays = RecordedArrays(path)
    params = json.loads(str(arrays['params_json']))
    space = _space(arrays['class_ids'])
    metric = InstanceMetric(space, min_points=params['min_region_size'], validation_groups=True)
    for scene in _scenes(arrays):
        codes = arrays[f'{scene}/gt']
        masks = np.unpackbits(arrays[f'{scene}/masks'], axis=0)[: len(codes)].T
        ids, labels = decode_scannet_ids(codes)
        predicted = InstanceMasks(
            torch.from_numpy(masks.astype(bool)),
            torch.arange(len(codes)),
            torch.from_numpy(space.thing_label(space.from_raw(arrays[f'{scene}/pred_label']))),
            torch.from_numpy(arrays[f'{scene}/pred_conf']),
        )
        sample = SceneSample(
            gt_instances=torch.from_numpy(ids),
            gt_instance_semantic=torch.from_numpy(space.from_raw(labels)),
            pred_instances=predicted,
        )
        metric.process({}, [sample])
    values = metric.evaluate(len(_scenes(arrays)))
    for group in ('', 'head_', 'common_', 'tail_', 'validation_'):
        expected = arrays.get(f'{group}mean_ap_ap50_ap25')
        if expected is not None:
            names = [f'instance/{group}{name}' for name in ('AP', 'AP50', 'AP25')]
            np.testing.assert_allclose([values[name] for name in names], expected, atol=1e-9)
    (table,) = metric.report_tables()
    rows = np.array([row[1][:3] for row in table.rows])
    np.testing.assert_allclose(rows, arrays['table_ap_ap50_ap25'], atol=1e-9)


@pytest.mark.parametrize('path', fixture_files(FOLDER, 'semantic_*.npz'))
def test_semantic_metric(path):
    arrays = RecordedArrays(path)
    space = _space(arrays['class_ids'])
    metric = SemanticMetric(space, per_class=True)
    for scene in _scenes(arrays):
        pred, gt = (
            torch.from_numpy(space.from_raw(arrays[f'{scene}/{n}'])) for n in ('pred', 'gt')
        )
        metric.process({}, [SceneSample(pred_semantic=pred, gt_semantic=gt)])
    values = metric.evaluate(len(_scenes(arrays)))
    for name, iou in zip(arrays['class_names'].tolist(), arrays['iou'], strict=True):
        np.testing.assert_allclose(values[f'semantic/IoU_{name}'], iou, atol=1e-12)
    np.testing.assert_allclose(values['semantic/mIoU'], np.nanmean(arrays['iou']), atol=1e-12)


@pytest.mark.parametrize('path', fixture_files(FOLDER, 'scannet200_labels.json'))
def test_class_lists(path):
    tables = Recorded(json.loads(path.read_text(encoding='utf-8')))
    assert tables['note']
    raw = dict(zip(tables['semantic_ids'], tables['semantic_names'], strict=True))
    assert dict(zip(SCANNET200.raw_ids, SCANNET200.classes, strict=True)) == raw
    things = SCANNET200.raw_ids[len(SCANNET200.stuff) :]
    assert list(things) == tables['instance_ids']
    assert list(SCANNET200.thing_names) == tables['instance_names']
    for group, ids in frequency_groups(SCANNET200).items():
        assert sorted(SCANNET200.classes[i] for i in ids) == sorted(tables[group])
    validation = [raw[i] for i in tables['validation_ids']]
    assert validation == tables['validation_names']
    assert not tables.unread()


def test_nothing_stays_uncompared():
    folder = fixtures_root() / FOLDER
    if not folder.is_dir():
        pytest.skip(f'{folder} is not there')
    files = [path for path in folder.iterdir() if path.name not in DESCRIBED]
    files = [path for path in files if path.is_file()] + list(folder.glob('*/*.csv'))
    known = {path for pattern in COMPARED for path in folder.glob(pattern)}
    assert not set(files) - known
    for path in files:
        if path.suffix != '.npz':
            continue
        if path.name.startswith('semantic'):
            test_semantic(path)
        elif 'all_ignored' in path.name:
            test_only_prediction_of_a_class_is_ignored(path)
        else:
            test_instance(path)
        assert not READ[path].unread(), path.name
