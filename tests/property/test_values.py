"""Any number of points, any kind of number, all six tasks: a defined answer or a typed error."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import tiny_model

from tests.test_apis.api_samples import HashEncoder
from unison3d.apis import TASKS, Segmenter
from unison3d.errors import SceneError
from unison3d.structures import InstanceMasks, PointScene

SIZES = [0, 1, 2, 3, 17, 1000, 1_000_000]
UTM = np.array([431_000.0, 5_812_000.0, 30.0])
UNUSABLE = {'nan': np.nan, 'inf': np.inf, '1e38': 1e38}
KINDS = ['normal', 'duplicates', 'collinear', 'utm', *UNUSABLE]


@pytest.fixture(scope='module')
def segmenter():
    model = tiny_model()
    model.tasks['text']._text_encoder = HashEncoder()
    return Segmenter(model)


def arrays(kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a floor with boxes on it, float64, and their colours."""
    rng = np.random.default_rng(count)
    points = rng.random((count, 3)) * [6.0, 5.0, 0.02]
    points[::3, 2] += np.round(points[::3, 0]) % 2
    if kind == 'duplicates':
        points = points[np.arange(count) // 5 * 5]
    elif kind == 'collinear':
        points = np.linspace(0, 1, count)[:, None] * [3.0, 2.0, 1.0]
    elif kind == 'utm':
        points += UTM
    elif kind in UNUSABLE:
        # One coordinate of every fourth point, from the first on.
        points[::4, count % 3] = UNUSABLE[kind]
    return points, rng.random((count, 3))


def check_masks(masks: InstanceMasks, rows: int | None, count: int) -> None:
    assert masks.masks.shape[1] == count
    if rows is not None:
        assert len(masks) == rows
    scores = np.asarray(masks.scores)
    assert ((scores >= 0) & (scores <= 1)).all()


def check_six_tasks(segmenter: Segmenter, scene: PointScene) -> dict[str, np.ndarray]:
    """Ask everything; the labels of the tasks that label points."""
    count = len(scene)
    segmenter.set_scene(scene)
    clicks = [tuple(scene.world_points[count // 2])] if count else []
    tasks = [task for task in TASKS if clicks or task != 'interactive']
    result = segmenter.predict(tasks, clicks=clicks, texts=['the chair'], vocabulary=['chair'])
    labels = {
        'semantic': result.semantic,
        'panoptic semantic': result.panoptic_semantic,
        'panoptic instance': result.panoptic_instance,
        'open vocabulary': result.open_semantic,
    }
    for values in labels.values():
        assert values.shape == (count,)
        assert np.issubdtype(values.dtype, np.integer)
        assert (values >= -1).all()
    assert (result.semantic < 20).all()
    assert (result.open_semantic < 1).all()
    check_masks(result.instances, None, count)
    check_masks(result.open_instances, None, count)
    check_masks(result.text_masks, None, count)
    if clicks:
        check_masks(result.click_masks, 1, count)
    return labels


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('count', SIZES)
def test_a_defined_answer(segmenter, kind, count):
    points, colors = arrays(kind, count)
    if kind not in UNUSABLE:
        check_six_tasks(segmenter, PointScene.from_arrays(points, colors))
        return
    bad = np.arange(0, count, 4)
    if kind == '1e38' and count == 1:
        bad = bad[:0]  # Alone in the world it is far from nothing.
    elif kind == '1e38' and count == 2:
        bad = np.arange(2)  # Nobody knows which of the two is the far one.
    if len(bad):
        with pytest.raises(SceneError, match=rf'{len(bad)} of {count} points .* row 0\)'):
            PointScene.from_arrays(points, colors)
    scene = PointScene.from_arrays(points, colors, on_bad='drop')
    kept = np.delete(np.arange(count), bad)
    assert len(scene) == len(kept)
    left = check_six_tasks(segmenter, scene)
    if count <= 1000:  # Twice a million points would say the same, slowly.
        clean = PointScene.from_arrays(points[kept], colors[kept])
        for name, labels in check_six_tasks(segmenter, clean).items():
            np.testing.assert_array_equal(left[name], labels)
