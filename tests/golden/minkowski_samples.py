"""Recorded sparse tensors of the Minkowski family: how to read them and how to compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import nn

from unison3d.sparse import SparseTensor


def to_sparse(features: np.ndarray, coordinates: np.ndarray, stride: int = 1) -> SparseTensor:
    """Recorded coordinates count input voxels, ours count cells of the stride."""
    cells = torch.from_numpy(coordinates).clone()
    cells[:, 1:] = torch.div(cells[:, 1:], stride, rounding_mode='floor')
    batch_size = int(cells[:, 0].max()) + 1
    return SparseTensor(torch.from_numpy(features), cells, None, batch_size, stride)


def in_input_voxels(x: SparseTensor) -> np.ndarray:
    """Coordinates as they are recorded."""
    coordinates = x.coordinates.clone()
    coordinates[:, 1:] *= x.stride
    return coordinates.numpy()


def matching_rows(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Row of ``theirs`` for every row of ``ours``; fails unless the sets of voxels are equal."""
    order_ours, order_theirs = np.lexsort(ours.T[::-1]), np.lexsort(theirs.T[::-1])
    np.testing.assert_array_equal(ours[order_ours], theirs[order_theirs])
    rows = np.empty(len(ours), dtype=np.int64)
    rows[order_ours] = order_theirs
    return rows


def assert_same_voxels_and_features(
    x: SparseTensor, coordinates: np.ndarray, features: np.ndarray, atol: float
) -> None:
    """Compare with a recorded tensor whose rows come in another order."""
    rows = matching_rows(in_input_voxels(x), coordinates)
    np.testing.assert_allclose(x.features.detach(), features[rows], atol=atol, rtol=0)


def with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Arrays below a prefix, without it."""
    return {n.removeprefix(prefix): arrays[n] for n in arrays if n.startswith(prefix)}


def state_dict_of(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The recorded weights under their published names."""
    return {n: torch.from_numpy(v) for n, v in with_prefix(arrays, 'weight/').items()}


def unet_sizes(shapes: Mapping[str, Iterable[int]]) -> dict:
    """Arguments of a Minkowski U-Net that the shapes of its published tensors tell."""
    shapes = {name: tuple(shape) for name, shape in shapes.items()}
    cells, in_channels, init_dim = shapes['conv0p1s1.kernel']
    stages = range(1, 9)
    blocks = [re.match(r'block(\d)\.(\d+)\.conv1', name) for name in shapes]
    counts = [sum(m is not None and int(m[1]) == i for m in blocks) for i in stages]
    return {
        'in_channels': in_channels,
        'planes': [shapes[f'block{i}.0.conv1.kernel'][2] for i in stages],
        'layers': counts,
        'init_dim': init_dim,
        'stem_kernel_size': round(cells ** (1 / 3)),
        'final_channels': shapes['final.kernel'][1] if 'final.kernel' in shapes else None,
        'final_bias': 'final.bias' in shapes,
    }


def num_trainable(model: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
