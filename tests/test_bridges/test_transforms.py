"""Their data sets and transforms into pipelines of ours, and back."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('mmdet3d', reason='mmdet3d is not installed; see make test-bridge')

from mmdet3d.registry import DATASETS
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from test_bridges.mmdet3d_files import write_infos, write_s3dis, write_sweep

from unison3d.bridges.mmdet3d import FromMMDet3D, ToMMDet3D
from unison3d.datasets.transforms import PackScene
from unison3d.errors import ConfigError, SceneError
from unison3d.io.config_files import find_package_config, read_config_file
from unison3d.models import ScenePreprocessor
from unison3d.structures.label_space import get_label_space

LOAD = [
    dict(
        type='LoadPointsFromFile',
        coord_type='DEPTH',
        use_color=True,
        load_dim=6,
        use_dim=[0, 1, 2, 3, 4, 5],
    ),
    dict(
        type='LoadAnnotations3D',
        with_bbox_3d=False,
        with_label_3d=False,
        with_mask_3d=True,
        with_seg_3d=True,
    ),
    dict(type='PointSegClassMapping'),
]
PREFIX = dict(pts='points', pts_instance_mask='instance_mask', pts_semantic_mask='semantic_mask')


@pytest.fixture(autouse=True)
def _their_scope():
    init_default_scope('mmdet3d')
    yield
    init_default_scope('unison3d')


def test_scannet_is_what_was_written(scannet_folder, rooms):
    dataset = DATASETS.build(
        dict(
            type='ScanNetSegDataset',
            data_root=str(scannet_folder),
            ann_file='scannet_infos_val.pkl',
            metainfo=dict(classes=DATASETS.get('ScanNetSegDataset').METAINFO['classes']),
            data_prefix=PREFIX,
            pipeline=[*LOAD, dict(type='unison3d.FromMMDet3D', label_space='scannet20')],
            test_mode=True,
        )
    )
    sample, room = dataset[0], rooms[0]
    assert sample['name'] == room['name']
    np.testing.assert_array_equal(sample['points'], room['points'])
    np.testing.assert_allclose(sample['colors'], room['colors'], atol=0.6 / 255)
    np.testing.assert_array_equal(sample['semantic'], room['semantic'])
    # Walls and floors, which theirs numbers as well, are no instances here.
    np.testing.assert_array_equal(sample['instances'], room['instances'])
    np.testing.assert_array_equal(sample['instance_semantic'], room['instance_semantic'])


def test_s3dis(rooms, tmp_path):
    write_s3dis(tmp_path, rooms)
    dataset = DATASETS.build(
        dict(
            type='S3DISSegDataset',
            data_root=str(tmp_path),
            ann_files=['s3dis_infos_Area_1.pkl'],
            metainfo=dict(classes=DATASETS.get('S3DISSegDataset').METAINFO['classes']),
            data_prefix=PREFIX,
            scene_idxs=['seg_info/Area_1_resampled_scene_idxs.npy'],
            pipeline=[*LOAD, dict(type='unison3d.FromMMDet3D', label_space='s3dis')],
        )
    )
    sample = dataset[1]
    written = np.fromfile(
        next((tmp_path / 'semantic_mask').glob(f'*{rooms[1]["name"]}*')), np.int64
    )
    np.testing.assert_array_equal(sample['semantic'], written)
    np.testing.assert_array_equal(sample['instances'], rooms[1]['instances'])


SWEEPS = {
    # Class of theirs, space, columns, raw ids with the names that they mean (None: no class).
    'semantickitti': (
        'SemanticKittiDataset',
        4,
        np.int32,
        {10: 'car', 252: 'car', 13: 'other vehicle', 40: 'road', 71: 'trunk', 0: None, 99: None},
    ),
    'nuscenes': (
        'unison3d.NuScenesLidarSegDataset',
        5,
        np.uint8,
        {17: 'car', 15: 'bus', 16: 'bus', 2: 'pedestrian', 24: 'driveable surface', 31: None},
    ),
}


@pytest.mark.parametrize('space', SWEEPS)
def test_lidar_sweeps_into_voxels(space, tmp_path):
    name, columns, dtype, meaning = SWEEPS[space]
    points, labels = write_sweep(tmp_path, 'sweep', columns, list(meaning), dtype)
    write_infos(
        tmp_path / 'infos.pkl',
        [
            {
                'lidar_points': {'num_pts_feats': columns, 'lidar_path': 'sweep.bin'},
                'pts_semantic_mask_path': 'sweep.label',
                'sample_idx': 0,
            }
        ],
    )
    kind = DATASETS.get(name)
    classes = kind.METAINFO['classes']
    meta = dict(classes=classes)
    annotations = dict(LOAD[1], with_mask_3d=False, seg_3d_dtype=f'np.{dtype.__name__}')
    if space == 'semantickitti':
        path = find_package_config('mmdet3d::_base_/datasets/semantickitti.py')
        meta = read_config_file(path).metainfo
        annotations |= dict(dataset_type='semantickitti', seg_offset=2**16)
    load = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=columns, use_dim=4)
    bridge = dict(
        type='unison3d.FromMMDet3D',
        label_space=space,
        classes=classes,
        superpoints=0.5,
        extra=['intensity'],
    )
    dataset = DATASETS.build(
        dict(
            type=name,
            data_root=str(tmp_path),
            ann_file='infos.pkl',
            metainfo=meta,
            pipeline=[load, annotations, LOAD[2], bridge, dict(type='unison3d.PackScene')],
        )
    )
    packed = dataset[0]
    ours = get_label_space(space)
    wanted = {
        raw: ours.ignore_index if name is None else ours.index(name)
        for raw, name in meaning.items()
    }
    assert packed['data_samples'].gt_semantic.tolist() == [wanted[int(raw)] for raw in labels]
    assert packed['data_samples'].metainfo['label_space'] == space
    batch = ScenePreprocessor(0.2, ('xyz', 'intensity'))(
        {'inputs': {key: [value] for key, value in packed['inputs'].items()}}
    )['inputs']
    alone = batch.point_to_voxel.bincount()[batch.point_to_voxel] == 1
    rows = batch.voxels.features[batch.point_to_voxel[alone]]
    assert int(alone.sum()) > 100
    np.testing.assert_array_equal(rows.numpy(), points[alone.numpy(), :4])


def test_there_and_back_through_packing(rooms):
    pipeline = Compose(
        [
            ToMMDet3D('scannet20', annotate=True),
            dict(type='GlobalRotScaleTrans', rot_range=[0, 0], scale_ratio_range=[2, 2]),
            FromMMDet3D('scannet20', stuff_instances=True),
        ]
    )
    room = rooms[0]
    back = pipeline(dict(room))
    np.testing.assert_allclose(back['points'], 2 * room['points'], rtol=1e-6)
    np.testing.assert_allclose(back['colors'], room['colors'], atol=1e-6)
    for name in ('superpoints', 'semantic', 'instances', 'instance_semantic', 'name'):
        np.testing.assert_array_equal(back[name], room[name])
    assert PackScene()(back)['inputs']['points'].shape == (len(room['points']), 3)


def test_mistakes_are_named(rooms):
    theirs = ToMMDet3D('scannet20')(dict(rooms[0]))
    with pytest.raises(SceneError, match='1 columns.*intensity'):
        FromMMDet3D('scannet20')(
            ToMMDet3D('scannet20')({**rooms[0], 'intensity': rooms[0]['points'][:, :1]})
        )
    with pytest.raises(SceneError, match='changed one of the two'):
        FromMMDet3D('scannet20')({**theirs, 'pts_semantic_mask': theirs['pts_semantic_mask'][1:]})
    with pytest.raises(SceneError, match='no sp_pts_mask'):
        FromMMDet3D('scannet20', superpoints='given')({**theirs, 'sp_pts_mask': None})
    with pytest.raises(ConfigError, match='edge of a grid'):
        FromMMDet3D('scannet20', superpoints='some')
    with pytest.raises(ConfigError, match='click_superpoints'):
        ToMMDet3D('scannet20')({**rooms[0], 'click_superpoints': np.zeros(1)})
