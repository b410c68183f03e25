"""What the interpreter cannot tell: TF32, tuning, waiting for the device, CUDA graphs."""

from __future__ import annotations

import json

import pytest
import torch

from unison3d.models.backbones import SparseUNet
from unison3d.sparse import ENGINES, Kernel, SparseTensor, sparse_conv, use_engine
from unison3d.sparse.engines.triton_engine import TritonEngine
from unison3d.sparse.engines.triton_support import triton_version, why_not
from unison3d.sparse.engines.triton_tuning import Tuner

REASON = why_not(torch.device('cuda', 0)) if torch.cuda.is_available() else 'no CUDA device'
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(REASON), reason=REASON or 'none')]


@pytest.fixture
def engine(monkeypatch) -> TritonEngine:
    """With tiles that are not measured."""
    engine = TritonEngine(tuner=Tuner('test', can_measure=lambda device: False))
    monkeypatch.setitem(ENGINES, 'triton', engine)
    return engine


def scene(channels: int, count: int = 20_000) -> SparseTensor:
    """Voxels dense enough that rows are sorted on the finest level and not on the coarsest."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randint(48, (count, 3), generator=generator)
    points = torch.unique(torch.nn.functional.pad(points, (1, 0)), dim=0).to(torch.int32)
    points = points[torch.randperm(len(points), generator=generator)].to('cuda')
    features = torch.randn(len(points), channels, generator=generator).to('cuda')
    return SparseTensor(features, points, (48, 48, 48))


def results(x: SparseTensor, weight: torch.Tensor, engine: str) -> list[torch.Tensor]:
    features = x.features.detach().to(weight.dtype).requires_grad_()
    weight.requires_grad_()
    with use_engine(engine):
        out = sparse_conv(features, weight, x.kernel_map(Kernel.centered(3)))
    return [out.detach(), *torch.autograd.grad(out.float().square().sum(), (features, weight))]


def random_weight(channels: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(27, channels, channels, generator=generator) / channels
    return weight.to('cuda', dtype)


@pytest.mark.parametrize(('precision', 'tolerance'), [('highest', 1e-5), ('high', 2e-3)])
def test_products_of_float32_follow_the_setting_of_torch(engine, precision, tolerance):
    x, weight = scene(64), random_weight(64)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        got = results(x, weight, 'triton')
    finally:
        torch.set_float32_matmul_precision(before)
    exact = results(x, weight.detach().double(), 'torch')
    errors = [float((a - b).norm() / b.norm()) for a, b in zip(got, exact, strict=True)]
    assert max(errors) < tolerance
    assert precision == 'highest' or errors[0] > 1e-6


def test_measured_tiles_are_kept_and_right(monkeypatch, tmp_path):
    x, weight = scene(32), random_weight(32, torch.bfloat16)
    exact = results(x, weight.detach().double(), 'torch')
    for _ in range(2):
        tuner = Tuner(triton_version(), tmp_path)
        monkeypatch.setitem(ENGINES, 'triton', TritonEngine(tuner=tuner))
        for got, reference in zip(results(x, weight, 'triton'), exact, strict=True):
            assert (got.double() - reference).norm() < 2e-2 * reference.norm()
    kept = json.loads(tuner.path(torch.device('cuda', 0)).read_text())
    assert len(kept['tiles']) == 3


def low_precision(network: torch.nn.Module, x: SparseTensor) -> torch.Tensor:
    with use_engine('triton'), torch.autocast('cuda', torch.bfloat16, cache_enabled=False):
        return network(x).features


def test_a_network_waits_for_nothing(engine):
    x = scene(6)
    network = SparseUNet(6, planes=(32, 64, 96)).to('cuda')
    low_precision(network, x).float().square().mean().backward()
    torch.cuda.set_sync_debug_mode('error')
    try:
        low_precision(network, x).float().square().mean().backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')


def test_a_network_can_be_captured(engine):
    x = scene(6)
    network = SparseUNet(6, planes=(32, 64, 96)).to('cuda').eval()
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                low_precision(network, x)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph):
            out = low_precision(network, x)
        x.features.normal_()
        graph.replay()
        assert torch.equal(out, low_precision(network, x))
