"""Samples there and back: nothing is lost, and the numbers mean what they should."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip('mmdet3d', reason='mmdet3d is not installed; see make test-bridge')

from mmdet3d.structures import (
    CameraInstance3DBoxes,
    DepthInstance3DBoxes,
    Det3DDataSample,
    LiDARInstance3DBoxes,
    PointData,
)
from mmengine.structures import InstanceData

import unison3d.bridges.mmdet3d as bridge
from unison3d.errors import SceneError
from unison3d.structures import InstanceMasks, PointScene, Prompts, SceneSample

TABLE = bridge.ClassTable('scannet20')
BOXES = torch.tensor([[1.0, 2, 3, 4, 5, 6, 0.5], [0, 0, 0, 1, 1, 2, -1]])


def their_sample(**more) -> Det3DDataSample:
    sample = Det3DDataSample(
        metainfo={'lidar_path': 'data/points/scene0000_00.bin', 'pcd_scale_factor': 1.5}
    )
    sample.gt_pts_seg = PointData(
        pts_semantic_mask=torch.tensor([4, 4, 0, 20, 6, 6, 6]),
        pts_instance_mask=torch.tensor([7, 7, 0, 0, 3, 3, 3]),
        sp_pts_mask=torch.tensor([0, 0, 1, 1, 2, 2, 3]),
        voxel_semantic_mask=torch.tensor([4, 0]),
    )
    sample.pred_pts_seg = PointData(
        pts_semantic_mask=torch.tensor([4, 0, 0, 1, 6, 6, 6]),
        pts_instance_mask=torch.tensor([1, 1, -1, -1, 0, 0, 0]),
        instance_labels=torch.tensor([6, 4]),
        instance_scores=torch.tensor([0.5, 0.75]),
    )
    sample.gt_instances_3d = InstanceData(
        bboxes_3d=DepthInstance3DBoxes(BOXES), labels_3d=torch.tensor([4, 6])
    )
    sample.pred_instances_3d = InstanceData(scores_3d=torch.tensor([0.25]))
    sample.pts_seg_logits = PointData(pts_seg_logits=torch.rand(20, 7))
    sample.eval_ann_info = {'sample_idx': 5}
    for name, value in more.items():
        sample.set_data({name: value})
    return sample


def same(a, b) -> bool:
    """Whether two samples hold the same, all the way down."""
    if hasattr(a, 'all_items'):
        a, b = dict(a.all_items()), dict(b.all_items())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if hasattr(a, 'tensor'):
        return type(a) is type(b) and torch.equal(a.tensor, b.tensor) and a.with_yaw == b.with_yaw
    if isinstance(a, (InstanceMasks, Prompts)):
        return same(vars(a), vars(b))
    return a == b


def test_theirs_to_ours_means_the_same():
    scene = bridge.scene_sample(their_sample(), TABLE)
    assert scene.metainfo['name'] == 'scene0000_00'
    assert scene.gt_semantic.tolist() == [4, 4, 0, 20, 6, 6, 6]
    assert scene.gt_instances.tolist() == [1, 1, -1, -1, 0, 0, 0]
    assert scene.gt_instance_semantic.tolist() == [6, 4]
    assert scene.gt_instance_ids.tolist() == [3, 7]
    predicted = scene.pred_instances
    assert predicted.masks.int().tolist() == [[0, 0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0]]
    assert predicted.labels.tolist() == [4, 2], 'classes 6 and 4 among the things'
    assert torch.equal(predicted.superpoints, scene.superpoints), 'these masks are unions of them'
    # Theirs stand on the ground, ours have the centre.
    assert scene.gt_boxes[:, 2].tolist() == [6.0, 1.0]
    assert scene.gt_box_semantic.tolist() == [4, 6]


def test_theirs_there_and_back():
    sample = their_sample()
    before = sample.clone()
    back = bridge.det3d_sample(bridge.scene_sample(sample, TABLE), TABLE)
    assert same(before, sample), 'the sample itself stays as it was'
    back.unison3d = None
    meta = dict(back.metainfo_items())
    assert meta.pop('name') == 'scene0000_00'
    assert meta.pop('label_space') == 'scannet20'
    assert meta == dict(sample.metainfo_items())
    for name, value in sample.items():
        assert same(value, back.get(name)), name


def test_ours_there_and_back():
    superpoints = torch.tensor([0, 0, 1, 1, 2, 2, 3])
    overlapping = torch.tensor([[True, True, False, False], [False, True, True, False]])
    scene = SceneSample(
        metainfo={'name': 'a room', 'label_space': 'scannet20'},
        gt_semantic=torch.tensor([4, 4, 0, 20, 6, 6, 6]),
        # The last of four instances has no points; the class of the first is not that of its.
        gt_instances=torch.tensor([2, 2, -1, -1, 0, 0, 1]),
        gt_instance_semantic=torch.tensor([9, 6, 4, 5]),
        gt_names=['shelf', 'table', 'chair', 'sofa'],
        sp_masks=torch.rand(4, 4) < 0.5,
        prompts=Prompts(texts=['the chair']),
        pred_semantic=torch.tensor([4, 4, 0, 19, 6, 6, 6]),
        pred_instances=InstanceMasks(
            overlapping, superpoints, torch.tensor([2, -1]), torch.tensor([0.25, 0.5])
        ),
    )
    theirs = bridge.det3d_sample(scene, TABLE)
    assert theirs.gt_pts_seg.pts_instance_mask.tolist() == [3, 3, 0, 0, 1, 1, 2]
    assert theirs.pred_pts_seg.pts_instance_mask.tolist() == [0, 0, 1, 1, 1, 1, -1]
    assert theirs.pred_pts_seg.instance_labels.tolist() == [4, 20]
    back = bridge.scene_sample(theirs, TABLE)
    del back.gt_instance_ids
    assert same(scene, back)
    # A model of theirs that has answered since is believed.
    theirs.pred_pts_seg.pts_instance_mask = torch.tensor([0, -1, -1, -1, -1, -1, 1])
    again = bridge.scene_sample(theirs, TABLE).pred_instances
    assert again.masks.int().tolist() == [[1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1]]


def test_boxes_of_other_kinds():
    rows = torch.cat([BOXES, torch.tensor([[1.0, 2], [3, 4]])], dim=1)
    lidar = LiDARInstance3DBoxes(rows, box_dim=9)
    camera = CameraInstance3DBoxes(BOXES)
    for boxes in (lidar, camera):
        sample = their_sample(gt_instances_3d=InstanceData(bboxes_3d=boxes))
        scene = bridge.scene_sample(sample, TABLE)
        assert ('gt_boxes' in scene) == (boxes is lidar)
        back = bridge.det3d_sample(scene, TABLE)
        assert same(boxes, back.gt_instances_3d.bboxes_3d)


def test_masks_that_are_no_unions_of_superpoints_are_not_rounded():
    sample = their_sample()
    sample.pred_pts_seg.pts_instance_mask = torch.tensor([1, 0, 0, 0, 0, 1, 1])
    masks = bridge.scene_sample(sample, TABLE).pred_instances.masks
    assert masks.int().tolist() == [[0, 1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 1, 1]]
    rows = torch.rand(2, 7) < 0.5
    sample.pred_pts_seg.pts_instance_mask = rows
    scene = bridge.scene_sample(sample, TABLE)
    assert torch.equal(scene.pred_instances.masks, rows)
    back = bridge.det3d_sample(scene, TABLE, instances='rows')
    assert torch.equal(back.pred_pts_seg.pts_instance_mask, rows)


def test_what_does_not_fit_is_said():
    sample = their_sample()
    sample.pred_pts_seg.pts_instance_mask = torch.tensor([2] * 7)
    with pytest.raises(SceneError, match='instance 2, and labels for 2'):
        bridge.scene_sample(sample, TABLE)
    sample.pred_pts_seg.pts_instance_mask = [torch.rand(2, 7) < 0.5]
    with pytest.raises(SceneError, match='a list of 1'):
        bridge.scene_sample(sample, TABLE)


def test_points_there_and_back():
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(7, 6, generator=generator)
    rows[:, 3:] = (rows[:, 3:] * 255).round()
    points = bridge.det3d_points(rows[:, :3], rows[:, 3:] / 255)
    scene = bridge.point_scene(points, bridge.scene_sample(their_sample(), TABLE))
    assert isinstance(scene, PointScene) and scene.name == 'scene0000_00'
    assert scene.instance_ids.tolist() == [1, 1, -1, -1, 0, 0, 0]
    assert bridge.scene_inputs(scene)['superpoints'].tolist() == [0, 0, 1, 1, 2, 2, 3]
    back = bridge.det3d_points(scene.points, scene.colors)
    torch.testing.assert_close(back.tensor, rows)
    assert back.attribute_dims == {'color': [3, 4, 5]}
    with pytest.raises(SceneError, match='color_scale'):
        bridge.point_scene(points, color_scale=1.0)
    with pytest.raises(SceneError, match='1 columns'):
        bridge.point_scene(rows[:, :4])
    assert len(bridge.point_scene(rows[:, :4], extra='drop')) == 7
