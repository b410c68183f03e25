"""A whole training step after the backbone: matches, losses, gradients of every parameter."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from conftest import fixture_files
from mmengine.config import Config

from tests.golden.recorded_losses import (
    LOSSES,
    PUBLISHED,
    UNPUBLISHED,
    instance_rows,
    recorded_label_space,
)
from unison3d.convert.system import rename
from unison3d.convert.uniseg3d import PREFIXES, TYPE_ROWS
from unison3d.models import UnifiedSegmentor
from unison3d.models.scene_batch import SceneFeatures
from unison3d.registry import MODELS
from unison3d.structures import LABEL_SPACES, Prompts, SceneSample

FILES = fixture_files('uniseg3d', 'train_step*.npz')
#: losses that saturate in float32: not part of the scalar whose gradient is recorded
SATURATING = ('IntrinsicPointAndQuery_loss', 'pseudo_ditribute_loss')
TOLERANCES = {'masks': 3e-4, 'contras_embeds': 3e-5, 'cls_preds': 1e-3, 'sem_preds': 1e-3}


class Step:
    """One file: the model of the shipped config at the recorded size, and its scenes."""

    def __init__(self, path) -> None:
        self.arrays = np.load(path)
        self.config = json.loads(str(self.arrays['config_json']))
        self.num_classes = self.config['num_semantic_classes']
        self.num_stuff = self.num_classes - self.config['num_instance_classes']
        self.scenes = range(len(self.config['scenes']))
        self.layers = [f'aux{i}' for i in range(self.config['L'])] + ['final']

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    def model(self) -> UnifiedSegmentor:
        size = self.config
        config = Config.fromfile(PUBLISHED).model.to_dict()
        config['backbone']['planes'] = size['planes']
        config['decoder'] |= dict(
            d_model=size['d'],
            num_heads=size['h'],
            num_layers=size['L'],
            hidden_dim=size['hid'],
            embedding_dim=size['D'],
        )
        tasks = config['tasks']
        tasks['closed_set'] |= dict(
            label_space='recorded', num_prototypes=size['P'], embedding_dim=size['D']
        )
        tasks['text']['embedding_dim'] = size['D']
        model = MODELS.build(config)
        missing, unexpected = model.load_state_dict(self.weights('param/'), strict=False)
        assert not unexpected
        extra = ('backbone.', 'tasks.click.quality_head', 'tasks.text.quality_head')
        extra += ('tasks.click.negative_embedding', 'tasks.closed_set.class_embeddings')
        assert not [name for name in missing if not name.startswith(extra)]
        model.tasks['closed_set'].set_class_embeddings(self.tensor('in/cls_embed_file'))
        return model.train()

    def weights(self, prefix: str) -> dict[str, torch.Tensor]:
        """Recorded parameters or their gradients under our names."""
        found = {}
        for key in self.arrays.files:
            if not key.startswith(prefix):
                continue
            name, value = key.removeprefix(prefix), self.tensor(key)
            if name == 'type_embedding.weight':
                found |= dict(zip(TYPE_ROWS, value, strict=True))
            else:
                found[rename(name, PREFIXES)] = value
        return found

    def sample(self, scene: int) -> SceneSample:
        place = f'in/scene{scene}'
        masks = self.tensor(f'{place}/gt_sp_masks')
        base, novel = instance_rows(self.tensor(f'{place}/is_novel'), self.num_classes)
        labels = self.tensor(f'{place}/gt_labels_3d')[base]
        clicked = self.tensor(f'{place}/point_prompt_instance_ids')
        object_ids = self.tensor(f'{place}/pts_instance_objextId_shuffle')
        meant = self.tensor(f'{place}/text_object_id')
        instances = clicked[(meant[:, None] == object_ids[None]).int().argmax(dim=1)]
        assert torch.equal(self.tensor(f'{place}/gt_text_prompt').bool(), masks[instances])
        assert torch.equal(self.tensor(f'{place}/label_text'), labels[instances])
        prompts = Prompts(
            click_superpoints=self.tensor(f'{place}/point_prompt_sp_ids'),
            click_positive=torch.ones(len(clicked), dtype=torch.bool),
            click_objects=torch.arange(len(clicked)),
            click_targets=clicked,
            texts=['a sentence'] * len(meant),
            text_embeddings=self.tensor('in/text_features')[
                self.tensor(f'{place}/text_feature_index')
            ],
            text_targets=torch.nn.functional.one_hot(instances, int(base.sum())).bool(),
        )
        return SceneSample(
            sp_masks=masks[base],
            sp_pseudo_masks=masks[novel],
            sp_semantic=masks[-(self.num_classes + 1) :].int().argmax(dim=0),
            sp_ignore=torch.zeros(masks.shape[1], dtype=torch.bool),
            gt_instance_semantic=labels + self.num_stuff,
            prompts=prompts,
        )

    def features(self, model: UnifiedSegmentor, scene: int) -> SceneFeatures:
        values = self.tensor(f'in/scene{scene}/sp_feats').requires_grad_()
        count = len(values)
        return SceneFeatures(
            superpoint_features=values,
            positions=torch.zeros(count, 3),
            points=torch.zeros(count, 3),
            superpoints=torch.arange(count),
            memory=model.decoder.encode(values),
            superpoint_inputs=torch.zeros(count, 0),
        )


@pytest.fixture(params=FILES)
def step(request, monkeypatch) -> Step:
    step = Step(request.param)
    space = recorded_label_space(step.num_classes, step.num_stuff)
    monkeypatch.setitem(LABEL_SPACES, 'recorded', space)
    return step


def test_training_step(step, monkeypatch):
    model = step.model()
    samples = [step.sample(scene) for scene in step.scenes]
    features = [step.features(model, scene) for scene in step.scenes]
    compared = set()
    outputs = {name: [] for name in model.tasks}
    for scene in step.scenes:
        drawn = step.tensor(f'in/scene{scene}/query_ids')
        make_queries = model.tasks['closed_set'].make_queries
        monkeypatch.setattr(make_queries, '_draw', lambda count, device, drawn=drawn: drawn)
        compared |= _compare_queries(step, scene, model, features[scene], samples[scene])
        decoded = model.decode(features[scene], samples[scene], all_layers=True)
        compared |= _compare_layers(step, scene, model, decoded)
        compared |= _compare_matches(step, scene, model, decoded['closed_set'], samples[scene])
        for name, output in decoded.items():
            outputs[name].append(output)
    losses = model.losses_of(outputs, features, samples)
    assert set(losses) == {name for names in LOSSES.values() for name in names} | UNPUBLISHED
    compared |= _compare_losses(step, losses)
    compared |= _compare_gradients(step, model, features, losses)
    outside = re.compile(r'config_json|param/.+|in/.+')
    assert compared == {key for key in step.arrays.files if not outside.fullmatch(key)}


def _compare_queries(step, scene, model, features, sample) -> set[str]:
    blocks = [task.queries(features, sample).block for task in model.tasks.values()]
    place = f'out/scene{scene}'
    queries = torch.cat([block.features for block in blocks]).detach()
    np.testing.assert_allclose(queries, step.arrays[f'{place}/queries'], atol=1e-5, rtol=0)
    allowed = [
        torch.ones(len(b.features), len(b.features)) if b.allowed is None else b.allowed.float()
        for b in blocks
    ]
    blocked = ~torch.block_diag(*allowed).bool()
    np.testing.assert_array_equal(blocked, step.arrays[f'{place}/interaction_mask'])
    return {f'{place}/queries', f'{place}/interaction_mask'}


def _compare_layers(step, scene, model, decoded) -> set[str]:
    closed_set, compared = model.tasks['closed_set'], set()
    for index, name in enumerate(step.layers):
        layers = [output.layers[index] for output in decoded.values()]
        actual = {
            'masks': torch.cat([layer.mask_logits for layer in layers]),
            'contras_embeds': torch.cat([layer.embeddings for layer in layers]),
            'cls_preds': torch.cat([closed_set.instance_logits(layer) for layer in layers]),
        }
        if name == 'final':
            actual['sem_preds'] = torch.cat([closed_set.semantic_logits(x) for x in layers])
        for kind, value in actual.items():
            key = f'out/scene{scene}/{name}/{kind}'
            expected = step.arrays[key]
            if kind == 'sem_preds':  # the last column is that of the zero vector
                assert not expected[:, -1].any()
                expected = expected[:, :-1]
            np.testing.assert_allclose(
                value.detach(), expected, atol=TOLERANCES[kind], rtol=0, err_msg=key
            )
            compared.add(key)
    return compared


def _compare_matches(step, scene, model, output, sample) -> set[str]:
    closed_set, compared = model.tasks['closed_set'], set()
    for index, name in enumerate(step.layers):
        layer = output.layers[index]
        logits = closed_set.instance_logits(layer)
        base = closed_set._match_layer(layer, output.superpoints, sample, logits)
        queries, masks = closed_set._match_pseudo(output, index, sample, base[0])
        key = f'out/match/base/{name}/scene{scene}'
        np.testing.assert_array_equal(base[0], step.arrays[f'{key}/query_idx'])
        np.testing.assert_array_equal(base[1], step.arrays[f'{key}/gt_idx'])
        key = f'out/match/ov/{name}/scene{scene}'
        # Recorded are places among the queries that are left over.
        left = np.setdiff1d(np.arange(len(layer.mask_logits)), base[0])
        np.testing.assert_array_equal(queries, left[step.arrays[f'{key}/query_idx']])
        pseudo = sample.sp_pseudo_masks[step.tensor(f'{key}/gt_idx')]
        np.testing.assert_array_equal(masks, pseudo)
        for kind in ('base', 'ov'):
            key = f'out/match/{kind}/{name}/scene{scene}'
            compared |= {f'{key}/query_idx', f'{key}/gt_idx'}
    return compared


def _compare_losses(step, losses) -> set[str]:
    for key, names in LOSSES.items():
        actual = sum(losses[name] for name in names).detach()
        expected = step.arrays[f'out/loss/{key}']
        rtol = 5e-2 if key in SATURATING else 1e-5
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-5, err_msg=key)
    total = sum(losses.values()).detach()
    np.testing.assert_allclose(total, step.arrays['out/loss_total'], rtol=1e-3)
    return {f'out/loss/{key}' for key in LOSSES} | {'out/loss_total'}


def _compare_gradients(step, model, features, losses) -> set[str]:
    left_out = {name for key in SATURATING for name in LOSSES[key]}
    total = sum(loss for name, loss in losses.items() if name not in left_out)
    np.testing.assert_allclose(total.detach(), step.arrays['out/loss_total_for_grad'], rtol=1e-5)
    total.backward()
    compared = {'out/loss_total_for_grad'}
    for scene in step.scenes:
        key = f'grad/scene{scene}/sp_feats'
        _close_to_largest(features[scene].superpoint_features.grad, step.arrays[key], key)
        compared.add(key)
    parameters = dict(model.named_parameters())
    for name, expected in step.weights('grad/param/').items():
        _close_to_largest(parameters[name].grad, expected.numpy(), name)
    return compared | {key for key in step.arrays.files if key.startswith('grad/param/')}


def _close_to_largest(actual: torch.Tensor, expected: np.ndarray, name: str) -> None:
    tolerance = 2e-4 * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, atol=tolerance, rtol=0, err_msg=name)
