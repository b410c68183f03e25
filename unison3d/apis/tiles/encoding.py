"""Features of all superpoints: the network runs over one tile with its margin at a time.

A superpoint is the mean over its points, and each point counts in its own tile alone, where the
network saw its surroundings. So a superpoint that lies in several tiles gets the mean of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unison3d.apis.tiles.store import TileStore
from unison3d.apis.tiles.superpoints import SuperpointFacts
from unison3d.io.npy import read_npz_arrays, write_npz
from unison3d.models import UnifiedSegmentor
from unison3d.superpoints import estimate_normals


@dataclass(eq=False)
class SuperpointFeatures:
    """What the network made of the superpoints.

    Attributes:
        features: float32, (S, C).
        inputs: float32, (S, C_in). Mean of what the network was given.
    """

    features: Tensor
    inputs: Tensor


@torch.no_grad()
def encode_tile(store: TileStore, model: UnifiedSegmentor, tile: int) -> None:
    """Sums over the points of a tile, into a file, unless it is there."""
    path = store.folder / f'encoded_{tile:07d}.npz'
    if path.is_file():
        return
    view = store.view(tile)
    points = torch.from_numpy(view.points)
    ids = store.at('superpoints', tile, view.places)
    known, local = np.unique(ids, return_inverse=True)
    has_color = view.colors is not None
    inputs = {
        'points': points,
        'colors': torch.from_numpy(view.colors) if has_color else torch.zeros_like(points),
        'has_color': torch.tensor(has_color),
        'normals': torch.from_numpy(estimate_normals(view.points)[0]),
        'superpoints': torch.from_numpy(local.reshape(-1)),
        'grid_origin': torch.from_numpy(store.found.low),
        'floor': torch.tensor(store.found.floor, dtype=torch.float32),
    }
    batch = model.data_preprocessor({'inputs': {k: [v] for k, v in inputs.items()}})['inputs']
    core = torch.from_numpy(np.flatnonzero(view.core)).to(batch.point_to_voxel.device)
    voxels, owners = batch.point_to_voxel[core], batch.point_to_superpoint[core]
    features = model.backbone(batch.voxels).features.float()
    sums = [_sums(rows, voxels, owners, len(known)) for rows in (features, batch.voxels.features)]
    here = np.unique(local[view.core])
    write_npz(path, {'ids': known[here], 'features': sums[0][here], 'inputs': sums[1][here]})


def _sums(rows: Tensor, voxels: Tensor, owners: Tensor, count: int) -> np.ndarray:
    """float64, (count, C): rows of the voxels of all points, added up by owner."""
    # Points of a voxel that have one owner are many: counted first, and multiplied.
    keys, times = torch.unique(owners * len(rows) + voxels, return_counts=True)
    owner = torch.div(keys, len(rows), rounding_mode='floor')
    values = rows[keys % len(rows)].double() * times[:, None]
    return (
        rows.new_zeros((count, rows.shape[1]), dtype=torch.float64)
        .index_add_(0, owner, values)
        .cpu()
        .numpy()
    )


def gather_features(store: TileStore, facts: SuperpointFacts) -> SuperpointFeatures:
    """Means of all superpoints, from the files of :func:`encode_tile`."""
    totals: dict[str, np.ndarray] = {}
    for tile in store.tiles:
        part = read_npz_arrays(store.folder / f'encoded_{tile:07d}.npz')
        for name in ('features', 'inputs'):
            shape = len(facts), part[name].shape[1]
            totals.setdefault(name, np.zeros(shape))[part['ids']] += part[name]
    means = {
        name: torch.from_numpy((total / facts.sizes[:, None]).astype(np.float32))
        for name, total in totals.items()
    }
    return SuperpointFeatures(**means)
