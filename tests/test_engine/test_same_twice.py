"""One seed gives the same training and the same answers twice, with one thread and with two."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import tiny_model

from tests.test_apis.api_samples import room
from tests.test_engine.scenes import scene_runner
from tests.test_engine.test_runner import assert_same, finish
from unison3d.apis import Segmenter


@pytest.mark.parametrize('threads', [1, 2])
def test_the_same_training_twice(tmp_path, threads):
    torch.set_num_threads(threads)
    first, second = (finish(scene_runner(tmp_path / name)) for name in ('first', 'second'))
    for key in ('state_dict', 'optimizer', 'random_states'):
        assert_same(first[key], second[key], key)


@pytest.mark.parametrize('threads', [1, 2])
def test_the_same_answers_twice(threads):
    torch.set_num_threads(threads)
    found = []
    for _ in range(2):
        segmenter = Segmenter(tiny_model())
        segmenter.set_scene(room())
        found.append(segmenter.predict(clicks=[(1.0, 1.0, 0.5)], vocabulary=['chair', 'lamp']))
    first, second = found
    arrays = first.arrays()
    assert {'semantic', 'panoptic_instance'} <= arrays.keys()
    for name, value in second.arrays().items():
        np.testing.assert_array_equal(value, arrays[name], err_msg=name)
    for mine, theirs in zip(first.mask_sets().values(), second.mask_sets().values(), strict=True):
        assert torch.equal(mine[0].scores, theirs[0].scores)
