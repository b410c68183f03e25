"""Colours of the layers and their legends."""

from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.structures import PointScene
from unison3d.viewer import layers
from unison3d.viewer.label_edits import LabelObject
from unison3d.viewer.palettes import GREY, OKABE_ITO, object_colors, scalar_colors


def lightness(rgb: np.ndarray) -> np.ndarray:
    """L of CIELAB from sRGB, by the definition of the standard."""
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * 24389 / 27)


def test_the_scalar_palette_gets_lighter_evenly():
    table = scalar_colors(np.linspace(0, 1, 64))
    steps = np.diff(lightness(table))
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.mean()
    # Without red-green vision the two ends still differ in blue against yellow.
    assert table[0, 2] > table[0, 0]
    assert table[-1, 0] > table[-1, 2]
    assert scalar_colors([np.nan, np.inf], dark=True).tolist() == [list(GREY[True])] * 2
    assert scalar_colors([3.0, 3.0]).tolist() == [table[0].tolist()] * 2


def test_object_colors_differ_for_21_objects():
    colors = object_colors(np.arange(0, 22))
    assert len(np.unique(colors, axis=0)) == 22
    assert np.array_equal(colors[1:8], OKABE_ITO)
    assert np.array_equal(object_colors([22]), object_colors([1]))


def test_no_two_object_colors_are_close():
    # Distance in OKLab. Source: Ottosson, A perceptual color space for image processing, 2020.
    to_cone = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    gamma = object_colors(np.arange(1, 22)) / 255
    linear = np.where(gamma <= 0.04045, gamma / 12.92, ((gamma + 0.055) / 1.055) ** 2.4)
    lab = np.cbrt(linear @ np.transpose(to_cone)) @ np.transpose(to_lab)
    distance = np.linalg.norm(lab[:, None] - lab, axis=-1)
    assert distance[np.triu_indices(21, 1)].min() > 0.05


def test_classes_can_be_switched_off():
    ids = np.array([2, 0, 2, 7, -1, 2, 1])
    layer = layers.class_layer(ids, ['wall', 'floor', 'chair'], hidden={0, 3})
    assert [(entry.name, entry.count) for entry in layer.legend] == [
        ('chair', 3),
        ('no class', 2),
        ('wall', 1),
        ('floor', 1),
    ]
    assert layer.visible.tolist() == [True, False, True, False, False, True, True]
    assert tuple(layer.colors[0]) == layer.legend[0].color
    assert layers.class_layer(ids, ['a'] * 3).visible is None


def test_objects_have_their_own_colours():
    objects = [LabelObject(7, 'b', (1, 2, 3), 1, 1), LabelObject(3, 'a', (4, 5, 6), visible=False)]
    ids = np.array([3, 7, 0, 5], np.int32)
    background = np.full((4, 3), 200, np.uint8)
    layer = layers.object_layer(ids, objects, background=background)
    assert layer.colors.tolist() == [[4, 5, 6], [1, 2, 3], [200] * 3, [200] * 3]
    assert layer.visible.tolist() == [False, True, True, True]
    assert [entry.key for entry in layer.legend] == [7, 3]
    assert (
        layers.object_layer(ids, objects, hidden={0}).visible.tolist()
        == [False, True] + [False] * 2
    )


def test_heat_is_shown_above_its_threshold():
    superpoints = np.array([0, 1, 1, 2])
    heat = np.array([0.1, 0.5, 0.9], np.float32)
    layer = layers.scalar_layer(heat, superpoints, low=0, high=1, threshold=0.5)
    assert layer.colors[0].tolist() == list(GREY[False])
    assert layer.colors[1:].tolist() == scalar_colors(heat[[1, 1, 2]], 0, 1).tolist()
    assert layer.span == (0, 1)


def test_chunks_change_nothing(monkeypatch):
    generator = np.random.default_rng(0)
    scene = PointScene(
        generator.random((1000, 3)).astype(np.float32),
        colors=generator.random((1000, 3)).astype(np.float32),
        normals=np.tile(np.float32([0, 0, 1]), (1000, 1)),
    )
    ids = generator.integers(-1, 6, 1000)

    def all_layers():
        return [
            layers.color_layer(scene),
            layers.height_layer(scene),
            layers.normal_layer(scene.normals),
            layers.class_layer(ids, list('abcd'), hidden=[1]),
            layers.object_layer(ids, [LabelObject(2, 'x', (1, 2, 3))], hidden=[2]),
        ]

    whole = all_layers()
    monkeypatch.setattr(layers, '_CHUNK', 7)
    for one, other in zip(whole, all_layers(), strict=True):
        assert np.array_equal(one.colors, other.colors)
        assert one.legend == other.legend
        assert (one.visible is None) == (other.visible is None)
        assert one.visible is None or np.array_equal(one.visible, other.visible)
    assert np.array_equal(whole[0].colors, np.rint(scene.colors * 255).astype(np.uint8))
    assert whole[2].colors[0].tolist() == [128, 128, 255]
    low, high = whole[1].span
    assert low == 0
    assert high == pytest.approx(0.98, abs=0.02)


def test_features_that_differ_look_different():
    generator = np.random.default_rng(0)
    kinds = np.repeat(np.eye(8)[:4], 5, axis=0)
    features = kinds + 0.01 * generator.standard_normal((20, 8))
    superpoints = np.arange(20).repeat(3)
    colors = layers.feature_layer(features, superpoints).colors.astype(int)
    assert np.array_equal(colors, layers.feature_layer(features[:, :], superpoints).colors)
    groups = colors.reshape(4, 15, 3)
    within = np.ptp(groups, axis=1).max()
    between = min(np.abs(groups[i, 0] - groups[j, 0]).max() for i in range(4) for j in range(i))
    assert between > 3 * within
    # Fewer features than colours, and none at all.
    assert layers.feature_layer(np.ones((20, 1)), superpoints).colors.shape == (60, 3)
    assert layers.feature_layer(np.ones((0, 4)), np.zeros(0, int)).colors.shape == (0, 3)
    with pytest.raises(SceneError, match='not finite'):
        layers.feature_layer(np.full((20, 2), np.nan), superpoints)
