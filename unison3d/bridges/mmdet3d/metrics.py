"""Metrics of one toolbox on samples of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from unison3d.bridges.mmdet3d.labels import ClassTable
from unison3d.bridges.mmdet3d.masks import drop_stuff
from unison3d.bridges.mmdet3d.samples import det3d_sample, scene_sample
from unison3d.errors import ConfigError
from unison3d.evaluation.metrics.common import SceneMetric, as_numpy
from unison3d.registry import METRICS
from unison3d.structures import SceneSample
from unison3d.structures.label_space import get_label_space

__all__ = ['BridgedMetric']

# One of these is in any sample of theirs that can be judged.
_THEIRS = ('pred_pts_seg', 'gt_pts_seg', 'eval_ann_info')


@METRICS.register_module()
class BridgedMetric(BaseMetric):
    """A metric of ours or of MMDetection3D, on samples of whichever model made them.

    >>> val_evaluator = [
    ...     dict(type='unison3d.BridgedMetric', label_space='scannet20',
    ...          metric=dict(type='unison3d.SemanticMetric', label_space='scannet20')),
    ...     dict(type='unison3d.BridgedMetric', label_space='scannet20',
    ...          metric=dict(type='mmdet3d.SegMetric')),
    ... ]

    Of theirs ``SegMetric`` and ``InstanceSegMetric`` are known. What these ask of the data set
    (numbers of the classes and of points without one) comes from here, so that any data set will
    do. ``InstanceSegMetric`` gets each point to the best scored of the masks over it, since that
    is all it can read, and judges things alone.

    Args:
        metric: config of the metric.
        label_space: ours.
        classes: names of classes in the order in which samples of theirs number them. None: what
            the data set says where it is one of theirs, else as ours.
        no_instance: number of points without an instance in masks of theirs.
        strict: see :class:`~unison3d.bridges.mmdet3d.ClassTable`.

    Raises:
        ConfigError: a metric of another kind.
    """

    def __init__(
        self,
        metric: dict,
        label_space: str,
        classes: Sequence[str] | None = None,
        *,
        no_instance: int = 0,
        strict: bool = True,
    ) -> None:
        from mmdet3d.evaluation.metrics import InstanceSegMetric, SegMetric

        inner = METRICS.build(metric)
        if not isinstance(inner, (SceneMetric, SegMetric, InstanceSegMetric)):
            raise ConfigError(
                f'BridgedMetric: {type(inner).__name__} is none of the metrics of unison3d, '
                'SegMetric and InstanceSegMetric.'
            )
        super().__init__(collect_device=inner.collect_device, prefix=inner.prefix)
        self.metric = inner
        self.space = get_label_space(label_space)
        self.classes = classes
        self.no_instance = no_instance
        self.strict = strict
        self._judges_things = isinstance(inner, InstanceSegMetric)
        self._is_ours = isinstance(inner, SceneMetric)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Hand over one batch; samples are converted one by one."""
        for fields in data_samples:
            scene = fields
            if any(fields.get(name) is not None for name in _THEIRS):
                scene = self._ours(fields)
            self.metric.process(None, [scene if self._is_ours else self._theirs(scene)])
            # One result per scene, gathered and put in order by this metric.
            self.results += self.metric.results
            self.metric.results.clear()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Numbers of the inner metric."""
        if not self._is_ours:
            names = self.space.thing_names if self._judges_things else self.space.classes
            self.metric.dataset_meta = {
                'classes': tuple(names),
                'label2cat': dict(enumerate(names)),
                'ignore_index': len(names),
                'seg_valid_class_ids': tuple(range(1, len(names) + 1)),
            }
        return self.metric.compute_metrics(results)

    def _table(self) -> ClassTable:
        classes, ignore = self.classes, None
        meta = self.dataset_meta or {}
        if classes is None and 'label2cat' in meta:
            classes, ignore = meta['classes'], meta.get('ignore_index')
        return ClassTable(self.space, classes, ignore_index=ignore, strict=self.strict)

    def _ours(self, fields: dict) -> dict:
        scene = scene_sample(fields, self._table(), no_instance=self.no_instance).to_dict()
        if scene.get('gt_instance_semantic') is not None:
            # Theirs may number walls and floors, which would count as objects without a class.
            scene['gt_instances'], scene['gt_instance_semantic'] = drop_stuff(
                as_numpy(scene['gt_instances']),
                as_numpy(scene['gt_instance_semantic']),
                self.space.stuff,
            )
        return scene

    def _theirs(self, scene: dict) -> dict:
        fields = dict(scene)
        # The metric is told the classes of the label space, whatever the model's order was.
        names = self.space.thing_names if self._judges_things else None
        table = ClassTable(self.space, names, strict=False)
        if self._judges_things:
            fields['gt_semantic'] = self._semantic_of_instances(fields)
        sample = det3d_sample(SceneSample(**_tensors(fields)), table, annotate=True).to_dict()
        if self._judges_things:
            # It copies with .clone() what SegMetric wants as arrays.
            truth = sample['eval_ann_info']
            sample['eval_ann_info'] = {k: torch.from_numpy(v) for k, v in truth.items()}
        return sample

    def _semantic_of_instances(self, fields: dict) -> torch.Tensor:
        """Class of the instance of every point: it insists on one class per instance."""
        instances = as_numpy(fields['gt_instances'])
        classes = as_numpy(fields['gt_instance_semantic'])
        table = np.append(classes, self.space.ignore_index)
        return torch.from_numpy(table[np.where(instances < 0, len(classes), instances)])


def _tensors(fields: dict) -> dict:
    """Fields that the conversion reads; the rest of a scene is nothing to a metric of theirs."""
    names = (
        *('gt_semantic', 'gt_instances', 'gt_instance_semantic'),
        *('pred_semantic', 'pred_instances'),
    )
    return {name: fields[name] for name in names if fields.get(name) is not None}
