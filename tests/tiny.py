"""A model and scenes small enough for a test."""

from __future__ import annotations

import torch

from unison3d.models import UnifiedSegmentor
from unison3d.structures import Prompts, SceneSample

EMBEDDING_DIM = 384
VOCABULARY = ['wall', 'floor', 'chair', 'table', 'lamp']


def tiny_config() -> dict:
    """JSON-compatible config of a model with all tasks."""
    bank = {'type': 'EmbeddingBankEncoder'}
    postprocess = {'min_points': 5}
    return {
        'type': 'UnifiedSegmentor',
        'data_preprocessor': {
            'type': 'ScenePreprocessor',
            'voxel_size': 0.1,
            'point_features': ['color', 'has_color', 'height', 'verticality'],
            'min_spatial_shape': 16,
        },
        'backbone': {'type': 'SparseUNet', 'planes': [8, 8, 8], 'num_blocks': 1},
        'decoder': {
            'type': 'UnifiedDecoder',
            'd_model': 16,
            'num_heads': 2,
            'num_layers': 2,
            'hidden_dim': 16,
            'embedding_dim': EMBEDDING_DIM,
            'position_encoding': True,
        },
        'tasks': {
            'closed_set': {
                'type': 'ClosedSetTask',
                'text_encoder': bank,
                'postprocess': postprocess,
            },
            'click': {'type': 'ClickTask'},
            'text': {'type': 'TextTask', 'embedding_dim': EMBEDDING_DIM},
            'open_vocabulary': {
                'type': 'OpenVocabularyTask',
                'text_encoder': bank,
                'vocabulary': VOCABULARY,
                'postprocess': postprocess,
            },
        },
    }


def tiny_model(seed: int = 0) -> UnifiedSegmentor:
    config = tiny_config()
    config.pop('type')
    torch.manual_seed(seed)
    return UnifiedSegmentor(**config)


def scene_inputs(num_points: int = 400, num_superpoints: int = 20, seed: int = 0) -> dict:
    """Points of one random scene; superpoints are slabs along x."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(num_points, 3, generator=generator) * torch.tensor([4.0, 2.0, 1.0])
    superpoints = (points[:, 0] / 4 * num_superpoints).long().clamp(max=num_superpoints - 1)
    superpoints = torch.unique(superpoints, return_inverse=True)[1]
    normals = torch.nn.functional.normalize(torch.randn(num_points, 3, generator=generator), dim=1)
    return {
        'points': points,
        'colors': torch.rand(num_points, 3, generator=generator),
        'has_color': torch.tensor(True),
        'normals': normals,
        'superpoints': superpoints,
    }


def collate(model: UnifiedSegmentor, scenes: list[dict]):
    inputs = {name: [scene[name] for scene in scenes] for name in scenes[0]}
    return model.data_preprocessor({'inputs': inputs})['inputs']


def labelled_sample(
    num_superpoints: int, num_instances: int = 3, num_clicks: int = 2, num_texts: int = 2
) -> SceneSample:
    """Ground truth in which instance m owns superpoints m, m + M, ...; the last two are wall."""
    ids = torch.arange(num_superpoints)
    owner = ids % max(num_instances, 1)
    thing = ids < num_superpoints - 2
    masks = (owner[None] == torch.arange(num_instances)[:, None]) & thing
    sample = SceneSample(
        sp_masks=masks,
        sp_semantic=torch.where(thing & (num_instances > 0), owner + 4, 0),
        sp_ignore=torch.zeros(num_superpoints, dtype=torch.bool),
        gt_instance_semantic=torch.arange(num_instances) + 4,
        gt_names=['chair', 'lamp', 'unheard of'][:num_instances],
        prompts=Prompts(
            click_superpoints=torch.arange(num_clicks),
            click_positive=torch.ones(num_clicks, dtype=torch.bool),
            click_objects=torch.arange(num_clicks),
            click_targets=torch.arange(num_clicks),
            texts=['a sentence'] * num_texts,
            text_embeddings=torch.randn(
                num_texts, EMBEDDING_DIM, generator=torch.Generator().manual_seed(1)
            ),
            text_targets=torch.ones(num_texts, num_instances, dtype=torch.bool),
        ),
    )
    return sample
