"""Kernel maps: pairs and table, the way back, symmetry, and what an engine may rely on."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.test_sparse.samples import lattice_tensor
from unison3d.errors import ConfigError
from unison3d.sparse import Kernel, KernelMap, SparseTensor, build_kernel_map
from unison3d.sparse.coordinates import SortedKeys, coarsen
from unison3d.sparse.kernel_map import _build_table
from unison3d.sparse.keys import AXIS_LIMIT, key_offset

KERNELS = {
    '3': Kernel.centered(3),
    '3 dilated': Kernel.centered(3, 2),
    '3 x fastest': Kernel.centered(3, x_fastest=True),
    '5': Kernel.centered(5),
    '2': Kernel(2, 0),
    '2 from -1': Kernel(2, -1),
    '3 from 0': Kernel(3, 0),
    '1': Kernel(1, 0),
}
kernels = pytest.mark.parametrize('kernel', list(KERNELS.values()), ids=KERNELS)
strides = pytest.mark.parametrize('stride', [1, 2])
orders = pytest.mark.parametrize('is_shuffled', [False, True], ids=['sorted', 'shuffled'])


def voxels(is_shuffled: bool) -> torch.Tensor:
    coordinates = lattice_tensor(1).coordinates
    if is_shuffled:
        return coordinates
    rows = sorted(coordinates.tolist())
    return torch.tensor(rows, dtype=torch.int32)


def sides(stride: int, is_shuffled: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates of inputs and outputs; outputs in an order of their own as well."""
    fine = voxels(is_shuffled)
    if stride == 1:
        return fine, fine
    coarse = coarsen(SparseTensor(torch.zeros(len(fine), 1), fine, None, 2).level, stride)
    coarse = coarse.coordinates
    return fine, coarse.flip(0) if is_shuffled else coarse


def make(kernel: Kernel, stride: int = 1, is_shuffled: bool = True) -> KernelMap:
    fine, coarse = sides(stride, is_shuffled)
    source = SortedKeys.of(fine)
    target = source if coarse is fine else SortedKeys.of(coarse)
    return build_kernel_map(source, target, kernel, stride)


def triples(kernel_map: KernelMap) -> set[tuple[int, int, int]]:
    """(cell, input, output) of every pair."""
    cells = [kernel_map.pairs.cell(k) for k in range(kernel_map.num_cells)]
    return {
        (k, i, o)
        for k, (rows_in, rows_out) in enumerate(cells)
        for i, o in zip(rows_in.tolist(), rows_out.tolist(), strict=True)
    }


def by_search(kernel: Kernel, stride: int, is_shuffled: bool) -> set[tuple[int, int, int]]:
    fine, coarse = sides(stride, is_shuffled)
    places = {tuple(row): i for i, row in enumerate(fine.tolist())}
    found = set()
    for (k, offset), (o, row) in product(
        enumerate(kernel.offsets()), list(enumerate(coarse.tolist()))
    ):
        wanted = (row[0], *(stride * c + d for c, d in zip(row[1:], offset)))
        if wanted in places:
            found.add((k, places[wanted], o))
    return found


@kernels
@strides
@orders
def test_all_pairs_are_found(kernel, stride, is_shuffled):
    kernel_map = make(kernel, stride, is_shuffled)
    found = triples(kernel_map)
    assert found == by_search(kernel, stride, is_shuffled)
    assert len(found) == len(kernel_map.pairs.inputs) == kernel_map.pairs.starts[-1]
    assert len(kernel_map.pairs.starts) == kernel_map.num_cells + 1 == kernel.size**3 + 1


@kernels
@strides
@orders
def test_pairs_of_a_cell_run_in_sorted_order(kernel, stride, is_shuffled):
    # The CPU engine cuts them into blocks of outputs by binary search.
    kernel_map = make(kernel, stride, is_shuffled)
    for k in range(kernel_map.num_cells):
        rows_in, rows_out = kernel_map.pairs.cell(k)
        for rows, ranks in (
            (rows_in, kernel_map.input_ranks),
            (rows_out, kernel_map.output_ranks),
        ):
            places = rows if ranks is None else ranks[rows.long()]
            assert (places.diff() > 0).all()


