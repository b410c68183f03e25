"""Common keys of sorted lists against numpy's intersection."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unison3d.sparse.matching import _CHUNK, match_keys


def sorted_keys(count: int, seed: int, spread: int = 3) -> torch.Tensor:
    """Increasing keys, about one of ``spread`` numbers, on both sides of zero."""
    generator = np.random.default_rng(seed)
    keys = generator.choice(spread * count, count, replace=False) - spread * count // 2
    return torch.from_numpy(np.sort(keys).astype(np.int64))


def by_numpy(source: torch.Tensor, target: torch.Tensor, shifts):
    inputs, outputs, counts = [], [], []
    for shift in shifts:
        _, i, o = np.intersect1d(source, target.numpy() + shift, True, return_indices=True)
        inputs.append(i)
        outputs.append(o)
        counts.append(len(i))
    return np.concatenate([*inputs, []]), np.concatenate([*outputs, []]), counts


def check(source: torch.Tensor, target: torch.Tensor, shifts) -> int:
    inputs, outputs, counts = match_keys(source, target, shifts)
    expected = by_numpy(source, target, shifts)
    assert inputs.dtype == outputs.dtype == torch.int32
    np.testing.assert_array_equal(inputs, expected[0])
    np.testing.assert_array_equal(outputs, expected[1])
    assert counts == expected[2]
    return len(inputs)


SIZES = [0, 1, 2, 1000, _CHUNK - 1, _CHUNK, _CHUNK + 1, 2 * _CHUNK, 2 * _CHUNK + 1]


@pytest.mark.parametrize('num_targets', SIZES)
@pytest.mark.parametrize('num_sources', [0, 1, 1000, _CHUNK + 1, 20_000])
@pytest.mark.parametrize('threads', [1, 2])
def test_sizes_around_the_chunks(num_sources, num_targets, threads):
    torch.set_num_threads(threads)
    source, target = sorted_keys(num_sources, seed=0), sorted_keys(num_targets, seed=1)
    num_pairs = check(source, target, [0, 1, -7, 5000, -(2**36)])
    assert num_pairs > 0 or min(num_sources, num_targets) < 1000


@pytest.mark.parametrize('threads', [1, 2])
def test_many_shifts(threads):
    torch.set_num_threads(threads)
    shifts = np.random.default_rng(2).integers(-3000, 3000, 343).tolist()
    assert check(sorted_keys(1500, seed=0), sorted_keys(1200, seed=1), shifts) > 50_000


def test_no_shifts():
    assert check(sorted_keys(10, 0), sorted_keys(10, 1), []) == 0


def test_a_list_with_itself():
    keys = sorted_keys(_CHUNK + 3, seed=0)
    inputs, outputs, counts = match_keys(keys, keys, [0])
    assert torch.equal(inputs, outputs) and counts == [len(keys)]


def test_lists_that_do_not_overlap():
    source = torch.arange(100)
    assert check(source, source + 1000, [0, 900, -1000, -2000]) == 100


def test_lists_that_are_not_contiguous():
    keys = sorted_keys(2000, seed=0)
    assert check(keys[::3], torch.stack([keys, keys], dim=1)[:, 1], [0, 3]) > 0


def test_the_largest_keys_do_not_wrap_around():
    # Of the last scene of a batch the last voxel there can be, and a step beyond.
    last = torch.tensor([(511 << 54) + (1 << 54) - 1])
    inputs, _, counts = match_keys(torch.cat([torch.tensor([0]), last]), last, [0, 1, 1 << 40])
    assert inputs.tolist() == [1] and counts == [1, 0, 0]


def test_same_result_with_any_number_of_threads():
    source, target = sorted_keys(20_000, seed=0), sorted_keys(20_000, seed=1)
    results = []
    for threads in (1, 2, 3, 2):
        torch.set_num_threads(threads)
        results.append(match_keys(source, target, [0, 5, -9]))
    for inputs, outputs, counts in results[1:]:
        assert torch.equal(inputs, results[0][0]) and torch.equal(outputs, results[0][1])
        assert counts == results[0][2]
