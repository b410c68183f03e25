"""Published samples reach the models of this package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import REPO_ROOT
from mmengine.config import Config
from test_datasets.processed_samples import TEXT_INFO, info_entry, write_infos, write_scan

from unison3d.errors import ConfigError
from unison3d.registry import DATASETS, MODELS
from unison3d.structures import SCANNET20

CONFIG = REPO_ROOT / 'configs' / 'unified' / 'uniseg3d_scannet.py'


def _dataset(root, phase: str, *, pseudo: bool = True, labelled: bool = True):
    """The data set of the shipped config on two hand-made rooms."""
    entries = []
    for seed, name in enumerate('ab'):
        write_scan(root, name, seed, labelled)
        ids = np.frombuffer((root / 'super_points' / f'{name}.bin').read_bytes(), '<i8')
        masks = np.zeros((2, int(ids.max()) + 1), bool)
        masks[0, :3] = masks[1, 2:5] = True
        extra = dict(sam3d_pseudo_sp_masks=masks.tolist()) if pseudo else {}
        if labelled:
            extra['text_info'] = TEXT_INFO
        entries.append(info_entry(root, name, labelled, **extra))
    config = Config.fromfile(CONFIG)[f'{phase}_dataloader'].dataset
    return DATASETS.build(
        {**config, 'data_root': str(root), 'ann_file': write_infos(root, entries)}
    )


def test_training_sample(tmp_path):
    packed = _dataset(tmp_path, 'train')[0]
    inputs, sample = packed['inputs'], packed['data_samples']
    num_superpoints = int(inputs['superpoints'].max()) + 1
    assert inputs['elastic_coords'].shape == inputs['points'].shape
    assert 0 <= inputs['colors'].min() and inputs['colors'].max() <= 1
    assert sample.gt_instance_semantic.tolist() == [4, 4, 6]
    assert sample.gt_names == [SCANNET20.classes[index] for index in (4, 4, 6)]
    assert sample.sp_masks.shape == (3, num_superpoints)
    assert sample.sp_pseudo_masks.sum(dim=1).tolist() == [3, 3]
    assert sample.sp_semantic.shape == (num_superpoints,)
    assert not sample.sp_ignore.any()
    prompts = sample.prompts
    assert sorted(prompts.click_targets.tolist()) == [0, 1, 2]
    assert prompts.click_objects.tolist() == [0, 1, 2]
    clicked = sample.sp_masks[prompts.click_targets, prompts.click_superpoints]
    assert clicked.any()
    assert prompts.num_texts == len(prompts.text_tokens) == 2
    assert prompts.text_targets.sum(dim=1).tolist() == [1, 1]
    # Object ids 2 and 6 are the first and the last instance.
    assert prompts.text_targets.any(dim=0).tolist() == [True, False, True]


def test_colors_of_the_file_come_back(tmp_path):
    packed = _dataset(tmp_path, 'test', pseudo=False)[0]
    table = np.fromfile(tmp_path / 'points' / 'a.bin', '<f4').reshape(-1, 6)
    np.testing.assert_allclose(packed['inputs']['colors'], table[:, 3:] / 255, atol=1e-6)
    np.testing.assert_array_equal(packed['inputs']['points'], table[:, :3])


def test_test_sample(tmp_path):
    packed = _dataset(tmp_path, 'test', pseudo=False)[0]
    sample = packed['data_samples']
    assert 'elastic_coords' not in packed['inputs']
    assert sample.prompts.texts == [*TEXT_INFO['2']['text'], *TEXT_INFO['6']['text']]
    found = torch.unique(sample.gt_instances)
    assert found.tolist() == [-1, 0, 1, 2]
    own = sample.gt_instance_semantic[sample.gt_instances.clamp(min=0)]
    assert (sample.gt_semantic == own)[sample.gt_instances >= 0].float().mean() > 0.9


def test_scans_without_labels_can_be_packed(tmp_path):
    packed = _dataset(tmp_path, 'test', pseudo=False, labelled=False)[0]
    assert packed['data_samples'].get('sp_masks') is None
    assert packed['data_samples'].prompts.num_clicks == 0


def _tiny_published(num_prototypes: int = 2):
    config = Config.fromfile(CONFIG).model.to_dict()
    config['backbone'] |= dict(planes=(4, 8), num_blocks=1)
    config['decoder'] |= dict(d_model=8, num_heads=2, num_layers=2, hidden_dim=8, embedding_dim=12)
    config['tasks']['closed_set'] |= dict(num_prototypes=num_prototypes, embedding_dim=12)
    config['tasks']['text'] |= dict(embedding_dim=12, text_encoder=None)
    torch.manual_seed(0)
    model = MODELS.build(config)
    return model


class Tokens:
    """Reads tokens: a sentence is the one-hot vector of their sum."""

    reads_tokens = True

    def encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(tokens.sum(dim=1) % 12, 12).float()


def _batch(dataset) -> dict:
    samples = [dataset[index] for index in range(2)]
    keys = samples[0]['inputs'].keys()
    return {
        'inputs': {key: [sample['inputs'][key] for sample in samples] for key in keys},
        'data_samples': [sample['data_samples'] for sample in samples],
    }


def test_the_published_model_trains_on_them(tmp_path):
    model = _tiny_published().train()
    with pytest.raises(ConfigError, match='ClassEmbeddingsHook'):
        model(**model.data_preprocessor(_batch(_dataset(tmp_path, 'train'))), mode='loss')
    prototypes = torch.nn.functional.normalize(torch.randn(20, 2, 12), dim=2)
    model.tasks['closed_set'].set_class_embeddings(prototypes)
    model.tasks['text']._text_encoder = Tokens()
    data = model.data_preprocessor(_batch(_dataset(tmp_path, 'train')), training=True)
    losses = model(**data, mode='loss')
    assert losses['loss_pseudo'] > 0 and losses['loss_contrastive'] > 0
    total = sum(losses.values())
    assert torch.isfinite(total)
    total.backward()
    # Negative clicks are not published; everything else learns something.
    names = {name for name, p in model.named_parameters() if p.grad is None}
    assert not names, names


def test_voxels_are_counted_from_elastic_coords(tmp_path):
    model = _tiny_published()
    data = _batch(_dataset(tmp_path, 'train'))
    batch = model.data_preprocessor(data)['inputs']
    coords = data['inputs']['elastic_coords']
    scenes = batch.voxels.coordinates[batch.point_to_voxel]
    expected = torch.cat([(scene - scene.amin(dim=0)).floor().long() for scene in coords])
    assert torch.equal(scenes[:, 1:].long(), expected)


def test_class_embeddings_of_another_shape_are_refused():
    task = _tiny_published().tasks['closed_set']
    with pytest.raises(ConfigError, match=r'\(20, 3, 12\).*\(20, 2, 12\).*num_prototypes'):
        task.set_class_embeddings(torch.zeros(20, 3, 12))
    with pytest.raises(ConfigError, match='NaN'):
        task.set_class_embeddings(torch.full((20, 2, 12), torch.nan))
