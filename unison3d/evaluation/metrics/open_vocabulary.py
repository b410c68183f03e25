"""Names that training has seen, and names that it has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mmengine.logging import print_log

from unison3d.evaluation.class_groups import base_classes, thing_groups
from unison3d.evaluation.functional import (
    InstanceResult,
    SceneMatches,
    class_points,
    confusion_matrix,
    constant_scores,
    instance_result,
    match_instances,
    nan_mean,
    points_result,
)
from unison3d.evaluation.metrics.common import SceneMetric, Table, as_numpy, named_ap
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
    and, without prefix, for all names. These AP values rank predictions by their scores.
    ``constant_AP``, ``unseen_constant_AP`` ... give every prediction the score 1, as the published
    protocol does: ``R (1 + P) / 2`` per name and threshold, generous to few masks and hard on many,
    never to be compared with a ranked AP.

    Args:
        unseen: names that were withheld in training. Default: those of the procedural rooms.
        label_space: names the points of stuff classes.
        groups: label space whose groups are reported as well (``'scannet200'``: ``head_AP``,
            ``common_AP``, ``tail_AP``, ``base_AP``, ``novel_AP`` and their constant forms).
        min_points: smaller objects are ignored, smaller predictions dropped.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``open_vocabulary``.
    """

    default_prefix = 'open_vocabulary'
    required = ('gt_instances', 'gt_names', 'pred_open', 'vocabulary')

    def __init__(
        self,
        unseen: Sequence[str] | None = None,
        *,
        label_space: str | Mapping[str, Any] | LabelSpace = 'scannet20',
        groups: str | LabelSpace | None = None,
        min_points: int = 100,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if unseen is None:
            from unison3d.synth.catalog import withheld_names

            unseen = withheld_names()
        self.unseen = {_plain(name) for name in unseen}
        self.label_space = get_label_space(label_space)
        self.group_space = None if groups is None else get_label_space(groups)
        self.min_points = min_points

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
        instances = as_numpy(sample['gt_instances']).astype(np.int64)
        matches = match_instances(
            as_numpy(predicted.superpoint_masks),
            as_numpy(predicted.labels),
            as_numpy(predicted.scores),
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
            pred = as_numpy(sample['pred_open_semantic'])
            points = class_points(confusion_matrix(pred, gt, len(names)))
        return _SceneNames(names, matches, points)

    def reduce(self, results: list) -> dict[str, float]:
        """AP and mIoU over all scenes, apart for seen and unseen names."""
        total = _Total.of(results)
        values: dict[str, float] = {}
        for prefix, rows in self._parts(total.names).items():
            values |= named_ap(total.ranked, prefix, rows)
            values |= named_ap(total.constant, f'{prefix}constant_', rows)
            values[f'{prefix}mIoU'] = nan_mean(total.iou[list(rows)])
        for note in self.report_notes():
            print_log(note, logger='current')
        return values

    def tables(self, results: list) -> list[Table]:
        """AP and IoU of every name that occurs."""
        total = _Total.of(results)
        values = [total.ranked.table(), total.constant.table(), total.iou[:, None]]
        names = [f'{name} (unseen)' if name in self.unseen else name for name in total.names]
        columns = [f'{kind}{ap}' for kind in ('', 'constant ') for ap in ('AP', 'AP50', 'AP25')]
        columns.append('IoU')
        values = np.concatenate(values, axis=1)
        return [Table.make('open vocabulary, by name', columns, names, values).known()]

    def report_notes(self) -> list[str]:
        """Which names are base classes, since papers differ."""
        if self.group_space is None or 'base' not in thing_groups(self.group_space):
            return []
        names = ', '.join(base_classes(self.group_space))
        return [f'Base classes of {self.group_space.name} (all others are novel): {names}.']

    def scene_score(self, result: _SceneNames) -> float:
        """AP50 of the scene over its names."""
        return instance_result([result.matches], len(result.names)).mean()[1]

    def _parts(self, names: list[str]) -> dict[str, tuple[int, ...]]:
        """Rows of the names that are reported together, by the prefix of their numbers."""
        rows = range(len(names))
        parts = {
            '': tuple(rows),
            'seen_': tuple(i for i in rows if names[i] not in self.unseen),
            'unseen_': tuple(i for i in rows if names[i] in self.unseen),
        }
        if self.group_space is not None:
            things = self.group_space.thing_names
            for group, labels in thing_groups(self.group_space).items():
                members = {_plain(things[label]) for label in labels}
                parts[f'{group}_'] = tuple(i for i in rows if names[i] in members)
        return parts


@dataclass(frozen=True)
class _Total:
    """All scenes under one sorted list of names."""

    names: list[str]
    ranked: InstanceResult
    constant: InstanceResult
    iou: np.ndarray

    @classmethod
    def of(cls, results: list[_SceneNames]) -> _Total:
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
        # A name that no point carries says nothing about finding it.
        iou = np.where(points[:, 1] > 0, points_result(points).iou, np.nan)
        ranked = instance_result(matches, len(names))
        constant = instance_result([constant_scores(scene) for scene in matches], len(names))
        return cls(names, ranked, constant, iou)


def _plain(name: str) -> str:
    return ' '.join(str(name).lower().replace('_', ' ').split())
