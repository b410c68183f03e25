"""Colours of every point for each way to look at a scene.

Pure functions: arrays in, a :class:`Layer` out. Palettes are safe for colour-blind people except
where a layer shows directions (normals, features), which need three axes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import SceneError
from unison3d.structures import PointScene
from unison3d.viewer.label_edits import LabelObject
from unison3d.viewer.palettes import GREY, object_colors, scalar_colors, scalar_span

__all__ = [
    'LAYERS',
    'Layer',
    'LegendEntry',
    'class_layer',
    'color_layer',
    'feature_layer',
    'height_layer',
    'normal_layer',
    'object_layer',
    'scalar_layer',
    'superpoint_layer',
]

#: All layers, in the order of menus.
LAYERS = (
    'color',
    'height',
    'normals',
    'semantic',
    'instance',
    'panoptic',
    'superpoint',
    'features',
    'uncertainty',
    'heat',
)
_CHUNK = 1_000_000  # points; keeps what a layer needs besides its result small


@dataclass(frozen=True)
class LegendEntry:
    """One line of a legend.

    Attributes:
        key: class or object id.
        name: what it is.
        color: red, green and blue, 0 to 255.
        count: points.
    """

    key: int
    name: str
    color: tuple[int, int, int]
    count: int


@dataclass(frozen=True, eq=False)
class Layer:
    """One way to look at a scene.

    Attributes:
        colors: uint8, (N, 3).
        legend: its classes or objects, those that are switched off among them.
        visible: bool, (N,), points that are shown; None for all.
        span: numbers of the first and last colour of a scale.
    """

    colors: np.ndarray
    legend: tuple[LegendEntry, ...] = ()
    visible: np.ndarray | None = None
    span: tuple[float, float] | None = None


# ---------------------------------------------------------------------------- of the scan itself


def color_layer(scene: PointScene, *, dark: bool = False) -> Layer:
    """The colours of the scan; one grey where it has none."""
    if scene.colors is None:
        return Layer(np.broadcast_to(np.array(GREY[dark], np.uint8), (len(scene), 3)).copy())
    colors = np.empty((len(scene), 3), np.uint8)
    for part in _chunks(len(scene)):
        colors[part] = np.rint(scene.colors[part] * 255)
    return Layer(colors)


def height_layer(scene: PointScene, *, dark: bool = False) -> Layer:
    """Height above the floor, in metres; the lowest and highest hundredth share the end colours."""
    height = scene.points[:, 2]
    low, high = (
        np.percentile(height[:: max(len(height) // 100_000, 1)], [1, 99])
        if len(height)
        else (0.0, 1.0)
    )
    layer = scalar_layer(height, low=float(low), high=float(high), dark=dark)
    return Layer(layer.colors, span=(0.0, float(high - low)))


def normal_layer(normals: np.ndarray) -> Layer:
    """Directions of normals, float (N, 3), as ``(n + 1) / 2``: up is bluish, unknown grey."""
    colors = np.empty((len(normals), 3), np.uint8)
    for part in _chunks(len(normals)):
        colors[part] = np.rint((normals[part] + 1) * 127.5).clip(0, 255)
    return Layer(colors)


def superpoint_layer(superpoints: np.ndarray) -> Layer:
    """Superpoints, int (N,), in colours that differ between neighbours in number."""
    # A large odd stride: neighbours in space are often neighbours in number.
    table = np.arange(int(superpoints.max(initial=-1)) + 1)
    return Layer(object_colors(1 + table * 8 % 21)[superpoints])


# ---------------------------------------------------------------------------- classes and objects


def class_layer(
    ids: np.ndarray,
    names: Sequence[str],
    *,
    palette: np.ndarray | None = None,
    hidden: Collection[int] = (),
    dark: bool = False,
) -> Layer:
    """Classes: of a label space, or a vocabulary of one's own.

    Args:
        ids: int, (N,); those outside the names are no class.
        names: K names.
        palette: uint8, (K, 3), such as that of a data set; by default one that is safe for the
            colour-blind.
        hidden: classes that are switched off; K (the number of names) is no class.
        dark: on a dark page.

    Returns:
        A layer whose legend has the classes that occur, the most frequent first.
    """
    count = len(names)
    own = object_colors(np.arange(1, count + 1)) if palette is None else np.asarray(palette)
    table = np.concatenate([own.reshape(-1, 3), [GREY[dark]]]).astype(np.uint8)
    switched_off = np.isin(np.arange(count + 1), list(hidden))
    colors = np.empty((len(ids), 3), np.uint8)
    visible = np.empty(len(ids), np.bool_)
    totals = np.zeros(count + 1, np.int64)
    for part in _chunks(len(ids)):
        chunk = ids[part]
        known = np.where((chunk >= 0) & (chunk < count), chunk, count)
        colors[part] = table[known]
        visible[part] = ~switched_off[known]
        totals += np.bincount(known, minlength=count + 1)
    order = np.argsort(-totals, kind='stable')
    legend = tuple(
        LegendEntry(k, names[k] if k < count else 'no class', _rgb(table[k]), int(totals[k]))
        for k in order[totals[order] > 0].tolist()
    )
    return Layer(colors, legend, visible if switched_off.any() else None)


def object_layer(
    ids: np.ndarray,
    objects: Sequence[LabelObject],
    *,
    background: np.ndarray | None = None,
    hidden: Collection[int] = (),
    dark: bool = False,
) -> Layer:
    """Objects in their own colours.

    Args:
        ids: int32, (N,). Object of every point, 0 for none.
        objects: the table; those that are not visible are switched off.
        background: uint8, (N, 3), colours of points without an object; grey by default.
        hidden: further objects that are switched off; 0 is no object.
        dark: on a dark page.

    Returns:
        A layer whose legend has all objects, as in the table.
    """
    numbers = np.array([0, *(item.id for item in objects)], np.int64)
    order = np.argsort(numbers)
    table = np.array([GREY[dark], *(item.color for item in objects)], np.uint8)[order]
    off = np.array([0 in hidden, *(not o.visible or o.id in hidden for o in objects)])[order]
    numbers = numbers[order]
    colors = np.empty((len(ids), 3), np.uint8)
    visible = np.empty(len(ids), np.bool_)
    for part in _chunks(len(ids)):
        chunk = ids[part]
        place = np.minimum(np.searchsorted(numbers, chunk), len(numbers) - 1)
        # An id that the table does not have counts as none.
        place[numbers[place] != chunk] = 0
        colors[part] = table[place]
        visible[part] = ~off[place]
        if background is not None:
            nothing = place == 0
            colors[part][nothing] = background[part][nothing]
    legend = tuple(LegendEntry(o.id, o.name, o.color, o.num_points) for o in objects)
    return Layer(colors, legend, visible if off.any() else None)


# ---------------------------------------------------------------------------- numbers


def scalar_layer(
    values: ArrayLike,
    superpoints: np.ndarray | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
    background: np.ndarray | None = None,
    threshold: float | None = None,
    dark: bool = False,
) -> Layer:
    """A number per point or superpoint: heights, uncertainty, the heat of a sentence.

    Args:
        values: float, (N,), or (S,) with ``superpoints``.
        superpoints: int, (N,).
        low: value of the first colour, by default the smallest.
        high: value of the last colour, by default the largest.
        background: uint8, (N, 3), colours of points below the threshold.
        threshold: points with less show their background, or grey.
        dark: on a dark page.
    """
    values = np.asarray(values, np.float32)
    low, high = scalar_span(values, low, high)
    if superpoints is not None:
        # Colours of superpoints, spread: S steps of arithmetic instead of N.
        colors = scalar_colors(values, low, high, dark=dark)[superpoints]
        below = None if threshold is None else ~(values >= threshold)[superpoints]
    else:
        colors = np.empty((len(values), 3), np.uint8)
        for part in _chunks(len(values)):
            colors[part] = scalar_colors(values[part], low, high, dark=dark)
        below = None if threshold is None else ~(values >= threshold)
    if below is not None:
        colors[below] = GREY[dark] if background is None else background[below]
    return Layer(colors, span=(low, high))


def feature_layer(features: ArrayLike, superpoints: np.ndarray) -> Layer:
    """Features as colours: their three strongest directions are red, green and blue.

    Args:
        features: float, (S, C), finite.
        superpoints: int, (N,).

    Raises:
        SceneError: features that are not finite.

    Source:
        Principal components, weighted by the points of each superpoint.
    """
    features = np.asarray(features, np.float64)
    if not np.isfinite(features).all():
        raise SceneError('the features of the scene are not finite; the weights are damaged.')
    sizes = np.bincount(superpoints, minlength=len(features)).astype(np.float64)
    total = max(sizes.sum(), 1.0)
    centred = features - sizes @ features / total
    _, axes = np.linalg.eigh((centred * sizes[:, None]).T @ centred / total)
    axes = axes[:, ::-1][:, :3]
    if axes.shape[1] < 3:
        axes = np.pad(axes, ((0, 0), (0, 3 - axes.shape[1])))
    # The sign of a component is free; this one does not depend on the solver.
    strongest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[strongest, range(3)] < 0, -1, 1)
    components = centred @ axes
    if not len(components):
        return Layer(np.zeros((len(superpoints), 3), np.uint8))
    low, high = np.percentile(components, [2, 98], axis=0)
    share = (components - low) / np.maximum(high - low, 1e-9)
    colors = np.rint(20 + 225 * share.clip(0, 1)).astype(np.uint8)
    return Layer(colors[superpoints])


# ---------------------------------------------------------------------------- parts


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))


def _rgb(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = color.tolist()
    return red, green, blue
