"""The data sets of the configs load, build and give samples that the model trains on."""

from __future__ import annotations

import pytest
import torch
from conftest import REPO_ROOT
from mmengine.config import Config
from test_datasets.processed_samples import TEXT_INFO, info_entry, write_infos, write_scan
from tiny import tiny_model

from unison3d.datasets.transforms import AddSuperPointAnnotations
from unison3d.registry import DATASETS

BASE = REPO_ROOT / 'configs' / '_base_' / 'datasets'
NAMES = [
    *('scannet', 'scannet_mixed', 'scannet_published', 'scannet200', 'scannet200_published'),
    *('s3dis', 's3dis_published'),
]


def _dataset(name: str, phase: str, root):
    """The data set of a config on two hand-made rooms."""
    config = Config.fromfile(BASE / f'{name}.py')[f'{phase}_dataloader'].dataset
    names = ('Area_1_a', 'Area_1_b') if phase == 'train' else ('Area_5_a', 'Area_5_b')
    for seed, scan in enumerate(names):
        write_scan(root, scan, seed)
    entries = [info_entry(root, scan, text_info=TEXT_INFO) for scan in names]
    options = dict(data_root=str(root), ann_file=write_infos(root, entries))
    if config.get('text_encoder') is not None:
        options['text_encoder'] = None
    dataset = DATASETS.build({**config, **options})
    for transform in dataset.pipeline.transforms:
        if isinstance(transform, AddSuperPointAnnotations):
            transform.merge_ov = False
    return dataset


@pytest.mark.parametrize('phase', ['train', 'test'])
@pytest.mark.parametrize('name', NAMES)
def test_samples(name, phase, tmp_path):
    dataset = _dataset(name, phase, tmp_path)
    assert len(dataset) == 2
    assert dataset.test_mode == (phase == 'test')
    for index in range(2):
        packed = dataset[index]
        inputs, sample = packed['inputs'], packed['data_samples']
        assert inputs['points'].dtype == torch.float32 and len(inputs['points']) > 1000
        if dataset.fields == 'unison3d':
            assert sample.sp_semantic.max() <= dataset.label_space.ignore_index
            assert sample.sp_masks.shape[1] == int(inputs['superpoints'].max()) + 1


def test_the_model_trains_on_them(tmp_path):
    model = tiny_model().train()
    dataset = _dataset('scannet_mixed', 'train', tmp_path)
    samples = [dataset[index] for index in range(2)]
    keys = samples[0]['inputs'].keys()
    data = {
        'inputs': {key: [sample['inputs'][key] for sample in samples] for key in keys},
        'data_samples': [sample['data_samples'] for sample in samples],
    }
    for sample in data['data_samples']:
        sample.prompts.texts, sample.prompts.text_targets = [], None  # no language model here
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    total = sum(value for value in losses.values())
    assert torch.isfinite(total)
    total.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads and all(torch.isfinite(grad).all() for grad in grads)
