"""Published OneFormer3D files become whole models, and the same ones from either layout."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import REPO_ROOT, fixture_files
from mmengine.config import Config

from tests.test_convert.published import assert_same, to_rsck
from unison3d.convert import get_system, translate, translate_back
from unison3d.engine import load_state
from unison3d.registry import MODELS
from unison3d.structures import SceneSample

CONFIGS = REPO_ROOT / 'configs' / 'oneformer3d'
SYSTEM = get_system('oneformer3d')
# Published name of the model, config, entries of its state dict.
VARIANTS = [
    ('oneformer3d_scannet', 'oneformer3d_1xb4_scannet', 402),
    ('oneformer3d_scannet200', 'oneformer3d_1xb4_scannet200', 502),
    ('oneformer3d_s3dis', 'oneformer3d_1xb2_s3dis-area-5', 347),
    (
        'oneformer3d_instance_only',
        'instance-only-oneformer3d_1xb2_scannet-and-structured3d',
        352,
    ),
]
FILES = fixture_files('uniseg3d', 'manifest.json')


def published_weights(path, variant: str) -> dict[str, torch.Tensor]:
    """Random weights with the names and shapes of a release, small enough not to overflow."""
    tensors = json.loads(path.read_text('utf-8'))['models'][variant]['tensors']
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for number, tensor in enumerate(tensors):
        name, shape = tensor['name'], tensor['shape']
        if name.endswith('num_batches_tracked'):
            weights[name] = torch.tensor(number)
        elif name.endswith('running_var'):
            weights[name] = torch.rand(shape, generator=generator) + 0.5
        else:
            fan_in = max(torch.Size(shape[1:]).numel(), 1)
            weights[name] = torch.randn(shape, generator=generator) / fan_in**0.5
    return weights


def tiny_room() -> dict:
    """Points of a few voxels; superpoints are slabs."""
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(300, 3, generator=generator) * 0.6 - 0.1
    return {
        'points': [points],
        'colors': [torch.rand(300, 3, generator=generator)],
        'has_color': [torch.tensor(True)],
        'superpoints': [(points[:, 0] * 20 + 2).long().clamp(min=0)],
    }


@torch.no_grad()
def answers(model) -> dict[str, torch.Tensor]:
    """Everything the model says about the tiny room, as tensors."""
    batch = model.data_preprocessor({'inputs': tiny_room()})['inputs']
    sample = model.predict(batch, [SceneSample()])[0]
    found = sample.pred_instances
    values = {'masks': found.superpoint_masks, 'labels': found.labels, 'scores': found.scores}
    for name in ('pred_semantic', 'pred_panoptic_semantic', 'pred_panoptic_instance'):
        if sample.get(name) is not None:
            values[name] = sample.get(name)
    features = model.encode(batch)[0]
    final = model.decode(features, sample)['closed_set'].final
    return {**values, 'mask_logits': final.mask_logits, 'embeddings': final.embeddings}


@pytest.mark.parametrize('path', FILES)
@pytest.mark.parametrize(('variant', 'config', 'entries'), VARIANTS)
def test_a_release_fills_the_model_of_its_config(path, variant, config, entries):
    published = published_weights(path, variant)
    assert len(published) == entries
    model = MODELS.build(Config.fromfile(CONFIGS / f'{config}.py').model).eval()
    assert len(model.state_dict()) == entries

    layouts = {'krsc': published, 'rsck': to_rsck(published)}
    if variant == 'oneformer3d_scannet200':
        layouts = {'minkowski': published}
    said = []
    for layout, weights in layouts.items():
        forth = translate(SYSTEM, weights)
        report = forth.report
        assert (report.layout, report.carried, report.dropped) == (layout, (), ())
        assert report.missing == report.unexpected == report.mismatched == ()
        assert load_state(model, forth.tensors).complete
        said.append(answers(model))
        back = translate_back(SYSTEM, model.state_dict(), layout)
        assert_same(back.tensors, weights)
    assert said[0]['mask_logits'].isfinite().all()
    assert_same(said[-1], said[0])


@pytest.mark.parametrize('path', FILES)
def test_the_pre_training_starts_the_s3dis_model(path):
    """All but what belongs to classes fits, as in the published fine-tuning."""
    pre_trained = translate(SYSTEM, published_weights(path, 'oneformer3d_instance_only')).tensors
    fine_tuned = translate(SYSTEM, published_weights(path, 'oneformer3d_s3dis')).tensors
    shared = {
        n for n, t in fine_tuned.items() if n in pre_trained and t.shape == pre_trained[n].shape
    }
    own = {name for name in fine_tuned if name not in shared}
    heads = {f'head.out_cls.{i}.{kind}' for i in (0, 2) for kind in ('weight', 'bias')}
    assert own == {f'tasks.closed_set.{name}' for name in ({'query.weight'} | heads)}
