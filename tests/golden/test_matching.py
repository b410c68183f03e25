"""Matching and the closed-set losses against recorded pairs, costs, values and gradients.

The recorded reference also matches pseudo masks, in a second round, which this package does not
train with. The pairs of that round are compared (:class:`SparseMatcher` finds them); its own loss
is not. It touches the other losses twice:

- queries taken by a pseudo mask teach no class. :class:`RecordedTask` puts the recorded ones aside,
  so the instance loss counts in every case, with and without pseudo masks;
- pseudo pairs take part in the quality loss. Its value counts in cases without pseudo masks, its
  gradient in every scene without them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import fixture_files

from unison3d.models.decoders import LayerOutput
from unison3d.models.matchers import SparseMatcher
from unison3d.models.tasks import ClosedSetTask
from unison3d.models.tasks.base import TaskOutput
from unison3d.structures import LABEL_SPACES, LabelSpace, SceneSample

FILES = fixture_files('uniseg3d', 'losses*.npz')


@dataclass
class Recording:
    """One file of recorded cases."""

    arrays: np.lib.npyio.NpzFile
    config: dict

    @property
    def num_classes(self) -> int:
        return self.config['num_semantic_classes']

    @property
    def num_stuff(self) -> int:
        return self.num_classes - self.config['num_instance_classes']

    @property
    def layers(self) -> list[str]:
        """Names in the order of the decoder: before layer 1, ..., the last."""
        return [f'aux{i}' for i in range(self.config['num_aux_layers'])] + ['final']

    def num_scenes(self, case: str) -> int:
        return len(self.config['cases'][case]['scenes'])

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])


@pytest.fixture(params=FILES)
def recording(request) -> Recording:
    arrays = np.load(request.param)
    config = json.loads(str(arrays['config_json']))
    assert config['cases']
    return Recording(arrays, config)


# ------------------------------------------------------------------------------------- matching


def test_matched_pairs_and_costs(recording):
    inst = recording.config['inst']
    costs, ov_costs = inst['matcher_costs'], inst['ov_matcher_costs']
    base_matcher = SparseMatcher(inst['topk'], costs['cls'], costs['bce'], costs['dice'])
    ov_matcher = SparseMatcher(inst['topk'], 0.0, ov_costs['bce'], ov_costs['dice'])
    num_pairs = 0
    for case in recording.config['cases']:
        for scene in range(recording.num_scenes(case)):
            gt = f'{case}/in/gt/scene{scene}'
            masks = recording.tensor(f'{gt}/sp_masks')
            on_target = recording.tensor(f'{gt}/query_masks')
            labels = recording.tensor(f'{gt}/labels_3d')
            base, ov = _instance_rows(recording, gt)
            for layer in recording.layers:
                pred = f'{case}/in/query/{layer}/scene{scene}'
                logits = recording.tensor(f'{pred}/masks')
                classes = recording.tensor(f'{pred}/cls_preds')
                arguments = (logits, masks[base], on_target[base], classes, labels[base])
                place = f'{layer}/scene{scene}'
                query_ids = _compare(
                    recording, f'{case}/out/match/base/{place}', base_matcher, arguments
                )
                left = torch.ones(len(logits), dtype=torch.bool)
                left[query_ids] = False
                arguments = (logits[left], masks[ov], on_target[ov][:, left])
                ov_ids = _compare(recording, f'{case}/out/match/ov/{place}', ov_matcher, arguments)
                num_pairs += len(query_ids) + len(ov_ids)
    assert num_pairs > 0


def _instance_rows(recording: Recording, gt: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of labelled instances and of pseudo masks; the semantic rows come last."""
    novel = recording.tensor(f'{gt}/is_novel')
    instance = torch.arange(len(novel)) < len(novel) - recording.num_classes - 1
    return instance & ~novel, instance & novel


def _compare(recording: Recording, key: str, matcher: SparseMatcher, arguments) -> torch.Tensor:
    """Compare pairs, and costs (recorded for the last layer); returns the matched queries."""
    arrays = recording.arrays
    query_ids, gt_ids = matcher(*arguments)
    np.testing.assert_array_equal(query_ids, arrays[f'{key}/query_idx'])
    np.testing.assert_array_equal(gt_ids, arrays[f'{key}/gt_idx'])
    if '/final/' in key or f'{key}/cost' in arrays.files:
        expected = arrays[f'{key}/cost']
        np.testing.assert_allclose(matcher.cost(*arguments), expected, rtol=1e-5, atol=1e-6)
    return query_ids


# --------------------------------------------------------------------------------------- losses


class RecordedTask(ClosedSetTask):
    """Takes recorded numbers where the decoder's answer would be turned into them.

    ``class_embeddings`` of a layer hold instance logits, ``semantic_embeddings`` semantic logits,
    ``embeddings`` the predicted IoU. Queries in ``sample.pseudo_queries`` (one list per layer) were
    matched to a pseudo mask and teach no class.
    """

    def __init__(self, recording: Recording) -> None:
        inst = recording.config['inst']
        costs = inst['matcher_costs']
        super().__init__(
            in_channels=1,
            d_model=1,
            label_space='recorded',
            class_embeddings=torch.zeros(recording.num_classes, 1, 1),
            matcher=dict(
                topk=inst['topk'],
                class_weight=costs['cls'],
                bce_weight=costs['bce'],
                dice_weight=costs['dice'],
            ),
            instance_loss=dict(
                class_loss_weight=inst['loss_weight'][0],
                bce_weight=inst['loss_weight'][1],
                dice_weight=inst['loss_weight'][2],
                background_weight=inst['class_weight_background'],
                dice_auxiliary='4/B',
            ),
            semantic_weight=recording.config['sem']['loss_weight'],
            quality_weight=inst['IoU_loss_weight'],
        )
        self.quality_head = torch.nn.Flatten(0)

    def instance_logits(self, layer: LayerOutput) -> torch.Tensor:
        return layer.class_embeddings

    def semantic_logits(self, layer: LayerOutput) -> torch.Tensor:
        return layer.semantic_embeddings[:, : self.label_space.num_classes]

    def _instance_targets(self, output, index, sample):
        targets, error = super()._instance_targets(output, index, sample)
        targets.labels[sample.pseudo_queries[index]] = -1
        return targets, error


