"""ClosedSetTask with linear heads instead of text embeddings, as OneFormer3D has it."""

from __future__ import annotations

import pytest
import torch
from test_models.oneformer3d_samples import small_model
from tiny import labelled_sample, scene_inputs
from torch import nn

from unison3d.errors import ConfigError
from unison3d.models.heads import LinearClassifier
from unison3d.models.tasks import ClosedSetTask
from unison3d.structures import SceneSample

TASK = {
    'type': 'ClosedSetTask',
    'linear_head': {},
    'quality_weight': None,
    'queries': {'max_queries': None, 'type_embedding': False},
    'postprocess': {'min_points': 5, 'panoptic_quality': False},
}


def model_and_batch(task=TASK):
    model = small_model(task, keys='superpoints')
    inputs = {name: [value] for name, value in scene_inputs().items()}
    return model, model.data_preprocessor({'inputs': inputs})['inputs']


def test_it_has_the_published_parameters_and_no_more():
    model, _ = model_and_batch()
    shapes = {name: tuple(p.shape) for name, p in model.tasks.named_parameters()}
    assert shapes == {
        'closed_set.head.out_cls.0.weight': (16, 16),
        'closed_set.head.out_cls.0.bias': (16,),
        'closed_set.head.out_cls.2.weight': (19, 16),
        'closed_set.head.out_cls.2.bias': (19,),
        'closed_set.head.out_sem.weight': (21, 16),
        'closed_set.head.out_sem.bias': (21,),
    }
    assert not list(model.tasks.named_buffers())
    assert not [n for n, _ in model.decoder.named_parameters() if 'cls' in n or 'pooling' in n]


def test_training_and_prediction():
    model, batch = model_and_batch()
    sample = labelled_sample(batch.num_superpoints[0])
    losses = model.train().loss(batch, [sample])
    assert losses.keys() == {'loss_instance', 'loss_semantic'}
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())
    predicted = model.eval().predict(batch, [SceneSample()])[0]
    logits = model.decode(model.encode(batch)[0], sample)['closed_set'].final
    best = model.tasks['closed_set'].head.out_sem(logits.embeddings)[:, :20].argmax(1)
    assert torch.equal(predicted.pred_semantic, best[batch.superpoints[0]])


def test_queries_are_the_bare_features_and_all_of_them():
    model, batch = model_and_batch()
    features = model.encode(batch)[0]
    rows = model.eval().tasks['closed_set'].queries(features, SceneSample())
    assert torch.equal(rows.block.features, features.superpoint_features)
    capped = small_model({**TASK, 'queries': {'max_queries': 3, 'keep_ratio': (1.0, 1.0)}})
    rows = capped.train().tasks['closed_set'].queries(features, SceneSample())
    assert len(rows.superpoints) == 3
    free = {**TASK, 'queries': {'max_queries': None, 'keep_ratio': (1.0, 1.0)}}
    rows = small_model(free).train().tasks['closed_set'].queries(features, SceneSample())
    assert sorted(rows.superpoints.tolist()) == list(range(features.num_superpoints))


def test_two_semantic_layers():
    head = LinearClassifier(8, 3, 5, num_semantic_layers=2)
    assert isinstance(head.out_sem, nn.Sequential)
    assert head.out_sem[2].out_features == 6
    with pytest.raises(ConfigError, match='expected 1 or 2'):
        LinearClassifier(8, 3, 5, num_semantic_layers=3)


def test_some_source_of_classes_is_needed():
    with pytest.raises(ConfigError, match='linear_head'):
        ClosedSetTask(8, 16)


def test_what_needs_text_embeddings_is_refused_without_them():
    with pytest.raises(ConfigError, match='max_queries_test is 7'):
        small_model({**TASK, 'queries': {'max_queries_test': 7}}, keys='superpoints')
    by_names = {'type': 'ClosedSetTask', 'num_prototypes': 1}
    with pytest.raises(ConfigError, match=r"'closed_set' \(ClosedSetTask\).*embedding_dim"):
        small_model(by_names, keys='superpoints')
