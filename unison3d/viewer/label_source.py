"""Labels to begin with: what a model found, or what a scan brings along."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from unison3d.errors import ConfigError, SceneError
from unison3d.structures import SCANNET20, LabelSpace, PointScene
from unison3d.viewer.label_edits import LabelObject, Replace
from unison3d.viewer.palettes import object_colors, stuff_colors

if TYPE_CHECKING:
    from unison3d.apis import SceneResult

__all__ = ['from_result', 'from_scene', 'make_objects']


def from_result(result: SceneResult, task: str = 'panoptic', min_score: float = 0.3) -> Replace:
    """The edit that loads what a model found.

    Args:
        result: an answer that includes the task.
        task: ``'panoptic'`` gives every point to a segment, walls and floors among them;
            ``'instance'`` and ``'open_vocabulary'`` load masks, the surer one on top.
        min_score: weaker masks are left out. Segments have no score of their own; they get that
            of the instance they overlap most where the result has instances, else 1.

    Raises:
        ConfigError: another task, or one that was not asked.
    """
    from unison3d.apis.superpoint_table import best_mask

    if task == 'panoptic':
        return _from_segments(result)
    if task not in ('instance', 'open_vocabulary'):
        raise ConfigError(
            f'labels from the task {task!r}: expected panoptic, instance or open_vocabulary.'
        )
    if task not in result.tasks:
        raise ConfigError(f'the task {task!r} was not asked; this result has {result.tasks}')
    masks, names = result.mask_sets()[task]
    kept = np.flatnonzero(masks.scores.numpy() >= min_score)
    owner = best_mask(masks.superpoint_masks.numpy()[kept]) + 1
    # Masks that others cover completely are no objects.
    shown, dense = np.unique(np.append(owner, 0), return_inverse=True)
    rows = kept[shown[1:] - 1]
    scores = masks.scores.numpy()[rows].tolist()
    objects = make_objects([names[row] for row in rows], scores, 'model')
    ids = dense[:-1].astype(np.int32)[result.scene.superpoints]
    return Replace(ids, objects, f'load {len(objects)} objects of the model')


def _from_segments(result: SceneResult) -> Replace:
    segments, place, ids = np.unique(
        result.panoptic_instance, return_index=True, return_inverse=True
    )
    space = result.label_space
    names = [space.name_of(int(label)) for label in result.panoptic_semantic[place]]
    scores = [1.0] * len(segments)
    if 'instance' in result.tasks and len(result.instances):
        scores = _scores_by_overlap(result, segments, place)
    objects = list(make_objects(names, scores, 'model'))
    stuff = sorted(result.panoptic_stuff)
    quiet = dict(zip(stuff, stuff_colors(len(stuff)).tolist(), strict=True))
    for index, label in enumerate(result.panoptic_semantic[place].tolist()):
        if label in quiet:
            objects[index] = dataclasses.replace(objects[index], color=tuple(quiet[label]))
    return Replace((ids + 1).astype(np.int32), tuple(objects), f'load {len(objects)} segments')


def _scores_by_overlap(result: SceneResult, segments: np.ndarray, place: np.ndarray) -> list[float]:
    """Score of the instance with the largest IoU; 1 for walls and floors."""
    table = result.superpoint_table
    segment_of = result.panoptic_instance[table.first]
    masks = result.instances.superpoint_masks.numpy().astype(np.float64) * table.sizes
    sizes = masks.sum(axis=1)
    scores = []
    for segment, label in zip(segments, result.panoptic_semantic[place], strict=True):
        if int(label) in result.panoptic_stuff:
            scores.append(1.0)
            continue
        inside = segment_of == segment
        shared = masks[:, inside].sum(axis=1)
        overlap = shared / np.maximum(sizes + table.sizes[inside].sum() - shared, 1)
        scores.append(float(result.instances.scores[int(overlap.argmax())].clip(0, 1)))
    return scores


def from_scene(scene: PointScene, space: LabelSpace = SCANNET20) -> Replace:
    """The edit that loads the instances a scan brings along.

    Args:
        scene: with ``instance_ids``. Instance i becomes object i + 1. A name is that in
            ``instance_names``, else the most frequent class of its points, else ``'object'``.
        space: of ``scene.semantic_ids``.

    Raises:
        SceneError: the scan has no instances.
    """
    if scene.instance_ids is None:
        raise SceneError(
            f'scene "{scene.name}" has no instances to load. Start with the objects of the model, '
            'or with none.'
        )
    ids = np.maximum(scene.instance_ids, -1) + 1
    if ids.max(initial=0) > np.iinfo(np.int32).max:
        raise SceneError(f'scene "{scene.name}": instance ids up to {ids.max() - 1}, over 31 bits.')
    numbers = np.unique(ids)
    numbers = numbers[numbers > 0]
    names = [_name(scene, space, int(number) - 1) for number in numbers]
    objects = make_objects(names, [1.0] * len(names), 'file', numbers)
    return Replace(ids.astype(np.int32), objects, f'load {len(objects)} objects of the scan')


def _name(scene: PointScene, space: LabelSpace, instance: int) -> str:
    known = scene.instance_names or ()
    if instance < len(known) and known[instance].strip():
        return known[instance].strip()
    if scene.semantic_ids is None:
        return 'object'
    labels = scene.semantic_ids[scene.instance_ids == instance]
    counts = np.bincount(labels[(labels >= 0) & (labels < len(space))], minlength=len(space))
    return space.name_of(int(counts.argmax())) if counts.any() else 'object'


def make_objects(
    names: list[str], scores: list[float], origin: str, ids: np.ndarray | None = None
) -> tuple[LabelObject, ...]:
    """Rows of a table of objects in their usual colours; ids are 1, 2, ... by default."""
    numbers = np.arange(1, len(names) + 1) if ids is None else ids
    colors = object_colors(numbers).tolist()
    return tuple(
        LabelObject(int(number), name, tuple(color), float(min(max(score, 0.0), 1.0)), 0, origin)
        for number, name, color, score in zip(numbers, names, colors, scores, strict=True)
    )
