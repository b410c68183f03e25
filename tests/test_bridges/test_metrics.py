"""Metrics of one toolbox on samples of the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip('mmdet3d', reason='mmdet3d is not installed; see make test-bridge')


from mmdet3d.datasets import ScanNetInstanceSegDataset
from mmdet3d.structures import Det3DDataSample, PointData

from unison3d.bridges.mmdet3d import BridgedMetric
from unison3d.errors import ConfigError
from unison3d.evaluation import InstanceMetric, SemanticMetric
from unison3d.structures import SCANNET20, InstanceMasks, SceneSample

CLASSES = ScanNetInstanceSegDataset.METAINFO['classes']


def our_scene(seed: int) -> SceneSample:
    """Blocks of 150 points, predicted with mistakes; classes and instances in disorder."""
    generator = np.random.default_rng(seed)
    blocks = 12
    superpoints = np.repeat(np.arange(blocks), 150)
    classes = generator.integers(0, 8, blocks)
    instances = np.where(classes > 1, np.arange(blocks), -1)
    instances = np.unique(instances, return_inverse=True)[1] - 1
    predicted = np.where(generator.random(blocks) < 0.7, classes, generator.integers(0, 8, blocks))
    things = np.flatnonzero(predicted > 1)
    semantic = classes[superpoints]
    semantic[generator.random(len(semantic)) < 0.1] = SCANNET20.ignore_index
    scores = generator.random(len(things)).astype(np.float32)
    return SceneSample(
        gt_semantic=torch.from_numpy(semantic),
        gt_instances=torch.from_numpy(instances[superpoints]),
        gt_instance_semantic=torch.from_numpy(classes[classes > 1]),
        pred_semantic=torch.from_numpy(predicted[superpoints]),
        pred_instances=InstanceMasks(
            torch.from_numpy(np.eye(blocks, dtype=bool)[things]),
            torch.from_numpy(superpoints),
            torch.from_numpy(predicted[things] - 2),
            torch.from_numpy(scores),
        ),
    )


SCENES = [our_scene(seed) for seed in range(3)]


def evaluate(metric, samples, meta: dict | None = None) -> dict[str, float]:
    metric.dataset_meta = meta
    metric.process(None, [sample.to_dict() for sample in samples])
    return metric.evaluate(len(samples))


def test_their_metrics_on_our_samples():
    bridged = BridgedMetric(dict(type='mmdet3d.SegMetric'), 'scannet20')
    theirs = evaluate(bridged, SCENES)
    ours = evaluate(SemanticMetric('scannet20'), SCENES)
    assert 0.2 < ours['semantic/mIoU'] < 0.95
    assert theirs['miou'] == pytest.approx(ours['semantic/mIoU'], abs=1e-9)
    assert theirs['acc'] == pytest.approx(ours['semantic/acc'], abs=1e-9)
    bridged = BridgedMetric(dict(type='mmdet3d.InstanceSegMetric'), 'scannet20')
    theirs = evaluate(bridged, SCENES)
    ours = evaluate(InstanceMetric('scannet20', class_agnostic=False), SCENES)
    assert 0.1 < ours['instance/AP'] < 0.95
    for ours_name, name in (('AP', ''), ('AP50', '_50%'), ('AP25', '_25%')):
        assert theirs[f'all_ap{name}'] == pytest.approx(ours[f'instance/{ours_name}'], abs=1e-6)


def their_sample(scene: SceneSample) -> Det3DDataSample:
    """What a model of theirs would say, in the 18 classes of their instance data set."""
    none = len(CLASSES)
    semantic = np.where(scene.gt_semantic > 1, scene.gt_semantic - 2, none)
    semantic = np.where(scene.gt_semantic == SCANNET20.ignore_index, none, semantic)
    sample = Det3DDataSample(eval_ann_info=None)
    instances = scene.gt_instances.numpy() + 1
    sample.eval_ann_info = dict(pts_semantic_mask=semantic, pts_instance_mask=instances)
    predicted = scene.pred_instances
    ids = torch.where(predicted.masks.any(0), predicted.masks.int().argmax(0), -1)
    sample.pred_pts_seg = PointData(
        pts_semantic_mask=torch.where(scene.pred_semantic > 1, scene.pred_semantic - 2, none),
        pts_instance_mask=ids,
        instance_labels=predicted.labels,
        instance_scores=predicted.scores,
    )
    return sample


def test_our_metrics_on_their_samples():
    """Labels of the annotation are whole in this test: majorities would differ otherwise."""
    meta = dict(classes=CLASSES, label2cat=dict(enumerate(CLASSES)), ignore_index=18)
    samples = [their_sample(scene) for scene in SCENES]
    options = dict(strict=False)
    inner = dict(type='InstanceMetric', label_space='scannet20', class_agnostic=False)
    bridged = evaluate(BridgedMetric(inner, 'scannet20', **options), samples, meta)
    ours = evaluate(InstanceMetric('scannet20', class_agnostic=False), SCENES)
    assert bridged == pytest.approx(ours)
    inner = dict(type='SemanticMetric', label_space='scannet20')
    bridged = evaluate(BridgedMetric(inner, 'scannet20', CLASSES, **options), samples)
    things = SemanticMetric('scannet20')
    scenes = [
        SceneSample(gt_semantic=s.gt_semantic.clone(), pred_semantic=s.pred_semantic.clone())
        for s in SCENES
    ]
    for scene in scenes:
        for field in (scene.gt_semantic, scene.pred_semantic):
            field[field < 2] = SCANNET20.ignore_index
    assert bridged == pytest.approx(evaluate(things, scenes))
    # And a metric of theirs on them, which is told our order of classes.
    again = evaluate(
        BridgedMetric(dict(type='mmdet3d.InstanceSegMetric'), 'scannet20', **options), samples, meta
    )
    assert again['all_ap'] == pytest.approx(ours['instance/AP'], abs=1e-6)


def test_walls_that_have_a_number_are_no_objects():
    scene = SCENES[0]
    inner = dict(type='InstanceMetric', label_space='scannet20')
    sample = Det3DDataSample()
    instances = scene.gt_instances.numpy() + 1
    walls = (instances == 0) & (scene.gt_semantic.numpy() == 0)
    assert walls.any()
    semantic = scene.gt_semantic.numpy()
    predicted = scene.pred_instances
    sample.pred_pts_seg = PointData(
        pts_instance_mask=predicted.masks,
        instance_labels=predicted.labels + 2,
        instance_scores=predicted.scores,
    )
    scores = []
    for number in (0, instances.max() + 1):
        ids = np.where(walls, number, instances)
        sample.eval_ann_info = dict(pts_semantic_mask=semantic, pts_instance_mask=ids)
        scores.append(evaluate(BridgedMetric(inner, 'scannet20'), [sample]))
    assert scores[0]['instance/agnostic_AP'] > 0.1
    assert scores[0] == pytest.approx(scores[1], nan_ok=True)


def test_other_metrics_are_refused():
    with pytest.raises(ConfigError, match='IndoorMetric'):
        BridgedMetric(dict(type='mmdet3d.IndoorMetric'), 'scannet20')
