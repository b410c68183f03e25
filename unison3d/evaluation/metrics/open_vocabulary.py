"""Names that training has seen, and names that it has not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unison3d.evaluation.functional import (
    SceneMatches,
    confusion_matrix,
    instance_result,
    match_instances,
    nan_mean,
)
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['OpenVocabularyMetric']


@dataclass(frozen=True)
class _SceneNames:
    """Result of one scene; columns of ``points`` are right, true and predicted points."""

    names: tuple[str, ...]
    matches: SceneMatches
    points: np.ndarray | None


@METRICS.register_module()
class OpenVocabularyMetric(SceneMetric):
    """Open-vocabulary segmentation: AP and mIoU of seen and of unseen names.

    The model is asked for all names of ``vocabulary`` at once, seen and unseen, so an unseen name
    has to win against its seen relatives. Names are matched as text, so the vocabulary may differ
    from scene to scene. Objects whose name is not in the vocabulary count as not annotated.

    Numbers: ``unseen_AP``, ``unseen_AP50``, ``unseen_AP25``, ``unseen_mIoU``, the same for ``seen``
    and, without prefix, for all names.

    Args:
        unseen: names that were withheld in training. Default: those of the procedural rooms.
        label_space: names the points of stuff classes.
        min_points: smaller objects are ignored, smaller predictions dropped.
        constant_score: every prediction gets the score 1, as in the published protocol; such an AP
            is far more tolerant than a ranked one.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``open_vocabulary``.
    """

    default_prefix = 'open_vocabulary'
    required = ('gt_instances', 'gt_names', 'pred_open', 'vocabulary')

    def __init__(
        self,
        unseen: Sequence[str] | None = None,
        *,
        label_space: str | LabelSpace = 'scannet20',
        min_points: int = 100,
        constant_score: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if unseen is None:
            from unison3d.synth.catalog import withheld_names

            unseen = withheld_names()
        self.unseen = {_plain(name) for name in unseen}
        self.label_space = get_label_space(label_space)
        self.min_points = min_points
        self.constant_score = constant_score

    def score(self, sample: dict) -> _SceneNames:
        """Matches and point counts of one scene, by name."""
        names = tuple(_plain(name) for name in sample['vocabulary'])
        index = {name: i for i, name in enumerate(names)}
        # Ranked pairs where the model gives them; otherwise each object counts under one name.
        predicted = sample.get('pred_open_ranked')
        if predicted is None:
            predicted = sample['pred_open']
        labels = np.array(
            [index.get(_plain(name), -1) for name in sample['gt_names']], dtype=np.int64
        )
        scores = as_numpy(predicted.scores)
        instances = as_numpy(sample['gt_instances']).astype(np.int64)
        matches = match_instances(
            as_numpy(predicted.superpoint_masks),
            as_numpy(predicted.labels),
            np.ones(len(scores)) if self.constant_score else scores,
            instances,
            labels,
            class_ids=range(len(names)),
            min_points=self.min_points,
            superpoints=as_numpy(predicted.superpoints),
        )
        points = None
        if sample.get('pred_open_semantic') is not None:
            gt = np.append(labels, -1)[instances]  # index -1 is the appended "no name"
            if sample.get('gt_semantic') is not None:
                semantic = as_numpy(sample['gt_semantic'])
                for stuff in self.label_space.stuff:
                    name = _plain(self.label_space.classes[stuff])
                    gt[(semantic == stuff) & (instances < 0)] = index.get(name, -1)
            confusion = confusion_matrix(as_numpy(sample['pred_open_semantic']), gt, len(names))
            counts = confusion[:-1]
            points = np.stack(
                [np.diagonal(counts), counts.sum(axis=1), counts[:, :-1].sum(axis=0)], axis=1
            )
        return _SceneNames(names, matches, points)

    def reduce(self, results: list) -> dict[str, float]:
        """AP and mIoU over all scenes, apart for seen and unseen names."""
        names = sorted({name for result in results for name in result.names})
        index = {name: i for i, name in enumerate(names)}
        points = np.zeros((len(names), 3), dtype=np.int64)
        matches = []
        for result in results:
            move = np.array([index[name] for name in result.names], dtype=np.int64)
            scene = result.matches
            matches.append(
                replace(scene, classes=move[scene.classes], gt_classes=move[scene.gt_classes])
            )
            if result.points is not None:
                np.add.at(points, move, result.points)
        table = instance_result(matches, len(names))
        union = points[:, 1] + points[:, 2] - points[:, 0]
        # A name that no point carries says nothing about finding it.
        iou = np.where(points[:, 1] > 0, points[:, 0] / np.maximum(union, 1), np.nan)
        unseen = np.array([name in self.unseen for name in names], dtype=np.bool_)
        values = {}
        for prefix, chosen in [
            ('', np.ones_like(unseen)),
            ('seen_', ~unseen),
            ('unseen_', unseen),
        ]:
            rows = np.flatnonzero(chosen)
            for name, value in zip(('AP', 'AP50', 'AP25'), table.mean(rows), strict=True):
                values[f'{prefix}{name}'] = value
            values[f'{prefix}mIoU'] = nan_mean(iou[rows])
        return values


def _plain(name: str) -> str:
    return ' '.join(str(name).lower().replace('_', ' ').split())
