"""A result as files: arrays, coloured points and JSON."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unison3d.apis.colors import instance_colors, semantic_colors
from unison3d.apis.exports import (
    EXPORT_FOLDER,
    PAINTED,
    check_exports,
    remove_exports,
    write_exports,
)
from unison3d.apis.questions import TASKS
from unison3d.apis.superpoint_table import best_mask
from unison3d.errors import ConfigError
from unison3d.io.json_files import write_json
from unison3d.io.npy import write_npz
from unison3d.io.ply import write_ply

if TYPE_CHECKING:
    from unison3d.apis.scene_result import SceneResult

NEUTRAL = np.array([0.72, 0.72, 0.72], np.float32)
#: Picture of all answers, which ``unison3d infer --picture`` adds.
OVERVIEW = 'overview.png'
#: Every file that may belong to a result. The first says that the others are complete.
RESULT_FILES = ('result.json', 'result.npz', OVERVIEW, *(f'{task}.ply' for task in TASKS))


def save(
    result: SceneResult, out: Path, *, overwrite: bool = False, export: Sequence[str] = ()
) -> list[Path]:
    """See :meth:`SceneResult.save`."""
    check_exports(export, result.tasks)
    owned = (*RESULT_FILES, EXPORT_FOLDER)
    old = [path for path in (out / name for name in owned) if path.exists()]
    if old and not overwrite:
        raise ConfigError(
            f'{out} already holds a result ({old[0].name}); pass overwrite=True (--overwrite) or '
            'another folder'
        )
    # Made aside as a whole: where the disk is full, or the process dies, the old result stays.
    aside = out / f'.{os.getpid()}-{secrets.token_hex(4)}.tmp.result'
    try:
        paths = _write(result, aside, export)
        # result.json leaves first and comes last: in between the folder claims nothing.
        for path in old:
            if path.name != EXPORT_FOLDER:
                path.unlink()
        remove_exports(out)
        for name in dict.fromkeys(path.relative_to(aside).parts[0] for path in paths):
            os.replace(aside / name, out / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [out / path.relative_to(aside) for path in paths]


def _write(result: SceneResult, out: Path, export: Sequence[str]) -> list[Path]:
    """Write all files into an empty folder; ``result.json`` is the last."""
    points = result.file_points
    paths = [
        write_ply(
            out / f'{task}.ply',
            points,
            colors=colors,
            faces=result.scene.faces,
            **_ply_ids(result, task),
        )
        for task, colors in colorings(result).items()
    ]
    paths += write_exports(result, out, export)
    paths.append(write_npz(out / 'result.npz', arrays(result)))
    paths.append(write_json(out / 'result.json', result.to_json()))
    return paths


def colorings(result: SceneResult) -> dict[str, np.ndarray]:
    """float32 (N, 3) colours in [0, 1] that show each task, in a fixed order."""
    scene, space = result.scene, result.label_space
    views: dict[str, np.ndarray] = {}
    if 'semantic' in result.tasks:
        views['semantic'] = semantic_colors(result.semantic, space.palette)
    if 'panoptic' in result.tasks:
        colors = semantic_colors(result.panoptic_semantic, space.palette)
        things = result.panoptic_things
        colors[things] = instance_colors(result.panoptic_instance[things])
        views['panoptic'] = colors
    background = np.broadcast_to(NEUTRAL, (len(scene), 3))
    if scene.colors is not None:
        grey = 0.35 + 0.6 * scene.colors.mean(axis=1, keepdims=True)
        background = np.broadcast_to(grey.astype(np.float32), (len(scene), 3))
    for task, (masks, _) in result.mask_sets().items():
        shown = masks.superpoint_masks.numpy()
        if task in ('instance', 'open_vocabulary'):
            # Emptied rather than left out, so that a mask keeps its colour.
            shown = shown & (masks.scores.numpy() >= PAINTED)[:, None]
        # Of several masks the first, which is the best, is the one seen.
        owner = best_mask(shown)
        table = instance_colors(np.maximum(owner, 0))
        painted = (owner >= 0)[scene.superpoints][:, None]
        views[task] = np.where(painted, table[scene.superpoints], background)
    return views


def _ply_ids(result: SceneResult, task: str) -> dict[str, np.ndarray]:
    if task == 'semantic':
        return {'semantic_ids': result.semantic}
    if task == 'panoptic':
        return {
            'semantic_ids': result.panoptic_semantic,
            'instance_ids': result.panoptic_instance,
        }
    owner = best_mask(result.mask_sets()[task][0].superpoint_masks.numpy())
    return {'instance_ids': owner[result.scene.superpoints]}


def arrays(result: SceneResult) -> dict[str, np.ndarray]:
    """Arrays of all tasks.

    ``points`` are metres; ``(points + origin) / scale`` are the coordinates of the file.
    ``superpoints`` (N,) expands the masks: ``<task>_masks[:, superpoints]`` is (K, N).
    """
    found: dict[str, np.ndarray] = {
        'points': result.scene.points,
        'origin': result.scene.origin,
        'scale': np.float64(result.scale),
        'superpoints': result.scene.superpoints,
    }
    if 'semantic' in result.tasks:
        found['semantic'] = result.semantic
    if 'panoptic' in result.tasks:
        found['panoptic_semantic'] = result.panoptic_semantic
        found['panoptic_instance'] = result.panoptic_instance
    if 'open_vocabulary' in result.tasks:
        found['open_semantic'] = result.open_semantic
    for task, (masks, names) in result.mask_sets().items():
        found[f'{task}_masks'] = masks.superpoint_masks.numpy()
        found[f'{task}_scores'] = masks.scores.numpy()
        found[f'{task}_labels'] = masks.labels.numpy()
        found[f'{task}_names'] = np.array(names, dtype=np.str_)
    return found
