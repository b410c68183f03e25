"""Mean IoU and accuracy of point classes."""

from __future__ import annotations

import numpy as np

from unison3d.evaluation.functional import confusion_matrix, semantic_result
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['SemanticMetric']


@METRICS.register_module()
class SemanticMetric(SceneMetric):
    """Semantic segmentation: ``mIoU``, ``acc``, ``mAcc``, on request the IoU of every class.

    Args:
        label_space: name of the label space, or the space itself.
        per_class: also report ``IoU_<class>``.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``semantic``.
    """

    default_prefix = 'semantic'
    required = ('gt_semantic', 'pred_semantic')

    def __init__(
        self,
        label_space: str | LabelSpace = 'scannet20',
        *,
        per_class: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.label_space = get_label_space(label_space)
        self.per_class = per_class

    def score(self, sample: dict) -> np.ndarray:
        """Confusion matrix of one scene."""
        return confusion_matrix(
            as_numpy(sample['pred_semantic']),
            as_numpy(sample['gt_semantic']),
            len(self.label_space),
        )

    def reduce(self, results: list) -> dict[str, float]:
        """Scores of the summed matrix."""
        size = len(self.label_space) + 1
        result = semantic_result(sum(results, np.zeros((size, size), dtype=np.int64)))
        values = {
            'mIoU': result.miou,
            'acc': result.accuracy,
            'mAcc': result.mean_accuracy,
        }
        if self.per_class:
            names = self.label_space.classes
            values |= {f'IoU_{name}': float(v) for name, v in zip(names, result.iou, strict=True)}
        return values
