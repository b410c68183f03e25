"""From the questions of a user to prompts on one scene."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from unison3d.apis.questions import as_numbers, as_texts, is_flat, plain
from unison3d.errors import PromptError
from unison3d.structures import Box, Click, PointScene, Prompts, points_in_boxes

#: metres. A click farther from every point than this is a mistake.
MAX_CLICK_DISTANCE = 0.25

BoxLike = Box | Sequence[float]


def as_boxes(boxes: Any, following: int = 0) -> list[Box]:
    """Boxes of one scene.

    Args:
        boxes: x, y, z of the centre, size along x, y and z, and perhaps a yaw in radians, as a list
            or an array (B, 6) or (B, 7), :class:`Box` objects, one of either on its own, or None.
        following: number of the first object that is free.

    Returns:
        Boxes of floats. Bare numbers become objects of their own, after those that are named.

    Raises:
        PromptError: something is not a box.
    """
    if boxes is None:
        return []
    boxes = plain(boxes)
    items = [boxes] if isinstance(boxes, Box) or is_flat(boxes) else boxes
    if isinstance(items, (str, bytes, Mapping)) or not hasattr(items, '__iter__'):
        raise PromptError(f'boxes is {items!r} of type {type(items).__name__}; expected a list')
    made = [plain(item) for item in items]
    named = [box.object for box in made if isinstance(box, Box)]
    following = max([following, *(_whole(number) + 1 for number in named)])
    for index, item in enumerate(made):
        if isinstance(item, Box):
            numbers = [*plain(item.center), *plain(item.size), item.yaw]
            made[index] = _box(numbers, _whole(item.object), item)
        else:
            made[index] = _box(item, following, item)
            following += 1
    return made


def _whole(number: Any) -> int:
    if not isinstance(number, Integral) or isinstance(number, bool):
        raise PromptError(f'a box belongs to object {number!r}; expected a whole number')
    return int(number)


def _box(numbers: Any, owner: int, seen: Any) -> Box:
    values = as_numbers(numbers)
    if values is None or len(values) not in (6, 7) or not all(map(math.isfinite, values)):
        raise PromptError(
            f'box {seen!r} is none; expected six finite numbers, x, y, z of the centre and the '
            'size along x, y and z, or seven with a yaw in radians, in the coordinates of the file'
        )
    if min(values[3:6]) <= 0:
        raise PromptError(f'box {seen!r} has a size of {min(values[3:6])}; expected more than 0')
    return Box(tuple(values[:3]), tuple(values[3:6]), values[6] if len(values) == 7 else 0.0, owner)


def as_click_texts(click_texts: Any, objects: Sequence[int]) -> dict[int, str]:
    """Sentences about clicked or boxed objects.

    Args:
        click_texts: sentence by object, or None.
        objects: numbers of the objects that have a click or a box.

    Raises:
        PromptError: not a mapping, a sentence that is none, or an object that does not exist.
    """
    if click_texts is None:
        return {}
    if not isinstance(click_texts, Mapping):
        raise PromptError(
            f'click_texts is {click_texts!r}; expected sentences by object, such as '
            '{0: "the red chair"}'
        )
    for number in click_texts:
        if number not in objects:
            raise PromptError(
                f'click_texts describes object {number!r}, but clicks and boxes belong to '
                f'{list(objects)}'
            )
    return {int(number): as_texts(text)[0] for number, text in click_texts.items()}


def make_prompts(
    scene: PointScene,
    tree: cKDTree,
    scale: float,
    *,
    clicks: Sequence[Click] = (),
    boxes: Sequence[Box] = (),
    texts: Sequence[str] = (),
    click_texts: Mapping[int, str] | None = None,
    exclusive: bool = False,
) -> Prompts:
    """Place clicks and boxes in a scene.

    Args:
        scene: the scene in metres, with superpoints.
        tree: of its points.
        scale: metres per unit of the file.
        clicks: in the coordinates of the file.
        boxes: likewise.
        texts: sentences.
        click_texts: sentence by object; each is one of ``texts``.
        exclusive: see :class:`Prompts`.

    Raises:
        PromptError: a click far from every point, or a box without a point.
    """
    prompts = Prompts(texts=list(texts), exclusive=exclusive)
    ids = object_numbers(clicks, boxes)
    if not ids:
        return prompts
    if len(scene) == 0:
        raise PromptError(f'scene "{scene.name}" has no points, so nothing can be clicked or boxed')
    described = click_texts or {}
    return dataclasses.replace(
        prompts,
        click_superpoints=_clicked_superpoints(scene, tree, scale, clicks),
        click_positive=torch.tensor([c.positive for c in clicks], dtype=torch.bool),
        click_objects=torch.tensor([ids.index(c.object) for c in clicks], dtype=torch.int64),
        click_targets=torch.full((len(ids),), -1, dtype=torch.int64),
        boxes=_placed_boxes(scene, scale, boxes),
        box_objects=torch.tensor([ids.index(b.object) for b in boxes], dtype=torch.int64),
        click_texts=torch.tensor(
            [prompts.texts.index(described[i]) if i in described else -1 for i in ids]
        )
        if described
        else None,
    )


def object_numbers(clicks: Sequence[Click], boxes: Sequence[Box]) -> list[int]:
    """Numbers of the objects that clicks and boxes belong to, ascending."""
    return sorted({prompt.object for prompt in (*clicks, *boxes)})


def _clicked_superpoints(
    scene: PointScene, tree: cKDTree, scale: float, clicks: Sequence[Click]
) -> torch.Tensor:
    world = np.array([click.position for click in clicks]).reshape(-1, 3) * scale
    # Squared distances of absurd positions leave the range of numbers; they are far anyway.
    distances, nearest = tree.query(np.clip(world - scene.origin, -1e9, 1e9))
    for click, distance in zip(clicks, distances, strict=True):
        if not distance <= MAX_CLICK_DISTANCE:
            raise PromptError(
                f'click {click.position} lies {distance:.2f} m from the nearest point of '
                f'"{scene.name}", at most {MAX_CLICK_DISTANCE} m are allowed. '
                f'{_extent(scene, scale)}'
            )
    return torch.from_numpy(scene.superpoints[nearest])


def _placed_boxes(scene: PointScene, scale: float, boxes: Sequence[Box]) -> torch.Tensor:
    rows = np.array([[*box.center, *box.size, box.yaw] for box in boxes]).reshape(-1, 7)
    rows[:, :6] *= scale
    rows[:, :3] -= scene.origin
    placed = torch.from_numpy(np.clip(rows, -1e9, 1e9).astype(np.float32))
    filled = points_in_boxes(torch.from_numpy(scene.points), placed).any(dim=1)
    for box, has_points in zip(boxes, filled.tolist(), strict=True):
        if not has_points:
            raise PromptError(
                f'the box at {box.center} of size {box.size} holds no point of "{scene.name}". '
                f'{_extent(scene, scale)}'
            )
    return placed


def _extent(scene: PointScene, scale: float) -> str:
    low, high = (scene.bounds + scene.origin) / scale
    return (
        f'The scene spans {np.round(low, 2).tolist()} to {np.round(high, 2).tolist()}; use the '
        'coordinates of the file.'
    )
