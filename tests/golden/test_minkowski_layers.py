"""Every layer of the Minkowski family against recorded outputs of the reference library."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from conftest import fixture_files

from tests.golden.minkowski_samples import (
    assert_same_voxels_and_features,
    matching_rows,
    to_sparse,
    with_prefix,
)
from unison3d.sparse import GeneralizedConv3d, GeneralizedConvTranspose3d, SparseTensor

FILES = fixture_files('openscene', 'layers*.npz')
ATOL = 1e-4


def _read(path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _strides(group: dict[str, np.ndarray]) -> tuple[int, int]:
    strides = group['stride_in_out']
    assert (strides == strides[:, :1]).all(), 'one stride for the three axes'
    return int(strides[0, 0]), int(strides[1, 0])


def _kernel_size(kernel: np.ndarray) -> int:
    return 1 if kernel.ndim == 2 else round(kernel.shape[0] ** (1 / 3))


def _upsampling_input(group: dict[str, np.ndarray], stride_in: int, stride_out: int):
    """The coarse features on a level of the fine voxels, to which the layer has to find back."""
    no_features = np.zeros((len(group['coords_out']), 1), np.float32)
    fine = to_sparse(no_features, group['coords_out'], stride_out)
    coarse = fine.cache.lattice_level(fine.key, stride_in // stride_out)
    ours = fine.cache.levels[coarse].coordinates.clone().numpy()
    ours[:, 1:] *= stride_in
    rows = matching_rows(ours, group['coords_in'])
    return fine.at(coarse, torch.from_numpy(group['feats_in'][rows]))


def _run(group: dict[str, np.ndarray]) -> SparseTensor:
    kernel = group['kernel']
    stride_in, stride_out = _strides(group)
    bias = 'bias' in group
    in_channels, out_channels = kernel.shape[-2:]
    if stride_out < stride_in:
        x = _upsampling_input(group, stride_in, stride_out)
        layer_type, stride = GeneralizedConvTranspose3d, stride_in // stride_out
    else:
        x = to_sparse(group['feats_in'], group['coords_in'], stride_in)
        layer_type, stride = GeneralizedConv3d, stride_out // stride_in
    layer = layer_type(in_channels, out_channels, _kernel_size(kernel), stride, bias=bias)
    names = ('kernel', 'bias') if bias else ('kernel',)
    # Strict: the recorded shapes are the shapes of our parameters.
    layer.load_state_dict({name: torch.from_numpy(group[name]) for name in names})
    return layer(x)


@pytest.mark.parametrize('path', FILES)
def test_layers(path):
    arrays = _read(path)
    groups = sorted({name.split('/')[0] for name in arrays if '/' in name})
    assert groups
    for name in groups:
        group = with_prefix(arrays, f'{name}/')
        with torch.no_grad():
            out = _run(group)
        assert out.stride == _strides(group)[1], name
        assert_same_voxels_and_features(out, group['coords_out'], group['feats_out'], ATOL)
        if np.array_equal(group['coords_in'], group['coords_out']):
            np.testing.assert_allclose(out.features, group['feats_out'], atol=ATOL, rtol=0)


@pytest.mark.parametrize('path', FILES)
def test_order_of_kernel_cells(path):
    arrays = _read(path)
    recorded = {name: re.fullmatch(r'offsets_k(\d+)', name) for name in arrays}
    sizes = {int(match[1]): arrays[name] for name, match in recorded.items() if match}
    assert sizes
    for size, offsets in sizes.items():
        layer = GeneralizedConv3d(1, 1, size)
        np.testing.assert_array_equal(layer.cells.offsets(), offsets)
        _check_with_impulses(layer, offsets)


def _check_with_impulses(layer: GeneralizedConv3d, offsets: np.ndarray) -> None:
    """One voxel at each offset around an output, each with a value of its own."""
    num_cells = len(offsets)
    coordinates = torch.zeros((num_cells, 4), dtype=torch.int32)
    coordinates[:, 1:] = torch.from_numpy(offsets)
    x = SparseTensor(torch.arange(1.0, num_cells + 1)[:, None], coordinates)
    origin = int((offsets == 0).all(1).nonzero()[0][0])
    for cell in range(num_cells):
        with torch.no_grad():
            layer.kernel.zero_()
            layer.kernel.view(-1)[cell] = 1
            assert layer(x).features[origin].item() == cell + 1
