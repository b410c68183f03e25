"""Recorded predictions and targets as what tasks and links read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from conftest import REPO_ROOT
from mmengine.config import Config

from unison3d.models import UnifiedSegmentor
from unison3d.models.decoders import LayerOutput
from unison3d.models.tasks import ClosedSetTask
from unison3d.models.tasks.base import TaskOutput
from unison3d.registry import MODELS
from unison3d.structures import LabelSpace, Prompts, SceneSample

PUBLISHED = REPO_ROOT / 'configs' / '_base_' / 'models' / 'uniseg3d.py'

#: recorded loss: ours, whose sum it is
LOSSES = {
    'inst_loss': ['loss_instance'],
    'ov_inst_loss': ['loss_pseudo'],
    'iou_inst_loss': ['loss_quality'],
    'seg_loss': ['loss_semantic'],
    'point_prompt_inst_loss': ['loss_click', 'loss_click_class'],
    'text_prompt_inst_loss': ['loss_text', 'loss_text_class'],
    'IntrinsicPointAndQuery_loss': ['loss_click_distillation'],
    'contrastive_loss': ['loss_contrastive'],
    'rank_loss': ['loss_ranking'],
    'pseudo_ditribute_loss': ['loss_class_distillation'],
}
#: of which weight 0 is published
UNPUBLISHED = {'loss_click_quality', 'loss_text_quality'}
#: recorded kind of query, our task
TASKS = {'query': 'closed_set', 'point': 'click', 'text': 'text'}
#: recorded prediction, where a layer of :class:`RecordedTask` has it
FIELDS = {'cls_preds': 'class_embeddings', 'sem_preds': 'semantic_embeddings'}
FIELDS |= {'masks': 'mask_logits', 'contras_embeds': 'embeddings', 'preds_iou': 'embeddings'}


@dataclass
class Recording:
    """One file of recorded cases."""

    arrays: np.lib.npyio.NpzFile
    config: dict

    @classmethod
    def load(cls, path: Path) -> Recording:
        arrays = np.load(path)
        config = json.loads(str(arrays['config_json']))
        assert config['cases']
        return cls(arrays, config)

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

    @property
    def label_space(self) -> LabelSpace:
        """As many classes as recorded."""
        return recorded_label_space(self.num_classes, self.num_stuff)

    def num_scenes(self, case: str) -> int:
        return len(self.config['cases'][case]['scenes'])

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    def keys(self, part: str) -> set[str]:
        """Names of arrays with ``/part/`` in them."""
        return {key for key in self.arrays.files if f'/{part}/' in key}


def recorded_label_space(num_classes: int, num_stuff: int) -> LabelSpace:
    """A label space of any size."""
    return LabelSpace(
        name='recorded',
        classes=tuple(f'class {i}' for i in range(num_classes)),
        stuff=tuple(range(num_stuff)),
        palette=np.zeros((num_classes, 3), np.uint8),
        raw_ids=tuple(range(1, num_classes + 1)),
    )


def instance_rows(masks_novel: torch.Tensor, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of labelled instances and of pseudo masks; the semantic rows come last."""
    rows = len(masks_novel)
    instance = torch.arange(rows) < rows - num_classes - 1
    return instance & ~masks_novel, instance & masks_novel


class RecordedTask(ClosedSetTask):
    """Takes recorded numbers where the decoder's answer would be turned into them.

    ``class_embeddings`` of a layer hold instance logits, ``semantic_embeddings`` semantic logits,
    ``embeddings`` of superpoint queries the predicted IoU.
    """

    def instance_logits(self, layer: LayerOutput) -> torch.Tensor:
        return layer.class_embeddings

    def semantic_logits(self, layer: LayerOutput) -> torch.Tensor:
        return layer.semantic_embeddings[:, : self.label_space.num_classes]


