"""Masks that follow sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from unison3d.errors import SceneError
from unison3d.evaluation.functional import nan_mean, referring_summary
from unison3d.evaluation.metrics.common import (
    GroundTruth,
    SceneMetric,
    Table,
    as_numpy,
    check_ground_truth,
    instance_counts,
    instance_of_points,
    union_iou,
)
from unison3d.registry import METRICS

__all__ = ['ReferringMetric']

_NAMES = (('miou', 'mIoU'), ('acc25', 'acc@0.25'), ('acc50', 'acc@0.5'))


@METRICS.register_module()
class ReferringMetric(SceneMetric):
    """Referring segmentation: ``mIoU``, ``acc@0.25``, ``acc@0.5``.

    The true mask of a sentence is the union of its targets. A sentence without target is right
    (IoU 1) when nothing is predicted. The same scores are reported for parts of the sentences that
    occur, such as ``mIoU_zero``:

    - ``zero``, ``single``, ``multiple``: by number of targets.
    - ``unique``, ``distractors``: one target that is the only object of its class, or is not. These
      are "unique" and "multiple" of ScanRefer. Objects outside the label space are one class.
    - ``kind_<kind>``: by what the sentence says, where the data set tells.

    ``zero_acc``, ``false_positive_rate`` and ``false_negative_rate`` say how well "not in this
    scene" is told.

    Args:
        ground_truth: ``'points'`` compares with the annotated points. ``'superpoints'`` compares
            with the annotation rounded to superpoints (``sp_masks``), as published numbers do,
            which flatters; a sentence whose target has no superpoint then has IoU 0.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``referring``.
    """

    default_prefix = 'referring'
    required = ('gt_instances', 'prompts', 'pred_texts')

    def __init__(
        self,
        *,
        ground_truth: GroundTruth = 'points',
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ground_truth = check_ground_truth(ground_truth)

    def score(self, sample: dict) -> dict[str, Any] | None:
        """What each sentence meant and got; None if the targets are unknown."""
        predicted, prompts = sample['pred_texts'], sample['prompts']
        if prompts.text_targets is None:
            return None
        targets = as_numpy(prompts.text_targets).astype(np.bool_)
        if len(targets) != len(predicted):
            raise SceneError(
                f'{len(predicted)} predicted masks for {len(targets)} sentences: '
                'pred_texts needs one row per sentence, empty masks included.'
            )
        ids = instance_of_points(self.ground_truth, sample, as_numpy(predicted.superpoints))
        counts, sizes = instance_counts(predicted, ids, targets.shape[1])
        ious = union_iou(counts, sizes, targets)
        if self.ground_truth == 'superpoints':
            vanished = targets.any(axis=1) & (targets @ sizes == 0)
            ious = np.where(vanished, 0.0, ious)
        return {
            'ious': ious,
            'num_targets': targets.sum(axis=1),
            'distractors': _distractors(targets, sample.get('gt_instance_semantic')),
            'answered': counts.sum(axis=1) > 0,
            'kinds': list(prompts.text_kinds) or [''] * len(targets),
        }

    def reduce(self, results: list) -> dict[str, float]:
        """Means over all sentences of all scenes."""
        values = {}
        for name, value in self._summary(results).items():
            score, _, part = name.partition('_')
            renamed = dict(_NAMES).get(score)
            if renamed is None:
                values[name] = value
            else:
                values[f'{renamed}_{part}' if part else renamed] = value
        return values

    def tables(self, results: list) -> list[Table]:
        """The scores of every part of the sentences."""
        summary = self._summary(results)
        parts = [name.removeprefix('miou') for name in summary if name.startswith('miou')]
        values = [[summary[f'{score}{part}'] for score, _ in _NAMES] for part in parts]
        names = [part.strip('_').replace('_', ' ') or 'all' for part in parts]
        columns = [name for _, name in _NAMES]
        return [Table.make('referring, by kind of sentence', columns, names, values)]

    def scene_score(self, result: dict[str, Any]) -> float:
        """Mean IoU of the sentences."""
        return nan_mean(result['ious'])

    @staticmethod
    def _summary(results: list) -> dict[str, float]:
        joined = {
            name: np.concatenate([np.zeros(0), *(result[name] for result in results)])
            for name in ('ious', 'num_targets', 'distractors', 'answered')
        }
        kinds = [kind for result in results for kind in result['kinds']]
        return referring_summary(
            joined.pop('ious'), joined.pop('num_targets'), kinds=kinds, **joined
        )


def _distractors(targets: np.ndarray, classes: Any) -> np.ndarray:
    """Other objects of the class of each single target; -1 where that is not known."""
    if classes is None or targets.shape[1] == 0:
        return np.full(len(targets), -1)
    classes = as_numpy(classes).astype(np.int64)
    of_class = (classes[:, None] == classes[None, :]).sum(axis=1) - 1
    return np.where(targets.sum(axis=1) == 1, of_class[targets.argmax(axis=1)], -1)