@pytest.fixture
def task(recording, monkeypatch) -> RecordedTask:
    count, stuff = recording.num_classes, recording.num_stuff
    space = LabelSpace(
        name='recorded',
        classes=tuple(f'class {i}' for i in range(count)),
        stuff=tuple(range(stuff)),
        palette=np.zeros((count, 3), np.uint8),
        raw_ids=tuple(range(1, count + 1)),
    )
    monkeypatch.setitem(LABEL_SPACES, 'recorded', space)
    return RecordedTask(recording)


def test_losses_and_gradients(recording, task):
    for case in recording.config['cases']:
        scenes = range(recording.num_scenes(case))
        outputs = [_recorded_output(recording, case, scene) for scene in scenes]
        samples = [_recorded_sample(recording, case, scene) for scene in scenes]
        losses = task.loss(outputs, [None] * len(outputs), samples)
        pseudo = [bool(recording.arrays[f'{case}/in/gt/scene{s}/is_novel'].any()) for s in scenes]
        every, none = list(scenes), [scene for scene in scenes if not pseudo[scene]]
        for name, key, comparable in (
            ('loss_instance', 'inst_loss', every),
            ('loss_quality', 'iou_inst_loss', none),
            ('loss_semantic', 'seg_loss', every),
        ):
            if comparable == every:
                expected = recording.arrays[f'{case}/out/loss/{key}']
                np.testing.assert_allclose(
                    losses[name].detach(), expected, rtol=1e-5, atol=1e-6, err_msg=f'{case} {key}'
                )
            prefix = f'{case}/grad/{key}/query'
            _compare_gradients(recording, prefix, losses[name], outputs, comparable)


def _recorded_output(recording: Recording, case: str, scene: int) -> TaskOutput:
    layers = []
    for name in recording.layers:
        pred = f'{case}/in/query/{name}/scene{scene}'
        layer = LayerOutput(
            embeddings=recording.tensor(f'{pred}/preds_iou').requires_grad_(),
            mask_logits=recording.tensor(f'{pred}/masks').requires_grad_(),
            class_embeddings=recording.tensor(f'{pred}/cls_preds').requires_grad_(),
        )
        if name == 'final':
            layer.semantic_embeddings = recording.tensor(f'{pred}/sem_preds').requires_grad_()
        layers.append(layer)
    # Which superpoint a query came from is not recorded. Any whose column of the ground truth is
    # that of the query does, since nothing else is read of it.
    gt = f'{case}/in/gt/scene{scene}'
    columns, drawn = recording.tensor(f'{gt}/sp_masks'), recording.tensor(f'{gt}/query_masks')
    same = (columns[:, :, None] == drawn[:, None, :]).all(dim=0)
    assert bool(same.any(dim=0).all())
    return TaskOutput(layers, same.int().argmax(dim=0))


def _recorded_sample(recording: Recording, case: str, scene: int) -> SceneSample:
    gt = f'{case}/in/gt/scene{scene}'
    masks = recording.tensor(f'{gt}/sp_masks')
    base, _ = _instance_rows(recording, gt)
    pseudo_queries = []
    for layer in recording.layers:
        match = f'{case}/out/match'
        num_queries = len(recording.arrays[f'{case}/in/query/{layer}/scene{scene}/masks'])
        taken = recording.tensor(f'{match}/base/{layer}/scene{scene}/query_idx')
        left = np.setdiff1d(np.arange(num_queries), taken)
        pseudo_queries.append(left[recording.arrays[f'{match}/ov/{layer}/scene{scene}/query_idx']])
    return SceneSample(
        sp_masks=masks[base],
        sp_semantic=masks[-(recording.num_classes + 1) :].int().argmax(dim=0),
        sp_ignore=torch.zeros(masks.shape[1], dtype=torch.bool),
        gt_instance_semantic=recording.tensor(f'{gt}/labels_3d')[base] + recording.num_stuff,
        pseudo_queries=pseudo_queries,
    )


FIELDS = {
    'cls_preds': 'class_embeddings',
    'sem_preds': 'semantic_embeddings',
    'masks': 'mask_logits',
    'preds_iou': 'embeddings',
}


def _compare_gradients(
    recording: Recording,
    prefix: str,
    loss: torch.Tensor,
    outputs: list[TaskOutput],
    scenes: list[int],
) -> None:
    """Compare some scenes; an input without a recorded gradient has a zero one."""
    inputs = {
        f'{prefix}/{name}/scene{scene}/{field}': getattr(layer, attribute)
        for scene in scenes
        for name, layer in zip(recording.layers, outputs[scene].layers, strict=True)
        for field, attribute in FIELDS.items()
        if getattr(layer, attribute) is not None
    }
    if not inputs:
        return
    recorded = {
        key
        for key in recording.arrays.files
        if key.startswith(f'{prefix}/') and any(f'/scene{scene}/' in key for scene in scenes)
    }
    assert recorded <= set(inputs)
    gradients = torch.autograd.grad(
        loss, list(inputs.values()), retain_graph=True, allow_unused=True
    )
    for key, gradient in zip(inputs, gradients, strict=True):
        if key not in recorded:
            assert gradient is None or not bool(gradient.any()), key
            continue
        expected = recording.arrays[key]
        tolerance = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance, err_msg=key)
