from __future__ import annotations

import enum
import io
import random
from collections import OrderedDict, deque

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub

from unison3d.engine.plain import (
    keep_plain,
    pack_message_hub,
    random_state,
    restore_random_state,
    to_plain,
    unpack_message_hub,
)


class Colour(enum.IntEnum):
    RED = 3


def through_a_file(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_everything_plain_survives_a_tensors_only_reader():
    state = {
        'array': np.arange(3, dtype=np.uint8),
        'scalar': np.float32(0.5),
        'text': np.array(['a', 'b']),
        'flag': np.bool_(True),
        'ordered': OrderedDict(x=[1, (2, None)]),
        'deque': deque([1, 2], maxlen=2),
        'enum': Colour.RED,
        'dtype': torch.float16,
        3: {'parameter': torch.nn.Parameter(torch.ones(2))},
    }
    plain = through_a_file(to_plain(state))
    assert torch.equal(plain.pop('array'), torch.tensor([0, 1, 2], dtype=torch.uint8))
    assert torch.equal(plain.pop(3)['parameter'], torch.ones(2))
    assert plain == {
        'scalar': 0.5,
        'text': ['a', 'b'],
        'flag': True,
        'ordered': {'x': [1, (2, None)]},
        'deque': [1, 2],
        'enum': 3,
        'dtype': 'torch.float16',
    }


@pytest.mark.parametrize('value', [object(), {'a': [print]}, {frozenset(): 1}, b'bytes', 1j])
def test_the_rest_is_refused(value):
    with pytest.raises(TypeError, match='checkpoint'):
        to_plain(value)


def test_the_place_is_named():
    with pytest.raises(TypeError, match=r"state\['a'\]\[1\]"):
        to_plain({'a': [1, object()]}, 'state')


def test_only_what_is_plain_is_kept():
    assert keep_plain({'a': 1, 'b': object()}) == ({'a': 1}, ['b'])


def test_message_hub_round_trip():
    hub = MessageHub('test_message_hub_round_trip')
    for value in (1.0, 0.25):
        hub.update_scalar('loss', value, count=2)
    hub.update_info('best', np.float64(0.5))
    packed, dropped = pack_message_hub(hub.state_dict())
    assert dropped == []
    state = unpack_message_hub(through_a_file(packed))
    assert isinstance(state['log_scalars']['loss'], HistoryBuffer)
    copy = MessageHub('test_message_hub_round_trip_copy')
    copy.load_state_dict(state)
    assert copy.get_scalar('loss').mean() == hub.get_scalar('loss').mean()
    copy.update_scalar('loss', 3.0)
    assert copy.get_scalar('loss').current() == 3.0
    assert copy.get_info('best') == 0.5


def draw() -> list[float]:
    return [
        random.random(),
        random.gauss(0, 1),
        float(np.random.normal()),  # noqa: NPY002
        float(torch.randn(())),
    ]


def test_random_state_round_trip():
    # An odd number of normal draws leaves a second one waiting inside the generators.
    draw()
    state = through_a_file(random_state())
    expected = [draw() for _ in range(3)]
    restore_random_state(state)
    assert [draw() for _ in range(3)] == expected
