from __future__ import annotations

import numpy as np
import pytest
import torch

from unison3d.superpoints.chunks import run_in_chunks


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize('count', [0, 1, 10, 11])
def test_every_item_once(threads, count):
    done = np.zeros(count, int)

    def work(first, last):
        assert 0 < last - first <= 5
        done[first:last] += 1

    run_in_chunks(work, count, 5)
    assert (done == 1).all()


def test_what_a_thread_raises_is_seen(threads):
    def work(first, last):
        raise ValueError(first)

    with pytest.raises(ValueError, match='0'):
        run_in_chunks(work, 9, 3)
