"""From a sample to what the model takes, in the published layout."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import BaseDataElement

from unison3d.registry import TRANSFORMS
from unison3d.structures import SceneSample


@TRANSFORMS.register_module()
class PackPublishedInputs:
    """Pack into ``inputs`` (tensors) and ``data_samples``.

    ``data_samples`` is a ``SceneSample`` with ``gt_instances_3d`` (``sp_masks``, ``labels_3d``,
    ``is_novel``), ``gt_pts_seg`` (``sp_pts_mask``, ``pts_semantic_mask``, ``pts_instance_mask``)
    and ``eval_ann_info``. What a scan does not have stays away. The containers allow fields of
    different lengths: pseudo masks and class rows have no instance.
    """

    INPUTS = (
        'points',
        'elastic_coords',
        'point_prompts',
        'point_prompt_instance_ids',
        'point_prompt_sp_ids',
        'label_text',
        'gt_text_prompt',
        'text_token',
        'text_object_id',
        'pts_instance_objextId_shuffle',
        'sp_pts_mask',
    )
    INSTANCES = (('gt_sp_masks', 'sp_masks'), ('gt_labels_3d', 'labels_3d'))
    INSTANCES += (('is_novel', 'is_novel'),)
    POINTS = ('sp_pts_mask', 'pts_semantic_mask', 'pts_instance_mask')

    def __call__(self, results: dict) -> dict:
        inputs = _tensors(results, {key: key for key in self.INPUTS})
        if results.get('text_prompts') is not None:
            inputs['text_prompts'] = list(results['text_prompts'])
        sample = SceneSample(metainfo={'name': results.get('name', 'scene')})
        sample.gt_instances_3d = BaseDataElement(**_tensors(results, dict(self.INSTANCES)))
        sample.gt_pts_seg = BaseDataElement(**_tensors(results, {key: key for key in self.POINTS}))
        if results.get('eval_pts_instance_mask') is not None:
            sample.eval_ann_info = {
                'pts_semantic_mask': results['pts_semantic_mask'],
                'pts_instance_mask': results['eval_pts_instance_mask'],
                'sp_pts_mask': results['sp_pts_mask'],
                'name': results.get('name', 'scene'),
            }
        return {'inputs': inputs, 'data_samples': sample}


def _tensors(results: dict, names: dict[str, str]) -> dict[str, torch.Tensor]:
    return {
        name: torch.from_numpy(np.ascontiguousarray(results[key]))
        for key, name in names.items()
        if results.get(key) is not None
    }
