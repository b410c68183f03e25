"""The door: what gets in, what is dropped, what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import data_root

from unison3d.errors import FileFormatError, SceneError, SceneWarning
from unison3d.structures.point_scene import PointScene


def _grid(n=6):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 3, (n, 3))


@pytest.fixture(autouse=True)
def _no_stray_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


def test_types_of_a_full_scene():
    scene = PointScene.from_arrays(
        _grid().tolist(),
        np.full((6, 3), 255, np.uint8),
        normals=np.full((6, 3), 2.0),
        faces=[[0, 1, 2], [3, 4, 5]],
        superpoints=[5, 5, 9, 9, 9, 5],
        semantic_ids=np.arange(6, dtype=np.uint8),
        instance_ids=[-7, -1, 0, 1, 2.0, 3],
        part_ids=range(6),
        instance_names=['a', 'b', 'c', 'd'],
        name='x',
    )
    assert len(scene) == 6 and scene.has_color
    assert scene.points.dtype == scene.colors.dtype == scene.normals.dtype == np.float32
    assert scene.faces.dtype == np.int32 and scene.origin.dtype == np.float64
    for field in ('superpoints', 'semantic_ids', 'instance_ids', 'part_ids'):
        assert getattr(scene, field).dtype == np.int64
    np.testing.assert_array_equal(scene.superpoints, [0, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(scene.instance_ids, [-1, -1, 0, 1, 2, 3])
    np.testing.assert_allclose(np.linalg.norm(scene.normals, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(scene.colors, 1)
    assert repr(scene).startswith("PointScene('x', 6 points")


def test_input_arrays_are_not_touched():
    points = _grid().astype(np.float32)
    colors = np.random.default_rng(0).random((6, 3)).astype(np.float32)
    scene = PointScene.from_arrays(points, colors)
    scene.points[:] = 0
    scene.colors[:] = 0
    assert points.any() and colors.any()


# ------------------------------------------------------------------ small scenes


@pytest.mark.parametrize('empty', [[], np.zeros((0, 3)), np.zeros((0, 3), np.float32)])
def test_zero_points(empty):
    scene = PointScene.from_arrays(empty, faces=[], superpoints=[], instance_ids=[])
    assert len(scene) == 0 and scene.points.shape == (0, 3) and scene.faces.shape == (0, 3)
    assert scene.superpoints.shape == (0,) and scene.superpoints.dtype == np.int64
    np.testing.assert_array_equal(scene.bounds, np.zeros((2, 3)))
    assert len(scene.select(np.zeros(0, bool))) == 0
    assert len(PointScene.from_arrays(empty, np.zeros((0, 3), np.uint8)).colors) == 0


def test_one_point_and_all_equal():
    one = PointScene.from_arrays([[1, 2, 3]])
    np.testing.assert_array_equal(one.bounds, [[1, 2, 3], [1, 2, 3]])
    same = PointScene.from_arrays(np.full((50, 3), 7.5))
    assert len(same) == 50 and (same.points == 7.5).all()


def test_no_color_stays_none():
    assert PointScene.from_arrays(_grid()).colors is None


# ------------------------------------------------------------------ bad numbers


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e30, -1e300])
def test_bad_points_raise_or_drop(bad):
    points = _grid()
    points[4, 1] = bad
    with pytest.raises(SceneError, match=r'1 of 6 points.*row 4.*on_bad="drop"'):
        PointScene.from_arrays(points)
    scene = PointScene.from_arrays(
        points, np.arange(18, dtype=np.uint8).reshape(6, 3), on_bad='drop'
    )
    assert len(scene) == 5 and len(scene.colors) == 5
    np.testing.assert_allclose(scene.points, np.delete(points, 4, axis=0), rtol=1e-6)


def test_dropping_carries_faces_and_ids_along():
    points = _grid()
    points[2] = np.nan
    scene = PointScene.from_arrays(
        points,
        faces=[[0, 1, 2], [0, 1, 3], [5, 4, 3]],
        superpoints=[0, 0, 1, 2, 2, 3],
        semantic_ids=range(6),
        instance_ids=range(6),
        normals=np.eye(3)[[0, 1, 2, 0, 1, 2]],
        on_bad='drop',
    )
    np.testing.assert_array_equal(scene.faces, [[0, 1, 2], [4, 3, 2]])
    np.testing.assert_array_equal(scene.superpoints, [0, 0, 1, 1, 2])  # id 1 was alone
    np.testing.assert_array_equal(scene.semantic_ids, [0, 1, 3, 4, 5])
    np.testing.assert_array_equal(scene.instance_ids, [0, 1, 3, 4, 5])
    np.testing.assert_array_equal(scene.normals, np.eye(3)[[0, 1, 0, 1, 2]])


def test_dropping_everything_leaves_an_empty_scene():
    scene = PointScene.from_arrays(np.full((3, 3), np.nan), faces=[[0, 1, 2]], on_bad='drop')
    assert len(scene) == 0 and scene.faces.shape == (0, 3)


def test_bad_colors_count_as_bad_points():
    colors = np.full((6, 3), 0.5)
    colors[1, 0] = np.nan
    with pytest.raises(SceneError, match='row 1'):
        PointScene.from_arrays(_grid(), colors)
    assert len(PointScene.from_arrays(_grid(), colors, on_bad='drop')) == 5


def test_missing_normals_cost_only_the_direction():
    normals = np.full((6, 3), 1.0)
    normals[0], normals[1], normals[2] = np.nan, 0, 1e300
    scene = PointScene.from_arrays(_grid(), normals=normals)
    assert len(scene) == 6 and not scene.normals[:2].any()
    np.testing.assert_allclose(scene.normals[2], 3**-0.5, rtol=1e-6)


def test_faces_out_of_range():
    faces = [[0, 1, 2], [0, 1, 6], [-1, 0, 1]]
    with pytest.raises(SceneError, match=r'2 of 3 faces.*6 vertices'):
        PointScene.from_arrays(_grid(), faces=faces)
    np.testing.assert_array_equal(
        PointScene.from_arrays(_grid(), faces=faces, on_bad='drop').faces, [[0, 1, 2]]
    )


@pytest.mark.parametrize('field', ['superpoints', 'semantic_ids', 'instance_ids', 'part_ids'])
def test_ids_that_do_not_fit(field):
    with pytest.raises(SceneError, match=rf'{field}.*\(5,\).*\(6,\)'):
        PointScene.from_arrays(_grid(), **{field: np.zeros(5, int)})
    with pytest.raises(SceneError, match='whole numbers'):
        PointScene.from_arrays(_grid(), **{field: np.full(6, 0.5)})


@pytest.mark.parametrize(
    'arguments',
    [
        {'points': np.zeros((4, 2))},
        {'points': np.zeros(3)},
        {'points': np.zeros((2, 6))},
        {'points': [['a', 'b', 'c']]},
        {'points': np.zeros((2, 3), complex)},
        {'points': np.zeros((2, 3)), 'colors': np.zeros((3, 3))},
        {'points': np.zeros((2, 3)), 'colors': np.zeros((2, 2))},
        {'points': np.zeros((2, 3)), 'normals': np.zeros((3, 3))},
        {'points': np.zeros((2, 3)), 'normals': np.zeros((2, 2))},
        {'points': np.zeros((2, 3)), 'faces': [[0, 1]]},
        {'points': np.zeros((2, 3)), 'faces': [[0.5, 1, 1]]},
        {'points': np.zeros((2, 3)), 'superpoints': [0, -1]},
        {'points': np.zeros((2, 3)), 'on_bad': 'ignore'},
        {'points': np.zeros((2, 3)), 'scale': 0},
        {'points': np.zeros((2, 3)), 'scale': np.nan},
        {'points': [[0, 1, 2], [3, 4]]},
        {'points': np.zeros((2, 3)), 'colors': [[0, 1, 2], [3, 4]]},
        {'points': np.zeros((2, 3)), 'normals': [[0, 1, 2], [3, 4]]},
        {'points': np.zeros((2, 3)), 'faces': [[0, 1, 1], [0, 1]]},
        {'points': np.zeros((2, 3)), 'part_ids': [[0, 1], [1]]},
        {'points': np.zeros((2, 3)), 'semantic_ids': [0, np.inf]},
        {'points': np.zeros((2, 3)), 'semantic_ids': [0, -np.inf]},
        {'points': np.zeros((2, 3)), 'instance_ids': [0, 1e19]},
        {'points': np.zeros((2, 3)), 'instance_ids': np.array([0, 2**63], np.uint64)},
        {'points': np.zeros((2, 3)), 'axis_alignment': np.eye(3)},
        {'points': np.zeros((2, 3)), 'axis_alignment': [[1, 2], [3]]},
        {'points': np.zeros((2, 3)), 'axis_alignment': np.full((4, 4), np.nan)},
    ],
)
def test_refused(arguments):
    with pytest.raises(SceneError):
        PointScene.from_arrays(**arguments)


def test_plain_constructor_refuses_what_the_table_does_not_allow():
    points = np.zeros((2, 3), np.float32)
    for wrong in (
        {'points': np.full((2, 3), np.nan)},
        {'points': points, 'colors': np.full((2, 3), 255.0)},
        {'points': points, 'colors': np.zeros((1, 3))},
        {'points': points, 'normals': np.zeros((1, 3))},
        {'points': points, 'faces': np.array([[0, 1, 2]])},
        {'points': [[0, 1, 2], [3, 4]]},
        {'points': points, 'colors': [[0, 1, 1], [1]]},
        {'points': points, 'colors': [['a', 'b', 'c']] * 2},
        {'points': points, 'origin': np.zeros(2)},
        {'points': points, 'origin': [np.inf, 0, 0]},
        {'points': points, 'axis_alignment': np.eye(3)},
        {'points': points, 'semantic_ids': [np.inf, 0]},
    ):
        with pytest.raises(SceneError):
            PointScene(**wrong)


# ------------------------------------------------------------------ where and how large


def test_utm_coordinates_move_to_the_origin_before_rounding():
    near = _grid(200)
    utm = near + [432_100.25, 5_391_200.5, 312.0]
    scene = PointScene.from_arrays(utm)
    assert np.abs(scene.points).max() < 10
    assert (scene.origin == np.floor(scene.origin)).all() and scene.origin[1] > 5e6
    np.testing.assert_allclose(scene.world_points, utm, atol=1e-6, rtol=0)
    np.testing.assert_allclose(scene.to_local(utm[3]), scene.points[3], atol=1e-6)


def test_utm_with_a_bad_point_still_finds_its_origin():
    utm = _grid(20) + [432_100.0, 5_391_200.0, 0]
    utm[7] = [0, 0, 0]
    with pytest.raises(SceneError, match='row 7'):
        PointScene.from_arrays(utm)
    assert np.abs(PointScene.from_arrays(utm, on_bad='drop').points).max() < 10


def test_single_precision_far_from_zero_warns():
    with pytest.warns(SceneWarning, match='single precision'):
        PointScene.from_arrays((_grid() + [0, 5e6, 0]).astype(np.float32))


def test_near_scenes_keep_their_numbers():
    points = _grid().astype(np.float32)
    scene = PointScene.from_arrays(points)
    np.testing.assert_array_equal(scene.points, points)
    assert not scene.origin.any()


def test_millimetres_warn_and_scale_helps():
    room = np.random.default_rng(0).uniform(0, [5000, 4000, 2500], (500, 3))
    with pytest.warns(SceneWarning, match=r'scale=0\.001'):
        scene = PointScene.from_arrays(room)
    assert len(scene) == 500
    assert PointScene.from_arrays(room, scale=0.001).bounds.max() < 6


def test_a_single_stray_point_does_not_look_like_millimetres():
    points = np.concatenate([_grid(500), [[5000.0, 0, 0]]])
    assert len(PointScene.from_arrays(points)) == 501


# ------------------------------------------------------------------ selecting and saving


def _labelled():
    n = 8
    return PointScene.from_arrays(
        _grid(n),
        np.arange(3 * n, dtype=np.uint8).reshape(n, 3),
        faces=[[0, 1, 2], [2, 3, 4], [5, 6, 7]],
        superpoints=[0, 0, 1, 1, 2, 2, 3, 3],
        semantic_ids=range(n),
        instance_ids=[-1, 0, 0, 1, 1, 2, 2, -1],
        part_ids=range(n),
        instance_names=('a', 'b', 'c'),
        axis_alignment=np.eye(4),
        name='s',
    )


def test_select_by_mask_and_by_index():
    scene = _labelled()
    mask = np.array([1, 1, 1, 0, 0, 1, 1, 1], bool)
    part = scene.select(mask)
    np.testing.assert_array_equal(part.faces, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(part.superpoints, [0, 0, 1, 2, 3, 3])
    np.testing.assert_array_equal(part.instance_ids, [-1, 0, 0, 2, 2, -1])
    assert part.instance_names == ('a', 'b', 'c') and part.name == 's'
    turned = scene.select(np.arange(8)[::-1])
    np.testing.assert_array_equal(turned.faces[0], [7, 6, 5])
    np.testing.assert_array_equal(turned.points, scene.points[::-1])
    np.testing.assert_array_equal(scene.select([-1]).points, scene.points[-1:])
    doubled = scene.select([0, 1, 2, 0])
    assert len(doubled) == 4
    np.testing.assert_array_equal(doubled.faces, [[0, 1, 2]])


@pytest.mark.parametrize('index', [np.ones(7, bool), [8], [-9]])
def test_select_refuses(index):
    with pytest.raises(SceneError):
        _labelled().select(index)


@pytest.mark.parametrize('ending', ['.ply', '.npz'])
@pytest.mark.parametrize('far', [0.0, 5e6])
def test_save_and_read_back(tmp_path, ending, far):
    scene = _labelled()
    if far:
        scene = scene.replace(origin=np.array([far, 0, 0]))
    back = PointScene.from_file(scene.save(tmp_path / f'out{ending}'))
    np.testing.assert_allclose(back.world_points, scene.world_points, atol=1e-6)
    if not far:
        np.testing.assert_array_equal(back.points, scene.points)
    for field in ('colors', 'faces', 'superpoints', 'semantic_ids', 'instance_ids', 'part_ids',
                  'axis_alignment'):  # fmt: skip
        np.testing.assert_array_equal(getattr(back, field), getattr(scene, field), err_msg=field)
    assert back.instance_names == scene.instance_names
    assert back.name == 'out' and back.source == tmp_path / f'out{ending}'


def test_save_refuses_other_endings(tmp_path):
    with pytest.raises(FileFormatError, match=r'\.obj'):
        _labelled().save(tmp_path / 'a.obj')


def test_from_file_policies(tmp_path):
    points = _grid()
    points[0] = np.nan
    np.save(tmp_path / 'a.npy', points)
    with pytest.raises(SceneError, match=r'a\.npy'):
        PointScene.from_file(tmp_path / 'a.npy')
    assert len(PointScene.from_file(tmp_path / 'a.npy', on_bad='drop')) == 5
    with pytest.raises(FileFormatError):
        PointScene.from_file(tmp_path / 'b.npy')


@pytest.mark.parametrize(
    ('ids', 'reason'),
    [
        (np.zeros(1200, int), 'all 1,200 points have id 0'),
        (np.r_[-1, np.arange(1199)], 'smallest id is -1'),
        (np.array([-1, 0]), 'smallest id is -1'),
    ],
)
def test_superpoints_of_a_file_that_cannot_be_any_are_left_out(tmp_path, ids, reason):
    np.savez(tmp_path / 'a.npz', points=_grid(len(ids)), superpoints=ids)
    with pytest.warns(SceneWarning, match=rf'a\.npz.*{reason}'):
        scene = PointScene.from_file(tmp_path / 'a.npz')
    assert scene.superpoints is None and len(scene) == len(ids)


@pytest.mark.parametrize('ids', [np.zeros(900, int), np.arange(1200) % 7, np.zeros(0, int)])
def test_superpoints_of_a_file_are_used(tmp_path, ids):
    np.savez(tmp_path / 'a.npz', points=_grid(len(ids)), superpoints=ids)
    np.testing.assert_array_equal(PointScene.from_file(tmp_path / 'a.npz').superpoints, ids)


def test_nyu40_ids_and_instance_names_become_semantic(tmp_path):
    np.savez(tmp_path / 'a.npz', xyz=_grid(3), nyu40=np.array([1, 5, 0], np.uint8))
    np.testing.assert_array_equal(PointScene.from_file(tmp_path / 'a.npz').semantic_ids, [0, 4, 20])
    np.savez(
        tmp_path / 'b.npz',
        xyz=_grid(3),
        instance=np.array([0, 1, 2], np.uint8),
        instance_names=np.array(['office chair', 'unicorn']),
    )
    np.testing.assert_array_equal(
        PointScene.from_file(tmp_path / 'b.npz').semantic_ids, [20, 4, 20]
    )


@pytest.mark.skipif(
    not (data_root() / 'scannet_scene0000_00').is_dir(), reason='real scan not there'
)
def test_real_scan_folder():
    scene = PointScene.from_file(data_root() / 'scannet_scene0000_00')
    assert len(scene) == 81369 and len(scene.faces) == 153587
    assert scene.superpoints.max() == 667 and scene.instance_ids.max() == 66
    assert scene.axis_alignment is not None and len(scene.instance_names) == 67
