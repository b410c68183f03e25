"""What bfloat16 costs on the recorded backbones, as a share of the largest recorded output."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import fixture_files

from tests.golden.minkowski_samples import state_dict_of, to_sparse, unet_sizes
from unison3d.convert.kernel_layouts import kernel_from_krsc
from unison3d.models.backbones import MinkUNet, Res16UNet, SparseUNet
from unison3d.sparse import SparseTensor

# Rounding to 8 bits at each of 20 to 40 layers: 0.5 to 2.5 % on the sets that were measured. A
# wrong product is off by the size of the output.
MOST = 0.08


def error(model: torch.nn.Module, x: SparseTensor, expected: np.ndarray) -> float:
    with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16):
        out = model.eval()(x).features
    assert out.dtype == torch.bfloat16
    return float(np.abs(out.float().numpy() - expected).max() / np.abs(expected).max())


def check(model: torch.nn.Module, x: SparseTensor, expected: np.ndarray) -> None:
    share = error(model, x, expected)
    print(f'{type(model).__name__}: {share:.2%} of the largest output')
    assert 0 < share < MOST


def check_minkowski(model_class, output: str, path) -> None:
    arrays = np.load(path)
    state = state_dict_of(arrays)
    sizes = unet_sizes({name: value.shape for name, value in state.items()})
    # Segment3D gives out what is before `final`.
    model = model_class(**sizes, apply_final=arrays[output].shape[1] == sizes['final_channels'])
    model.load_state_dict(state)
    check(model, to_sparse(arrays['feats'], arrays['coords']), arrays[output])


@pytest.mark.parametrize('path', fixture_files('openscene', '*unet*small*.npz'))
def test_openscene(path):
    check_minkowski(MinkUNet, 'out', path)


@pytest.mark.parametrize('path', fixture_files('segment3d', '*unet*small*.npz'))
def test_segment3d(path):
    check_minkowski(Res16UNet, 'out', path)


@pytest.mark.parametrize('path', fixture_files('afov', '*unet*small*.npz'))
def test_afov(path):
    check_minkowski(Res16UNet, 'out_raw', path)


@pytest.mark.parametrize('path', fixture_files('uniseg3d', 'backbone_*.npz'))
def test_uniseg3d(path):
    arrays = np.load(path)
    config = json.loads(str(arrays['config_json']))
    model = SparseUNet(config['in_channels'], config['num_planes'], config['block_reps'])
    names = [name for name in arrays.files if name.startswith('param/')]
    state = {name.removeprefix('param/'): torch.from_numpy(arrays[name]) for name in names}
    state = {k: kernel_from_krsc(v) if v.ndim == 5 else v for k, v in state.items()}
    model.load_state_dict(state)
    x = SparseTensor(
        torch.from_numpy(arrays['in/features']),
        torch.from_numpy(arrays['in/coordinates']),
        tuple(arrays['in/spatial_shape'].tolist()),
        config['batch_size'],
    )
    check(model, x, arrays['out/final'])
