"""Answers about one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison3d.apis import report, result_files
from unison3d.apis.prompts import object_numbers
from unison3d.apis.superpoint_table import SuperpointTable
from unison3d.errors import ConfigError
from unison3d.structures import (
    SCANNET20,
    Box,
    Click,
    InstanceMasks,
    LabelSpace,
    PointScene,
    SceneSample,
)


@dataclass(frozen=True)
class TaskRecord:
    """What one answer cost, and under which settings it was given.

    Attributes:
        seconds: time on an encoded scene: the decoder pass, which is counted in full although
            ``shared_with`` use it too, and the task's own part.
        reused: an earlier call on the same scene computed it, so this one cost nothing.
        shared_with: other tasks that were answered from the same decoder pass.
        settings: thresholds and the like, ready for JSON.
    """

    seconds: float = 0.0
    reused: bool = False
    shared_with: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class SceneResult:
    """What :meth:`Segmenter.predict` found.

    Boxes and positions in reports and files are in the coordinates of the file that was read:
    world coordinates divided by :attr:`scale`.

    Attributes:
        scene: the scene in metres, with superpoints.
        tasks: names of the tasks that were asked.
        sample: predictions; the properties below are the way to read them.
        clicks: the clicks, in the coordinates of the file.
        boxes: the boxes, likewise.
        click_texts: sentences by clicked or boxed object.
        texts: the sentences.
        vocabulary: names of the open-vocabulary task, or an empty list.
        label_space: classes of the closed-set tasks.
        panoptic_stuff: classes of which the panoptic map has one segment each. None takes the stuff
            of the label space; S3DIS has instances of all classes, and yet eight are stuff here.
        scale: metres per unit of the file.
        records: cost and settings by task.
        timing: seconds by step.
        metadata: text that came with the weights.
    """

    scene: PointScene
    tasks: list[str]
    sample: SceneSample
    clicks: list[Click] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    click_texts: dict[int, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    vocabulary: list[str] = field(default_factory=list)
    label_space: LabelSpace = SCANNET20
    panoptic_stuff: tuple[int, ...] | None = None
    scale: float = 1.0
    records: dict[str, TaskRecord] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.panoptic_stuff is None:
            self.panoptic_stuff = self.label_space.stuff

    # ------------------------------------------------------------------ answers

    @property
    def semantic(self) -> np.ndarray:
        """int64, (N,): class of every point in :attr:`label_space`."""
        return self._points_field('semantic', 'pred_semantic')

    @property
    def panoptic_semantic(self) -> np.ndarray:
        """int64, (N,): class of the segment each point lies in."""
        return self._points_field('panoptic', 'pred_panoptic_semantic')

    @property
    def panoptic_instance(self) -> np.ndarray:
        """int64, (N,): segment of each point; those of objects have higher ids than stuff."""
        return self._points_field('panoptic', 'pred_panoptic_instance')

    @property
    def panoptic_things(self) -> np.ndarray:
        """bool, (N,): the point's segment is an object, not stuff."""
        return ~np.isin(self.panoptic_semantic, self.panoptic_stuff)

    @property
    def open_semantic(self) -> np.ndarray:
        """int64, (N,): index into :attr:`vocabulary`."""
        return self._points_field('open_vocabulary', 'pred_open_semantic')

    @property
    def instances(self) -> InstanceMasks:
        """Objects; labels are thing classes (``label_space.thing_names``), best first."""
        return self._masks_field('instance', 'pred_instances')

    @property
    def click_masks(self) -> InstanceMasks:
        """One mask per clicked or boxed object, in ascending order of the object numbers."""
        return self._masks_field('interactive', 'pred_clicks')

    @property
    def text_masks(self) -> InstanceMasks:
        """One mask per sentence; it may be empty."""
        return self._masks_field('referring', 'pred_texts')

    @property
    def open_instances(self) -> InstanceMasks:
        """Objects; labels index :attr:`vocabulary`."""
        return self._masks_field('open_vocabulary', 'pred_open')

    def mask_sets(self) -> dict[str, tuple[InstanceMasks, list[str]]]:
        """Masks and their names by task, for those tasks that give masks."""
        sets: dict[str, tuple[InstanceMasks, list[str]]] = {}
        if 'instance' in self.tasks:
            masks, things = self.instances, self.label_space.thing_names
            sets['instance'] = masks, [things[i] for i in masks.labels.tolist()]
        if 'open_vocabulary' in self.tasks:
            masks = self.open_instances
            sets['open_vocabulary'] = masks, [self.vocabulary[i] for i in masks.labels.tolist()]
        if 'interactive' in self.tasks:
            objects = object_numbers(self.clicks, self.boxes)
            sets['interactive'] = self.click_masks, [f'object {i}' for i in objects]
        if 'referring' in self.tasks:
            sets['referring'] = self.text_masks, list(self.texts)
        return sets

    def _require(self, task: str) -> None:
        if task not in self.tasks:
            raise ConfigError(f'the task {task!r} was not asked; this result has {self.tasks}')

    def _points_field(self, task: str, name: str) -> np.ndarray:
        self._require(task)
        value = self.sample.get(name)
        return np.zeros(len(self.scene), np.int64) if value is None else value.numpy()

    def _masks_field(self, task: str, name: str) -> InstanceMasks:
        self._require(task)
        value = self.sample.get(name)
        if value is None:
            superpoints = torch.from_numpy(self.scene.superpoints)
            value = InstanceMasks.empty(superpoints, 0)
            if task == 'referring':
                # A sentence about an empty scene still has an answer: nothing.
                masks = torch.zeros((len(self.texts), 0), dtype=torch.bool)
                labels = torch.full((len(self.texts),), -1, dtype=torch.int64)
                value = InstanceMasks(masks, superpoints, labels, torch.zeros(len(self.texts)))
        return value

    # ------------------------------------------------------------------ reports and files

    @property
    def file_points(self) -> np.ndarray:
        """(N, 3): the points in the coordinates of the file, in double where they need it."""
        if self.scene.origin.any():
            return self.scene.world_points / self.scale
        points = self.scene.points
        return points if self.scale == 1 else (points / self.scale).astype(np.float32)

    @cached_property
    def superpoint_table(self) -> SuperpointTable:
        """Sizes and corners of the superpoints."""
        return SuperpointTable.of(self.scene)

    def to_json(self) -> dict[str, Any]:
        """Everything but the per-point arrays, ready for JSON."""
        return report.to_json(self)

    def summary(self) -> str:
        """A few lines for people."""
        return report.summary(self)

    def colorings(self) -> dict[str, np.ndarray]:
        """float32 (N, 3) colours in [0, 1] that show each task, in a fixed order."""
        return result_files.colorings(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays of all tasks, see :func:`unison3d.apis.result_files.arrays`."""
        return result_files.arrays(self)

    def save(
        self, out: str | Path, *, overwrite: bool = False, export: Sequence[str] = ()
    ) -> list[Path]:
        """Write ``result.json``, ``result.npz`` and one coloured PLY per task.

        ``result.json`` is written last, so its presence says that the others are complete and
        belong to it.

        Args:
            out: folder, made if missing.
            overwrite: replace an earlier result: its files are removed, also those of tasks that
                this result does not have, and its folder ``exports``. Other files in the folder
                stay.
            export: further formats, written below ``exports``: any of ``'glb'``, ``'scannet'``,
                ``'coco'``, ``'semantickitti'``, ``'crops'``, see :mod:`unison3d.apis.exports`.

        Returns:
            The files, and the folders of those formats that take many files.

        Raises:
            ConfigError: the folder already holds files of a result and ``overwrite`` is off; an
                export that is not known, or that shows none of the tasks.
        """
        return result_files.save(self, Path(out), overwrite=overwrite, export=export)
