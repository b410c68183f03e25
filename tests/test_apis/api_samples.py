"""A scene, text encoders and weights files for the tests of the front door."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import torch
from tiny import tiny_config, tiny_model

from unison3d.engine.checkpoint import save_weights
from unison3d.models.text import TextEncoder
from unison3d.registry import TEXT_ENCODERS
from unison3d.structures import PointScene


class HashEncoder(TextEncoder):
    """Deterministic vectors without a language model."""

    name = 'hash'
    dim = 384

    def _encode(self, phrases):
        rows = [torch.Generator().manual_seed(sum(map(ord, p))) for p in phrases]
        vectors = torch.stack([torch.randn(self.dim, generator=g) for g in rows])
        return torch.nn.functional.normalize(vectors, dim=1)


@TEXT_ENCODERS.register_module()
class ListeningEncoder(HashEncoder):
    """Remembers what every instance was asked."""

    asked: list[str] = []

    def _encode(self, phrases):
        self.asked.extend(phrases)
        return super()._encode(phrases)


def room(num_points: int = 600, seed: int = 0, **options) -> PointScene:
    """Random points with colours."""
    return PointScene.from_arrays(*room_arrays(num_points, seed), name='room', **options)


def room_arrays(num_points: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points in metres, float64, and colours."""
    rng = np.random.default_rng(seed)
    return rng.random((num_points, 3)) * [4, 3, 1], rng.random((num_points, 3))


def slabs(num_points: int = 900, num_slabs: int = 30) -> PointScene:
    """A room whose superpoints are slabs along x."""
    points, colors = room_arrays(num_points)
    ids = np.minimum(points[:, 0] / 4 * num_slabs, num_slabs - 1).astype(np.int64)
    return PointScene.from_arrays(points, colors, superpoints=ids, name='slabs')


def weights_file(folder: Path, description: object = None, **changes: object) -> Path:
    """Weights of the tiny model; ``changes`` go into its description, which may be replaced."""
    if description is None:
        description = json.dumps({**copy.deepcopy(tiny_config()), **changes})
    path = folder / 'tiny.safetensors'
    save_weights(path, tiny_model().state_dict(), {'model': description})
    return path
