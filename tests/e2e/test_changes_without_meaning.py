"""What must not change an answer: order, names of superpoints, place, a stray point, a neighbour.

With the weights that ship, on a procedural room. Order, names and place are exact. A turned room
falls into other voxels, so its answers agree as far as they do between two scans of one room.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from unison3d import Segmenter
from unison3d.structures import PointScene
from unison3d.synth import make_scene

CLICK = 1000
TASKS = ['semantic', 'instance', 'panoptic', 'interactive', 'referring', 'open_vocabulary']


class Answers(NamedTuple):
    """Labels (N,) and masks (M, N) in the order of the points of the room."""

    semantic: np.ndarray
    panoptic: np.ndarray
    open_semantic: np.ndarray
    clicked: np.ndarray
    meant: np.ndarray
    objects: np.ndarray
    superpoints: np.ndarray


@pytest.fixture(scope='module')
def room():
    return make_scene(3, spacing=0.05, max_points=12000)


@pytest.fixture(scope='module')
def segmenter():
    return Segmenter.from_pretrained(device='cpu')


def ask(segmenter, points, colors, superpoints=None, *, order=None) -> Answers:
    """All six tasks; ``order[i]`` is where point i of the room is now, by default at i."""
    order = np.arange(len(points)) if order is None else order
    scene = segmenter.set_scene(PointScene.from_arrays(points, colors, superpoints=superpoints))
    click = tuple(points[order[CLICK]])
    result = segmenter.predict(TASKS, clicks=[click], texts=['the chair'])
    instances = result.instances
    sure = np.asarray(instances.scores) > 0.3
    return Answers(
        result.semantic[order],
        result.panoptic_semantic[order],
        result.open_semantic[order],
        np.asarray(result.click_masks.masks)[:, order],
        np.asarray(result.text_masks.masks)[:, order],
        np.asarray(instances.masks)[sure][:, order],
        scene.superpoints[order],
    )


@pytest.fixture(scope='module')
def expected(segmenter, room):
    answers = ask(segmenter, room.points.astype(np.float64), room.colors)
    assert len(answers.objects) > 3
    return answers


def check_equal(answers: Answers, expected: Answers) -> None:
    for name in ('semantic', 'panoptic', 'open_semantic', 'clicked', 'meant', 'objects'):
        np.testing.assert_array_equal(getattr(answers, name), getattr(expected, name), err_msg=name)


def best_iou(objects: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of each object with the other that fits it best, (M,)."""
    objects, others = objects.astype(np.float32), others.astype(np.float32)
    shared = objects @ others.T
    union = objects.sum(1)[:, None] + others.sum(1)[None] - shared
    return (shared / union).max(1)


def test_twice(segmenter, room, expected):
    check_equal(ask(segmenter, room.points.astype(np.float64), room.colors), expected)


def test_with_one_and_with_two_threads(segmenter, room, expected):
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            check_equal(ask(segmenter, room.points.astype(np.float64), room.colors), expected)
    finally:
        torch.set_num_threads(before)


def test_order_of_the_points(segmenter, room, expected):
    shuffled = np.random.default_rng(0).permutation(len(room.points))
    order = np.argsort(shuffled)
    points, colors = room.points[shuffled].astype(np.float64), room.colors[shuffled]
    answers = ask(segmenter, points, colors, order=order)
    check_equal(answers, expected)
    # The same cut under other numbers: as many pairs of numbers as there are superpoints.
    pairs = np.unique(np.stack([answers.superpoints, expected.superpoints]), axis=1)
    assert pairs.shape[1] == expected.superpoints.max() + 1


def test_numbers_of_the_superpoints(segmenter, room, expected):
    other = np.random.default_rng(0).permutation(expected.superpoints.max() + 1)
    points = room.points.astype(np.float64)
    check_equal(ask(segmenter, points, room.colors, other[expected.superpoints]), expected)


@pytest.mark.parametrize('shift', [(10.24, -5.12, 0.0), (431_000.0, 5_812_000.0, 0.0)])
def test_place_by_whole_voxels(segmenter, room, expected, shift):
    check_equal(ask(segmenter, room.points.astype(np.float64) + shift, room.colors), expected)


@pytest.mark.parametrize('degrees', [90, 180, 37])
def test_direction_of_the_room(segmenter, room, expected, degrees):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = room.points.astype(np.float64)
    points[:, :2] = points[:, :2] @ turn.T
    answers = ask(segmenter, points, room.colors)
    assert (answers.semantic == expected.semantic).mean() > 0.9
    assert (answers.panoptic == expected.panoptic).mean() > 0.85
    assert np.median(best_iou(expected.objects, answers.objects)) > 0.8


def test_a_point_far_away(segmenter, room, expected):
    points = np.concatenate([room.points, [[60.0, 0.0, 1.0]]])
    colors = np.concatenate([room.colors, np.full((1, 3), 0.5, np.float32)])
    answers = ask(segmenter, points, colors, order=np.arange(len(room.points)))
    assert (answers.semantic == expected.semantic).mean() > 0.99
    assert best_iou(expected.objects, answers.objects).min() > 0.9
    assert best_iou(expected.clicked, answers.clicked).min() > 0.9


def test_another_scene_in_the_batch(segmenter, room):
    """Encoded beside a copy and beside a stranger, a scene keeps its features."""
    stranger = make_scene(4, spacing=0.05, max_points=5000)
    inputs: dict[str, list] = {}
    for scene in (room, room, stranger):
        made = segmenter.set_scene(PointScene.from_arrays(scene.points, scene.colors))
        for name in ('points', 'colors', 'normals', 'superpoints'):
            inputs.setdefault(name, []).append(torch.from_numpy(getattr(made, name)))
        inputs.setdefault('has_color', []).append(torch.tensor(True))
    model = segmenter.model

    def encode(rows: slice):
        chosen = {name: tensors[rows] for name, tensors in inputs.items()}
        with torch.no_grad():
            return model.encode(model.data_preprocessor({'inputs': chosen})['inputs'])

    alone, together = encode(slice(0, 1))[0], encode(slice(0, 3))
    for features in together[:2]:
        torch.testing.assert_close(
            features.superpoint_features, alone.superpoint_features, rtol=1e-4, atol=1e-5
        )
