"""Mean IoU and accuracy of point classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unison3d.evaluation.class_groups import semantic_groups
from unison3d.evaluation.functional import (
    SemanticResult,
    class_points,
    confusion_matrix,
    nan_mean,
    points_result,
)
from unison3d.evaluation.metrics.common import SceneMetric, Table, as_numpy
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['SemanticMetric']


@METRICS.register_module()
class SemanticMetric(SceneMetric):
    """Semantic segmentation: ``mIoU``, ``acc``, ``mAcc``, on request the IoU of every class.

    Label spaces with groups (ScanNet200) add ``head_mIoU``, ``common_mIoU`` and ``tail_mIoU``.

    Args:
        label_space: see :func:`~unison3d.structures.get_label_space`.
        per_class: also report ``IoU_<class>``.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``semantic``.
    """

    default_prefix = 'semantic'
    required = ('gt_semantic', 'pred_semantic')

    def __init__(
        self,
        label_space: str | Mapping[str, Any] | LabelSpace = 'scannet20',
        *,
        per_class: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.label_space = get_label_space(label_space)
        self.groups = semantic_groups(self.label_space)
        self.per_class = per_class

    def score(self, sample: dict) -> np.ndarray:
        """Points of each class in one scene."""
        confusion = confusion_matrix(
            as_numpy(sample['pred_semantic']),
            as_numpy(sample['gt_semantic']),
            len(self.label_space),
        )
        return class_points(confusion)

    def reduce(self, results: list) -> dict[str, float]:
        """Scores of the summed points."""
        result = self._total(results)
        values = {
            'mIoU': result.miou,
            'acc': result.accuracy,
            'mAcc': result.mean_accuracy,
        }
        for name, ids in self.groups.items():
            values[f'{name}_mIoU'] = nan_mean(result.iou[list(ids)])
        if self.per_class:
            names = self.label_space.classes
            values |= {f'IoU_{name}': float(v) for name, v in zip(names, result.iou, strict=True)}
        return values

    def tables(self, results: list) -> list[Table]:
        """IoU and accuracy of every class."""
        result = self._total(results)
        values = np.stack([result.iou, result.accuracy_per_class], axis=1)
        return [Table.make('semantic, by class', ('IoU', 'acc'), self.label_space.classes, values)]

    def scene_score(self, result: np.ndarray) -> float:
        """Mean IoU of the classes of the scene."""
        return points_result(result).miou

    def _total(self, results: list) -> SemanticResult:
        return points_result(sum(results, np.zeros((len(self.label_space), 3), dtype=np.int64)))
