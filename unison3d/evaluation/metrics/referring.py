"""Masks that follow sentences."""

from __future__ import annotations

import numpy as np

from unison3d.errors import SceneError
from unison3d.evaluation.functional import referring_summary
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy, instance_counts, union_iou
from unison3d.registry import METRICS

__all__ = ['ReferringMetric']


@METRICS.register_module()
class ReferringMetric(SceneMetric):
    """Referring segmentation: ``mIoU``, ``acc@0.25``, ``acc@0.5``.

    The true mask of a sentence is the union of its targets. A sentence without target is right
    (IoU 1) when nothing is predicted. The scores of sentences without, with one and with several
    targets are reported apart (``mIoU_zero``, ``mIoU_single``, ``mIoU_multiple``, ...).

    Args:
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``referring``.
    """

    default_prefix = 'referring'
    required = ('gt_instances', 'prompts', 'pred_texts')

    def score(self, sample: dict) -> dict[str, np.ndarray] | None:
        """IoU and number of targets of each sentence; None if the targets are unknown."""
        predicted, prompts = sample['pred_texts'], sample['prompts']
        if prompts.text_targets is None:
            return None
        targets = as_numpy(prompts.text_targets).astype(np.bool_)
        if len(targets) != len(predicted):
            raise SceneError(
                f'{len(predicted)} predicted masks for {len(targets)} sentences: '
                'pred_texts needs one row per sentence, empty masks included.'
            )
        counts, sizes = instance_counts(predicted, sample['gt_instances'], targets.shape[1])
        return {'ious': union_iou(counts, sizes, targets), 'targets': targets.sum(axis=1)}

    def reduce(self, results: list) -> dict[str, float]:
        """Means over all sentences of all scenes."""
        ious, targets = (
            np.concatenate([np.zeros(0), *(result[name] for result in results)])
            for name in ('ious', 'targets')
        )
        summary = referring_summary(ious, targets)
        return {
            name.replace('miou', 'mIoU').replace('acc25', 'acc@0.25').replace('acc50', 'acc@0.5'): v
            for name, v in summary.items()
        }
