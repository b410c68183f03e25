"""Sums and means by group, by torch and by torch_scatter where that is installed."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from unison3d.errors import MissingDependencyError
from unison3d.sparse import scatter_mean, scatter_sum
from unison3d.sparse.pooling import CHOICE


def test_sum_and_mean_of_groups():
    values, groups = torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 2])
    assert scatter_sum(values, groups, 4)[:, 0].tolist() == [4.0, 0.0, 5.0, 0.0]
    assert scatter_mean(values, groups, 4)[:, 0].tolist() == [2.0, 0.0, 5.0, 0.0]


def pooled(engine: str, count: int, num_groups: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Means and their gradient."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn((count, 5), generator=generator).to(dtype).requires_grad_()
    # The last group stays empty.
    groups = torch.randint(max(num_groups - 1, 1), (count,), generator=generator)
    with CHOICE.use(engine):
        means = scatter_mean(values, groups, num_groups)
    means.backward(torch.randn(means.shape, generator=generator).to(dtype))
    return [means.detach(), values.grad]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize('sizes', [(3000, 40), (700, 2), (0, 3), (0, 0)], ids=str)
def test_torch_scatter_pools_equally(sizes, dtype):
    if reason := CHOICE.missing('torch_scatter'):
        pytest.skip(reason)
    for value, wanted in zip(
        pooled('torch_scatter', *sizes, dtype), pooled('torch', *sizes, dtype)
    ):
        torch.testing.assert_close(value, wanted)


def stand_in(monkeypatch) -> list[tuple]:
    """Believe that torch_scatter is there; the calls it gets."""
    calls = []
    module = ModuleType('torch_scatter')

    def scatter_sum(src, index, dim, dim_size):
        calls.append((dim, dim_size))
        return torch.zeros(dim_size, src.shape[1]).index_add_(dim, index, src)

    module.scatter_sum = scatter_sum
    monkeypatch.setitem(sys.modules, 'torch_scatter', module)
    return calls


def test_the_engine_that_was_chosen_adds_up(monkeypatch):
    calls = stand_in(monkeypatch)
    values, groups = torch.ones((3, 2)), torch.tensor([0, 2, 2])
    ours = scatter_mean(values, groups, 4)
    assert not calls
    with CHOICE.use('torch_scatter'):
        assert torch.equal(scatter_mean(values, groups, 4), ours)
    assert calls == [(0, 4)]
    scatter_mean(values, groups, 4)
    assert len(calls) == 1


def test_a_missing_package_is_named_with_its_installation(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch_scatter', None)
    with pytest.raises(MissingDependencyError, match=r'pip install .*torch_scatter .*compiler'):
        CHOICE.set('torch_scatter')
    assert CHOICE.wanted == 'auto'
