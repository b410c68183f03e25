"""A result in words and in JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from unison3d.structures import InstanceMasks

if TYPE_CHECKING:
    from unison3d.apis.scene_result import SceneResult

# Masks with a lower score are counted in a summary, and not named.
CONFIDENT = 0.3


def to_json(result: SceneResult) -> dict[str, Any]:
    """Everything but the per-point arrays.

    Boxes and clicks are in the coordinates of the file; ``scene.scale`` is metres per unit. Of a
    capture, they are in a world turned upright; ``scene.T_world_capture`` brings that of its files
    there.
    """
    scene, frames = result.scene, result.scene.frames
    return {
        'schema_version': 1,
        'scene': {
            'name': scene.name,
            'source': None if scene.source is None else scene.source.name,
            'num_points': len(scene),
            'num_superpoints': len(result.superpoint_table.sizes),
            'has_color': scene.colors is not None,
            'origin': scene.origin.tolist(),
            'scale': result.scale,
            'T_world_capture': None if frames is None else frames.T_world_capture.tolist(),
        },
        'weights': result.metadata.get('weights'),
        'tasks': _tasks(result),
        'timing': {name: round(seconds, 4) for name, seconds in result.timing.items()},
    }


def _tasks(result: SceneResult) -> dict[str, dict[str, Any]]:
    tasks: dict[str, dict[str, Any]] = {name: {} for name in result.tasks}
    for name, (masks, names) in result.mask_sets().items():
        tasks[name]['masks'] = _describe(result, masks, names)
    if 'semantic' in tasks:
        tasks['semantic']['points'] = _histogram(result.semantic, result.label_space.classes)
    if 'panoptic' in tasks:
        tasks['panoptic']['segments'] = panoptic_segments(result)
    if 'interactive' in tasks:
        tasks['interactive']['clicks'] = [
            {'position': list(c.position), 'positive': c.positive, 'object': c.object}
            for c in result.clicks
        ]
        tasks['interactive']['boxes'] = [
            {'center': list(b.center), 'size': list(b.size), 'yaw': b.yaw, 'object': b.object}
            for b in result.boxes
        ]
        tasks['interactive']['texts'] = {str(i): text for i, text in result.click_texts.items()}
    if 'open_vocabulary' in tasks:
        tasks['open_vocabulary']['vocabulary'] = list(result.vocabulary)
    for name, record in result.records.items():
        tasks[name]['settings'] = record.settings
        tasks[name]['seconds'] = round(record.seconds, 4)
        tasks[name]['reused'] = record.reused
        tasks[name]['shared_with'] = list(record.shared_with)
    return tasks


def _describe(result: SceneResult, masks: InstanceMasks, names: list[str]) -> list[dict[str, Any]]:
    table = result.superpoint_table
    rows = zip(names, masks.scores.tolist(), masks.superpoint_masks.numpy(), strict=True)
    return [
        {
            'label': name,
            'score': round(score, 4),
            'num_points': table.count(mask),
            'box': _box(result, mask),
        }
        for name, score, mask in rows
    ]


def _box(result: SceneResult, mask: np.ndarray) -> dict[str, list[float]] | None:
    """Axis-aligned box in the coordinates of the file, to 0.1 mm; None for an empty mask."""
    corners = result.superpoint_table.corners(mask)
    if corners is None:
        return None
    corners = (corners + result.scene.origin) / result.scale
    digits = 4 + math.ceil(math.log10(result.scale))
    low, high = np.round(corners, max(digits, 0)).tolist()
    return {'min': low, 'max': high}


def panoptic_segments(result: SceneResult) -> list[dict[str, Any]]:
    """Label, size and box of every segment, in ascending order of their ids."""
    table, space = result.superpoint_table, result.label_space
    # Segments are unions of superpoints, so one point of each tells all.
    segment_ids = result.panoptic_instance[table.first]
    labels = result.panoptic_semantic[table.first]
    segments = []
    for segment, place in zip(*np.unique(segment_ids, return_index=True), strict=True):
        mask = segment_ids == segment
        label = int(labels[place])
        segments.append(
            {
                'id': int(segment),
                'label': space.classes[label],
                'is_thing': label not in result.panoptic_stuff,
                'num_points': table.count(mask),
                'box': _box(result, mask),
            }
        )
    return segments


def summary(result: SceneResult) -> str:
    """A few lines for people."""
    scene = result.scene
    lines = [f'{scene.name}: {len(scene):,} points']
    if 'semantic' in result.tasks and len(scene):
        shares = _histogram(result.semantic, result.label_space.classes)
        top = sorted(shares.items(), key=lambda item: -item[1])[:6]
        parts = [f'{name} {100 * count / len(scene):.0f} %' for name, count in top]
        lines.append('  semantic         ' + ', '.join(parts))
    if 'panoptic' in result.tasks:
        things = [s['label'] for s in panoptic_segments(result) if s['is_thing']]
        lines.append(f'  panoptic         {len(things)} objects: {_count_names(things)}')
    for task, (masks, names) in result.mask_sets().items():
        scores = masks.scores.tolist()
        if task in ('instance', 'open_vocabulary'):
            sure = [n for n, s in zip(names, scores, strict=True) if s >= CONFIDENT]
            found = _count_names(sure)
            lines.append(f'  {task:16s} {len(sure)} confident of {len(masks)}: {found}')
            continue
        for name, size, score in zip(names, masks.sizes().tolist(), scores, strict=True):
            answer = f'{size:,} points, score {score:.2f}' if size else 'nothing found'
            lines.append(f'  {task:16s} {name}: {answer}')
    seconds = ', '.join(f'{k.removesuffix("_s")} {v:.2f} s' for k, v in result.timing.items())
    lines.append(f'  time             {seconds}')
    return '\n'.join(lines)


def _histogram(ids: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    """Points per class, for the classes that occur."""
    counts = np.bincount(ids, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _count_names(names: list[str]) -> str:
    """``3 chair, 1 table``, most frequent first."""
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ', '.join(f'{count} {name}' for name, count in ordered) or 'none'
