"""Average precision of instances."""

from __future__ import annotations

from typing import Any

import numpy as np

from unison3d.evaluation.functional import (
    InstanceResult,
    SceneMatches,
    distinct_masks,
    instance_result,
    match_instances,
)
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['InstanceMetric']


@METRICS.register_module()
class InstanceMetric(SceneMetric):
    """Instance segmentation by the ScanNet rules: ``AP``, ``AP50``, ``AP25``.

    Without classes (``agnostic_AP`` ...) every object counts, also those whose class is outside
    the label space, and equal masks of one scene count once.

    Args:
        label_space: name of the label space, or the space itself. Stuff is not evaluated.
        min_points: smaller objects are ignored, smaller predictions dropped.
        class_agnostic: report AP without classes as well.
        per_class: also report ``AP50_<class>``.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``instance``.
    """

    default_prefix = 'instance'
    required = ('gt_instances', 'gt_instance_semantic', 'pred_instances')

    def __init__(
        self,
        label_space: str | LabelSpace = 'scannet20',
        *,
        min_points: int = 100,
        class_agnostic: bool = True,
        per_class: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.label_space = get_label_space(label_space)
        self.min_points = min_points
        self.class_agnostic = class_agnostic
        self.per_class = per_class

    def score(self, sample: dict) -> dict[str, SceneMatches]:
        """Matches of one scene, with and without classes."""
        predicted = sample['pred_instances']
        masks, scores = as_numpy(predicted.superpoint_masks), as_numpy(predicted.scores)
        labels = as_numpy(predicted.labels)
        gt_labels = self.label_space.thing_label(as_numpy(sample['gt_instance_semantic']))
        common: dict[str, Any] = {
            'gt_instances': as_numpy(sample['gt_instances']),
            'gt_labels': gt_labels,
            'min_points': self.min_points,
            'superpoints': as_numpy(predicted.superpoints),
        }
        things = range(len(self.label_space.things))
        matches = {'': match_instances(masks, labels, scores, class_ids=things, **common)}
        if self.class_agnostic:
            rows = distinct_masks(masks, scores)
            matches['agnostic_'] = match_instances(
                masks[rows], labels[rows], scores[rows], class_ids=None, **common
            )
        return matches

    def reduce(self, results: list) -> dict[str, float]:
        """AP over all scenes."""
        result = instance_result([r[''] for r in results], len(self.label_space.things))
        values = _named(result)
        if self.class_agnostic:
            values |= _named(instance_result([r['agnostic_'] for r in results], 1), 'agnostic_')
        if self.per_class:
            table = np.asarray(result.table())[:, 1]
            names = self.label_space.thing_names
            values |= {f'AP50_{name}': float(v) for name, v in zip(names, table, strict=True)}
        return values


def _named(result: InstanceResult, prefix: str = '') -> dict[str, float]:
    names = (f'{prefix}AP', f'{prefix}AP50', f'{prefix}AP25')
    return dict(zip(names, result.mean(), strict=True))
