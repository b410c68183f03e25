"""Scans in tiles: the pieces, and the whole job against a run without tiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unison3d.apis.tiles import TileOptions, encoding, segment_tiles
from unison3d.apis.tiles.grid import TileGrid
from unison3d.apis.tiles.merging import merge_masks, merge_panoptic
from unison3d.apis.tiles.store import TileStore
from unison3d.apis.tiles.superpoints import same_superpoints
from unison3d.apis.tiles.survey import survey
from unison3d.apis.tiles.windows import MaskRows, WindowAnswer
from unison3d.errors import ConfigError, SceneError
from unison3d.io import read_npz_arrays, read_ply
from unison3d.io.point_stream import open_points
from unison3d.models.data_preprocessor import COARSEST_STRIDE
from unison3d.structures import PointScene
from unison3d.superpoints.grid import voxel_cells

# ---------------------------------------------------------------------------- joining


def answer(window: int, ids: list[int], *masks: tuple[int, list[int]], **maps) -> WindowAnswer:
    """Masks as (class, superpoints), the first with the best score."""
    rows = MaskRows.of(
        [np.array(mask) for _, mask in masks],
        [label for label, _ in masks],
        [0.9 - 0.1 * window - 0.01 * k for k in range(len(masks))],
    )
    maps = {name: np.array(values) for name, values in maps.items()}
    return WindowAnswer(window, np.array(ids), maps, {'panoptic': rows, 'instance': rows})


def found(answers: list[WindowAnswer], home: list[int], sizes: list[int]) -> list[tuple]:
    rows = merge_masks(answers, 'instance', np.array(home), np.array(sizes)).rows
    return sorted((int(rows.labels[k]), rows.mask(k).tolist()) for k in range(len(rows)))


def test_an_object_across_a_seam_is_one_and_whole():
    # Superpoints 0..3 along x, the seam between 1 and 2; both windows see 1 and 2.
    answers = [answer(0, [0, 1, 2], (5, [0, 1, 2])), answer(1, [1, 2, 3], (5, [1, 2, 3]))]
    assert found(answers, [0, 0, 1, 1], [10, 10, 10, 10]) == [(5, [0, 1, 2, 3])]


def test_a_long_object_is_a_chain_of_windows():
    answers = [answer(w, [w, w + 1, w + 2], (5, [w, w + 1, w + 2])) for w in range(4)]
    assert found(answers, [0, 0, 1, 2, 3, 3], [10] * 6) == [(5, [0, 1, 2, 3, 4, 5])]


def test_other_classes_and_other_places_stay_apart():
    answers = [
        answer(0, [0, 1, 2], (5, [0, 1]), (7, [0])),
        answer(1, [1, 2, 3], (6, [2, 3]), (7, [3])),
    ]
    expected = [(5, [0, 1]), (6, [2, 3]), (7, [0]), (7, [3])]
    assert found(answers, [0, 0, 1, 1], [10] * 4) == expected


def test_a_crumb_that_both_windows_see_does_not_join_two_large_objects():
    answers = [answer(0, [0, 1, 2], (5, [0, 1])), answer(1, [1, 2, 3], (5, [1, 3]))]
    objects = found(answers, [0, 0, 1, 1], [100, 1, 50, 100])
    assert objects == [(5, [0, 1]), (5, [1, 3])]


def test_what_the_window_of_its_place_did_not_see_is_dropped():
    answers = [answer(0, [0, 1, 2], (5, [1, 2])), answer(1, [1, 2, 3])]
    assert found(answers, [0, 0, 1, 1], [10, 1, 10, 10]) == []
    # The same mask counts where most of it belongs to the window that saw it.
    assert found(answers, [0, 0, 1, 1], [10, 10, 1, 10]) == [(5, [1, 2])]


def test_the_score_is_that_of_the_owner():
    answers = [answer(0, [0, 1, 2], (5, [1, 2])), answer(1, [1, 2, 3], (5, [1, 2, 3]))]
    rows = merge_masks(answers, 'instance', np.array([0, 0, 1, 1]), np.array([1, 5, 9, 9])).rows
    assert rows.scores.tolist() == pytest.approx([0.8])


def test_every_superpoint_has_one_segment():
    answers = [
        answer(0, [0, 1, 2], (3, [0, 1]), panoptic_semantic=[3, 3, 0]),
        answer(1, [1, 2, 3], (4, [1, 2]), panoptic_semantic=[4, 4, 1]),
    ]
    home, sizes = np.array([0, 0, 1, 1]), np.array([10, 10, 20, 10])
    semantic, segment = merge_panoptic(answers, home, sizes, (0, 1), min_points=5)
    # Superpoint 1 is claimed twice and goes to the object its own window names.
    assert semantic.tolist() == [3, 3, 4, 1]
    assert segment.tolist() == [2, 2, 3, 1]
    semantic, segment = merge_panoptic(answers, home, sizes, (0, 1), min_points=20)
    assert semantic.tolist() == [0, 0, 0, 1]
    assert segment.tolist() == [0, 0, 0, 1]


def test_superpoints_of_two_tiles_are_one_where_most_of_what_both_see_is_shared():
    places_a, ids_a = np.arange(10), np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    places_b, ids_b = np.arange(2, 12), np.array([7, 7, 5, 5, 5, 6, 6, 6, 6, 6])
    # 0: exactly 7; 1: shares 3 of 4 with 5; 2: shares 2 of its 2 with 6, of 3 in all.
    assert same_superpoints(places_a, ids_a, places_b, ids_b).tolist() == [[0, 7], [1, 5], [2, 6]]
    assert len(same_superpoints(places_a, ids_a, places_b + 100, ids_b)) == 0


# ---------------------------------------------------------------------------- points


def building(num_points: int = 9000, offset: float = 0.0) -> PointScene:
    """A floor of 10 x 4 m with four boxes on it, one of them across the seam at 5 m."""
    rng = np.random.default_rng(0)
    floor = np.column_stack(
        [rng.uniform([0, 0], [10, 4], (num_points // 2, 2)), np.zeros(num_points // 2)]
    )
    boxes, colors = [], [np.full(floor.shape, 0.5)]
    for k, x in enumerate((1.0, 4.6, 7.0, 8.5)):
        low = [x, 1 + 0.3 * k, 0]
        box = rng.uniform(low, np.add(low, [0.8, 0.8, 0.7]), (num_points // 8, 3))
        side = rng.integers(0, 3, len(box))
        box[np.arange(len(box)), side] = np.add(low, [0.8, 0.8, 0.7])[side]
        boxes.append(box)
        colors.append(np.broadcast_to(rng.random(3), box.shape))
    points = np.concatenate([floor, *boxes]) + [offset, 0, 0]
    order = rng.permutation(len(points))
    return PointScene.from_arrays(points[order], np.concatenate(colors)[order])


@pytest.fixture(scope='module')
def scan(tmp_path_factory):
    return building().save(tmp_path_factory.mktemp('scan') / 'building.ply')


def test_tiles_cover_the_scan_once():
    grid = TileGrid.over([0, 0], [20, 9], 8.0, 1.5)
    assert grid.shape == (3, 2)
    points = np.random.default_rng(0).uniform([0, 0, 0], [20, 9, 3], (500, 3))
    assert grid.of(np.array([[0, 0, 0], [20, 9, 0]])).tolist() == [0, 5]
    inside = np.stack([grid.inside(tile, points) for tile in range(len(grid))])
    assert inside[grid.of(points), np.arange(500)].all()
    assert 1 < inside.sum(axis=0).mean() < 4
    with pytest.raises(ConfigError, match='takes .* tiles'):
        TileGrid.over([0, 0], [1e6, 1e6], 8.0, 1.5)


def test_the_store_gives_every_point_back(tmp_path, scan):
    stream = open_points(scan)
    facts = survey(stream)
    scene = PointScene.from_file(scan)
    assert facts.low.tolist() == scene.points.min(axis=0).tolist()
    store = TileStore(tmp_path, TileGrid.over(facts.low, facts.high, 4.0, 1.0), facts)
    store.fill(stream, 1.0)
    rows = np.concatenate([store.read_tile('rows', tile) for tile in store.tiles])
    assert sorted(rows.tolist()) == list(range(len(scene)))
    views = [store.view(tile) for tile in store.tiles]
    assert sum(view.core.sum() for view in views) == len(scene)
    for tile, view in zip(store.tiles, views, strict=True):
        here = store.at('rows', tile, view.places).astype(np.int64)
        assert np.array_equal(scene.points[here], view.points)
        assert np.array_equal(scene.colors[here], view.colors)
        reach = scene.points[:, :2] - view.points[view.core][:, :2].mean(axis=0)
        assert len(here) > view.core.sum() and len(reach)


def test_bad_points_and_far_away_scans(tmp_path):
    points = building(800).points.astype(np.float64) + [4e5, 5e6, 0]
    points[7] = np.nan
    np.save(tmp_path / 'far.npy', points)
    stream = open_points(tmp_path / 'far.npy')
    with pytest.raises(SceneError, match='row 7'):
        survey(stream)
    facts = survey(stream, on_bad='drop')
    assert (facts.num_points, facts.num_dropped) == (799, 1)
    assert abs(facts.origin[0] - 4e5) < 20 and abs(facts.sample).max() < 20


# ---------------------------------------------------------------------------- the job


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = np.unique(np.stack([a, b]), axis=1)
    return pairs.shape[1] == len(np.unique(a)) == len(np.unique(b))


def test_one_tile_is_the_run_without_tiles(tmp_path, segmenter, scan):
    facts = survey(open_points(scan))
    assert facts.fits(12.0) and not facts.fits(9.0)
    segmenter.set_scene(scan)
    tasks = ['semantic', 'panoptic', 'instance', 'open_vocabulary']
    expected = segmenter.predict(tasks)
    segment_tiles(segmenter, scan, tmp_path, TileOptions(1000.0, window=math.inf), tasks=tasks)
    arrays = read_npz_arrays(tmp_path / 'result.npz')
    assert np.array_equal(arrays['points'], expected.scene.points)
    assert np.array_equal(arrays['superpoints'], expected.scene.superpoints)
    for name in ('semantic', 'open_semantic', 'panoptic_semantic'):
        assert np.array_equal(arrays[name], getattr(expected, name)), name
    assert same_partition(arrays['panoptic_instance'], expected.panoptic_instance)
    masks = expected.instances
    sure = masks.scores.numpy() >= 0.1
    assert arrays['instance_labels'].tolist() == masks.labels.numpy()[sure].tolist()
    assert np.allclose(arrays['instance_scores'], masks.scores.numpy()[sure], atol=1e-4)
    starts, members = arrays['instance_mask_starts'], arrays['instance_mask_superpoints']
    for k, mask in enumerate(masks.superpoint_masks.numpy()[sure]):
        assert members[starts[k] : starts[k + 1]].tolist() == np.flatnonzero(mask).tolist()


def test_tiles_that_decode_everything_at_once_agree_with_the_whole(tmp_path, segmenter, scan):
    expected = segmenter.set_scene(scan) and segmenter.predict(['semantic', 'panoptic'])
    options = TileOptions(4.0, 2.0, math.inf)
    done = segment_tiles(segmenter, scan, tmp_path, options, tasks=['semantic', 'panoptic'])
    assert done.report['tiles']['num_tiles'] == 3
    arrays = read_npz_arrays(tmp_path / 'result.npz')
    superpoints = expected.scene.superpoints
    assert abs(int(arrays['superpoints'].max()) - int(superpoints.max())) <= 3
    assert np.mean(arrays['semantic'] == expected.semantic) > 0.95


def test_files_of_a_result_belong_together(tmp_path, segmenter, scan):
    done = segment_tiles(segmenter, scan, tmp_path / 'out', TileOptions(4.0, 1.0, 4.0), scale=1.0)
    assert not (tmp_path / 'out' / 'tiles.work').exists()
    arrays = read_npz_arrays(tmp_path / 'out' / 'result.npz')
    count = len(arrays['points'])
    for task in ('semantic', 'panoptic', 'instance'):
        ply = read_ply(tmp_path / 'out' / f'{task}.ply')
        assert np.array_equal(ply.points, arrays['points'])
    segments = done.report['tasks']['panoptic']['segments']
    assert sum(segment['num_points'] for segment in segments) == count
    for segment in segments:
        here = arrays['panoptic_instance'] == segment['id']
        assert here.sum() == segment['num_points']
        box = arrays['points'][here].min(axis=0), arrays['points'][here].max(axis=0)
        assert np.allclose([segment['box']['min'], segment['box']['max']], box, atol=1e-3)
    assert sum(done.report['tasks']['semantic']['points'].values()) == count
    with pytest.raises(ConfigError, match='already holds a result'):
        segment_tiles(segmenter, scan, tmp_path / 'out', TileOptions(4.0, 1.0))


def test_a_run_that_was_stopped_goes_on_and_gives_the_same(tmp_path, segmenter, scan, monkeypatch):
    options = TileOptions(4.0, 1.0, 4.0)
    segment_tiles(segmenter, scan, tmp_path / 'whole', options)
    network, calls = segmenter.model.backbone.forward, []

    def dying(*args):
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return network(*args)

    monkeypatch.setattr(segmenter.model.backbone, 'forward', dying)
    with pytest.raises(KeyboardInterrupt):
        segment_tiles(segmenter, scan, tmp_path / 'stopped', options)
    assert not (tmp_path / 'stopped' / 'result.json').exists()
    with pytest.raises(ConfigError, match='work files of another scan'):
        segment_tiles(segmenter, scan, tmp_path / 'stopped', TileOptions(5.0, 1.0))
    segment_tiles(segmenter, scan, tmp_path / 'stopped', options)
    # Three tiles: one before the stop, the one that was stopped, and two more.
    assert len(calls) == 4
    a, b = (read_npz_arrays(tmp_path / name / 'result.npz') for name in ('whole', 'stopped'))
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_what_does_not_go_in_tiles_is_said_first(tmp_path, segmenter, scan):
    with pytest.raises(ConfigError, match='no answer for referring'):
        segment_tiles(segmenter, scan, tmp_path, tasks=['referring'])
    for options in ({'tile': 0.5}, {'overlap': 5.0}, {'overlap': -1.0}, {'window': 0.1}):
        with pytest.raises(ConfigError, match='expected'):
            TileOptions(**options)
    assert not list(tmp_path.iterdir())


def test_features_are_sums_over_points():
    rows = torch.tensor([[1.0], [10.0], [100.0]])
    voxels, owners = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 0, 0, 1, 0])
    assert encoding._sums(rows, voxels, owners, 3).ravel().tolist() == [112.0, 100.0, 0.0]


def test_a_tile_has_the_voxels_of_the_whole(segmenter):
    scene = building(4000)
    low = scene.points.min(axis=0)
    part = scene.points[:, 0] > 7.77
    cells, _ = voxel_cells(scene.points, 0.02)
    mine, _ = voxel_cells(scene.points[part], 0.02, low.astype(np.float64))
    assert same_partition(cells[part], mine)
    preprocessor = segmenter.model.data_preprocessor
    points = torch.from_numpy(scene.points)
    whole = preprocessor._voxel_indices({'points': points})
    tile = preprocessor._voxel_indices(
        {'points': points[part], 'grid_origin': torch.from_numpy(low)}
    )
    shift = torch.unique(whole[part] - tile, dim=0)
    assert len(shift) == 1 and (shift % COARSEST_STRIDE == 0).all() and shift[0, 0] > 0
    assert tile.min() >= 0
