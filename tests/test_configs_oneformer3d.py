"""Samples of the OneFormer3D configs, and one step of each model on them, made small."""

from __future__ import annotations

import random

import pytest
import torch
from conftest import REPO_ROOT
from mmengine.config import Config
from test_datasets.processed_samples import info_entry, write_infos, write_scan

from unison3d.registry import DATASETS, MODELS

FOLDER = REPO_ROOT / 'configs' / 'oneformer3d'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
# 2 cm voxels and hundreds of channels are for real rooms.
SMALL_DECODER = dict(d_model=16, num_heads=2, num_layers=2, hidden_dim=16)


def dataset_of(config: Config, phase: str, root):
    """The data set of a config on two hand-made rooms."""
    names = ('Area_1_a', 'Area_1_b') if phase == 'train' else ('Area_5_a', 'Area_5_b')
    for seed, scan in enumerate(names):
        write_scan(root, scan, seed)
    ann_file = write_infos(root, [info_entry(root, scan) for scan in names])
    loader = config[f'{phase}_dataloader']
    return DATASETS.build({**loader.dataset, 'data_root': str(root), 'ann_file': ann_file})


def small_model(config: Config):
    model = config.model
    model.data_preprocessor.voxel_size = 0.3
    model.decoder.update(SMALL_DECODER)
    if model.backbone.type == 'SparseUNet':
        model.backbone.update(planes=(8, 8), num_blocks=1)
    else:
        model.backbone.update(planes=[8] * 8, layers=[1] * 8, final_channels=8)
    if 'num_queries' in model.tasks.closed_set:
        model.tasks.closed_set.num_queries = 12
    torch.manual_seed(0)
    return MODELS.build(model)


def batch_of(model, dataset):
    samples = [dataset[index] for index in range(len(dataset))]
    data = {
        'inputs': {k: [s['inputs'][k] for s in samples] for k in samples[0]['inputs']},
        'data_samples': [s['data_samples'] for s in samples],
    }
    return model.data_preprocessor(data)


@pytest.mark.parametrize('name', NAMES)
def test_training_and_prediction(name, tmp_path):
    random.seed(0)
    config = Config.fromfile(FOLDER / f'{name}.py')
    model = small_model(config).train()
    data = batch_of(model, dataset_of(config, 'train', tmp_path))
    losses = model(**data, mode='loss')
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.backbone.parameters())

    dataset = dataset_of(config, 'test', tmp_path)
    assert dataset.test_mode
    data = batch_of(model.eval(), dataset)
    for sample in model(**data, mode='predict'):
        assert sample.pred_instances.masks.shape[1] == len(sample.gt_instances)
        if 'instance-only' not in name:
            assert sample.pred_panoptic_semantic.shape == sample.gt_semantic.shape


def test_published_switches_are_the_only_difference():
    plain = Config.fromfile(FOLDER / 'oneformer3d_1xb2_s3dis-area-5.py')
    published = Config.fromfile(FOLDER / 'oneformer3d_1xb2_s3dis-area-5_published.py')
    task = published.model.tasks.closed_set
    assert task.cell_rule == 'all'
    assert task.unlabelled == 'negative'
    assert task.published_ids is True
    for name in ('cell_rule', 'unlabelled', 'published_ids'):
        assert name not in plain.model.tasks.closed_set
        task.pop(name)
    assert published.model == plain.model
    assert published.train_dataloader == plain.train_dataloader
