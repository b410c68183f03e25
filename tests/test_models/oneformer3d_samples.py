"""Small models of the OneFormer3D kind, and labelled rooms for them."""

from __future__ import annotations

import torch
from tiny import scene_inputs

from unison3d.models import UnifiedSegmentor
from unison3d.structures import SceneSample


def small_model(task: dict, *, keys: str = 'voxels', seed: int = 0, **decoder) -> UnifiedSegmentor:
    """A model with one task called ``closed_set``."""
    torch.manual_seed(seed)
    return UnifiedSegmentor(
        data_preprocessor={
            'type': 'ScenePreprocessor',
            'voxel_size': 0.4,
            'min_spatial_shape': 16,
            'keys': keys,
        },
        backbone={'type': 'SparseUNet', 'planes': [8, 8], 'num_blocks': 1},
        decoder={
            'type': 'UnifiedDecoder',
            'd_model': 16,
            'num_heads': 2,
            'num_layers': 2,
            'hidden_dim': 16,
            'embedding_dim': None,
            **decoder,
        },
        tasks={'closed_set': task},
    )


def learned_model(task: dict | None = None, **options) -> UnifiedSegmentor:
    """Five learned queries on voxels, and one for each class of S3DIS."""
    task = {
        'type': 'LearnedQueryTask',
        'num_queries': 5,
        'postprocess': {'min_points': 5},
        **(task or {}),
    }
    return small_model(task, project_queries=False, **options)


def room(model: UnifiedSegmentor, seed: int = 0, **meta):
    """A batch of one room, and labels of its points: floor below, a table and two chairs."""
    inputs = scene_inputs(seed=seed)
    points = inputs['points']
    batch = model.data_preprocessor({'inputs': {name: [v] for name, v in inputs.items()}})['inputs']
    part = (points[:, 0] / 4 * 3).long().clamp(max=2)
    above = points[:, 2] > 0.4
    # The floor of S3DIS is an instance like all others.
    sample = SceneSample(
        metainfo=meta,
        gt_semantic=torch.where(above, torch.tensor([7, 8, 8])[part], 1),
        gt_instances=torch.where(above, part, 3),
        gt_instance_semantic=torch.tensor([7, 8, 8, 1]),
    )
    return batch, sample
