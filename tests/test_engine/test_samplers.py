from __future__ import annotations

import itertools
import pickle

import pytest

from unison3d.engine import Draw, ResumableSampler
from unison3d.registry import DATA_SAMPLERS


def take(sampler: ResumableSampler, count: int) -> list[tuple[int, int]]:
    return [(int(draw), draw.draw) for draw in itertools.islice(iter(sampler), count)]


def test_every_pass_holds_every_sample():
    draws = take(ResumableSampler(range(5), seed=3), 15)
    passes = [[index for index, _ in draws[start : start + 5]] for start in (0, 5, 10)]
    assert [sorted(part) for part in passes] == [list(range(5))] * 3
    assert len({tuple(part) for part in passes}) > 1
    assert [draw for _, draw in draws] == list(range(15))


@pytest.mark.parametrize('start', [0, 1, 5, 7, 1000003])
def test_entering_in_the_middle_changes_nothing(start):
    whole = ResumableSampler(range(5), seed=3)
    whole.start_at(max(0, start - 4))
    expected = take(whole, 12)[start - max(0, start - 4) :]
    sampler = ResumableSampler(range(5), seed=3)
    sampler.start_at(start)
    assert take(sampler, len(expected)) == expected


def test_processes_share_one_order():
    samplers = [ResumableSampler(range(7), seed=1) for _ in range(2)]
    for rank, sampler in enumerate(samplers):
        sampler._rank, sampler._world_size = rank, 2
    parts = [take(sampler, 10) for sampler in samplers]
    mixed = [draw for pair in zip(*parts, strict=True) for draw in pair]
    assert mixed == take(ResumableSampler(range(7), seed=1), 20)


def test_without_shuffling():
    draws = take(ResumableSampler(range(3), shuffle=False, seed=0), 5)
    assert [index for index, _ in draws] == [0, 1, 2, 0, 1]


def test_an_empty_data_set():
    assert take(ResumableSampler([], seed=0), 3) == []


def test_a_draw_is_an_index_and_survives_the_way_to_a_worker():
    draw = pickle.loads(pickle.dumps(Draw(4, 17)))
    assert (draw, draw.draw, 'abcde'[draw]) == (4, 17, 'e')


def test_built_by_name():
    config = {'type': 'ResumableSampler', 'dataset': [1, 2], 'seed': 0}
    assert isinstance(DATA_SAMPLERS.build(config), ResumableSampler)
