"""Gradients of every layer on every engine, types under autocast, and input that cannot be used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.test_sparse.samples import lattice_tensor, random_tensor, random_values
from unison3d.errors import SceneError
from unison3d.sparse import (
    ENGINES,
    AvgPool3d,
    GeneralizedConv3d,
    GeneralizedConvTranspose3d,
    GlobalPool3d,
    InverseConv3d,
    Kernel,
    MaxPool3d,
    SparseBatchNorm,
    SparseSequential,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    SumPool3d,
    functional,
    sparse_conv,
    use_engine,
)
from unison3d.sparse.functional import multiply_rows

engines = pytest.mark.parametrize('engine', ['cpu', 'torch'])


NETS = {
    'submanifold': lambda: SubmanifoldConv3d(2, 3, 3, bias=True),
    'submanifold dilated': lambda: SubmanifoldConv3d(2, 1, 3, 2),
    'submanifold of one cell': lambda: SubmanifoldConv3d(2, 3, 1, bias=True),
    'strided': lambda: StridedConv3d(2, 3, 2, 2, bias=True),
    'strided and padded': lambda: StridedConv3d(2, 3, 3, 2, 1),
    'inverse': lambda: SparseSequential(StridedConv3d(2, 3), InverseConv3d(3, 2, bias=True)),
    'inverse padded': lambda: SparseSequential(
        StridedConv3d(2, 3, 3, 2, 1), InverseConv3d(3, 2, 3)
    ),
    'generalised': lambda: GeneralizedConv3d(2, 3, 3, bias=True),
    'generalised even': lambda: GeneralizedConv3d(2, 3, 2),
    'generalised strided': lambda: GeneralizedConv3d(2, 3, 3, 2, 2),
    'generalised matrix': lambda: GeneralizedConv3d(2, 3, 1, bias=True),
    'transposed': lambda: SparseSequential(SumPool3d(2, 2), GeneralizedConvTranspose3d(2, 3, 2, 2)),
    'transposed odd': lambda: SparseSequential(
        SumPool3d(2, 2), GeneralizedConvTranspose3d(2, 3, 3, 2, bias=True)
    ),
    'sum': lambda: SumPool3d(2, 2),
    'mean': lambda: AvgPool3d(3, 2),
    'maximum': lambda: MaxPool3d(3, 1),
    'batch norm': lambda: SparseBatchNorm(2),
}


def small_tensor() -> SparseTensor:
    return random_tensor(2, shape=(3, 2, 4), share=0.4)


def gradcheck(net: nn.Module, x: SparseTensor) -> bool:
    weights = list(net.parameters())

    def run(features: Tensor, *_: Tensor) -> Tensor:
        out = net(x.replace(features))
        return out.features if isinstance(out, SparseTensor) else out

    return torch.autograd.gradcheck(run, (x.features.requires_grad_(), *weights))


@engines
@pytest.mark.parametrize('name', NETS)
def test_gradcheck(name, engine):
    with use_engine(engine):
        assert gradcheck(NETS[name]().double(), small_tensor())


@pytest.mark.parametrize('mode', ['sum', 'avg', 'max'])
def test_gradcheck_of_global_pooling(mode):
    assert gradcheck(GlobalPool3d(mode), small_tensor())


@engines
@pytest.mark.parametrize('name', ['generalised', 'generalised strided', 'transposed odd'])
def test_gradcheck_on_both_sides_of_zero(name, engine):
    x = lattice_tensor(2, low=(-2, -1, -3), shape=(3, 2, 4), share=0.4)
    with use_engine(engine):
        assert gradcheck(NETS[name]().double(), x)


@engines
@pytest.mark.parametrize('name', ['submanifold', 'inverse', 'generalised strided', 'transposed'])
def test_gradients_are_the_same_bits_with_any_number_of_threads(name, engine):
    x, net = random_tensor(2), NETS[name]().double()

    def gradients(threads: int) -> list[Tensor]:
        torch.set_num_threads(threads)
        features = x.features.clone().requires_grad_()
        out = net(x.replace(features)).features
        return torch.autograd.grad(out.square().sum(), [features, *net.parameters()])

    with use_engine(engine):
        first = gradients(1)
        for threads in (1, 2, 2):
            assert all(map(torch.equal, gradients(threads), first))


@engines
def test_only_what_is_asked_for_is_computed(engine, monkeypatch):
    x = random_tensor(2)
    kernel_map = x.kernel_map(Kernel.centered(3))
    features, weight = x.features, random_values((27, 2, 3))

    def no_work(*_):
        pytest.fail('nobody needs this')

    with use_engine(engine):
        assert not sparse_conv(features, weight, kernel_map).requires_grad
        out = sparse_conv(features, weight.requires_grad_(), kernel_map)
        with monkeypatch.context() as patch:
            patch.setattr(ENGINES[engine], 'convolve', no_work)
            out.sum().backward()
        assert features.grad is None and weight.grad is not None
        out = sparse_conv(features.requires_grad_(), weight.detach(), kernel_map)
        monkeypatch.setattr(ENGINES[engine], 'weight_gradient', no_work)
        out.sum().backward()
        assert features.grad is not None


def test_the_engine_of_the_forward_pass_also_runs_backwards():
    x = random_tensor(2, dtype=torch.float16)
    features = x.features.requires_grad_()
    weight = torch.ones(27, 2, 3, dtype=torch.float16)
    out = sparse_conv(features, weight, x.kernel_map(Kernel.centered(3)))
    with use_engine('cpu'):  # which has no kernel for float16
        out.sum().backward()
    assert features.grad.dtype == torch.float16


@pytest.mark.parametrize(
    ('engine', 'dtype'),
    [('cpu', torch.bfloat16), ('torch', torch.bfloat16), ('torch', torch.float16)],
)
def test_autocast(engine, dtype):
    x = random_tensor(4, dtype=torch.float32)
    weight, bias = torch.randn(27, 4, 5, requires_grad=True), torch.zeros(5, requires_grad=True)
    kernel_map = x.kernel_map(Kernel.centered(3))
    exact = sparse_conv(x.features, weight, kernel_map, bias)
    with use_engine(engine), torch.autocast('cpu', dtype=dtype):
        out = sparse_conv(x.features, weight, kernel_map, bias)
    assert out.dtype == dtype
    assert (out.float() - exact).norm() < 0.01 * exact.norm()
    out.float().sum().backward()
    assert weight.grad.dtype == bias.grad.dtype == torch.float32


def test_bias_as_a_row_or_as_a_vector():
    x = random_tensor(2)
    kernel_map, weight = x.kernel_map(Kernel.centered(3)), random_values((27, 2, 3))
    bias = random_values((1, 3))
    row = sparse_conv(x.features, weight, kernel_map, bias)
    assert torch.equal(row, sparse_conv(x.features, weight, kernel_map, bias[0]))
    torch.testing.assert_close(row - bias, sparse_conv(x.features, weight, kernel_map))


@pytest.mark.parametrize('widens', [True, False])
@pytest.mark.parametrize('is_autocast', [True, False])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_rows_times_a_matrix(dtype, is_autocast, widens, monkeypatch):
    # Where the CPU lacks the instruction bfloat16 is multiplied as float32.
    monkeypatch.setattr(functional, 'HAS_BF16_DOT', not widens)
    features = random_values((50, 40), dtype, 1).requires_grad_()
    matrix = random_values((40, 17), dtype, 2).requires_grad_()
    bias = random_values((1, 17), torch.float32, 3)
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=is_autocast):
        out = multiply_rows(features, matrix, bias)
    assert out.dtype == (torch.bfloat16 if is_autocast else dtype)
    tolerance = 0.02 if out.dtype == torch.bfloat16 else 1e-5
    cotangent = random_values((50, 17), out.dtype, 4)
    gradients = torch.autograd.grad(out, [features, matrix], cotangent)
    exact = [v.detach().double() for v in (features, matrix, bias, cotangent)]
    expected = exact[0] @ exact[1] + exact[2], exact[3] @ exact[1].t(), exact[0].t() @ exact[3]
    for result, reference in zip([out, *gradients], expected, strict=True):
        assert (result.double() - reference).norm() < tolerance * reference.norm()
    assert all(gradient.dtype == dtype for gradient in gradients)


def test_second_derivatives_are_refused():
    x = random_tensor(2)
    features = x.features.requires_grad_()
    out = SubmanifoldConv3d(2, 3).double()(x).features.square().sum()
    (gradient,) = torch.autograd.grad(out, features, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        gradient.sum().backward()


class TestBadInput:
    x = random_tensor(2)
    kernel_map = x.kernel_map(Kernel.centered(3))
    weight = torch.zeros((27, 2, 3), dtype=torch.float64)

    def refuse(self, message: str, features: Tensor | None = None, weight: Tensor | None = None):
        features = self.x.features if features is None else features
        weight = self.weight if weight is None else weight
        with pytest.raises(SceneError, match=message):
            sparse_conv(features, weight, self.kernel_map)

    def test_number_of_rows(self):
        v = len(self.x)
        self.refuse(
            rf'{v - 1} rows of features meet a kernel map of {v} inputs', self.x.features[1:]
        )

    @pytest.mark.parametrize('shape', [(8, 2, 3), (27, 4, 3), (2, 3), (27, 2)])
    def test_shape_of_the_weight(self, shape):
        seen = str(tuple(shape)).replace('(', r'\(').replace(')', r'\)')
        self.refuse(rf'{seen}, expected \(27, 2, C_out\)', weight=torch.zeros(shape))

    def test_type(self):
        self.refuse('features are torch.float64, weight torch.float32', weight=self.weight.float())

    def test_device_of_the_weight(self):
        self.refuse('features are on cpu, weight on meta', weight=self.weight.to('meta'))

    def test_device_of_the_features(self):
        self.refuse('features are on meta', features=self.x.features.to('meta'))

    def test_device_of_both(self, monkeypatch):
        monkeypatch.setattr(torch, 'is_autocast_enabled', lambda device_type: False)
        features, weight = self.x.features.to('meta'), self.weight.to('meta')
        self.refuse('the kernel map on cpu; move them to one device', features, weight)
