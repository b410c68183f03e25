"""Choice of tiles: measured once, kept on disk, and never in the way."""

from __future__ import annotations

import json
import math
import os

import pytest
import torch

from unison3d.sparse.engines import triton_tuning
from unison3d.sparse.engines.triton_tuning import (
    Tile,
    Tuner,
    convolve_tiles,
    gradient_tiles,
    packed_tiles,
)

CPU = torch.device('cpu')
TILES = [Tile(64, 64, 32), Tile(128, 64, 32), Tile(64, 32, 16, 2, 7)]
KEY = ('tiled', 27, 32, 64, 'bfloat16', 16)


class Stopwatch:
    """Stands for a GPU on which the last candidate is the fastest."""

    def __init__(self, times=(3.0, 2.0, 1.0)) -> None:
        self.times = times
        self.launched: list[Tile] = []

    def tuner(self, folder, can_measure=True, version='3.9.0') -> Tuner:
        def measure(run):
            run()
            return self.times[TILES.index(self.launched[-1])]

        return Tuner(version, folder, measure, lambda device: can_measure)

    def pick(self, tuner: Tuner, key=KEY, tiles=TILES) -> Tile:
        return tuner.pick(CPU, key, lambda: tiles, self.launched.append)


def test_the_fastest_is_measured_once_and_kept(tmp_path):
    first = Stopwatch()
    tuner = first.tuner(tmp_path)
    assert [first.pick(tuner) for _ in range(3)] == [TILES[2]] * 3
    assert first.launched == TILES
    second = Stopwatch()
    assert second.pick(second.tuner(tmp_path)) == TILES[2]
    assert second.launched == []


def test_other_layers_and_other_versions_are_measured_by_themselves(tmp_path):
    watch = Stopwatch()
    tuner = watch.tuner(tmp_path)
    watch.pick(tuner)
    watch.pick(tuner, ('tiled', 27, 64, 64, 'bfloat16', 16))
    watch.pick(watch.tuner(tmp_path, version='3.9.1'))
    assert len(watch.launched) == 9
    assert len(list(tmp_path.iterdir())) == 2


def test_two_processes_add_to_one_file(tmp_path):
    watch = Stopwatch()
    tuners = [watch.tuner(tmp_path) for _ in range(2)]
    for tuner in tuners:
        watch.pick(tuner, ('read by both',))
    for number, tuner in enumerate(tuners):
        watch.pick(tuner, ('layer', number))
    kept = json.loads(tuners[0].path(CPU).read_text())['tiles']
    assert kept.keys() == {'read by both', 'layer/0', 'layer/1'}


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'{"format": 1, "til',
        b'\xff\xfe',
        b'[]',
        b'{"format": 0, "tiles": {}}',
        b'{"format": 1, "tiles": []}',
        b'{"format": 1, "tiles": {"tiled/27/32/64/bfloat16/16": [7, 7, 7, 4, 5]}}',
        b'{"format": 1, "tiles": {"tiled/27/32/64/bfloat16/16": "fast"}}',
    ],
)
def test_a_damaged_file_is_measured_anew_and_replaced(tmp_path, content):
    watch = Stopwatch()
    path = watch.tuner(tmp_path).path(CPU)
    path.write_bytes(content)
    assert watch.pick(watch.tuner(tmp_path)) == TILES[2]
    assert watch.launched == TILES
    assert list(json.loads(path.read_text())['tiles'].values()) == [[64, 32, 16, 2, 7]]


@pytest.mark.fault
def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path):
    (tmp_path / 'file').write_text('in the way')
    watch = Stopwatch()
    tuner = watch.tuner(tmp_path / 'file' / 'folder')
    assert [watch.pick(tuner) for _ in range(2)] == [TILES[2]] * 2
    assert watch.launched == TILES
    assert tuner.folder is None
    assert watch.pick(tuner, ('other',)) == TILES[2]


def test_nothing_is_measured_or_kept_when_that_is_not_allowed(tmp_path):
    watch = Stopwatch()
    tuner = watch.tuner(tmp_path, can_measure=False)
    assert watch.pick(tuner) == TILES[0]
    assert watch.launched == [] and list(tmp_path.iterdir()) == []
    tuner._can_measure = lambda device: True
    assert watch.pick(tuner) == TILES[2]


def test_if_nothing_runs_the_default_is_taken_and_not_kept(tmp_path):
    watch = Stopwatch((math.inf,) * 3)
    assert watch.pick(watch.tuner(tmp_path)) == TILES[0]
    assert list(tmp_path.iterdir()) == []


def test_when_a_device_may_be_waited_for(monkeypatch):
    cuda = torch.device('cuda', 0)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)
    assert triton_tuning._can_measure(cuda)
    assert not triton_tuning._can_measure(CPU)
    monkeypatch.setattr(torch, 'are_deterministic_algorithms_enabled', lambda: True)
    assert not triton_tuning._can_measure(cuda)
    monkeypatch.setattr(torch, 'are_deterministic_algorithms_enabled', lambda: False)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: True)
    assert not triton_tuning._can_measure(cuda)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)
    monkeypatch.setenv(triton_tuning.SWITCH, '0')
    assert not triton_tuning._can_measure(cuda)


def test_where_results_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert Tuner('3.9.0').path(CPU) == tmp_path / 'unison3d' / 'triton' / 'cpu-3.9.0.json'
    # The specification says to ignore relative paths.
    monkeypatch.setenv('XDG_CACHE_HOME', 'here')
    monkeypatch.setenv('HOME', str(tmp_path))
    if os.name == 'posix':
        assert Tuner('3.9.0').folder == tmp_path / '.cache' / 'unison3d' / 'triton'


@pytest.mark.parametrize('is_wide', [False, True])
@pytest.mark.parametrize('num_outputs', [1, 5000, 90_000])
def test_candidates_are_powers_of_two_and_fit_their_layer(num_outputs, is_wide):
    for c_in in (16, 17, 32, 48, 96, 160, 256, 512):
        for c_out in (1, 10, 32, 96, 160, 512):
            tiles = convolve_tiles(num_outputs, c_in, c_out, is_wide)
            tiles += gradient_tiles(c_in, c_out, is_wide) + packed_tiles(c_out)
            assert len(tiles) < 40
            for tile in tiles:
                sizes = (tile.rows, tile.columns, tile.depth)
                assert all(size >= 16 and size & (size - 1) == 0 for size in sizes)
            for tile in convolve_tiles(num_outputs, c_in, c_out, is_wide):
                assert tile.columns < max(2 * c_out, 17) and tile.depth < 2 * c_in