@kernels
@strides
@orders
def test_table_and_pairs_say_the_same(kernel, stride, is_shuffled):
    kernel_map = make(kernel, stride, is_shuffled)
    table = kernel_map.table
    assert table.shape == (kernel_map.num_outputs, kernel_map.num_cells)
    assert table.dtype == torch.int32
    again = KernelMap(kernel_map.num_inputs, *table.shape, table=table)
    assert triples(again) == triples(kernel_map)
    assert again.pairs.starts == kernel_map.pairs.starts
    assert again.pairs.inputs.dtype == again.pairs.outputs.dtype == torch.int32
    back = KernelMap(kernel_map.num_inputs, *table.shape, pairs=again.pairs)
    assert torch.equal(back.table, table)


@kernels
@strides
@orders
def test_the_table_of_a_gpu_is_the_same(kernel, stride, is_shuffled):
    fine, coarse = sides(stride, is_shuffled)
    shifts = [key_offset(*offset) for offset in kernel.offsets()]
    table = _build_table(SortedKeys.of(fine), SortedKeys.of(coarse), shifts, stride)
    assert torch.equal(table, make(kernel, stride, is_shuffled).table)


@kernels
@strides
@pytest.mark.parametrize('form', ['pairs', 'table', 'both'])
def test_transposed_exchanges_inputs_and_outputs(kernel, stride, form):
    kernel_map = make(kernel, stride)
    expected = {(k, o, i) for k, i, o in triples(kernel_map)}
    facts = dict(is_symmetric=kernel_map.is_symmetric)
    if form != 'table':
        facts['pairs'] = kernel_map.pairs
    if form != 'pairs':
        facts['table'] = kernel_map.table
    sizes = (kernel_map.num_inputs, kernel_map.num_outputs, kernel_map.num_cells)
    backwards = KernelMap(*sizes, **facts).transposed()
    assert (backwards.num_inputs, backwards.num_outputs) == (sizes[1], sizes[0])
    assert triples(backwards) == expected
    assert torch.equal(backwards.table, kernel_map.transposed().table)
    assert backwards.is_symmetric == kernel_map.is_symmetric


@kernels
@strides
def test_transposed_twice_is_the_map_itself(kernel, stride):
    kernel_map = make(kernel, stride)
    twice = kernel_map.transposed().transposed()
    assert triples(twice) == triples(kernel_map)
    assert torch.equal(twice.table, kernel_map.table)
    assert twice.input_ranks is kernel_map.input_ranks
    assert twice.output_ranks is kernel_map.output_ranks
    assert twice is kernel_map
    assert kernel_map.transposed().table is kernel_map.transposed().table
    assert kernel_map.transposed().derived is kernel_map.transposed().derived


@pytest.mark.parametrize('name', ['3', '3 dilated', '5', '1'])
@orders
def test_symmetric_maps(name, is_shuffled):
    kernel = KERNELS[name]
    assert kernel.is_symmetric
    kernel_map = make(kernel, 1, is_shuffled)
    found, last = triples(kernel_map), kernel_map.num_cells - 1
    assert found == {(last - k, o, i) for k, i, o in found}
    assert kernel_map.is_symmetric
    assert torch.equal(kernel_map.transposed().table, kernel_map.table.flip(1))


@pytest.mark.parametrize('name', ['2', '2 from -1', '3 from 0'])
def test_other_kernels_are_not_symmetric(name):
    assert not KERNELS[name].is_symmetric
    assert not make(KERNELS[name]).is_symmetric


def test_a_symmetric_kernel_between_two_lists_is_no_symmetric_map():
    fine = SortedKeys.of(voxels(True))
    fewer = SortedKeys.of(voxels(True)[::2])
    kernel_map = build_kernel_map(fine, fewer, Kernel.centered(3))
    assert not kernel_map.is_symmetric
    assert not make(Kernel.centered(3), 2).is_symmetric


