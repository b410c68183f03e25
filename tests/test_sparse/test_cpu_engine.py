"""The compiled engine against plain PyTorch: types, widths, orders, sizes, strides, threads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.test_sparse.samples import lattice_tensor, random_tensor, random_values
from unison3d.sparse import Kernel, KernelMap, SparseTensor, StridedConv3d
from unison3d.sparse.engines import cpu_engine
from unison3d.sparse.engines.cpu_engine import CpuEngine, pack_weight
from unison3d.sparse.engines.torch_engine import TorchEngine
from unison3d.sparse.kernel_map import Pairs

# Below and above one and two vectors, powers of two and not.
CHANNELS = [1, 3, 7, 16, 17, 32, 40, 96, 130]
WIDTHS = list(zip(CHANNELS, CHANNELS)) + list(zip(CHANNELS, CHANNELS[4:] + CHANNELS[:4]))

ENGINES = {
    'float32': (CpuEngine(), torch.float32),
    'float64': (CpuEngine(), torch.float64),
    'bfloat16 widened': (CpuEngine(pairs_of_bfloat16=False), torch.bfloat16),
    'bfloat16 in pairs': (CpuEngine(pairs_of_bfloat16=True), torch.bfloat16),
}
# Sums run in another order; bfloat16 rounds the result once, at the end.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 2.0**-8}
engines = pytest.mark.parametrize(('engine', 'dtype'), list(ENGINES.values()), ids=ENGINES)
reference = TorchEngine()


def operands(kernel_map: KernelMap, in_channels: int, out_channels: int, dtype: torch.dtype):
    """Features, weight and the gradient of the output."""
    return (
        random_values((kernel_map.num_inputs, in_channels), dtype, 1),
        random_values((kernel_map.num_cells, in_channels, out_channels), dtype, 2),
        random_values((kernel_map.num_outputs, out_channels), dtype, 3),
    )


def all_results(engine, kernel_map: KernelMap, features, weight, gradient) -> list[Tensor]:
    """The output and both gradients, as the layers ask for them."""
    return [
        engine.convolve(features, weight, kernel_map),
        engine.convolve(gradient, weight.transpose(1, 2), kernel_map.transposed()),
        engine.weight_gradient(features, gradient, kernel_map),
    ]


def check(engine: CpuEngine, kernel_map: KernelMap, *values: Tensor) -> list[Tensor]:
    """Compare with the sums of the same numbers in float64."""
    dtype = values[0].dtype
    results = all_results(engine, kernel_map, *values)
    exact = all_results(reference, kernel_map, *(v.double() for v in values))
    for result, expected in zip(results, exact, strict=True):
        assert result.dtype == dtype and result.is_contiguous()
        tolerance = TOLERANCES[dtype]
        scale = float(expected.abs().max()) if expected.numel() else 1.0
        # A sum of large numbers that cancel keeps their error.
        torch.testing.assert_close(
            result.double(), expected, rtol=tolerance, atol=min(tolerance, 1e-5) * scale
        )
    return results


def submanifold(x: SparseTensor, size: int = 3) -> KernelMap:
    return x.kernel_map(Kernel.centered(size))


def sorted_rows(x: SparseTensor) -> SparseTensor:
    order = x.level.sorted_keys.all_rows().long()
    return SparseTensor(x.features[order], x.coordinates[order], x.spatial_shape, x.batch_size)


@engines
@pytest.mark.parametrize(('in_channels', 'out_channels'), WIDTHS)
def test_all_widths(engine, dtype, in_channels, out_channels):
    kernel_map = submanifold(random_tensor(1))
    check(engine, kernel_map, *operands(kernel_map, in_channels, out_channels, dtype))


@engines
@pytest.mark.parametrize('order', ['sorted', 'shuffled'])
def test_more_voxels_than_blocks_and_stretches(engine, dtype, order):
    # Over two stretches of 4096 outputs, over sixteen blocks of 512, each with a ragged end.
    x = random_tensor(1, shape=(27, 26, 25), batch_size=1, share=0.5)
    assert len(x) > 2 * cpu_engine.STRETCH_ROWS > 2 * cpu_engine.BLOCK_ROWS
    x = sorted_rows(x) if order == 'sorted' else x
    assert (x.level.sorted_keys.order is None) == (order == 'sorted')
    kernel_map = submanifold(x)
    check(engine, kernel_map, *operands(kernel_map, 17, 20, dtype))


@engines
@pytest.mark.parametrize('order', ['sorted', 'shuffled'])
def test_strided_maps(engine, dtype, order):
    x = random_tensor(1, shape=(20, 17, 15), batch_size=2, share=0.3)
    x = sorted_rows(x) if order == 'sorted' else x
    coarse = x.cache.grid_level(x.key, Kernel(3, -1), 2)
    kernel_map = x.kernel_map(Kernel(3, -1), coarse)
    check(engine, kernel_map, *operands(kernel_map, 9, 20, dtype))
    upwards = kernel_map.transposed()
    check(engine, upwards, *operands(upwards, 9, 20, dtype))


@engines
@pytest.mark.parametrize(
    ('stretch_rows', 'sums'), [(512, 1 << 23), (64, 1 << 23), (64, 2 * 27 * 32 * 32), (64, 1)]
)
def test_stretches_of_any_length(engine, dtype, stretch_rows, sums, monkeypatch):
    monkeypatch.setattr(cpu_engine, 'BLOCK_ROWS', 64)
    monkeypatch.setattr(cpu_engine, 'STRETCH_ROWS', stretch_rows)
    monkeypatch.setattr(cpu_engine, 'GATHERED_STRETCH_ROWS', stretch_rows)
    # What wide weights do: there is no room for the sums of many stretches.
    monkeypatch.setattr(cpu_engine, 'STRETCH_SUMS', sums)
    x = random_tensor(1, shape=(12, 12, 12), batch_size=1, share=0.5)
    kernel_map = submanifold(x)
    check(engine, kernel_map, *operands(kernel_map, 16, 17, dtype))
    check(engine, kernel_map, *operands(kernel_map, 64, 49, dtype))


@engines
@pytest.mark.parametrize(('num_inputs', 'num_outputs'), [(0, 0), (0, 5), (5, 0), (5, 5)])
def test_maps_without_pairs(engine, dtype, num_inputs, num_outputs):
    rows = torch.zeros(0, dtype=torch.int32)
    kernel_map = KernelMap(num_inputs, num_outputs, 8, Pairs(rows, rows, (0,) * 9))
    results = check(engine, kernel_map, *operands(kernel_map, 3, 20, dtype))
    assert [tuple(r.shape) for r in results] == [(num_outputs, 20), (num_inputs, 3), (8, 3, 20)]
    assert not any(r.any() for r in results)


@engines
@pytest.mark.parametrize('size', [1, 3])
def test_one_voxel(engine, dtype, size):
    x = SparseTensor(torch.zeros(1, 1), torch.tensor([[0, -3, 5, 0]], dtype=torch.int32))
    kernel_map = submanifold(x, size)
    check(engine, kernel_map, *operands(kernel_map, 7, 33, dtype))


@engines
@pytest.mark.parametrize(
    'count', [1, 2, 5, 6, 7, 11, 12, 13, 24, 25, 47, 48, 49, 97, 127, 128, 129, 257]
)
@pytest.mark.parametrize(('in_channels', 'out_channels'), [(5, 9), (48, 60)])
def test_numbers_of_pairs_around_tiles_and_panels(engine, dtype, count, in_channels, out_channels):
    # Narrow rows are gathered for the weight gradient, wide ones packed.
    # One cell in which voxel i meets voxel count - 1 - i.
    rows = torch.arange(count, dtype=torch.int32)
    kernel_map = KernelMap(count, count, 1, Pairs(rows.flip(0).contiguous(), rows, (0, count)))
    check(engine, kernel_map, *operands(kernel_map, in_channels, out_channels, dtype))


@engines
def test_values_that_are_not_contiguous(engine, dtype):
    kernel_map = submanifold(random_tensor(1))
    features, weight, gradient = operands(kernel_map, 17, 20, dtype)
    expected = check(engine, kernel_map, features, weight, gradient)
    views = {
        'columns of more': lambda v: torch.stack([v, -v], dim=-1)[..., 0],
        'rows of more': lambda v: torch.stack([-v, v], dim=1)[:, 1],
        'transposed': lambda v: v.transpose(0, -1).contiguous().transpose(0, -1),
    }
    for name, view in views.items():
        strided = [view(v) for v in (features, weight, gradient)]
        assert not any(v.is_contiguous() for v in strided), name
        results = all_results(engine, kernel_map, *strided)
        assert all(map(torch.equal, results, expected)), name


@engines
def test_expanded_values(engine, dtype):
    # Such as the gradient of a sum.
    kernel_map = submanifold(random_tensor(1))
    features, weight, gradient = operands(kernel_map, 17, 20, dtype)
    gradient = gradient[:1, :1].expand(len(gradient), 20)
    weight = weight[:1].expand(27, -1, -1)
    check(engine, kernel_map, features[:1].expand(len(features), -1), weight, gradient)


@engines
@pytest.mark.parametrize(
    ('size', 'in_channels', 'out_channels'), [(3, 17, 130), (3, 32, 32), (1, 33, 130), (2, 16, 96)]
)
def test_same_bits_with_any_number_of_threads(engine, dtype, size, in_channels, out_channels):
    x = random_tensor(1, shape=(14, 15, 13), share=0.5)
    kernel = Kernel.centered(size) if size % 2 else Kernel(size, 0)
    results = []
    for threads in (1, 1, 2, 2, 3, 4):
        torch.set_num_threads(threads)
        # Also the map is built anew.
        x = SparseTensor(x.features, x.coordinates, x.spatial_shape, x.batch_size)
        kernel_map = x.kernel_map(kernel)
        values = operands(kernel_map, in_channels, out_channels, dtype)
        results.append(all_results(engine, kernel_map, *values))
    for again in results[1:]:
        assert all(map(torch.equal, again, results[0]))


def test_threads_share_the_columns_of_a_single_item():
    # One block, one cell: threads divide the columns of the weight gradient.
    rows = torch.arange(300, dtype=torch.int32)
    kernel_map = KernelMap(300, 300, 1, Pairs(rows, rows, (0, 300)))
    values = operands(kernel_map, 20, 130, torch.float32)
    results = []
    for threads in (1, 2, 5, 16):
        torch.set_num_threads(threads)
        results.append(check(CpuEngine(), kernel_map, *values))
    for again in results[1:]:
        assert all(map(torch.equal, again, results[0]))


def test_both_ways_to_multiply_bfloat16_agree():
    kernel_map = submanifold(random_tensor(1))
    values = operands(kernel_map, 40, 33, torch.bfloat16)
    widened, pairs = (all_results(CpuEngine(flag), kernel_map, *values) for flag in (False, True))
    for a, b in zip(widened, pairs, strict=True):
        torch.testing.assert_close(a, b, rtol=2.0**-7, atol=1e-3)


def test_plain_pytorch_in_bfloat16_is_near():
    # Its products are rounded cell by cell.
    kernel_map = submanifold(random_tensor(1))
    values = operands(kernel_map, 40, 33, torch.bfloat16)
    rounded = all_results(reference, kernel_map, *values)
    for ours, theirs in zip(all_results(CpuEngine(), kernel_map, *values), rounded, strict=True):
        assert ours.dtype == theirs.dtype == torch.bfloat16
        assert (ours.float() - theirs.float()).norm() < 0.01 * theirs.float().norm()


@engines
def test_what_is_no_number_stays_where_it_belongs(engine, dtype):
    x = lattice_tensor(1)
    kernel_map = submanifold(x)
    features, weight, _ = operands(kernel_map, 5, 7, dtype)
    features[3], features[4] = torch.nan, torch.inf
    out = engine.convolve(features, weight, kernel_map)
    touched = (torch.isin(kernel_map.table, torch.tensor([3, 4]))).any(1)
    assert torch.equal(~out.isfinite().all(1), touched)


@pytest.mark.parametrize('dtype', [torch.float16, torch.complex64])
def test_other_types_are_refused(dtype):
    kernel_map = submanifold(random_tensor(1))
    values = torch.zeros((kernel_map.num_inputs, 2), dtype=dtype)
    assert CpuEngine().refuses(values, values, kernel_map) == f'no kernel for {dtype}'


def test_another_device_is_refused():
    kernel_map = submanifold(random_tensor(1))
    values = torch.zeros((kernel_map.num_inputs, 2), device='meta')
    assert CpuEngine().refuses(values, values, kernel_map) == 'the features are on meta'


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize('out_channels', CHANNELS)
def test_packed_weight_holds_every_number_once(dtype, out_channels):
    weight = (torch.arange(2 * 3 * out_channels) % 251 + 1).reshape(2, 3, out_channels).to(dtype)
    panels, columns = pack_weight(weight)
    assert columns >= out_channels and panels.is_contiguous()
    for cell in range(2):
        packed = panels[cell].double().flatten()
        assert torch.equal(
            packed[packed > 0].sort().values, weight[cell].double().flatten().sort()[0]
        )


def test_blocks_are_found_once():
    kernel_map = submanifold(random_tensor(1))
    first = cpu_engine._output_blocks(kernel_map)
    assert cpu_engine._output_blocks(kernel_map) is first
    assert first[0].tolist() == list(kernel_map.pairs.starts[:-1])
    assert first[-1].tolist() == list(kernel_map.pairs.starts[1:])


def test_no_input_channels():
    kernel_map = submanifold(random_tensor(1))
    check(CpuEngine(), kernel_map, *operands(kernel_map, 0, 5, torch.float32))


def test_no_output_channels():
    kernel_map = submanifold(random_tensor(1))
    features, weight, _ = operands(kernel_map, 5, 0, torch.float32)
    assert CpuEngine().convolve(features, weight, kernel_map).shape == (len(features), 0)


def test_a_layer_whose_outputs_all_vanish():
    x = SparseTensor(torch.ones(1, 1), torch.tensor([[0, 2, 2, 2]]).int(), (3, 3, 3))
    features = x.features.requires_grad_()
    layer = StridedConv3d(1, 2)
    layer(x).features.sum().backward()
    assert features.grad.tolist() == [[0]] and not layer.weight.grad.any()
