"""Which engine computes a convolution, and what is said about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.test_sparse.samples import random_tensor
from unison3d.errors import ConfigError
from unison3d.sparse import ENGINES, Kernel, SubmanifoldConv3d, engines, set_engine, use_engine
from unison3d.sparse.engines import select_engine
from unison3d.sparse.engines.torch_engine import TorchEngine


class PickyEngine:
    """Runs nothing."""

    name = 'picky'

    def refuses(self, features, weight, kernel_map) -> str:
        return 'too ordinary'


@pytest.fixture(autouse=True)
def _leave_the_choice_as_it_was():
    before = engines.CHOICE.wanted_everywhere
    yield
    set_engine(before)


def operands(dtype: torch.dtype = torch.float32):
    x = random_tensor(2, dtype=dtype)
    return x.features, torch.ones((27, 2, 3), dtype=dtype), x.kernel_map(Kernel.centered(3))


def chosen(dtype: torch.dtype = torch.float32) -> str:
    return select_engine(*operands(dtype)).name


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_the_compiled_engine_is_the_first_choice_on_a_cpu(dtype):
    assert chosen(dtype) == 'cpu'


def test_plain_pytorch_takes_the_rest():
    assert chosen(torch.float16) == 'torch'


def test_every_engine_is_known_by_its_name():
    assert all(engine.name == name for name, engine in ENGINES.items())
    assert {'cpu', 'torch'} <= set(ENGINES)


def test_plain_pytorch_refuses_nothing():
    assert TorchEngine().refuses(*operands(torch.float16)) == ''


@pytest.mark.parametrize('name', ['cpu', 'torch'])
def test_use_engine_ends_with_its_block(name):
    with use_engine(name):
        assert chosen() == name
        with use_engine('auto'):
            assert chosen() == 'cpu'
        assert chosen() == name
    assert chosen() == 'cpu'


def test_use_engine_ends_with_an_error_too():
    with pytest.raises(RuntimeError, match='on purpose'), use_engine('torch'):
        raise RuntimeError('on purpose')
    assert chosen() == 'cpu'


def test_set_engine_stays():
    set_engine('torch')
    assert chosen() == 'torch'
    set_engine('auto')
    assert chosen() == 'cpu'


def chosen_in_another_thread() -> str:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(chosen).result()


def test_set_engine_reaches_other_threads():
    set_engine('torch')
    assert chosen_in_another_thread() == 'torch'


def test_use_engine_stays_in_its_thread():
    with use_engine('torch'):
        assert chosen_in_another_thread() == 'cpu'


def test_use_engine_wins_over_set_engine():
    set_engine('torch')
    with use_engine('cpu'):
        assert chosen() == 'cpu'
        set_engine('torch')
        assert chosen() == 'cpu'
    assert chosen() == 'torch'


@pytest.mark.parametrize('name', ['gpu', '', 'CPU', None])
def test_unknown_names_are_refused(name):
    with pytest.raises(ConfigError, match=rf"engine is {name!r}, expected one of \['auto', "):
        set_engine(name)
    with pytest.raises(ConfigError, match="'cpu', "), use_engine(name):
        pass
    assert chosen() == 'cpu'


def test_an_engine_that_was_asked_for_and_refuses():
    layer = SubmanifoldConv3d(2, 3).half()
    x = random_tensor(2, dtype=torch.float16)
    message = "engine 'cpu' cannot run here: no kernel for torch.float16. Use 'auto'"
    with use_engine('cpu'), pytest.raises(ConfigError, match=message):
        layer(x)


def test_no_engine_at_all(monkeypatch):
    monkeypatch.setattr(engines, 'ENGINES', {'picky': PickyEngine()})
    with pytest.raises(ConfigError, match='no engine can run .*: picky: too ordinary'):
        select_engine(*operands())


def test_the_choice_and_its_reasons_are_said_once(monkeypatch):
    said = []
    monkeypatch.setattr(engines, 'print_log', lambda message, logger: said.append(message))
    monkeypatch.setattr(engines, '_announced', set())
    monkeypatch.setattr(engines, 'ENGINES', {'picky': PickyEngine(), 'torch': TorchEngine()})
    for _ in range(3):
        assert chosen() == 'torch'
    assert said == ['sparse convolution: engine torch (picky: too ordinary)']
