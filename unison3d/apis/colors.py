"""Colours that tell classes and objects apart."""

from __future__ import annotations

import colorsys

import numpy as np

from unison3d.errors import SceneError
from unison3d.structures import SCANNET20, PointScene

#: What :func:`scene_colors` can show.
COLORINGS = ('color', 'semantic', 'instance', 'part', 'superpoint', 'normal', 'height')
GOLDEN_ANGLE = 0.61803398875


def semantic_colors(ids: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colour of each class id.

    Args:
        ids: int, (N,); ids outside the palette are dark grey.
        palette: uint8, (K, 3).

    Returns:
        float32, (N, 3) in [0, 1].
    """
    table = np.concatenate([palette.astype(np.float32) / 255, np.full((1, 3), 0.25, np.float32)])
    known = (ids >= 0) & (ids < len(palette))
    return table[np.where(known, ids, len(palette))]


def instance_colors(ids: np.ndarray) -> np.ndarray:
    """Colour of each instance id: hues by the golden ratio, so that neighbours differ.

    Args:
        ids: int, (N,), non-negative.

    Returns:
        float32, (N, 3) in [0, 1].
    """
    unique, inverse = np.unique(ids, return_inverse=True)
    table = [
        colorsys.hsv_to_rgb((0.08 + i * GOLDEN_ANGLE) % 1.0, (0.85, 0.6, 0.75)[i % 3], 0.95)
        for i in unique.tolist()
    ]
    return np.array(table, np.float32).reshape(-1, 3)[inverse]


def scene_colors(scene: PointScene, coloring: str) -> np.ndarray | None:
    """Colours that show one thing a scene knows.

    Args:
        scene: any scene.
        coloring: one of :data:`COLORINGS`. Points without an object or a part are dark grey;
            normals are drawn as ``(n + 1) / 2``.

    Returns:
        float32, (N, 3) in [0, 1]; None for the height, which renderers shade themselves.

    Raises:
        SceneError: the scene does not know it; what it knows is listed.
    """
    fields = {
        'color': scene.colors,
        'semantic': scene.semantic_ids,
        'instance': scene.instance_ids,
        'part': scene.part_ids,
        'superpoint': scene.superpoints,
        'normal': scene.normals,
    }
    if coloring == 'height':
        return None
    if fields.get(coloring) is None:
        known = [name for name, values in fields.items() if values is not None]
        raise SceneError(
            f'scene "{scene.name}": there is nothing to show as "{coloring}". '
            f'It has {", ".join([*known, "height"])}.'
        )
    values = fields[coloring]
    if coloring == 'color':
        return values
    if coloring == 'normal':
        return (values + 1) / 2
    if coloring == 'semantic':
        return semantic_colors(values, SCANNET20.palette)
    colors = instance_colors(np.maximum(values, 0))
    colors[values < 0] = 0.25
    return colors
