"""The sparse U-Net against recorded outputs and gradients of the reference."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import fixture_files

from unison3d.convert.kernel_layouts import kernel_from_krsc, kernel_to_krsc
from unison3d.models.backbones import SparseUNet
from unison3d.sparse import SparseTensor

FILES = fixture_files('uniseg3d', 'backbone_*.npz')


def _rows_by_coordinate(coordinates: np.ndarray) -> np.ndarray:
    return np.lexsort(coordinates.T[::-1])


@pytest.mark.parametrize('path', FILES)
def test_backbone_outputs_and_gradients(path):
    arrays = np.load(path)
    config = json.loads(str(arrays['config_json']))
    state = {
        name.removeprefix('param/'): torch.from_numpy(arrays[name])
        for name in arrays.files
        if name.startswith('param/')
    }
    state = {k: kernel_from_krsc(v) if v.ndim == 5 else v for k, v in state.items()}
    model = SparseUNet(config['in_channels'], config['num_planes'], config['block_reps'])
    model.load_state_dict(state, strict=True)
    model.eval()

    features = torch.from_numpy(arrays['in/features']).requires_grad_()
    x = SparseTensor(
        features,
        torch.from_numpy(arrays['in/coordinates']),
        tuple(arrays['in/spatial_shape'].tolist()),
        config['batch_size'],
    )
    stem = model.input_conv(x)
    np.testing.assert_allclose(stem.features.detach(), arrays['out/input_conv'], atol=1e-5, rtol=0)
    out, levels = model.forward_levels(x)
    np.testing.assert_allclose(out.features.detach(), arrays['out/final'], atol=2e-5, rtol=0)
    for index, level in enumerate(reversed(levels)):
        coordinates = level.coordinates.numpy()
        expected = arrays[f'out/level{index}/coordinates']
        ours, theirs = _rows_by_coordinate(coordinates), _rows_by_coordinate(expected)
        np.testing.assert_array_equal(coordinates[ours], expected[theirs])
        np.testing.assert_array_equal(
            level.spatial_shape, arrays[f'out/level{index}/spatial_shape']
        )
        np.testing.assert_allclose(
            level.features.detach().numpy()[ours],
            arrays[f'out/level{index}/features'][theirs],
            atol=2e-5,
            rtol=0,
        )

    (out.features * torch.from_numpy(arrays['cotangent/final'])).sum().backward()
    _assert_close_to_largest(features.grad, arrays['grad/features'])
    parameters = dict(model.named_parameters())
    checked = 0
    for name in arrays.files:
        if name.startswith('grad/param/'):
            grad = parameters[name.removeprefix('grad/param/')].grad
            _assert_close_to_largest(
                kernel_to_krsc(grad) if arrays[name].ndim == 5 else grad, arrays[name]
            )
            checked += 1
    assert checked > 0


def _assert_close_to_largest(actual: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
