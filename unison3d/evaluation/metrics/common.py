"""What the metrics share: reading a sample, and scoring masks against instances by counting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from unison3d.errors import SceneError
from unison3d.evaluation.functional import InstanceResult, overlaps_and_sizes
from unison3d.structures import InstanceMasks

__all__ = [
    'SceneMetric',
    'Table',
    'as_numpy',
    'check_ground_truth',
    'instance_counts',
    'instance_of_points',
    'named_ap',
    'union_iou',
]

GroundTruth = Literal['points', 'superpoints']


@dataclass(frozen=True)
class Table:
    """Numbers of a report, one row per class, name or kind.

    Attributes:
        title: what the rows are.
        columns: C names of numbers.
        rows: name and C numbers each; nan where there is none.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]

    @classmethod
    def make(cls, title: str, columns: Sequence[str], names: Iterable, values: Any) -> Table:
        """From R names and numbers of shape (R, C)."""
        rows = zip(names, np.asarray(values, dtype=np.float64).tolist(), strict=True)
        return cls(title, tuple(columns), tuple((str(n), tuple(v)) for n, v in rows))

    def known(self) -> Table:
        """Without the rows in which every number is nan."""
        rows = tuple(row for row in self.rows if not np.isnan(row[1]).all())
        return Table(self.title, self.columns, rows)


class SceneMetric(BaseMetric):
    """A metric that keeps one small result per scene, never masks.

    After ``evaluate`` the process with all results also answers :meth:`report_tables`,
    :meth:`report_scenes` and :meth:`report_notes`.

    MMEngine gathers the results of all processes, restores the order of the data set and cuts what
    a sampler has added to fill the last batch. That works only with exactly one result per scene,
    so a scene without the ground truth in question leaves None behind.
    """

    #: Fields without which a scene is not scored.
    required: tuple[str, ...] = ()
    _evaluated: Sequence[Any] = ()

    def process(self, data_batch: Any, data_samples: list) -> None:
        """Score each scene of a batch; samples are SceneSample or their dict form."""
        for sample in data_samples:
            fields = sample if isinstance(sample, dict) else sample.to_dict()
            complete = all(fields.get(name) is not None for name in self.required)
            self.results.append(self.score(fields) if complete else None)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Reduce the results of all scenes to numbers."""
        self._evaluated = list(results)
        return self.reduce([result for result in results if result is not None])

    def report_tables(self) -> list[Table]:
        """Tables of the last evaluation; none before it."""
        return self.tables([result for result in self._evaluated if result is not None])

    def report_scenes(self) -> list[float]:
        """Score of each scene of the last evaluation, in the order of the data set.

        Higher is better; nan where a scene says nothing about this task.
        """
        return [
            float('nan') if result is None else self.scene_score(result)
            for result in self._evaluated
        ]

    def report_notes(self) -> list[str]:
        """Sentences without which the numbers could be misread."""
        return []

    def score(self, sample: dict) -> Any:
        """The small result of one scene."""
        raise NotImplementedError

    def reduce(self, results: list) -> dict[str, float]:
        """Numbers of all scenes; ``results`` can be empty."""
        raise NotImplementedError

    def tables(self, results: list) -> list[Table]:
        """Numbers per class, name or kind; ``results`` can be empty."""
        return []

    def scene_score(self, result: Any) -> float:
        """One number of one scene, to find the worst; ``result`` comes from :meth:`score`."""
        return float('nan')


def as_numpy(value: Any) -> NDArray:
    """A tensor from any device, or anything array-like, as numpy."""
    if hasattr(value, 'detach'):
        value = value.detach().cpu()
    return np.asarray(value)


def instance_counts(
    predicted: InstanceMasks, gt_instances: Any, num_instances: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Points shared by each mask and instance, and points per instance.

    Returns:
        int64 (K, M + 1), the last column for points without instance, and int64 (M,).
    """
    return overlaps_and_sizes(
        as_numpy(predicted.superpoint_masks),
        as_numpy(gt_instances),
        num_instances,
        as_numpy(predicted.superpoints),
    )


def instance_of_points(
    ground_truth: GroundTruth, sample: dict, superpoints: NDArray[np.int64]
) -> NDArray[np.int64]:
    """True instance of every point, -1 for none.

    Args:
        ground_truth: ``'points'`` is the annotation, ``'superpoints'`` the annotation rounded to
            superpoints (``sp_masks``), which published numbers of prompted masks are measured
            with, and which flatters.
        sample: fields of the scene.
        superpoints: (N,).
    """
    if ground_truth == 'points':
        return as_numpy(sample['gt_instances']).astype(np.int64)
    if sample.get('sp_masks') is None:
        raise SceneError(
            "ground_truth='superpoints' needs sp_masks; add SuperpointTargets to the pipeline."
        )
    masks = as_numpy(sample['sp_masks'])
    if not len(masks):
        return np.full(len(superpoints), -1, dtype=np.int64)
    return np.where(masks.any(axis=0), masks.argmax(axis=0), -1)[superpoints]


def check_ground_truth(value: str) -> GroundTruth:
    """The value, where it is one of :data:`GroundTruth`."""
    if value not in ('points', 'superpoints'):
        raise ValueError(f"ground_truth is {value!r}: 'points' or 'superpoints'")
    return value


def union_iou(
    counts: NDArray[np.int64], sizes: NDArray[np.int64], targets: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """IoU of each mask with the union of its target instances; 1 where both are empty.

    Args:
        counts: int64, (K, M + 1), from :func:`instance_counts`.
        sizes: int64, (M,). Points per instance.
        targets: bool, (K, M).
    """
    shared = (counts[:, :-1] * targets).sum(axis=1)
    union = counts.sum(axis=1) + targets @ sizes - shared
    return np.where(union > 0, shared / np.maximum(union, 1), 1.0)


def named_ap(
    result: InstanceResult, prefix: str = '', classes: Sequence[int] | None = None
) -> dict[str, float]:
    """AP, AP50 and AP25 of all or some classes under their names."""
    names = (f'{prefix}AP', f'{prefix}AP50', f'{prefix}AP25')
    return dict(zip(names, result.mean(classes), strict=True))
