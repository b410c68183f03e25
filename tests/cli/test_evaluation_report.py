"""What the pictures of a report show, and when a report is refused."""

from __future__ import annotations

import numpy as np
import torch

from unison3d.cli.evaluation_report import scene_panels
from unison3d.cli.main import main
from unison3d.structures import S3DIS, SCANNET20, InstanceMasks, SceneSample

CHAIR = SCANNET20.index('chair')


def make_sample() -> SceneSample:
    """A wall and two chairs of three points each; the answer numbers the chairs the other way."""
    semantic = torch.tensor([0, CHAIR, CHAIR]).repeat_interleave(3)
    return SceneSample(
        gt_semantic=semantic,
        gt_instances=torch.tensor([-1, 0, 1]).repeat_interleave(3),
        pred_semantic=torch.full((9,), CHAIR),
        pred_panoptic_semantic=semantic,
        pred_panoptic_instance=torch.tensor([0, 9, 4]).repeat_interleave(3),
    )


def test_found_objects_have_the_colours_of_the_true_ones():
    panels = scene_panels(make_sample(), SCANNET20, 9)
    assert list(panels) == [
        'classes: truth',
        'classes: predicted',
        'objects: truth',
        'objects: predicted',
    ]
    np.testing.assert_array_equal(panels['objects: truth'], panels['objects: predicted'])
    assert len(np.unique(panels['objects: truth'], axis=0)) == 3
    wall, chair = SCANNET20.palette[0] / 255, SCANNET20.palette[CHAIR] / 255
    np.testing.assert_allclose(panels['classes: truth'][0], wall, atol=1e-6)
    np.testing.assert_allclose(panels['classes: predicted'][0], chair, atol=1e-6)


def test_walls_of_s3dis_are_no_objects_in_the_panoptic_map():
    """They have instances there, which the metric and the pictures leave out alike."""
    sample, chair = make_sample(), S3DIS.index('chair')
    wall = S3DIS.index('wall')
    labels = torch.tensor([wall, chair, chair]).repeat_interleave(3)
    sample.gt_semantic = sample.pred_panoptic_semantic = labels
    sample.gt_instances = torch.tensor([2, 0, 1]).repeat_interleave(3)
    panels = scene_panels(sample, S3DIS, 9, stuff=(wall,))
    np.testing.assert_array_equal(panels['objects: truth'], panels['objects: predicted'])
    np.testing.assert_array_equal(panels['objects: truth'][:3], 0.25)
    assert not (scene_panels(sample, S3DIS, 9)['objects: predicted'][:3] == 0.25).all()


def test_an_object_that_is_not_there_has_a_colour_of_its_own():
    sample = make_sample()
    sample.pred_panoptic_semantic = torch.full((9,), CHAIR)
    panels = scene_panels(sample, SCANNET20, 9)
    invented = panels['objects: predicted'][0]
    assert not (panels['objects: truth'] == invented).all(axis=1).any()


def test_instances_serve_where_nothing_panoptic_is_predicted():
    sample = make_sample()
    del sample.pred_panoptic_semantic, sample.pred_panoptic_instance
    superpoints = torch.arange(3).repeat_interleave(3)
    masks = torch.tensor([[0, 1, 0], [0, 1, 1], [1, 0, 0]], dtype=torch.bool)
    scores = torch.tensor([0.9, 0.8, 0.1])
    sample.pred_instances = InstanceMasks(masks, superpoints, torch.zeros(3).long(), scores)
    panels = scene_panels(sample, SCANNET20, 9)
    # The better mask keeps the first chair; what is unlikely is not drawn.
    np.testing.assert_array_equal(panels['objects: truth'], panels['objects: predicted'])


def test_nothing_to_draw():
    assert scene_panels(SceneSample(), SCANNET20, 9) == {}
    assert scene_panels(make_sample(), SCANNET20, 10) == {}


def test_an_older_report_is_kept(tmp_path, capsys):
    config = tmp_path / 'toy.py'
    keys = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')
    config.write_text('\n'.join(f'{key} = dict(type="x")' for key in keys))
    (tmp_path / 'report.json').write_text('{}')
    words = ['test', str(config), 'w.pth', '--report']
    assert main([*words, str(tmp_path)]) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert main([*words, str(config)]) == 2
    assert 'is a file' in capsys.readouterr().err
