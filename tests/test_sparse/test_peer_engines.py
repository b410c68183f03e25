"""spconv and MinkowskiEngine, where they are installed, against the plain engine."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from unison3d.errors import ConfigError, MissingDependencyError
from unison3d.sparse import (
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    SparseTensor,
    set_engine,
    sparse_conv,
    use_engine,
)
from unison3d.sparse.coordinates import Level, coarsen, coarsen_in_grid
from unison3d.sparse.engines import CHOICE, ENGINES, PEERS
from unison3d.sparse.kernel_map import Kernel, KernelMap, build_kernel_map
from unison3d.sparse.layers.minkowski import lattice_kernel

MODULES = {'spconv': 'spconv.pytorch.ops', 'minkowski': 'MinkowskiEngine'}
GRID = (7, 5, 6)
# Kernel, stride, padding and dilation on a grid; kernel, stride and dilation on a lattice.
GRID_LAYERS = {'k2 s2': (2, 2, 0, 1), 'k3 s2 padded': (3, 2, 1, 1), 'k3 s2': (3, 2, 0, 1)}
LATTICE_LAYERS = {
    'k3 s1': (3, 1, 1),
    'k5 s1': (5, 1, 1),
    'k3 s1 dilated': (3, 1, 2),
    'k2 s1': (2, 1, 1),
    'k2 s2': (2, 2, 1),
    'k3 s2': (3, 2, 1),
    'k1 s2': (1, 2, 1),
}
KINDS = ['submanifold 3', 'submanifold 5', 'submanifold 3 dilated']
KINDS += [f'{side} {name}' for name in GRID_LAYERS for side in ('grid', 'inverse')]
KINDS += [f'{side} {name}' for name in LATTICE_LAYERS for side in ('lattice', 'transposed')]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def skip_without(name: str) -> None:
    package = MODULES[name].split('.')[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f'{package} is not installed')


def random_level(count: int = 150, first: int = 0, seed: int = 0) -> Level:
    """Unsorted voxels of scenes 0 and 2; scene 1 is empty. The last planes of odd axes are used."""
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.randint(n, (count,), generator=generator) + first for n in GRID]
    scenes = 2 * torch.randint(2, (count,), generator=generator)
    rows = torch.unique(torch.stack([scenes, *axes], dim=1), dim=0).to(torch.int32)
    rows = rows[torch.randperm(len(rows), generator=generator)]
    return Level.from_user(rows, 3, 1, GRID if first == 0 else None)


def make_map(kind: str, device: str = 'cpu') -> KernelMap:
    """A map of voxels in no order, on a lattice also below zero."""
    family, _, layer = kind.partition(' ')
    level = random_level(first=-3 if family in ('lattice', 'transposed') else 0)
    level = Level(level.coordinates.to(device), 1, level.spatial_shape)
    if family == 'submanifold':
        kernel = Kernel.centered(int(layer[0]), dilation=2 if 'dilated' in layer else 1)
        return build_kernel_map(level.sorted_keys, level.sorted_keys, kernel)
    if family in ('grid', 'inverse'):
        size, stride, padding, dilation = GRID_LAYERS[layer]
        kernel = Kernel(size, -padding, dilation)
        coarse = coarsen_in_grid(level, size, stride, padding, dilation)
    else:
        size, stride, dilation = LATTICE_LAYERS[layer]
        kernel = lattice_kernel(size, dilation)
        coarse = coarsen(level, stride) if stride > 1 else level
    # Coarse rows in another order, too.
    order = torch.randperm(len(coarse), generator=torch.Generator().manual_seed(3))
    coarse = Level(coarse.coordinates[order.to(device)], stride) if stride > 1 else level
    kernel_map = build_kernel_map(level.sorted_keys, coarse.sorted_keys, kernel, stride)
    return kernel_map.transposed() if family in ('inverse', 'transposed') else kernel_map


def run(
    name: str, kernel_map: KernelMap, dtype: torch.dtype, freeze: bool = False, channels=(3, 5)
) -> list[torch.Tensor]:
    """Output, gradient of the features and, unless it is frozen, of the weight."""
    generator = torch.Generator().manual_seed(1)

    def numbers(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype).to(kernel_map.device)

    features = numbers(kernel_map.num_inputs, channels[0]).requires_grad_()
    weight = numbers(kernel_map.num_cells, *channels).requires_grad_(not freeze)
    with use_engine(name):
        out = sparse_conv(features, weight, kernel_map)
    out.backward(numbers(*out.shape))
    return [out.detach(), features.grad] + ([] if freeze else [weight.grad])


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64], ids=['float32', 'float64'])
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', PEERS)
def test_equals_the_plain_engine(name, kind, dtype):
    skip_without(name)
    kernel_map = make_map(kind)
    freeze = name == 'spconv'
    expected = run('torch', kernel_map, dtype, freeze)
    # Twice, because the second call takes what the first derived.
    for _ in range(2):
        for value, wanted in zip(run(name, kernel_map, dtype, freeze), expected):
            torch.testing.assert_close(value, wanted, atol=1e-4, rtol=1e-4)
            if dtype == torch.float64:
                torch.testing.assert_close(value, wanted, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize('kind', ['submanifold 3', 'grid k2 s2', 'inverse k2 s2'])
def test_spconv_weight_gradient_without_its_question_for_cuda(kind, monkeypatch):
    """What runs on GPUs, as far as a CPU can tell: layouts, and which rows meet."""
    skip_without('spconv')
    from spconv.pytorch import ops

    monkeypatch.setattr(ops, 'get_current_stream', lambda: 0)
    kernel_map = make_map(kind)
    features = torch.randn(kernel_map.num_inputs, 3, dtype=torch.float64)
    cotangent = torch.randn(kernel_map.num_outputs, 5, dtype=torch.float64)
    grads = [
        ENGINES[name].weight_gradient(features, cotangent, kernel_map)
        for name in ('spconv', 'torch')
    ]
    torch.testing.assert_close(*grads)


@pytest.mark.gpu
@pytest.mark.parametrize('kind', ['submanifold 3', 'grid k2 s2', 'inverse k2 s2'])
def test_spconv_equals_the_plain_engine_on_a_gpu(kind):
    skip_without('spconv')
    if not torch.cuda.is_available():
        pytest.skip('no CUDA device')
    kernel_map = make_map(kind, 'cuda')
    expected = run('torch', kernel_map, torch.float32, channels=(16, 32))
    for value, wanted in zip(run('spconv', kernel_map, torch.float32, channels=(16, 32)), expected):
        torch.testing.assert_close(value, wanted, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize('case', ['no voxels', 'no pairs', 'no channels'])
@pytest.mark.parametrize('name', PEERS)
def test_nothing_to_compute(name, case):
    skip_without(name)
    if case == 'no channels':
        kernel_map = make_map('grid k2 s2')
    else:
        rows = [[0, 4, 4, 4]] if case == 'no pairs' else []
        source = Level.from_user(torch.tensor(rows).reshape(-1, 4).int(), 1, 1, GRID)
        target = Level.from_user(torch.tensor([[0, 0, 0, 0]]).int(), 1, 2, GRID)
        kernel_map = build_kernel_map(source.sorted_keys, target.sorted_keys, Kernel(2, 0), 2)
    channels = (0, 5) if case == 'no channels' else (3, 5)
    for value in run(name, kernel_map, torch.float32, name == 'spconv', channels):
        assert not value.any()


@pytest.mark.parametrize('sizes', [(3, 1), (2, 2), (3, 2), (5, 1)], ids=str)
def test_layers_are_those_of_minkowski_engine(sizes):
    """Layers of both, with their own coordinates: down, and back up to the first voxels."""
    skip_without('minkowski')
    import MinkowskiEngine

    kernel_size, stride = sizes
    level = random_level(first=-3)
    features = torch.randn(len(level), 3)
    options = dict(kernel_size=kernel_size, stride=stride)
    down, up = GeneralizedConv3d(3, 4, **options), GeneralizedConvTranspose3d(4, 2, **options)
    their_down = MinkowskiEngine.MinkowskiConvolution(3, 4, **options, dimension=3)
    their_up = MinkowskiEngine.MinkowskiConvolutionTranspose(4, 2, **options, dimension=3)
    their_down.kernel.data, their_up.kernel.data = down.kernel.data, up.kernel.data

    coarse = down(SparseTensor(features, level.coordinates, batch_size=3))
    theirs = their_down(MinkowskiEngine.SparseTensor(features, coordinates=level.coordinates))
    coordinates = theirs.C.clone()
    coordinates[:, 1:] //= stride
    order = Level(coordinates).sorted_keys.all_rows()
    ours = coarse.level.sorted_keys.all_rows()
    assert torch.equal(coordinates[order], coarse.coordinates[ours])
    torch.testing.assert_close(coarse.features[ours], theirs.F[order])
    torch.testing.assert_close(up(coarse).features, their_up(theirs).F)


def test_minkowski_engine_leaves_the_threads_alone():
    skip_without('minkowski')
    torch.set_num_threads(2)
    kernel_map = make_map('lattice k3 s1')
    out, *_ = run('minkowski', kernel_map, torch.float64)
    assert torch.get_num_threads() == 2
    torch.testing.assert_close(out, run('torch', kernel_map, torch.float64)[0])


def installed(name: str, monkeypatch) -> None:
    """Let an engine believe that its package is there."""
    module = ModuleType(MODULES[name])
    module.ops = None
    monkeypatch.setitem(sys.modules, MODULES[name], module)


def refusal(name: str, weight: torch.Tensor | None = None, kernel_map=None) -> str:
    kernel_map = kernel_map or make_map('grid k2 s2')
    weight = torch.zeros(kernel_map.num_cells, 2, 3) if weight is None else weight
    features = weight.new_zeros(kernel_map.num_inputs, 2)
    return ENGINES[name].refuses(features, weight, kernel_map)


@pytest.mark.parametrize('name', PEERS)
def test_a_missing_package_is_named_with_its_installation(name, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(MissingDependencyError, match='is not installed.*pip install'):
        set_engine(name)
    assert CHOICE.wanted == 'auto'
    # Also for those who ask what can run.
    assert 'is not installed' in refusal(name)


def test_spconv_refuses_several_threads_on_a_cpu(monkeypatch):
    installed('spconv', monkeypatch)
    assert refusal('spconv') == ''
    torch.set_num_threads(2)
    assert 'wrong rows on CPUs; call torch.set_num_threads(1)' in refusal('spconv')


def test_spconv_refuses_to_train_on_a_cpu(monkeypatch):
    installed('spconv', monkeypatch)
    weight = torch.zeros(8, 2, 3, requires_grad=True)
    assert 'no gradient of the weight on CPUs' in refusal('spconv', weight)
    with torch.no_grad():
        assert refusal('spconv', weight) == ''


@pytest.mark.parametrize('name', PEERS)
def test_types_without_a_kernel_are_refused(name, monkeypatch):
    installed(name, monkeypatch)
    assert 'torch.bfloat16' in refusal(name, torch.zeros(8, 2, 3, dtype=torch.bfloat16))


def test_minkowski_engine_refuses_maps_without_coordinates(monkeypatch):
    installed('minkowski', monkeypatch)
    assert refusal('minkowski') == ''
    table = torch.zeros((4, 8), dtype=torch.int32)
    assert 'needs coordinates' in refusal('minkowski', kernel_map=KernelMap(4, 4, 8, table=table))


def test_auto_never_takes_another_library(monkeypatch):
    for name, engine in ENGINES.items():
        reason = '' if name in PEERS else 'not today'
        monkeypatch.setattr(engine, 'refuses', lambda *_, reason=reason: reason)
    kernel_map = make_map('grid k2 s2')
    features, weight = torch.zeros(kernel_map.num_inputs, 2), torch.zeros(8, 2, 3)
    with use_engine('auto'), pytest.raises(ConfigError, match='no engine can run') as caught:
        sparse_conv(features, weight, kernel_map)
    assert not any(name in str(caught.value) for name in PEERS)
