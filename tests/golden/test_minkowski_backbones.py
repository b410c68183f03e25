"""The Minkowski U-Nets at reduced width against recorded outputs and gradients."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import fixture_files

from tests.golden.minkowski_samples import (
    assert_same_voxels_and_features,
    state_dict_of,
    to_sparse,
    unet_sizes,
    with_prefix,
)
from unison3d.models.backbones import MinkowskiUNet, MinkUNet, Res16UNet

# What the files call the arguments of our networks.
ARGUMENTS = {
    **{name: name for name in ('in_channels', 'planes', 'layers', 'init_dim', 'bn_eps')},
    'blocks_per_stage': 'layers',
    'out_channels': 'final_channels',
}


def _load(path) -> tuple[dict[str, np.ndarray], dict]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays['params_json']))


def _build(model_class, arrays: dict[str, np.ndarray], params: dict, **options) -> MinkowskiUNet:
    """The recorded network: sizes from ``params_json`` where it has them, else from the weights."""
    state = state_dict_of(arrays)
    sizes = unet_sizes({name: value.shape for name, value in state.items()})
    given = {ARGUMENTS[name]: value for name, value in params.items() if name in ARGUMENTS}
    model = model_class(**{**sizes, **given, **options})
    assert list(model.state_dict()) == list(state)
    model.load_state_dict(state, strict=True)
    return model.eval()


@pytest.mark.parametrize('path', fixture_files('openscene', '*unet*small*.npz'))
class TestOpenScene:
    def test_outputs_and_stages(self, path):
        arrays, params = _load(path)
        model = _build(MinkUNet, arrays, params)
        stages = {name.split('/')[1] for name in arrays if name.startswith('stage/')}
        seen = {}

        def keep(name):
            def hook(_module, _inputs, output):
                # A copy: the ReLU behind some of these modules writes over their output.
                seen[name] = output.replace(output.features.clone())

            return hook

        for name in stages:
            model.get_submodule(name).register_forward_hook(keep(name))
        with torch.no_grad():
            out = model(to_sparse(arrays['feats'], arrays['coords']))
        np.testing.assert_allclose(out.features, arrays['out'], atol=2e-4, rtol=0)
        assert seen.keys() == stages
        for name, output in seen.items():
            recorded = with_prefix(arrays, f'stage/{name}/')
            assert [output.stride] * 3 == recorded['stride'].tolist(), name
            assert_same_voxels_and_features(
                output, recorded['coords'], recorded['feats'], atol=2e-4
            )

    def test_constant_input(self, path):
        arrays, params = _load(path)
        model = _build(MinkUNet, arrays, params)
        with torch.no_grad():
            out = model(to_sparse(np.ones_like(arrays['feats']), arrays['coords']))
        np.testing.assert_allclose(out.features, arrays['out_ones'], atol=2e-4, rtol=0)

    def test_gradients(self, path):
        arrays, params = _load(path)
        model = _build(MinkUNet, arrays, params)
        x = to_sparse(arrays['feats'], arrays['coords'])
        features = x.features.requires_grad_()
        out = model(x.replace(features))
        (out.features * torch.from_numpy(arrays['cotangent'])).sum().backward()
        np.testing.assert_allclose(features.grad, arrays['grad_feats'], atol=2e-3, rtol=0)
        parameters = dict(model.named_parameters())
        recorded = with_prefix(arrays, 'grad/')
        assert recorded
        for name, grad in recorded.items():
            tolerance = 1e-3 * np.abs(grad).max()
            np.testing.assert_allclose(parameters[name].grad, grad, atol=tolerance, rtol=0)


@pytest.mark.parametrize('path', fixture_files('segment3d', '*unet*small*.npz'))
def test_segment3d_levels(path):
    arrays, params = _load(path)
    model = _build(Res16UNet, arrays, params, apply_final=False)
    x = to_sparse(arrays['feats'], arrays['coords'])
    with torch.no_grad():
        out, levels = model(x), model.forward_levels(x)
    assert out.features.shape[1] == model.out_channels
    np.testing.assert_allclose(out.features, arrays['out'], atol=3e-4, rtol=0)
    recorded = {name.split('/')[0] for name in arrays if name.startswith('level')}
    assert recorded == {f'level{index}' for index in range(len(levels))}
    for index, level in enumerate(levels):
        expected = with_prefix(arrays, f'level{index}/')
        assert [level.stride] * 3 == expected['stride'].tolist()
        assert_same_voxels_and_features(level, expected['coords'], expected['feats'], atol=3e-4)


@pytest.mark.parametrize('normalize', [False, True], ids=['raw', 'normalised'])
@pytest.mark.parametrize('path', fixture_files('afov', '*unet*small*.npz'))
def test_afov(path, normalize):
    arrays, params = _load(path)
    model = _build(Res16UNet, arrays, params, normalize_features=normalize)
    with torch.no_grad():
        out = model(to_sparse(arrays['feats'], arrays['coords']))
    expected, atol = ('out_normalised', 1e-4) if normalize else ('out_raw', 3e-4)
    np.testing.assert_allclose(out.features, arrays[expected], atol=atol, rtol=0)
