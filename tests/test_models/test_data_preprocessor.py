"""Points to the voxels of a batch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import fixture_files
from tiny import scene_inputs

from unison3d.errors import ConfigError, SceneError
from unison3d.models import ScenePreprocessor

FILES = fixture_files('uniseg3d', 'transforms*.npz')


def _collate(preprocessor, *scenes):
    return preprocessor.collate({k: [scene[k] for scene in scenes] for k in scenes[0]})


def test_features_are_what_their_names_say():
    names = ('color', 'centered_xyz', 'has_color', 'height', 'verticality')
    preprocessor = ScenePreprocessor(voxel_size=100.0, point_features=names)
    scene = scene_inputs()
    batch = _collate(preprocessor, scene)
    assert len(batch.voxels) == 1
    assert preprocessor.num_channels == batch.voxels.features.shape[1] == 9
    mean = batch.voxels.features[0]
    torch.testing.assert_close(mean[:3], (scene['colors'] * 2 - 1).mean(0))
    torch.testing.assert_close(mean[3:6], torch.zeros(3), atol=1e-5, rtol=0)
    assert mean[6] == 1
    lowest = scene['points'][:, 2].sort().values[3]
    torch.testing.assert_close(mean[7], scene['points'][:, 2].mean() - lowest)
    torch.testing.assert_close(mean[8], scene['normals'][:, 2].abs().mean())


def test_lidar_features():
    preprocessor = ScenePreprocessor(100.0, ('xyz', 'intensity'))
    scene = scene_inputs()
    with pytest.raises(SceneError, match='intensity'):
        _collate(preprocessor, scene)
    scene['intensity'] = scene['colors'][:, :1]
    mean = _collate(preprocessor, scene).voxels.features[0]
    expected = torch.cat([scene['points'], scene['intensity']], dim=1).mean(0)
    torch.testing.assert_close(mean, expected)


def test_scene_without_colour_has_zero_colour():
    preprocessor = ScenePreprocessor(0.1, ('color', 'has_color'))
    scene = {**scene_inputs(), 'has_color': torch.tensor(False)}
    assert not _collate(preprocessor, scene).voxels.features.any()


def test_grid_holds_every_voxel_down_to_the_last_level():
    preprocessor = ScenePreprocessor(0.02, min_spatial_shape=16, spatial_multiple=16)
    shape = _collate(preprocessor, scene_inputs()).voxels.spatial_shape
    assert all(n % 16 == 0 for n in shape)


def test_scenes_are_kept_apart():
    preprocessor = ScenePreprocessor(0.1)
    first, second = scene_inputs(seed=1), scene_inputs(100, 7, seed=2)
    batch = _collate(preprocessor, first, second)
    assert batch.num_superpoints == [20, 7]
    assert batch.point_to_superpoint[400:].min() == 20
    scene_of_point = batch.voxels.coordinates[batch.point_to_voxel, 0]
    assert scene_of_point.tolist() == [0] * 400 + [1] * 100


def test_moving_a_scene_changes_nothing_but_rounding():
    preprocessor = ScenePreprocessor(0.1)
    scene = scene_inputs()
    moved = {**scene, 'points': scene['points'] + torch.tensor([8.0, -16.0, 4.0])}
    one, two = _collate(preprocessor, scene), _collate(preprocessor, moved)
    torch.testing.assert_close(one.positions[0], two.positions[0], atol=1e-4, rtol=0)
    assert abs(len(one.voxels) - len(two.voxels)) <= 2


def test_far_away_strays_do_not_move_a_scene():
    # As a scanner sees them in a mirror or through a window.
    preprocessor = ScenePreprocessor(0.1)
    scene = scene_inputs()
    strays = torch.tensor([[40.0, -30.0, 20.0], [-25.0, 50.0, -15.0]])
    count = int(scene['superpoints'].max()) + 1
    with_strays = {
        **scene_inputs(),
        'points': torch.cat([scene['points'], strays]),
        'colors': torch.cat([scene['colors'], torch.zeros(2, 3)]),
        'normals': torch.cat([scene['normals'], torch.ones(2, 3)]),
        'superpoints': torch.cat([scene['superpoints'], torch.tensor([count, count + 1])]),
    }
    one, two = _collate(preprocessor, scene), _collate(preprocessor, with_strays)
    moved = (two.positions[0][:count] - one.positions[0]).abs()
    assert moved.max() < 0.05


def test_an_empty_scene_between_others():
    preprocessor = ScenePreprocessor(0.1)
    empty = {k: v[:0] if v.ndim else v for k, v in scene_inputs().items()}
    batch = _collate(preprocessor, scene_inputs(seed=1), empty, scene_inputs(100, 7, seed=2))
    assert batch.num_superpoints == [20, 0, 7]
    assert [len(p) for p in batch.positions] == [20, 0, 7]
    assert set(batch.voxels.coordinates[:, 0].tolist()) == {0, 2}


def test_unknown_feature_is_named():
    with pytest.raises(ConfigError, match='smell'):
        ScenePreprocessor(0.1, ('color', 'smell'))


@pytest.mark.parametrize('path', FILES)
def test_published_voxelisation(path):
    arrays = np.load(path)
    voxel_size = json.loads(str(arrays['config_json']))['collate']['voxel_size']
    minimum = json.loads(str(arrays['config_json']))['collate']['min_spatial_shape']
    count = 0
    while f'collate/in/scene{count}/points' in arrays.files:
        count += 1
    for case, elastic in (('collate_plain', False), ('collate_elastic', True)):
        scenes = []
        for index in range(count):
            points = torch.from_numpy(arrays[f'collate/in/scene{index}/points'])
            scene = {
                'points': points[:, :3],
                'colors': (points[:, 3:] + 1) / 2,
                'superpoints': torch.zeros(len(points), dtype=torch.int64),
            }
            if elastic:
                coordinates = torch.from_numpy(arrays[f'collate/in/scene{index}/elastic_coords'])
                # Distances in the unit of the grid; the reference stores them as multiples of it.
                scene['elastic_points'] = coordinates
            scenes.append(scene)
        preprocessor = ScenePreprocessor(voxel_size, min_spatial_shape=minimum, spatial_multiple=1)
        if elastic:
            preprocessor.voxel_size = 1.0
        batch = _collate(preprocessor, *scenes)
        expected = arrays[f'{case}/out/coordinates']
        order = np.lexsort(expected.T[::-1])
        np.testing.assert_array_equal(batch.voxels.coordinates, expected[order])
        np.testing.assert_allclose(
            batch.voxels.features, arrays[f'{case}/out/features'][order], atol=1e-6, rtol=0
        )
        np.testing.assert_array_equal(
            order[batch.point_to_voxel], arrays[f'{case}/out/inverse_mapping']
        )
        np.testing.assert_array_equal(
            batch.voxels.spatial_shape, arrays[f'{case}/out/spatial_shape']
        )


class TestOneFormer3D:
    """Options of the published variants."""

    points = torch.tensor([[0.31, 0.0, 0.0], [0.34, 0.0, 0.0], [-0.05, 0.2, 0.0], [0.4, 0.3, 0.1]])

    def inputs(self, points):
        colors = torch.linspace(0, 1, 3 * len(points)).view(-1, 3)
        return {'points': points, 'colors': colors, 'superpoints': torch.zeros(len(points)).long()}

    def collate(self, *scenes, **options):
        scenes = [self.inputs(points) for points in scenes]
        inputs = {name: [scene[name] for scene in scenes] for name in scenes[0]}
        return ScenePreprocessor(voxel_size=0.1, **options).collate(inputs)

    def test_voxels_in_place_of_superpoints(self):
        batch = self.collate(self.points, self.points + 5, keys='voxels')
        # The first two points share a cell, counted from the lowest point.
        assert batch.num_superpoints == [3, 3]
        for ids in batch.superpoints:
            assert sorted(set(ids.tolist())) == [0, 1, 2]
            assert ids[0] == ids[1]
        assert batch.point_to_superpoint.tolist() == batch.point_to_voxel.tolist()
        assert [len(rows) for rows in batch.positions] == [3, 3]

    def test_cells_of_the_scan_itself(self):
        batch = self.collate(self.points, shift_to_minimum=False)
        expected = (self.points / 0.1).floor().int()
        assert torch.equal(batch.voxels.coordinates[batch.point_to_voxel][:, 1:], expected)
        assert batch.voxels.coordinates.min() < 0
        assert batch.voxels.spatial_shape is None
        moved = self.collate(self.points + 0.07, shift_to_minimum=False)
        assert not torch.equal(moved.point_to_voxel, batch.point_to_voxel)

    def test_colour_statistics(self):
        mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
        batch = self.collate(
            self.points[2:], point_features=('color',), color_mean=mean, color_std=std
        )
        colors = self.inputs(self.points[2:])['colors']
        expected = (colors - torch.tensor(mean)) / torch.tensor(std)
        torch.testing.assert_close(batch.voxels.features[batch.point_to_voxel], expected)

    def test_wrong_options(self):
        for options in (
            {'keys': 'points'},
            {'color_mean': (0.5, 0.5, 0.5)},
            {'color_mean': (0, 0, 0), 'color_std': (1, 0, 1)},
        ):
            with pytest.raises(ConfigError):
                ScenePreprocessor(**options)