def recorded_model(recording: Recording) -> UnifiedSegmentor:
    """The shipped config of the published model with the recorded weights of losses.

    Switches of odd behaviour come from the config, numbers from the recording.
    """
    if 'RecordedTask' not in MODELS.module_dict:
        MODELS.register_module(module=RecordedTask)
    config = Config.fromfile(PUBLISHED).model.to_dict()
    config['backbone'] = {'type': 'SparseUNet', 'in_channels': 6, 'planes': (2, 2), 'num_blocks': 1}
    config['decoder'] |= dict(d_model=2, num_heads=1, num_layers=1, hidden_dim=2, embedding_dim=2)
    tasks, links = config['tasks'], config['links']
    recorded = recording.config
    inst = recorded['inst']
    assert inst['fix_dice_loss_weight'] and inst['fix_mean_loss'] and inst['pred_iou']
    tasks['closed_set'] |= dict(type='RecordedTask', label_space='recorded', num_prototypes=1)
    tasks['closed_set'] |= dict(
        matcher=_matcher(inst['topk'], inst['matcher_costs']),
        pseudo_matcher=_matcher(inst['topk'], inst['ov_matcher_costs']),
        semantic_weight=recorded['sem']['loss_weight'],
        quality_weight=inst['IoU_loss_weight'],
    )
    tasks['closed_set']['instance_loss'] |= _weights(inst, inst['class_weight_background'])
    bce, dice = inst['loss_weight'][4:6]
    tasks['closed_set']['pseudo_loss'] |= dict(bce_weight=bce, dice_weight=dice)
    for name, key in (('click', 'point'), ('text', 'text')):
        prompt = recorded[key]
        assert prompt['fix_dice_loss_weight'] and prompt['fix_mean_loss']
        tasks[name]['mask_loss'] |= _weights(prompt, prompt['non_object_weight'])
        tasks[name]['loss_weight'] = prompt['total_weight']
    links['click_distillation'] |= dict(
        weight=inst['IntrinsicPointAndQuery_loss_weight'], share=inst['ratio']
    )
    assert recorded['text']['use_cls_supervise']
    prompt = recorded['point']
    assert prompt == {k: v for k, v in recorded['text'].items() if k != 'use_cls_supervise'}
    links['prompt_class'] |= dict(
        weight=prompt['total_weight'] * prompt['loss_weight'][0],
        background_weight=prompt['non_object_weight'],
    )
    contrastive = recorded['contrastive']
    assert contrastive['use_ranking'] and contrastive['use_pseudo_cls_supervise']
    links['contrastive']['weight'] = contrastive['contrastive_loss_weight']
    links['ranking']['weight'] = contrastive['ranking_loss_weight']
    links['class_distillation']['weight'] = contrastive['cls_logit_loss_weight']
    model = MODELS.build(config)
    for task in model.tasks.values():
        # The predicted IoU is recorded; that of prompts, which the reference has not, weighs zero.
        task.quality_head = _FirstColumn()
    model.links['contrastive'].logit_scale.data = recording.tensor('contrastive_logit_scale')
    return model


class _FirstColumn(torch.nn.Module):
    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        return embeddings[:, 0]


def _matcher(topk: int, costs: dict) -> dict:
    return dict(
        topk=topk,
        class_weight=costs.get('cls', 0.0),
        bce_weight=costs['bce'],
        dice_weight=costs['dice'],
    )


def _weights(config: dict, background: float) -> dict:
    weights = config['loss_weight']
    return dict(
        class_loss_weight=weights[0],
        bce_weight=weights[1],
        dice_weight=weights[2],
        background_weight=background,
    )


def recorded_outputs(recording: Recording, case: str) -> dict[str, list[TaskOutput]]:
    """Predictions as leaves of the graph, by our task."""
    return {
        task: [
            _task_output(recording, case, kind, scene)
            for scene in range(recording.num_scenes(case))
        ]
        for kind, task in TASKS.items()
    }


