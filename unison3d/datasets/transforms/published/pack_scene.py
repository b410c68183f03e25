"""From a sample in the published layout to what the models of this package take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from unison3d.datasets.transforms.pack import PackScene
from unison3d.registry import TRANSFORMS
from unison3d.structures import get_label_space


@TRANSFORMS.register_module()
class PackPublishedScene:
    """Pack as :class:`~unison3d.datasets.transforms.PackScene` does, from published fields.

    Takes the place of :class:`PackPublishedInputs` where a model of this package is trained or
    tested. Besides what ``PackScene`` gives, ``inputs`` has ``elastic_coords`` (N, 3) in voxel
    units, ``data_samples`` has ``sp_pseudo_masks`` bool (Z, S), and the prompts have
    ``text_tokens`` int64 (T, 77), each where the scan has them. Clicks are one object each.

    Args:
        label_space: see :func:`~unison3d.structures.get_label_space`.
    """

    def __init__(self, label_space: str | Mapping[str, Any] = 'scannet20') -> None:
        self.label_space = get_label_space(label_space)
        self._pack = PackScene()

    def __call__(self, results: dict) -> dict:
        mean, std = results.get('color_statistics', (0.0, 1.0))
        points = results['points']
        scene = {
            'name': results.get('name', 'scene'),
            'points': points[:, :3],
            'colors': ((points[:, 3:6] * std + mean) / 255).astype(np.float32),
            'superpoints': results['sp_pts_mask'],
        }
        masks = results.get('gt_sp_masks')
        if masks is not None:
            scene |= self._targets(results) | self._clicks(results) | _sentences(results)
        packed = self._pack(scene)
        sample = packed['data_samples']
        if results.get('elastic_coords') is not None:
            packed['inputs']['elastic_coords'] = torch.from_numpy(results['elastic_coords'])
        if masks is not None and results.get('is_novel') is not None:
            pseudo = np.asarray(masks, bool)[results['is_novel']]
            sample.set_data({'sp_pseudo_masks': torch.from_numpy(pseudo)})
        if results.get('text_token') is not None and 'sentences' in scene:
            tokens = np.asarray(results['text_token'], np.int64)[_known(results)]
            sample.prompts.text_tokens = torch.from_numpy(tokens)
        return packed

    def _targets(self, results: dict) -> dict:
        masks = np.asarray(results['gt_sp_masks'], bool)
        count = len(results['pts_instance_objextId'])
        semantic = np.asarray(results['gt_labels_3d'])[:count] + len(self.label_space.stuff)
        shift = results.get('instance_id_shift', 0)
        return {
            'semantic': np.asarray(results['pts_semantic_mask'], np.int64),
            'instances': np.maximum(results['pts_instance_mask'] - shift, -1).astype(np.int64),
            'instance_semantic': semantic,
            'instance_names': [self.label_space.name_of(int(index)) for index in semantic],
            'sp_masks': masks[:count],
            'sp_semantic': masks[-(self.label_space.num_classes + 1) :].argmax(axis=0),
            # Published training learns from every superpoint, labelled or not.
            'sp_ignore': np.zeros(masks.shape[1], bool),
        }

    @staticmethod
    def _clicks(results: dict) -> dict:
        if results.get('point_prompt_sp_ids') is None:
            return {}
        superpoints = np.asarray(results['point_prompt_sp_ids'], np.int64)
        return {
            'click_superpoints': superpoints,
            'click_positive': np.ones(len(superpoints), bool),
            'click_objects': np.arange(len(superpoints)),
            'click_targets': np.asarray(results['point_prompt_instance_ids'], np.int64),
        }


def _known(results: dict) -> np.ndarray:
    """Sentences about an instance of the scene: bool, (T,)."""
    return np.isin(results['text_object_id'], results['pts_instance_objextId'])


def _sentences(results: dict) -> dict:
    if results.get('text_prompts') is None:
        return {}
    known = _known(results)
    meant = np.asarray(results['text_object_id'])[known]
    texts = [text for text, keep in zip(results['text_prompts'], known, strict=True) if keep]
    return {
        'sentences': [{'text': text} for text in texts],
        'text_targets': meant[:, None] == results['pts_instance_objextId'][None],
    }
