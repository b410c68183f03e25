"""Panoptic quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unison3d.evaluation.functional import PanopticCounts, PanopticResult, match_panoptic
from unison3d.evaluation.functional.panoptic import Absent
from unison3d.evaluation.metrics.common import SceneMetric, Table, as_numpy
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['PanopticMetric']


@METRICS.register_module()
class PanopticMetric(SceneMetric):
    """Panoptic segmentation: ``PQ``, ``SQ``, ``RQ``, each also of things and of stuff.

    Each stuff class is one segment per scene. ``PQ_dagger`` takes the IoU in place of PQ for stuff.

    Args:
        label_space: see :func:`~unison3d.structures.get_label_space`.
        stuff: classes of which a scene has one segment; None takes those of the label space.
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
        label_space: str | Mapping[str, Any] | LabelSpace = 'scannet20',
        *,
        stuff: Sequence[int] | None = None,
        absent: Absent = 'skip',
        min_points: int = 1,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.label_space = get_label_space(label_space)
        self.stuff = tuple(self.label_space.stuff if stuff is None else stuff)
        self.absent: Absent = absent
        self.min_points = min_points

    def score(self, sample: dict) -> PanopticCounts:
        """Matched segments of one scene."""
        semantic = as_numpy(sample['gt_semantic']).astype(np.int64)
        instances = as_numpy(sample['gt_instances']).astype(np.int64)
        num_classes = len(self.label_space)
        things = np.where(instances >= 0, instances + num_classes, -1)
        return match_panoptic(
            as_numpy(sample['pred_panoptic_semantic']),
            as_numpy(sample['pred_panoptic_instance']),
            semantic,
            np.where(np.isin(semantic, self.stuff), semantic, things),
            num_classes,
            min_points=self.min_points,
        )

    def reduce(self, results: list) -> dict[str, float]:
        """Scores of the summed counts."""
        summary = self._total(results).summary()
        values = {name.upper(): summary[name] for name in ('pq', 'sq', 'rq')}
        for part in ('things', 'stuff'):
            values |= {f'{n.upper()}_{part}': summary[f'{n}_{part}'] for n in ('pq', 'sq', 'rq')}
        return values | {'PQ_dagger': summary['pq_dagger']}

    def tables(self, results: list) -> list[Table]:
        """PQ of every class."""
        result = self._total(results)
        values = np.stack([result.pq, result.sq, result.rq], axis=1)
        columns = ('PQ', 'SQ', 'RQ')
        return [Table.make('panoptic, by class', columns, self.label_space.classes, values)]

    def scene_score(self, result: PanopticCounts) -> float:
        """PQ of the scene; classes that it lacks do not count."""
        return result.result(self.stuff).summary()['pq']

    def _total(self, results: list) -> PanopticResult:
        total = PanopticCounts.zeros(len(self.label_space))
        for counts in results:
            total.add(counts)
        return total.result(self.stuff, self.absent)
