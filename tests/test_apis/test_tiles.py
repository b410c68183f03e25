"""Scans in tiles: the pieces, and the whole job against a run without tiles."""

from __future__ import annotations

import errno
import math
import os

import numpy as np
import pytest
import torch
from tiny import tiny_config

from unison3d.apis import Segmenter
from unison3d.apis.tiles import TileOptions, encoding, job, output, segment_tiles
from unison3d.apis.tiles import store as store_module
from unison3d.apis.tiles.grid import TileGrid
from unison3d.apis.tiles.store import TileStore
from unison3d.apis.tiles.survey import survey
from unison3d.errors import (
    ConfigError,
    FileFormatError,
    FileWriteError,
    OutOfMemoryError,
    SceneError,
)
from unison3d.io import read_npz_arrays, read_ply
from unison3d.io.point_stream import open_points
from unison3d.models import UnifiedSegmentor
from unison3d.models.data_preprocessor import COARSEST_STRIDE
from unison3d.structures import PointScene
from unison3d.superpoints.grid import voxel_cells
from unison3d.synth.sample import make_room
from unison3d.synth.scan import scan_room

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


def test_a_narrow_scan_keeps_its_overlap():
    """Only axes that are cut bound the margin: a corridor, or a wall, is cut along one."""
    for extent in ([40, 0.2], [0.2, 40], [40, 0]):
        grid = TileGrid.over([0, 0], extent, 8.0, 1.5)
        assert len(grid) == 5 and grid.margin == 1.5
        assert [grid.overlapping(tile) for tile in range(5)] == [[1], [2], [3], [4], []]
    assert TileGrid.over([0, 0], [20, 9], 2.0, 5.0).margin == pytest.approx(9 / 5)


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


def test_sorted_points_are_on_the_disk_before_the_note_that_says_so(tmp_path, scan, monkeypatch):
    stream, synced = open_points(scan), set()
    sync, note = os.fsync, store_module.write_json

    def noted(path, content):
        for name in ('points', 'colors', 'rows'):
            facts = (tmp_path / name).stat()
            assert (facts.st_ino, facts.st_size) in synced, name
        return note(path, content)

    def sync_noted(handle):
        synced.add((os.fstat(handle).st_ino, os.fstat(handle).st_size))
        sync(handle)

    monkeypatch.setattr(os, 'fsync', sync_noted)
    monkeypatch.setattr(store_module, 'write_json', noted)
    facts = survey(stream)
    grid = TileGrid.over(facts.low, facts.high, 4.0, 1.0)
    TileStore(tmp_path, grid, facts).fill(stream, 1.0)
    # Neither a new store nor one that is there is used with the survey of other points.
    facts.num_points -= 1
    for folder in (tmp_path, tmp_path / 'new'):
        with pytest.raises(FileFormatError, match='9,000 points were sorted .* counted 8,999'):
            TileStore(folder, grid, facts).fill(stream, 1.0)


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


def two_rooms() -> PointScene:
    """Two furnished rooms side by side, 7.5 x 4.4 m."""
    points, colors, x = [], [], 0.0
    for number in (0, 3):
        rng = np.random.default_rng([1, number])
        room = make_room('rooms-v1', rng)
        scanned = scan_room(room, rng, spacing=0.045)
        low, high = room.polygon.min(axis=0), room.polygon.max(axis=0)
        points.append(scanned.points - [*low, 0] + [x, 0, 0])
        colors.append(scanned.colors)
        x += high[0] - low[0] + 0.15
    return PointScene.from_arrays(np.concatenate(points), np.concatenate(colors))


