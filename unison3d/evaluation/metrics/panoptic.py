"""Panoptic quality."""

from __future__ import annotations

import numpy as np

from unison3d.evaluation.functional import PanopticCounts, match_panoptic
from unison3d.evaluation.functional.panoptic import Absent
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['PanopticMetric']


@METRICS.register_module()
class PanopticMetric(SceneMetric):
    """Panoptic segmentation: ``PQ``, ``SQ``, ``RQ``, and PQ of things and of stuff.

    Each stuff class is one segment per scene.

    Args:
        label_space: name of the label space, or the space itself.
        absent: a class that occurs nowhere is left out (``'skip'``) or counts as 0 (``'zero'``,
            the published numbers).
        min_points: unmatched segments with fewer points are forgiven.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``panoptic``.
    """

    default_prefix = 'panoptic'
    required = (
        'gt_semantic',
        'gt_instances',
        'pred_panoptic_semantic',
        'pred_panoptic_instance',
    )

    def __init__(
        self,
        label_space: str | LabelSpace = 'scannet20',
        *,
        absent: Absent = 'skip',
        min_points: int = 1,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.label_space = get_label_space(label_space)
        self.absent: Absent = absent
        self.min_points = min_points

    def score(self, sample: dict) -> PanopticCounts:
        """Matched segments of one scene."""
        semantic = as_numpy(sample['gt_semantic']).astype(np.int64)
        instances = as_numpy(sample['gt_instances']).astype(np.int64)
        num_stuff = len(self.label_space.stuff)
        things = np.where(instances >= 0, instances + num_stuff, -1)
        return match_panoptic(
            as_numpy(sample['pred_panoptic_semantic']),
            as_numpy(sample['pred_panoptic_instance']),
            semantic,
            np.where((semantic >= 0) & (semantic < num_stuff), semantic, things),
            len(self.label_space),
            min_points=self.min_points,
        )

    def reduce(self, results: list) -> dict[str, float]:
        """Scores of the summed counts."""
        total = PanopticCounts.zeros(len(self.label_space))
        for counts in results:
            total.add(counts)
        summary = total.result(self.label_space.stuff, self.absent).summary()
        return {
            'PQ': summary['pq'],
            'SQ': summary['sq'],
            'RQ': summary['rq'],
            'PQ_things': summary['pq_things'],
            'PQ_stuff': summary['pq_stuff'],
        }
