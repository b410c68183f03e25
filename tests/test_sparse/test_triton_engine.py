"""The Triton kernels against the plain engine: in Triton's interpreter, on a GPU if there is one.

The interpreter has to be switched on before Triton is imported, which is what the first lines do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

HAS_CUDA = torch.cuda.is_available()
if not HAS_CUDA and 'triton' not in sys.modules:
    os.environ['TRITON_INTERPRET'] = '1'

from unison3d.sparse import sparse_conv, use_engine  # noqa: E402
from unison3d.sparse.coordinates import Level, coarsen, coarsen_in_grid  # noqa: E402
from unison3d.sparse.engines import ENGINES, triton_engine, triton_maps, triton_support  # noqa: E402
from unison3d.sparse.engines.triton_engine import TritonEngine  # noqa: E402
from unison3d.sparse.engines.triton_tuning import Tuner  # noqa: E402
from unison3d.sparse.kernel_map import Kernel, KernelMap, build_kernel_map  # noqa: E402

# Rounding of the result, and of the sum where products are rounded too.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
SHAPE = (5, 4, 7)


def why_not(device: str) -> str:
    """Why nothing can be launched here; empty if it can."""
    if device == 'cuda' and not HAS_CUDA:
        return 'no CUDA device'
    if device == 'cpu' and HAS_CUDA:
        return 'the interpreter is off, because the tests run on the GPU'
    reason = triton_support.why_not(torch.device(device), interpreted=device == 'cpu')
    if reason or device == 'cuda':
        return reason
    import triton

    table = torch.zeros((1, 2), dtype=torch.int32)
    try:
        triton_maps.sort_rows(KernelMap(1, 1, 2, table=table))
    except triton.runtime.errors.InterpreterError as error:
        import numpy

        # Loops of the interpreters up to Triton 3.6 stopped working with NumPy 2.4.
        return (
            f'triton {triton.__version__} cannot interpret with NumPy {numpy.__version__}: {error}'
        )
    return ''


@pytest.fixture(scope='module', params=['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
def device(request) -> torch.device:
    reason = why_not(request.param)
    if reason:
        pytest.skip(reason)
    return torch.device(request.param)


@pytest.fixture
def engine(device, monkeypatch) -> TritonEngine:
    """Sorts every map, so that small scenes go through blocks of sorted rows; measures nothing."""
    tuner = Tuner('test', can_measure=lambda device: False)
    engine = TritonEngine(interpreted=device.type == 'cpu', sort_from=1, tuner=tuner)
    monkeypatch.setitem(ENGINES, 'triton', engine)
    monkeypatch.setattr(triton_engine, 'FEW_CELLS', 1)
    return engine


def random_level(device, count=70, seed=0, batch=(0, 2)) -> Level:
    """Unsorted voxels; batch item 1 is empty."""
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.randint(n, (count,), generator=generator) for n in SHAPE]
    scenes = torch.tensor(batch)[torch.randint(len(batch), (count,), generator=generator)]
    rows = torch.unique(torch.stack([scenes, *axes], dim=1), dim=0).to(torch.int32)
    rows = rows[torch.randperm(len(rows), generator=generator)]
    return Level.from_user(rows.to(device), 3, 1, SHAPE)


def random_map(device, kind: str, **options) -> KernelMap:
    """A map on the CPU or, through its table alone, on a GPU."""
    level = random_level(device, **options)
    keys = level.sorted_keys
    if kind.startswith('submanifold'):
        return build_kernel_map(keys, keys, Kernel.centered(int(kind[-1])))
    coarse = coarsen_in_grid(level, 2, 2, 0, 1)
    strided = build_kernel_map(keys, coarse.sorted_keys, Kernel(2, 0), 2)
    return strided.transposed() if kind == 'inverse' else strided


@dataclass
class Case:
    """One convolution with random numbers and its exact results."""

    features: torch.Tensor
    weight: torch.Tensor
    cotangent: torch.Tensor
    kernel_map: KernelMap

    @classmethod
    def make(cls, kernel_map, c_in, c_out, dtype=torch.float32) -> Case:
        generator = torch.Generator().manual_seed(1)
        shapes = (
            (kernel_map.num_inputs, c_in),
            (kernel_map.num_cells, c_in, c_out),
            (kernel_map.num_outputs, c_out),
        )
        numbers = (torch.randn(shape, generator=generator) for shape in shapes)
        return cls(*(n.to(kernel_map.device, dtype) for n in numbers), kernel_map)

    def run(self, name: str, dtype=None) -> tuple[torch.Tensor, ...]:
        """Output and both gradients."""
        dtype = dtype or self.features.dtype
        features, weight = self.features.to(dtype), self.weight.to(dtype)
        features.requires_grad_(), weight.requires_grad_()
        with use_engine(name):
            out = sparse_conv(features, weight, self.kernel_map)
            gradients = torch.autograd.grad(out, (features, weight), self.cotangent.to(dtype))
        return (out.detach(), *gradients)

    def check(self) -> None:
        dtype = self.features.dtype
        for got, exact in zip(self.run('triton'), self.run('torch', torch.float64), strict=True):
            assert got.dtype == dtype
            assert got.shape == exact.shape
            error = (got.double() - exact).norm()
            assert error <= TOLERANCE[dtype] * exact.norm(), float(error / exact.norm())


@pytest.mark.parametrize('dtype', DTYPES, ids=str)
@pytest.mark.parametrize('kind', ['submanifold 3', 'strided', 'inverse'])
def test_equals_the_torch_engine(engine, device, kind, dtype):
    Case.make(random_map(device, kind), 16, 20, dtype).check()


@pytest.mark.parametrize('dtype', DTYPES, ids=str)
def test_stem_of_three_channels(engine, device, dtype):
    Case.make(random_map(device, 'submanifold 5', count=25), 3, 32, dtype).check()


@pytest.mark.parametrize(('c_in', 'c_out'), [(1, 1), (6, 10), (10, 17), (17, 7), (33, 96)])
def test_any_number_of_channels(engine, device, c_in, c_out):
    Case.make(random_map(device, 'strided'), c_in, c_out).check()


@pytest.mark.parametrize('kind', ['submanifold 3', 'inverse'])
def test_without_sorted_rows(engine, device, kind):
    engine.sort_from = 10**9
    Case.make(random_map(device, kind, count=30), 16, 16).check()


@pytest.mark.parametrize('c_in', [3, 16])
def test_opposite_cells_stand_in_for_a_transposed_table(engine, device, c_in):
    kernel_map = random_map(device, 'submanifold 3', count=30)
    backwards = kernel_map.transposed()
    backwards.origin = kernel_map
    Case.make(backwards, c_in, 16).check()
    assert 'order' in kernel_map.derived or c_in == 3
    assert 'order' not in backwards.derived


def test_pairs_of_both_directions_are_listed_once(device):
    kernel_map = random_map(device, 'strided')
    backwards = kernel_map.transposed()
    backwards.origin = kernel_map
    there, back = triton_maps.list_pairs(kernel_map), triton_maps.list_pairs(backwards)
    assert back.inputs is there.outputs and back.outputs is there.inputs


def test_kernel_of_more_cells_than_bits(engine, device):
    Case.make(random_map(device, 'submanifold 5', count=25), 16, 16).check()


@pytest.mark.parametrize('c_in', [3, 16])
@pytest.mark.parametrize('kind', ['submanifold 3', 'strided', 'inverse'])
def test_no_voxels(engine, device, kind, c_in):
    case = Case.make(random_map(device, kind, count=0), c_in, 5)
    out, grad_features, grad_weight = case.run('triton')
    assert out.shape == (0, 5) and grad_features.shape == (0, c_in)
    assert grad_weight.shape == case.weight.shape and not grad_weight.any()


def test_inputs_without_outputs(engine, device):
    """All voxels lie in the last plane of an odd axis, so that the coarse level is empty."""
    level = Level.from_user(torch.tensor([[0, 4, 0, 0]]).to(device), 1, 1, (5, 2, 2))
    coarse = coarsen_in_grid(level, 2, 2, 0, 1)
    strided = build_kernel_map(level.sorted_keys, coarse.sorted_keys, Kernel(2, 0), 2)
    for kernel_map in (strided, strided.transposed()):
        assert not any(result.any() for result in Case.make(kernel_map, 16, 16).run('triton'))


def test_features_with_other_strides(engine, device):
    case = Case.make(random_map(device, 'strided'), 16, 16)
    expected = case.run('triton')
    case.features = torch.cat([case.features, case.features], dim=1)[:, 16:]
    case.weight = case.weight.transpose(1, 2).contiguous().transpose(1, 2)
    for got, reference in zip(case.run('triton'), expected, strict=True):
        assert torch.equal(got, reference)


@pytest.mark.parametrize('c_in', [3, 16])
def test_same_input_same_bits(engine, device, c_in):
    first, second = (
        Case.make(random_map(device, 'submanifold 3', count=30), c_in, 16).run('triton')
        for _ in range(2)
    )
    assert all(map(torch.equal, first, second))


@pytest.mark.parametrize('kind', ['submanifold 3', 'submanifold 5', 'strided'])
def test_equal_neighbourhoods_become_neighbours(device, kind):
    kernel_map = random_map(device, kind, count=40)
    table, order = kernel_map.table, triton_maps.sort_rows(kernel_map)
    assert torch.equal(order.sort().values, torch.arange(len(table), device=device))
    group = 5 if len(table[0]) == 125 else 1
    bits = (table >= 0).view(len(table), -1, group).any(2).long()
    masks = (bits << torch.arange(bits.shape[1], device=device)).sum(1)[order]
    assert bool((masks[1:] <= masks[:-1]).all())


@pytest.mark.parametrize('rows', [16, 32])
def test_blocks_hold_the_whole_table(device, rows):
    kernel_map = random_map(device, 'submanifold 3')
    tiles = triton_maps.make_tiles(kernel_map, rows)
    table = torch.full_like(kernel_map.table, -1)
    for block, count in enumerate(tiles.counts.tolist()):
        order = tiles.order[block * rows : (block + 1) * rows]
        cells = tiles.cells[block, :count].tolist()
        assert cells == sorted(set(cells))
        for cell, rows_in in zip(cells, tiles.rows_in[block], strict=False):
            assert (rows_in >= 0).any()
            assert (rows_in[len(order) :] == -1).all()
            table[order, cell] = rows_in[: len(order)]
    assert torch.equal(table, kernel_map.table)


@pytest.mark.parametrize('kind', ['submanifold 3', 'inverse'])
def test_pairs_are_those_of_the_map(device, kind):
    kernel_map = random_map(device, kind)
    pairs = triton_maps.list_pairs(kernel_map)
    starts = pairs.starts.tolist()
    for cell in range(kernel_map.num_cells):
        span = slice(starts[cell], starts[cell + 1])
        got = torch.stack([pairs.inputs[span], pairs.outputs[span]])
        expected = torch.stack(kernel_map.pairs.cell(cell))
        assert torch.equal(got[:, got[1].argsort()], expected[:, expected[1].argsort()])


@pytest.mark.parametrize('is_sorted', [True, False])
@pytest.mark.parametrize(
    ('kernel', 'stride'),
    [
        (Kernel.centered(3), 1),
        (Kernel.centered(3, 2, x_fastest=True), 1),
        (Kernel(2, 0), 2),
        (Kernel(3, -1, 3, x_fastest=True), 3),
    ],
)
def test_table_is_that_of_the_pairs(device, kernel, stride, is_sorted):
    level = random_level(device)
    if is_sorted:
        level = coarsen(level, 1)
    coarse = level if stride == 1 else coarsen(level, stride)
    keys = level.sorted_keys, coarse.sorted_keys
    table = triton_maps.build_table(*keys, kernel, stride)
    expected = build_kernel_map(*keys, kernel, stride)
    assert torch.equal(table, expected.table)
    transposed = triton_maps.transpose_table(table, len(level))
    assert torch.equal(transposed, expected.transposed().table)


def refusal(engine: TritonEngine, dtype=torch.float32, num_outputs=1) -> str:
    kernel_map = KernelMap(1, num_outputs, 1, table=torch.zeros((1, 1), dtype=torch.int32))
    return engine.refuses(torch.zeros(1, 1, dtype=dtype), torch.zeros(1, 1, 1), kernel_map)


def test_what_it_refuses(monkeypatch):
    assert 'runs on CUDA' in refusal(TritonEngine())
    engine = TritonEngine(interpreted=True)
    assert 'float64' in refusal(engine, torch.float64)
    monkeypatch.setattr(triton_support, 'triton_version', lambda: '3.1.0')
    assert '3.1.0 is too old' in refusal(engine)
    monkeypatch.setattr(triton_support, 'triton_version', lambda: '3.10.0+git1')
    monkeypatch.setenv('TRITON_INTERPRET', '0')
    assert 'interpreter is off' in refusal(engine)
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    assert refusal(engine) == ''
    assert '2^31' in refusal(engine, num_outputs=2**31)


def test_missing_triton_is_said_with_its_fix(monkeypatch):
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    monkeypatch.setitem(sys.modules, 'triton', None)
    triton_support.triton_version.cache_clear()
    try:
        assert 'pip install triton' in refusal(TritonEngine(interpreted=True))
    finally:
        triton_support.triton_version.cache_clear()


def test_importing_the_package_does_not_import_triton():
    code = 'import sys, unison3d.sparse.engines.triton_engine; sys.exit("triton" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