def best_overlaps(reference: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Best IoU that ``other`` has for each object of ``reference``; -1 is no object."""
    table = np.zeros((reference.max() + 2, other.max() + 2))
    np.add.at(table, (reference + 1, other + 1), 1)
    sums = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    iou = (table / np.maximum(sums[0] + sums[1] - table, 1))[1:, 1:]
    return iou[sums[0][1:, 0] > 0].max(axis=1)


def test_tiles_that_decode_everything_at_once_find_the_objects_of_the_whole(tmp_path):
    """With weights that know objects: those of others depend on the last digit."""
    segmenter, scan = Segmenter.from_pretrained(device='cpu'), two_rooms().save(tmp_path / 'a.ply')
    segmenter.set_scene(scan)
    whole = segmenter.predict(['semantic', 'panoptic'])
    options, out = TileOptions(4.0, 1.5, math.inf), tmp_path / 'out'
    done = segment_tiles(segmenter, scan, out, options, tasks=['semantic', 'panoptic'])
    assert done.report['tiles']['num_tiles'] == 6 and done.report['tiles']['num_windows'] == 1
    arrays = read_npz_arrays(out / 'result.npz')
    assert np.mean(arrays['semantic'] == whole.semantic) > 0.98
    # Classes 0 and 1 are wall and floor.
    expected = np.where(whole.panoptic_semantic > 1, whole.panoptic_instance, -1)
    found = np.where(arrays['panoptic_semantic'] > 1, arrays['panoptic_instance'], -1)
    best = best_overlaps(expected, found)
    assert len(best) > 15
    assert np.mean(best >= 0.9) >= 0.95


def test_files_of_a_result_belong_together(tmp_path, segmenter, scan, monkeypatch):
    monkeypatch.setattr(output, 'ROWS', 1000)
    done = segment_tiles(segmenter, scan, tmp_path / 'out', TileOptions(4.0, 1.0, 4.0), scale=1.0)
    assert done.report['tiles']['overlap'] == 1.0
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


def tree(folder) -> dict[str, bytes]:
    paths = (path for path in folder.iterdir() if path.is_file() and path.name != '.tiles.lock')
    return {path.name: path.read_bytes() for path in paths}


def test_an_old_result_stays_until_all_of_the_new_one_is_written(
    tmp_path, segmenter, scan, monkeypatch
):
    options, more = TileOptions(4.0, 1.0, 4.0), {'overwrite': True, 'tasks': ['semantic']}
    segment_tiles(segmenter, scan, tmp_path, options, tasks=['semantic', 'panoptic'])
    old, write = tree(tmp_path), output.write_npz_pieces

    def full(path, arrays):
        raise FileWriteError('no room', errno.ENOSPC)

    monkeypatch.setattr(output, 'write_npz_pieces', full)
    with pytest.raises(FileWriteError, match='no room'):
        segment_tiles(segmenter, scan, tmp_path, options, **more)
    assert tree(tmp_path) == old and len(old) == 4
    monkeypatch.setattr(output, 'write_npz_pieces', write)
    done = segment_tiles(segmenter, scan, tmp_path, options, **more)
    assert {path.name for path in done.paths} == tree(tmp_path).keys()
    assert tree(tmp_path).keys() == {'semantic.ply', 'result.npz', 'result.json'}


def test_one_run_at_a_time_and_lack_of_memory_is_explained(tmp_path, segmenter, scan, monkeypatch):
    def large(*args):
        with pytest.raises(ConfigError, match=rf'another run .*\(process {os.getpid()} on this'):
            segment_tiles(segmenter, scan, tmp_path, TileOptions(5.0, 1.0), overwrite=True)
        assert (tmp_path / 'tiles.work' / 'job.json').is_file()
        raise MemoryError

    monkeypatch.setattr(segmenter.model.backbone, 'forward', large)
    # The second time shows that the first has let go of the folder.
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match=r'in tiles needs more .*--decode-window 5m'):
            segment_tiles(segmenter, scan, tmp_path, TileOptions(4.0, 1.0))


def test_another_number_of_features_is_another_job(tmp_path, segmenter):
    scene = building(2000)
    rows = np.concatenate([scene.points, scene.colors], axis=1).astype(np.float32)
    rows.tofile(tmp_path / 'scan.bin')
    for number, message in ((6, 'stopped'), (4, 'work files of another scan')):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(ConfigError, match=message):
            patch.setattr(job, 'cut_tile', stopped)
            segment_tiles(
                segmenter, tmp_path / 'scan.bin', tmp_path / 'out', num_features=number, scale=0.5
            )


def stopped(*_):
    raise ConfigError('stopped')


def test_a_model_without_closed_set(tmp_path, scan):
    config = tiny_config()
    config.pop('type')
    open_task = {**config['tasks']['open_vocabulary'], 'queries': {}}
    model = UnifiedSegmentor(**{**config, 'tasks': {'open_vocabulary': open_task}})
    options, names = TileOptions(4.0, 1.0), ['chair', 'table']
    done = segment_tiles(Segmenter(model), scan, tmp_path, options, vocabulary=names)
    assert done.report['tasks']['open_vocabulary']['vocabulary'] == names
    assert (tmp_path / 'open_vocabulary.ply').is_file()


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
