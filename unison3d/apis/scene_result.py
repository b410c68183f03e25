"""Answers about one scene, and the files they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison3d.apis.colors import instance_colors, semantic_colors
from unison3d.errors import ConfigError
from unison3d.io.json_files import write_json
from unison3d.io.npy import write_npz
from unison3d.io.ply import write_ply
from unison3d.structures import SCANNET20, Click, InstanceMasks, PointScene, SceneSample

NEUTRAL = np.array([0.72, 0.72, 0.72], np.float32)


class SceneResult:
    """What :meth:`Segmenter.predict` found.

    Attributes:
        scene: the scene, with superpoints.
        tasks: names of the tasks that were asked.
        clicks: the clicks.
        texts: the sentences.
        vocabulary: names of the open-vocabulary task, or an empty list.
        timing: seconds by step.
        metadata: text that came with the weights.
    """

    def __init__(
        self,
        scene: PointScene,
        tasks: list[str],
        clicks: list[Click],
        texts: list[str],
        sample: SceneSample,
        timing: dict[str, float],
        metadata: dict[str, str],
    ) -> None:
        self.scene = scene
        self.tasks = tasks
        self.clicks = clicks
        self.texts = texts
        self.timing = timing
        self.metadata = metadata
        self.vocabulary: list[str] = list(sample.get('vocabulary', []))
        self._sample = sample

    # ------------------------------------------------------------------ answers

    @property
    def semantic(self) -> np.ndarray:
        """int64, (N,): class of every point in the ScanNet20 label space."""
        return self._points_field('semantic', 'pred_semantic')

    @property
    def panoptic_semantic(self) -> np.ndarray:
        """int64, (N,): class of the segment each point lies in."""
        return self._points_field('panoptic', 'pred_panoptic_semantic')

    @property
    def panoptic_instance(self) -> np.ndarray:
        """int64, (N,): segment of each point; 0 wall, 1 floor, objects from 2."""
        return self._points_field('panoptic', 'pred_panoptic_instance')

    @property
    def open_semantic(self) -> np.ndarray:
        """int64, (N,): index into :attr:`vocabulary`."""
        return self._points_field('open_vocabulary', 'pred_open_semantic')

    @property
    def instances(self) -> InstanceMasks:
        """Objects; labels are thing classes (``SCANNET20.thing_names``), best first."""
        return self._masks_field('instance', 'pred_instances')

    @property
    def click_masks(self) -> InstanceMasks:
        """One mask per clicked object, in ascending order of the object numbers."""
        return self._masks_field('interactive', 'pred_clicks')

    @property
    def text_masks(self) -> InstanceMasks:
        """One mask per sentence; it may be empty."""
        return self._masks_field('referring', 'pred_texts')

    @property
    def open_instances(self) -> InstanceMasks:
        """Objects; labels index :attr:`vocabulary`."""
        return self._masks_field('open_vocabulary', 'pred_open')

    def _require(self, task: str) -> None:
        if task not in self.tasks:
            raise ConfigError(f'the task {task!r} was not asked; this result has {self.tasks}')

    def _points_field(self, task: str, field: str) -> np.ndarray:
        self._require(task)
        value = self._sample.get(field)
        return np.zeros(len(self.scene), np.int64) if value is None else value.numpy()

    def _masks_field(self, task: str, field: str) -> InstanceMasks:
        self._require(task)
        value = self._sample.get(field)
        if value is None:
            superpoints = torch.from_numpy(self.scene.superpoints)
            value = InstanceMasks.empty(superpoints, 0)
            if task == 'referring':
                # A sentence about an empty scene still has an answer: nothing.
                masks = torch.zeros((len(self.texts), 0), dtype=torch.bool)
                labels = torch.full((len(self.texts),), -1, dtype=torch.int64)
                value = InstanceMasks(masks, superpoints, labels, torch.zeros(len(self.texts)))
        return value

    # ------------------------------------------------------------------ reports

    def mask_sets(self) -> dict[str, tuple[InstanceMasks, list[str]]]:
        """Masks and their names by task, for those tasks that give masks."""
        sets: dict[str, tuple[InstanceMasks, list[str]]] = {}
        if 'instance' in self.tasks:
            masks = self.instances
            sets['instance'] = masks, [SCANNET20.thing_names[i] for i in masks.labels.tolist()]
        if 'open_vocabulary' in self.tasks:
            masks = self.open_instances
            sets['open_vocabulary'] = masks, [self.vocabulary[i] for i in masks.labels.tolist()]
        if 'interactive' in self.tasks:
            objects = sorted({click.object for click in self.clicks})
            sets['interactive'] = self.click_masks, [f'object {i}' for i in objects]
        if 'referring' in self.tasks:
            sets['referring'] = self.text_masks, list(self.texts)
        return sets

    def to_json(self) -> dict[str, Any]:
        """Everything but the per-point arrays, ready for JSON."""
        scene = self.scene
        report: dict[str, Any] = {
            'schema_version': 1,
            'scene': {
                'name': scene.name,
                'source': None if scene.source is None else scene.source.name,
                'num_points': len(scene),
                'num_superpoints': int(scene.superpoints.max()) + 1 if len(scene) else 0,
                'has_color': scene.colors is not None,
                'origin': scene.origin.tolist(),
            },
            'weights': self.metadata.get('weights'),
            'tasks': {},
            'timing': {name: round(seconds, 4) for name, seconds in self.timing.items()},
        }
        for task, (masks, names) in self.mask_sets().items():
            report['tasks'][task] = {'masks': self._describe(masks, names)}
        if 'semantic' in self.tasks:
            report['tasks']['semantic'] = {'points': _histogram(self.semantic, SCANNET20.classes)}
        if 'panoptic' in self.tasks:
            report['tasks']['panoptic'] = {'segments': self._panoptic_segments()}
        if 'interactive' in self.tasks:
            report['tasks']['interactive']['clicks'] = [
                {'position': list(c.position), 'positive': c.positive, 'object': c.object}
                for c in self.clicks
            ]
        if 'open_vocabulary' in self.tasks:
            report['tasks']['open_vocabulary']['vocabulary'] = self.vocabulary
        return report

    def _describe(self, masks: InstanceMasks, names: list[str]) -> list[dict[str, Any]]:
        entries = []
        sizes, scores = masks.sizes().tolist(), masks.scores.tolist()
        for index, name in enumerate(names):
            inside = masks.superpoint_masks[index].numpy()[self.scene.superpoints]
            entries.append(
                {
                    'label': name,
                    'score': round(scores[index], 4),
                    'num_points': sizes[index],
                    'box': self._box(inside),
                }
            )
        return entries

    def _box(self, inside: np.ndarray) -> dict[str, list[float]] | None:
        """Axis-aligned box in the coordinates of the file; None for an empty mask."""
        if not inside.any():
            return None
        points = self.scene.points[inside]
        low, high = points.min(axis=0) + self.scene.origin, points.max(axis=0) + self.scene.origin
        return {'min': np.round(low, 4).tolist(), 'max': np.round(high, 4).tolist()}

    def _panoptic_segments(self) -> list[dict[str, Any]]:
        segments = []
        for segment in np.unique(self.panoptic_instance):
            inside = self.panoptic_instance == segment
            label = int(self.panoptic_semantic[inside][0])
            segments.append(
                {
                    'id': int(segment),
                    'label': SCANNET20.classes[label],
                    'is_thing': label in SCANNET20.things,
                    'num_points': int(inside.sum()),
                    'box': self._box(inside),
                }
            )
        return segments

    def summary(self) -> str:
        """A few lines for people."""
        scene = self.scene
        lines = [f'{scene.name}: {len(scene):,} points']
        if 'semantic' in self.tasks and len(scene):
            shares = _histogram(self.semantic, SCANNET20.classes)
            top = sorted(shares.items(), key=lambda item: -item[1])[:6]
            parts = [f'{name} {100 * count / len(scene):.0f} %' for name, count in top]
            lines.append('  semantic         ' + ', '.join(parts))
        if 'panoptic' in self.tasks:
            things = [s for s in self._panoptic_segments() if s['is_thing']]
            names = _count_names([s['label'] for s in things])
            lines.append(f'  panoptic         {len(things)} objects: {names}')
        for task, (masks, names) in self.mask_sets().items():
            if task in ('instance', 'open_vocabulary'):
                sure = [n for n, s in zip(names, masks.scores.tolist(), strict=True) if s >= 0.3]
                found = _count_names(sure)
                lines.append(f'  {task:16s} {len(sure)} confident of {len(masks)}: {found}')
                continue
            for name, size, score in zip(
                names, masks.sizes().tolist(), masks.scores.tolist(), strict=True
            ):
                answer = f'{size:,} points, score {score:.2f}' if size else 'nothing found'
                lines.append(f'  {task:16s} {name}: {answer}')
        seconds = ', '.join(f'{k.removesuffix("_s")} {v:.2f} s' for k, v in self.timing.items())
        lines.append(f'  time             {seconds}')
        return '\n'.join(lines)

    # ------------------------------------------------------------------ files

    def colorings(self) -> dict[str, np.ndarray]:
        """float32 (N, 3) colours in [0, 1] that show each task, in a fixed order."""
        views: dict[str, np.ndarray] = {}
        count = len(self.scene)
        background = np.tile(NEUTRAL, (count, 1))
        if self.scene.colors is not None:
            grey = self.scene.colors.mean(axis=1, keepdims=True)
            background = (0.35 + 0.6 * grey) * np.ones((1, 3), np.float32)
        if 'semantic' in self.tasks:
            views['semantic'] = semantic_colors(self.semantic, SCANNET20.palette)
        if 'panoptic' in self.tasks:
            colors = semantic_colors(self.panoptic_semantic, SCANNET20.palette)
            things = self.panoptic_instance >= len(SCANNET20.stuff)
            colors[things] = instance_colors(self.panoptic_instance[things])
            views['panoptic'] = colors
        for task, (masks, _) in self.mask_sets().items():
            colors = background.astype(np.float32).copy()
            # Worst first, so that the best mask of a point is the one seen.
            for index in reversed(range(len(masks))):
                if task in ('instance', 'open_vocabulary') and masks.scores[index] < 0.1:
                    continue
                inside = masks.superpoint_masks[index].numpy()[self.scene.superpoints]
                colors[inside] = instance_colors(np.array([index]))
            views[task] = colors
        return views

    def save(self, out: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write ``result.json``, ``result.npz`` and one coloured PLY per task.

        Args:
            out: folder, made if missing.
            overwrite: replace the files of an earlier result.

        Returns:
            The files.

        Raises:
            ConfigError: the folder already holds a result and ``overwrite`` is off.
        """
        out = Path(out)
        if (out / 'result.json').exists() and not overwrite:
            raise ConfigError(
                f'{out} already holds a result; pass overwrite=True (--overwrite) or another folder'
            )
        out.mkdir(parents=True, exist_ok=True)
        scene = self.scene
        points = scene.world_points if np.any(scene.origin) else scene.points
        paths = []
        for task, colors in self.colorings().items():
            paths.append(
                write_ply(
                    out / f'{task}.ply',
                    points,
                    colors=colors,
                    faces=scene.faces,
                    **self._ply_ids(task),
                )
            )
        paths.append(write_npz(out / 'result.npz', self.arrays()))
        # Last, because its presence says that the result is complete.
        paths.append(write_json(out / 'result.json', self.to_json()))
        return paths

    def _ply_ids(self, task: str) -> dict[str, np.ndarray]:
        if task == 'semantic':
            return {'semantic_ids': self.semantic}
        if task == 'panoptic':
            return {
                'semantic_ids': self.panoptic_semantic,
                'instance_ids': self.panoptic_instance,
            }
        masks = self.mask_sets()[task][0]
        instance = np.full(len(self.scene), -1, np.int64)
        for index in reversed(range(len(masks))):
            instance[masks.superpoint_masks[index].numpy()[self.scene.superpoints]] = index
        return {'instance_ids': instance}

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays of all tasks.

        ``points`` and ``origin`` give the scene, ``superpoints`` (N,) expands the masks:
        ``<task>_masks[:, superpoints]`` is (K, N).
        """
        arrays: dict[str, np.ndarray] = {
            'points': self.scene.points,
            'origin': self.scene.origin,
            'superpoints': self.scene.superpoints,
        }
        if 'semantic' in self.tasks:
            arrays['semantic'] = self.semantic
        if 'panoptic' in self.tasks:
            arrays['panoptic_semantic'] = self.panoptic_semantic
            arrays['panoptic_instance'] = self.panoptic_instance
        if 'open_vocabulary' in self.tasks:
            arrays['open_semantic'] = self.open_semantic
        for task, (masks, names) in self.mask_sets().items():
            arrays[f'{task}_masks'] = masks.superpoint_masks.numpy()
            arrays[f'{task}_scores'] = masks.scores.numpy()
            arrays[f'{task}_labels'] = masks.labels.numpy()
            arrays[f'{task}_names'] = np.array(names, dtype=np.str_)
        return arrays


def _histogram(ids: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    """Points per class, for the classes that occur."""
    counts = np.bincount(ids, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _count_names(names: list[str]) -> str:
    """``3 chair, 1 table``, most frequent first."""
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ', '.join(f'{count} {name}' for name, count in ordered) or 'none'
