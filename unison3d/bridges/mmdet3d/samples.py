"""``Det3DDataSample`` and :class:`~unison3d.structures.SceneSample`, both ways.

================================================== =============================================
theirs                                             ours
================================================== =============================================
``gt_pts_seg.pts_semantic_mask``                   ``gt_semantic``
``gt_pts_seg.pts_instance_mask``                   ``gt_instances``, ``gt_instance_semantic``, and
                                                   ``gt_instance_ids``, the numbers they had
``gt_pts_seg.sp_pts_mask``                         ``superpoints``
``gt_instances_3d`` (depth or LiDAR boxes, labels) ``gt_boxes`` (centre, size, yaw, further
                                                   columns), ``gt_box_semantic``
``pred_pts_seg.pts_semantic_mask``                 ``pred_semantic``
``pred_pts_seg.pts_instance_mask``,                ``pred_instances``
``instance_labels``, ``instance_scores``
meta information                                   the same, and ``name``
anything else                                      in the dictionary ``mmdet3d``
in the dictionary ``unison3d``                     anything else: prompts, superpoint targets, ...
================================================== =============================================

Where ``gt_pts_seg`` says nothing, ``eval_ann_info`` is read, which is where their test pipelines
put the annotation. What has no counterpart travels in the two dictionaries and is put back on the
way back, so that neither way loses anything. Tensors come back on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from unison3d.bridges.mmdet3d.boxes import boxes_to_ours, boxes_to_theirs
from unison3d.bridges.mmdet3d.labels import ClassTable
from unison3d.bridges.mmdet3d.masks import (
    dense_instances,
    instance_masks,
    instance_semantic,
    point_ids,
)
from unison3d.errors import SceneError
from unison3d.structures import SceneSample

if TYPE_CHECKING:
    from mmdet3d.structures import Det3DDataSample

__all__ = ['REST_OF_OURS', 'REST_OF_THEIRS', 'det3d_sample', 'scene_sample']

REST_OF_THEIRS = 'mmdet3d'
REST_OF_OURS = 'unison3d'
_PREDICTION = ('pts_instance_mask', 'instance_labels', 'instance_scores')


def scene_sample(
    sample: Det3DDataSample | Mapping[str, Any], table: ClassTable, *, no_instance: int = 0
) -> SceneSample:
    """Ours of theirs.

    Args:
        sample: their sample, or its dictionary form, which evaluators get.
        table: the two numberings of classes.
        no_instance: number of points without an instance in ``pts_instance_mask``: 0 in ScanNet and
            S3DIS as MMDetection3D prepares them.

    Raises:
        SceneError: numbers that are no class, or sizes that do not fit together.
    """
    meta, rest = _open(sample)
    kept = dict(rest.pop(REST_OF_OURS, None) or {})
    meta.setdefault('name', _name(meta | rest))
    meta['label_space'] = table.space.name
    scene = SceneSample(metainfo=meta)
    truth = _open_part(rest, 'gt_pts_seg')
    annotation = dict(rest.get('eval_ann_info') or {})
    for name in ('pts_semantic_mask', 'pts_instance_mask'):
        if name not in truth and name in annotation:
            truth[name] = annotation[name]
    if 'sp_pts_mask' in truth:
        scene.superpoints = _tensor(truth.pop('sp_pts_mask')).long()
    if 'pts_semantic_mask' in truth:
        scene.gt_semantic = _tensor(table.to_ours(_array(truth.pop('pts_semantic_mask'))))
    if 'pts_instance_mask' in truth:
        _add_instances(scene, _array(truth.pop('pts_instance_mask')), table, no_instance, kept)
    predicted = _open_part(rest, 'pred_pts_seg')
    if 'pts_semantic_mask' in predicted:
        scene.pred_semantic = _tensor(table.to_ours(_array(predicted.pop('pts_semantic_mask'))))
    if all(name in predicted for name in _PREDICTION):
        _add_predicted(scene, [predicted.pop(name) for name in _PREDICTION], table, kept)
    boxes = _open_part(rest, 'gt_instances_3d')
    if boxes.get('bboxes_3d') is not None and boxes_to_ours(boxes['bboxes_3d']) is not None:
        scene.gt_boxes, kind = boxes_to_ours(boxes.pop('bboxes_3d'))
        rest['box_kind'] = kind
        if 'labels_3d' in boxes:
            labels = table.to_ours(_array(boxes.pop('labels_3d')))
            scene.gt_box_semantic = _tensor(labels)
    for name, part in (
        ('gt_pts_seg', truth),
        ('pred_pts_seg', predicted),
        ('gt_instances_3d', boxes),
    ):
        if part:
            rest[name] = part
    scene.set_data({name: value for name, value in kept.items() if name not in scene})
    if rest:
        scene.set_data({REST_OF_THEIRS: rest})
    return scene


def det3d_sample(
    scene: SceneSample | Mapping[str, Any],
    table: ClassTable,
    *,
    no_instance: int = 0,
    instances: Literal['ids', 'rows'] = 'ids',
    annotate: bool = False,
) -> Det3DDataSample:
    """Theirs of ours.

    Args:
        scene: our sample, or its dictionary form, which evaluators get.
        table: the two numberings of classes.
        no_instance: written for points without an instance.
        instances: form of predicted instances. ``'ids'`` is that of MMDetection3D, (N,), in which a
            point of several masks goes to the best scored one; ``'rows'`` is bool (K, N), as models
            on top of it have it.
        annotate: also write the ground truth to ``eval_ann_info``, for their metrics.
    """
    from mmdet3d.structures import Det3DDataSample, PointData
    from mmengine.structures import InstanceData

    meta, kept = _open(scene)
    rest = dict(kept.pop(REST_OF_THEIRS, None) or {})
    sample = Det3DDataSample(metainfo=meta)
    truth = dict(rest.pop('gt_pts_seg', {}))
    if 'gt_semantic' in kept:
        truth['pts_semantic_mask'] = _tensor(table.to_theirs(_array(kept.pop('gt_semantic'))))
    if 'gt_instances' in kept:
        instance = _array(kept.pop('gt_instances')).astype(np.int64)
        count = max(int(instance.max(initial=-1)) + 1, len(kept.get('gt_instance_semantic', ())))
        ids = _array(kept.pop('gt_instance_ids', np.arange(count) + no_instance + 1))
        truth['pts_instance_mask'] = _tensor(np.append(ids, no_instance)[instance])
        kept['gt_instance_ids'] = _tensor(ids)
    if 'superpoints' in kept:
        truth['sp_pts_mask'] = kept.pop('superpoints')
    predicted = dict(rest.pop('pred_pts_seg', {}))
    if 'pred_semantic' in kept:
        predicted['pts_semantic_mask'] = _tensor(table.to_theirs(_array(kept.pop('pred_semantic'))))
    if kept.get('pred_instances') is not None:
        masks = kept['pred_instances'].to('cpu')  # kept whole: ids cannot say that masks overlap
        predicted['pts_instance_mask'] = point_ids(masks) if instances == 'ids' else masks.masks
        predicted['instance_labels'] = _tensor(table.instance_labels(masks.labels, 'theirs'))
        predicted['instance_scores'] = masks.scores
    boxes = dict(rest.pop('gt_instances_3d', {}))
    kind = rest.pop('box_kind', None)
    if 'gt_boxes' in kept:
        boxes['bboxes_3d'] = boxes_to_theirs(kept.pop('gt_boxes'), kind)
        if 'gt_box_semantic' in kept:
            boxes['labels_3d'] = _tensor(table.to_theirs(_array(kept.pop('gt_box_semantic'))))
    sample.set_data(rest)
    for name, part, make in (
        ('gt_pts_seg', truth, PointData),
        ('pred_pts_seg', predicted, PointData),
        ('gt_instances_3d', boxes, InstanceData),
    ):
        if part:
            sample.set_data({name: make(**part)})
    if annotate:
        names = ('pts_semantic_mask', 'pts_instance_mask')
        sample.eval_ann_info = {n: truth[n].numpy() for n in names if n in truth}
    if kept:
        sample.set_data({REST_OF_OURS: kept})
    return sample


def _add_instances(
    scene: SceneSample, ids: np.ndarray, table: ClassTable, no_instance: int, kept: dict
) -> None:
    """Ground-truth instances; what a sample of ours once said about them is taken where it fits."""
    instances, names = dense_instances(ids, no_instance)
    before = kept.pop('gt_instance_ids', None)
    semantic = kept.pop('gt_instance_semantic', None)
    if before is not None and np.isin(names, _array(before)).all():
        # An instance without points has no trace in their masks.
        order = np.argsort(_array(before), kind='stable')
        place = order[np.searchsorted(_array(before)[order], names)]
        instances = np.append(place, -1)[instances]
        names = _array(before)
    else:
        semantic = None
    if semantic is None and 'gt_semantic' in scene:
        classes = _array(scene.gt_semantic)
        semantic = _tensor(
            instance_semantic(instances, classes, len(names), table.space.num_classes)
        )
    scene.gt_instances, scene.gt_instance_ids = _tensor(instances), _tensor(names)
    if semantic is not None:
        scene.gt_instance_semantic = semantic


def _add_predicted(scene: SceneSample, parts: list, table: ClassTable, kept: dict) -> None:
    masks, labels, scores = (_tensor(part) for part in parts)
    before = kept.pop('pred_instances', None)
    if before is not None:
        same = masks.ndim == 1 and torch.equal(point_ids(before.to('cpu')), masks)
        if same or (masks.ndim == 2 and torch.equal(before.masks.cpu(), masks)):
            scene.pred_instances = before
            return
    labels = _tensor(table.instance_labels(labels, 'ours'))
    scene.pred_instances = instance_masks(masks, labels, scores, scene.get('superpoints'))


def _open(sample: BaseDataElement | Mapping[str, Any]) -> tuple[dict, dict]:
    """Meta information and fields; of a dictionary, which does not tell, all are fields."""
    if isinstance(sample, Mapping):
        return {}, {name: value for name, value in sample.items() if value is not None}
    return dict(sample.metainfo_items()), dict(sample.items())


def _open_part(rest: dict, name: str) -> dict:
    part = rest.pop(name, None)
    if part is None:
        return {}
    return dict(part.items())


def _name(meta: Mapping[str, Any]) -> str:
    path = meta.get('lidar_path')
    return PurePath(path).stem if path else str(meta.get('sample_idx', 'scene'))


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _tensor(value: Any) -> Tensor:
    if isinstance(value, list):
        raise SceneError(
            f'a list of {len(value)} masks, expected one tensor. Models that predict several kinds '
            'of masks at once need their sample split before it is converted.'
        )
    return value.detach().cpu() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
