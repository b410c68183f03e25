"""Layers of a session by their names: of the scan, of its labels, and of the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unison3d.errors import ConfigError
from unison3d.structures import PointScene
from unison3d.viewer import layers
from unison3d.viewer.label_edits import LabelObject
from unison3d.viewer.label_source import from_result
from unison3d.viewer.layers import LAYERS, Layer
from unison3d.viewer.palettes import class_colors

if TYPE_CHECKING:
    from unison3d.viewer.model_facts import ModelFacts

__all__ = ['known_layers', 'scene_layer']


def known_layers(scene: PointScene, facts: ModelFacts | None) -> tuple[str, ...]:
    """Names of the layers that can be shown; ``facts`` is None before the scene is encoded."""
    known = {'color', 'height', 'instance'}
    if scene.normals is not None:
        known.add('normals')
    if scene.superpoints is not None:
        known.add('superpoint')
    if facts is not None and len(scene):
        tasks = set(facts.result.tasks)
        known |= {'features', 'heat'} | (tasks & {'semantic', 'panoptic'})
        if 'semantic' in tasks:
            known.add('uncertainty')
    return tuple(name for name in LAYERS if name in known)


def scene_layer(
    name: str,
    scene: PointScene,
    ids: np.ndarray,
    objects: Sequence[LabelObject],
    facts: Callable[[], ModelFacts],
    *,
    hidden: Collection[int] = (),
    dark: bool = False,
    heat: np.ndarray | None = None,
    threshold: float | None = None,
) -> Layer:
    """Colours of every point; see :meth:`SceneSession.layer`.

    Args:
        name: one of :data:`LAYERS`.
        scene: the scan.
        ids: int32, (N,), its labels.
        objects: table of the labels.
        facts: gives what the model knows, or raises where it knows nothing yet.
        hidden: classes or objects that are switched off.
        dark: on a dark page.
        heat: float, (S,), for ``'heat'``.
        threshold: for ``'heat'``.

    Raises:
        ConfigError: no such layer, or no heat.
    """
    options = {'hidden': hidden, 'dark': dark}
    if name not in LAYERS:
        raise ConfigError(f'no layer {name!r}; there are {", ".join(LAYERS)}.')
    if name == 'color':
        return layers.color_layer(scene, dark=dark)
    if name == 'height':
        return layers.height_layer(scene, dark=dark)
    if name == 'instance':
        return layers.object_layer(ids, objects, **options)
    if name == 'normals' and scene.normals is not None:
        return layers.normal_layer(scene.normals)
    if name == 'superpoint' and scene.superpoints is not None:
        return layers.superpoint_layer(scene.superpoints)
    known = facts()
    result = known.result
    if name == 'semantic':
        space = result.label_space
        palette = class_colors(len(space), len(space.stuff))
        return layers.class_layer(result.semantic, space.classes, palette=palette, **options)
    if name == 'panoptic':
        found = from_result(result, 'panoptic')
        sizes = np.bincount(found.ids, minlength=len(found.objects) + 1).tolist()
        sized = [dataclasses.replace(o, num_points=sizes[o.id]) for o in found.objects]
        return layers.object_layer(found.ids, sized, **options)
    if name == 'features':
        return layers.feature_layer(known.features, scene.superpoints)
    span = {'low': 0.0, 'high': 1.0, 'dark': dark}
    if name == 'uncertainty':
        return layers.scalar_layer(known.uncertainty, scene.superpoints, **span)
    if heat is None:
        raise ConfigError('the layer "heat" shows the answer to a sentence; ask one first.')
    below = None if threshold is None else _pale(layers.color_layer(scene, dark=dark).colors)
    return layers.scalar_layer(
        heat, scene.superpoints, background=below, threshold=threshold, **span
    )


def _pale(colors: np.ndarray) -> np.ndarray:
    """uint8, (N, 3): the brightness alone, so that heat is the only colour."""
    grey = 70 + 0.6 * colors.mean(axis=1, keepdims=True)
    return np.broadcast_to(grey.astype(np.uint8), colors.shape)
