"""Simulated boxes hold their objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unison3d.datasets.transforms.boxes import SampleBoxes
from unison3d.datasets.transforms.pack import PackScene
from unison3d.errors import ConfigError
from unison3d.structures import points_in_boxes


def sample(seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    instances = np.repeat([0, 1, 2, -1], [200, 150, 5, 100])
    points = rng.random((len(instances), 3)).astype(np.float32) + 3.0 * instances[:, None]
    return {
        'points': points.astype(np.float32),
        'superpoints': np.arange(len(points)) // 10,
        'instances': instances,
        'instance_semantic': np.array([4, 5, 6]),
        'click_superpoints': np.array([0]),
        'click_positive': np.array([True]),
        'click_objects': np.array([0]),
        'click_targets': np.array([1]),
        'rng': rng,
    }


@pytest.mark.parametrize('turned', [0.0, 1.0])
def test_exact_boxes_hold_their_objects(turned):
    results = SampleBoxes(noise=0.0, turned=turned)(sample())
    # The third instance has too few points.
    assert sorted(results['click_targets'][1:]) == [0, 1]
    prompts = PackScene()(results)['data_samples'].prompts
    assert prompts.num_objects == 3 and prompts.box_objects.tolist() == [1, 2]
    inside = points_in_boxes(torch.from_numpy(results['points']), prompts.boxes)
    for row, number in enumerate(prompts.box_objects):
        own = torch.from_numpy(results['instances']) == prompts.click_targets[number]
        assert torch.equal(inside[row], own)
    assert (prompts.boxes[:, 6] != 0).all() == bool(turned)


def test_noise_moves_faces_and_keeps_boxes():
    boxes = np.concatenate([SampleBoxes(noise=0.3)(sample(s))['boxes'] for s in range(20)])
    assert (boxes[:, 3:6] > 0).all()
    assert boxes[:, 3].std() > 0.05


def test_a_scene_without_objects():
    results = sample()
    results['instances'] = np.full(455, -1)
    packed = PackScene()(SampleBoxes()(results))['data_samples'].prompts
    assert packed.boxes.shape == (0, 7) and packed.num_objects == 1


def test_options_out_of_range():
    with pytest.raises(ConfigError, match='turned'):
        SampleBoxes(turned=1.5)
