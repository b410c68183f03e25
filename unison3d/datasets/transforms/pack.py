"""From a sample of arrays to what the model takes."""

from __future__ import annotations

import numpy as np
import torch

from unison3d.registry import TRANSFORMS
from unison3d.structures import Prompts, SceneSample


@TRANSFORMS.register_module()
class PackScene:
    """Pack a sample into ``inputs`` (tensors) and ``data_samples`` (a ``SceneSample``).

    ``inputs`` holds points (N, 3), colors (N, 3) (zeros without colours), has_color (bool
    scalar), normals (N, 3), superpoints (N,), and elastic_points (N, 3) and intensity (N, 1)
    where present. Labels that are missing stay away from the ``SceneSample``.
    """

    #: key in the sample, field of ``SceneSample``
    FIELDS = (
        ('semantic', 'gt_semantic'),
        ('instances', 'gt_instances'),
        ('instance_semantic', 'gt_instance_semantic'),
        ('sp_masks', 'sp_masks'),
        ('sp_semantic', 'sp_semantic'),
        ('sp_ignore', 'sp_ignore'),
    )

    def __call__(self, results: dict) -> dict:
        points = _tensor(results['points'])
        colors, normals = results.get('colors'), results.get('normals')
        inputs = {
            'points': points,
            'colors': torch.zeros_like(points) if colors is None else _tensor(colors),
            'has_color': torch.tensor(colors is not None),
            'normals': torch.zeros_like(points) if normals is None else _tensor(normals),
            'superpoints': _tensor(results['superpoints']),
        }
        for name in ('elastic_points', 'intensity'):
            if results.get(name) is not None:
                inputs[name] = _tensor(results[name])
        meta = {'name': results.get('name', 'scene')}
        if results.get('label_space') is not None:
            meta['label_space'] = results['label_space']
        sample = SceneSample(metainfo=meta)
        for key, field in self.FIELDS:
            if results.get(key) is not None:
                sample.set_data({field: _tensor(results[key])})
        if results.get('instance_names') is not None:
            sample.set_data({'gt_names': list(results['instance_names'])})
        sample.set_data({'prompts': self._prompts(results)})
        return {'inputs': inputs, 'data_samples': sample}

    @staticmethod
    def _prompts(results: dict) -> Prompts:
        prompts = {}
        clicks = ('click_superpoints', 'click_positive', 'click_objects', 'click_targets')
        for key in (*clicks, 'boxes', 'box_objects'):
            if results.get(key) is not None:
                prompts[key] = _tensor(results[key])
        if results.get('text_targets') is not None:
            prompts['texts'] = [sentence['text'] for sentence in results['sentences']]
            kinds = [sentence.get('kind') or '' for sentence in results['sentences']]
            prompts['text_kinds'] = kinds if any(kinds) else []
            prompts['text_targets'] = _tensor(results['text_targets'])
            if results.get('sentence_embeddings') is not None:
                prompts['text_embeddings'] = _tensor(results['sentence_embeddings']).float()
        return Prompts(**prompts)


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
