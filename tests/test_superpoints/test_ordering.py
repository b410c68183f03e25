from __future__ import annotations

import numpy as np
import pytest

from unison3d.superpoints.ordering import key_order


@pytest.mark.parametrize('count', [0, 1, 2, 3000])
@pytest.mark.parametrize('largest', [3, 2**11, 2**22, 2**32 - 1])
def test_equals_a_stable_sort(count, largest):
    rng = np.random.default_rng(0)
    keys = rng.integers(0, largest, count, dtype=np.uint32, endpoint=True)
    keys[1::2] = keys[: count - 1 : 2][: len(keys[1::2])]
    order = key_order(keys)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(order, np.argsort(keys, kind='stable'))
