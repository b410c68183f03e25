"""Models with learned queries behind the Segmenter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_models.oneformer3d_samples import learned_model
from tiny import scene_inputs

from unison3d.apis import Segmenter
from unison3d.errors import ConfigError
from unison3d.io import read_semantickitti_labels
from unison3d.structures import S3DIS, InstanceMasks, PointScene
from unison3d.viewer.label_source import from_result
from unison3d.viewer.palettes import object_colors, stuff_colors

MIXED = {
    'type': 'MixedLabelSetsTask',
    'label_spaces': ('structured3d', 'scannet20'),
    'default': 'scannet20',
}


def segmenter(task: dict) -> Segmenter:
    inputs = scene_inputs(2000)
    model = Segmenter(learned_model(task))
    scene = PointScene.from_arrays(inputs['points'].numpy(), inputs['colors'].numpy())
    model.set_scene(scene)
    return model


def test_the_scene_is_cut_into_the_voxels_of_the_model(tmp_path):
    model = segmenter({})
    result = model.predict()
    assert result.tasks == ['semantic', 'instance', 'panoptic']
    masks = result.sample.pred_instances
    assert masks.superpoint_masks.shape[1] == model.scene.superpoints.max() + 1
    names = {path.name for path in result.save(tmp_path / 'out')}
    assert {'semantic.ply', 'panoptic.ply', 'instance.ply', 'result.json'} <= names


def test_stuff_of_s3dis_is_no_object(tmp_path):
    """All 13 classes have instances; in the panoptic map eight of them are stuff."""
    result = segmenter({}).predict(['panoptic', 'instance'])
    # Half floor, which is stuff, a chair, and two thirds of the rest another one.
    half = np.arange(2000) < 1000
    chairs = np.where(np.arange(2000) < 1400, 13, 14)
    result.sample.pred_panoptic_semantic = torch.from_numpy(np.where(half, 1, 8))
    result.sample.pred_panoptic_instance = torch.from_numpy(np.where(half, 1, chairs))
    assert (result.panoptic_things == ~half).all()
    result.save(tmp_path, export=['semantickitti'])
    (path,) = (tmp_path / 'exports' / 'semantickitti').glob('*.label')
    _, instances = read_semantickitti_labels(path)
    np.testing.assert_array_equal(instances, np.where(half, 0, chairs - 12))
    floor = np.float32(S3DIS.palette[1]) / 255
    np.testing.assert_allclose(result.colorings()['panoptic'][:1000], np.tile(floor, (1000, 1)))
    # Neither is it in the viewer: no instance gives it a score, and its colour is a quiet one.
    masks = torch.ones((1, int(result.superpoint_table.sizes.size)), dtype=torch.bool)
    superpoints = result.sample.pred_instances.superpoints
    result.sample.pred_instances = InstanceMasks(
        masks, superpoints, torch.tensor([8]), torch.tensor([0.5])
    )
    ground, *things = from_result(result).objects
    assert [item.score for item in (ground, *things)] == [1.0, 0.5, 0.5]
    assert ground.color == tuple(stuff_colors(2)[1])
    assert [item.color for item in things] == [tuple(row) for row in object_colors([2, 3])]
    assert len(np.unique(stuff_colors(8), axis=0)) == len(result.panoptic_stuff) == 8


def test_questions_that_a_model_leaves_out(tmp_path):
    model = segmenter(MIXED)
    result = model.predict()
    assert result.tasks == ['instance']
    assert result.label_space.name == 'scannet20'
    assert result.save(tmp_path / 'out')
    with pytest.raises(ConfigError, match="no part for the task 'semantic'; it has instance"):
        model.predict('semantic')


def test_an_empty_scene():
    model = segmenter({})
    inputs = scene_inputs(2)
    model.set_scene(PointScene.from_arrays(inputs['points'][:0].numpy()))
    assert len(model.predict().scene) == 0
