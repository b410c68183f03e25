"""Average precision of instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from unison3d.evaluation.class_groups import base_classes, thing_groups
from unison3d.evaluation.functional import (
    InstanceResult,
    SceneMatches,
    constant_scores,
    distinct_masks,
    instance_result,
    match_instances,
)
from unison3d.evaluation.metrics.common import SceneMetric, Table, as_numpy, named_ap
from unison3d.registry import METRICS
from unison3d.structures.label_space import LabelSpace, get_label_space

__all__ = ['InstanceMetric']


@METRICS.register_module()
class InstanceMetric(SceneMetric):
    """Instance segmentation by the ScanNet rules: ``AP``, ``AP50``, ``AP25``.

    Without classes (``agnostic_AP`` ...) every object counts, also those whose class is outside
    the label space, and equal masks of one scene count once. Label spaces with groups (ScanNet200)
    add ``head_AP``, ``common_AP``, ``tail_AP``, ``base_AP`` and ``novel_AP`` ...

    Args:
        label_space: see :func:`~unison3d.structures.get_label_space`. Stuff is not evaluated.
        min_points: smaller objects are ignored, smaller predictions dropped.
        void_classes: names of thing classes whose objects count as not annotated, as ceilings do
            in the published numbers on S3DIS, where they have class id 0.
        class_agnostic: report AP without classes as well.
        constant_score: also report ``constant_AP`` ..., in which every prediction has the score 1,
            as in the published open-vocabulary protocol. It is ``R (1 + P) / 2`` per class and
            threshold, generous to few masks and hard on many: never compare it with a ranked AP.
        validation_groups: leave out of the groups the classes that the validation scans lack, as
            the official evaluation does.
        per_class: also report ``AP50_<class>``.
        collect_device: where results of several processes meet, ``'cpu'`` or ``'gpu'``.
        prefix: put before the names of the numbers. Defaults to ``instance``.
    """

    default_prefix = 'instance'
    required = ('gt_instances', 'gt_instance_semantic', 'pred_instances')

    def __init__(
        self,
        label_space: str | Mapping[str, Any] | LabelSpace = 'scannet20',
        *,
        min_points: int = 100,
        void_classes: Sequence[str] = (),
        class_agnostic: bool = True,
        constant_score: bool = False,
        validation_groups: bool = False,
        per_class: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.label_space = get_label_space(label_space)
        self.groups = thing_groups(self.label_space, validation=validation_groups)
        self.min_points = min_points
        self.void = [self.label_space.thing_label(self.label_space.index(n)) for n in void_classes]
        self.class_agnostic = class_agnostic
        self.constant_score = constant_score
        self.per_class = per_class

    def score(self, sample: dict) -> dict[str, SceneMatches]:
        """Matches of one scene, with and without classes."""
        predicted = sample['pred_instances']
        masks, scores = as_numpy(predicted.superpoint_masks), as_numpy(predicted.scores)
        labels = as_numpy(predicted.labels)
        gt_labels = self.label_space.thing_label(as_numpy(sample['gt_instance_semantic']))
        known_labels = np.where(np.isin(gt_labels, self.void), -1, gt_labels)
        common: dict[str, Any] = {
            'gt_instances': as_numpy(sample['gt_instances']),
            'min_points': self.min_points,
            'superpoints': as_numpy(predicted.superpoints),
        }
        things = range(len(self.label_space.things))
        matches = {
            '': match_instances(
                masks, labels, scores, gt_labels=known_labels, class_ids=things, **common
            )
        }
        if self.class_agnostic:
            rows = distinct_masks(masks, scores)
            matches['agnostic_'] = match_instances(
                masks[rows],
                labels[rows],
                scores[rows],
                gt_labels=gt_labels,
                class_ids=None,
                **common,
            )
        return matches

    def reduce(self, results: list) -> dict[str, float]:
        """AP over all scenes."""
        result = self._with_classes(results)
        values = named_ap(result)
        for name, labels in self.groups.items():
            values |= named_ap(result, f'{name}_', labels)
        if self.class_agnostic:
            values |= named_ap(instance_result([r['agnostic_'] for r in results], 1), 'agnostic_')
        if self.constant_score:
            constant = self._constant(results)
            values |= named_ap(constant, 'constant_')
            for name, labels in self.groups.items():
                values |= named_ap(constant, f'{name}_constant_', labels)
        if self.per_class:
            table = np.asarray(result.table())[:, 1]
            names = self.label_space.thing_names
            values |= {f'AP50_{name}': float(v) for name, v in zip(names, table, strict=True)}
        for note in self.report_notes():
            print_log(note, logger='current')
        return values

    def tables(self, results: list) -> list[Table]:
        """AP of every class, with precision and recall at the best F1."""
        result = self._with_classes(results)
        columns = ['AP', 'AP50', 'AP25', 'precision50', 'recall50']
        values = [result.table(), result.precision_recall(0.5)]
        if self.constant_score:
            columns += ['constant AP', 'constant AP50', 'constant AP25']
            values.append(self._constant(results).table())
        names = self.label_space.thing_names
        return [Table.make('instance, by class', columns, names, np.concatenate(values, axis=1))]

    def report_notes(self) -> list[str]:
        """Which classes are base classes, since papers differ."""
        if 'base' not in self.groups:
            return []
        names = ', '.join(base_classes(self.label_space))
        return [f'Base classes of {self.label_space.name} (all others are novel): {names}.']

    def scene_score(self, result: dict[str, SceneMatches]) -> float:
        """AP50 of the scene, with classes."""
        return self._with_classes([result]).mean()[1]

    def _with_classes(self, results: list) -> InstanceResult:
        return instance_result([r[''] for r in results], len(self.label_space.things))

    def _constant(self, results: list) -> InstanceResult:
        matches = [constant_scores(r['']) for r in results]
        return instance_result(matches, len(self.label_space.things))