def _task_output(recording: Recording, case: str, kind: str, scene: int) -> TaskOutput:
    gt = f'{case}/in/gt/scene{scene}'
    columns, drawn = recording.tensor(f'{gt}/sp_masks'), recording.tensor(f'{gt}/query_masks')
    layers = []
    for name in recording.layers:
        pred = f'{case}/in/{kind}/{name}/scene{scene}'
        fields = {}
        for field, attribute in FIELDS.items():
            # Contrastive embeddings of superpoint queries are not read; their IoU takes the place.
            if f'{pred}/{field}' in recording.arrays.files and (kind, field) != (
                'query',
                'contras_embeds',
            ):
                fields[attribute] = recording.tensor(f'{pred}/{field}').requires_grad_()
        if not fields:
            assert kind != 'query'
            fields = _no_rows(recording, columns.shape[1], last=name == 'final')
        layers.append(LayerOutput(**fields))
    rows = len(layers[-1].mask_logits)
    if kind != 'query':
        return TaskOutput(layers, torch.full((rows,), -1))
    # Which superpoint a query came from is not recorded. Any whose column of the ground truth is
    # that of the query does, since nothing else is read of it.
    same = (columns[:, :, None] == drawn[:, None, :]).all(dim=0)
    assert bool(same.any(dim=0).all())
    return TaskOutput(layers, same.int().argmax(dim=0))


def _no_rows(recording: Recording, num_superpoints: int, *, last: bool) -> dict:
    num_things = recording.config['num_instance_classes']
    widths = {
        'embeddings': recording.config['embed_dim'],
        'mask_logits': num_superpoints,
        'class_embeddings': num_things + 1,
    }
    if last:
        widths['semantic_embeddings'] = recording.num_classes + 1
    return {name: torch.zeros(0, width, requires_grad=True) for name, width in widths.items()}


def recorded_sample(recording: Recording, case: str, scene: int) -> SceneSample:
    """Targets and prompts of one scene."""
    gt = f'{case}/in/gt/scene{scene}'
    masks = recording.tensor(f'{gt}/sp_masks')
    base, novel = instance_rows(recording.tensor(f'{gt}/is_novel'), recording.num_classes)
    labels = recording.tensor(f'{gt}/labels_3d')[base]
    sample = SceneSample(
        sp_masks=masks[base],
        sp_pseudo_masks=masks[novel],
        sp_semantic=masks[-(recording.num_classes + 1) :].int().argmax(dim=0),
        sp_ignore=torch.zeros(masks.shape[1], dtype=torch.bool),
        gt_instance_semantic=labels + recording.num_stuff,
        prompts=_prompts(recording, case, scene, masks[base], labels),
    )
    weights = f'{case}/in/point_gt/scene{scene}/point_prompt_distance_norms'
    if recording.config['cases'][case]['distance_norms']:
        sample.click_weights = recording.tensor(weights)
    return sample


def _prompts(
    recording: Recording, case: str, scene: int, masks: torch.Tensor, labels: torch.Tensor
) -> Prompts:
    """Clicks by instance, sentences by the object id of a click; recorded targets must agree."""
    click, text = f'{case}/in/point_gt/scene{scene}', f'{case}/in/text_gt/scene{scene}'
    clicked = torch.zeros(0, dtype=torch.int64)
    if f'{click}/point_prompt_instance_ids' in recording.arrays.files:
        clicked = recording.tensor(f'{click}/point_prompt_instance_ids').long()
        assert torch.equal(recording.tensor(f'{click}/sp_masks').bool(), masks[clicked])
        assert torch.equal(recording.tensor(f'{click}/labels_3d').long(), labels[clicked])
    object_ids = recording.tensor(f'{click}/point_object_id')
    meant = recording.tensor(f'{text}/text_object_id')
    text_targets = torch.zeros(len(meant), len(masks), dtype=torch.bool)
    if len(meant):
        instance = clicked[(meant[:, None] == object_ids[None]).int().argmax(dim=1)]
        text_targets[torch.arange(len(meant)), instance] = True
        assert torch.equal(recording.tensor(f'{text}/sp_masks').bool(), masks[instance])
        assert torch.equal(recording.tensor(f'{text}/labels_3d').long(), labels[instance])
    return Prompts(
        click_superpoints=torch.zeros_like(clicked),
        click_positive=torch.ones(len(clicked), dtype=torch.bool),
        click_objects=torch.arange(len(clicked)),
        click_targets=clicked,
        texts=['a sentence'] * len(meant),
        text_targets=text_targets,
    )
