"""Names of ours in a run of theirs, and of theirs in a run of ours."""

from __future__ import annotations

import pytest

pytest.importorskip('mmdet3d', reason='mmdet3d is not installed; see make test-bridge')

import mmdet3d.models
import mmengine.registry
from mmengine.registry import DefaultScope
from tiny import tiny_config

import unison3d.bridges.mmdet3d
import unison3d.evaluation
import unison3d.models
from unison3d.datasets import SynthRoomsDataset, transforms


def built(registry: str, config: dict, scope: str):
    with DefaultScope.overwrite_default_scope(scope):
        return getattr(mmengine.registry, registry).build(config)


def test_ours_under_their_scope():
    # MMDetection3D has a SparseUNet of its own.
    model = built('MODELS', {**tiny_config(), 'type': 'unison3d.UnifiedSegmentor'}, 'mmdet3d')
    assert type(model.backbone) is unison3d.models.backbones.SparseUNet
    dataset = dict(
        type='unison3d.SynthRoomsDataset',
        num_scenes=1,
        pipeline=[dict(type='RandomFlip'), dict(type='mmdet3d.PointShuffle')],
    )
    dataset = built('DATASETS', dataset, 'mmdet3d')
    assert type(dataset) is SynthRoomsDataset
    flip, shuffle = dataset.pipeline.transforms
    assert type(flip) is transforms.RandomFlip
    assert type(shuffle).__module__.startswith('mmdet3d')
    metric = dict(type='unison3d.PanopticMetric', label_space='scannet20')
    assert type(built('METRICS', metric, 'mmdet3d')) is unison3d.evaluation.PanopticMetric
    hook = built('HOOKS', dict(type='unison3d.ThroughputHook'), 'mmdet3d')
    assert type(hook).__module__.startswith('unison3d')


def test_theirs_under_our_scope():
    config = dict(
        type='mmdet3d.MinkUNet',
        _scope_='mmdet3d',
        data_preprocessor=dict(type='Det3DDataPreprocessor'),
        backbone=dict(type='unison3d.MMDet3DMinkUNetBackbone'),
        decode_head=dict(
            type='MinkUNetHead',
            channels=96,
            num_classes=19,
            loss_decode=dict(type='mmdet.CrossEntropyLoss'),
            ignore_index=19,
        ),
    )
    model = built('MODELS', config, 'unison3d')
    assert type(model) is mmdet3d.models.MinkUNet
    assert type(model.backbone) is unison3d.bridges.mmdet3d.MMDet3DMinkUNetBackbone
    for registry, config in (
        ('METRICS', dict(type='mmdet3d.SegMetric')),
        ('TRANSFORMS', dict(type='mmdet3d.PointSegClassMapping')),
        ('HOOKS', dict(type='mmdet3d.DisableObjectSampleHook', disable_after_epoch=1)),
    ):
        assert type(built(registry, config, 'unison3d')).__module__.startswith('mmdet3d')