@pytest.mark.parametrize('kernel', [Kernel.centered(3), Kernel(2, 0)])
@pytest.mark.parametrize(('num_inputs', 'num_outputs'), [(0, 0), (0, 3), (3, 0)])
def test_sides_without_voxels(kernel, num_inputs, num_outputs):
    source = SortedKeys.of(voxels(True)[:num_inputs])
    target = SortedKeys.of(voxels(True)[:num_outputs])
    kernel_map = build_kernel_map(source, target, kernel)
    assert kernel_map.pairs.starts == (0,) * (kernel_map.num_cells + 1)
    assert kernel_map.table.shape == (num_outputs, kernel_map.num_cells)
    assert (kernel_map.table == -1).all()
    table = _build_table(source, target, [0] * kernel_map.num_cells, 1)
    assert torch.equal(table, kernel_map.table)
    assert KernelMap(num_inputs, *table.shape, table=table).transposed().num_outputs == num_inputs


def test_an_even_kernel_can_be_symmetric():
    kernel = Kernel(2, -1, 2)
    assert kernel.is_symmetric
    assert triples(make(kernel)) == by_search(kernel, 1, True)


def test_pairs_made_from_a_table_run_in_sorted_order():
    made = make(Kernel.centered(3))
    sizes = (made.num_inputs, made.num_outputs, made.num_cells)
    ranks = dict(input_ranks=made.input_ranks, output_ranks=made.output_ranks)
    again = KernelMap(*sizes, table=made.table, **ranks)
    assert torch.equal(again.pairs.outputs, made.pairs.outputs)


def test_cells_at_the_rim_of_the_range_meet_nothing():
    # The last voxels of an axis and the first ones of the next are neighbours as numbers.
    limit = 2**17 - 64
    rows = [[0, 0, 0, limit], [0, 0, 1, -limit], [0, 0, limit, 0], [0, 1, -limit, 0]]
    rows += [[0, limit, 0, 0], [1, -limit, 0, 0]]
    keys = SortedKeys.of(torch.tensor(rows, dtype=torch.int32))
    for kernel in (Kernel.centered(3, 64), Kernel(2, -64), Kernel(3, 0, 32)):
        expected = {
            (k, i, i) for k, o in enumerate(kernel.offsets()) if not any(o) for i in range(6)
        }
        assert triples(build_kernel_map(keys, keys, kernel)) == expected


def test_coarse_cells_at_the_rim_of_the_range_meet_nothing():
    rows = [[0, 500, -AXIS_LIMIT, 0], [0, 499, AXIS_LIMIT, 0]]
    fine = SparseTensor(torch.zeros(2, 1), torch.tensor(rows, dtype=torch.int32)).level
    coarse, kernel = coarsen(fine, 60), Kernel.centered(3, 20)
    kernel_map = build_kernel_map(fine.sorted_keys, coarse.sorted_keys, kernel, 60)
    # Along y no input lies on a multiple of 60, nor 20 beside one.
    assert triples(kernel_map) == set()


class TestKernel:
    def test_order_of_the_cells(self):
        spconv, minkowski = Kernel(2, 0), Kernel(2, 0, x_fastest=True)
        assert spconv.offsets()[:3] == [(0, 0, 0), (0, 0, 1), (0, 1, 0)]
        assert minkowski.offsets()[:3] == [(0, 0, 0), (1, 0, 0), (0, 1, 0)]

    def test_centred_kernels_keep_the_dilation(self):
        steps = {offset[0] for offset in Kernel.centered(5, 3).offsets()}
        assert steps == {-6, -3, 0, 3, 6}

    @pytest.mark.parametrize(
        'sizes', [(0, 0), (3, -1, 0), (3, -65), (2, 0, 65), (130, 0), (-1, 0), (1, 65)]
    )
    def test_sizes_are_checked(self, sizes):
        with pytest.raises(ConfigError, match=f'kernel of size {sizes[0]}, .*over 64 voxels away'):
            Kernel(*sizes)

    def test_the_margin_is_allowed(self):
        assert Kernel(2, 0, 64).offsets()[-1] == (64, 64, 64)
        assert Kernel(3, -64).offsets()[0] == (-64, -64, -64)


def test_pairs_or_a_table_are_needed():
    with pytest.raises(ValueError, match='its pairs or its table'):
        KernelMap(1, 1, 1)


def test_a_stride_beyond_the_margin_of_the_keys_is_refused():
    keys = SortedKeys.of(voxels(True))
    with pytest.raises(ConfigError, match='stride is 65, at most 64'):
        build_kernel_map(keys, keys, Kernel(1, 0), 65)
