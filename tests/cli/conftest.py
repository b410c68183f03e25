"""A model so small that a command takes seconds, and a room it can be run on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

REPO_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def weights(tmp_path_factory) -> Path:
    """Weights of a tiny untrained model, as a training run exports them."""
    from mmengine.config import Config

    from unison3d.engine import save_weights
    from unison3d.registry import MODELS

    model = Config.fromfile(REPO_ROOT / 'configs/_base_/models/unified-s.py').model
    model.backbone.planes = (8, 8, 8, 8, 8)
    model.backbone.num_blocks = 1
    model.decoder.update(d_model=16, num_heads=2, num_layers=1, hidden_dim=16)
    model.tasks.open_vocabulary.vocabulary = ['wall', 'floor', 'chair']
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    description = {'model': json.dumps(model.to_dict())}
    save_weights(path, MODELS.build(model).state_dict(), description)
    return path


@pytest.fixture(scope='session')
def scan(tmp_path_factory) -> Path:
    """A floor, a wall and a box, 9000 coloured points."""
    from unison3d.structures import PointScene

    rng = np.random.default_rng(0)
    floor = np.column_stack([rng.uniform(0, 3, (4000, 2)), np.zeros(4000)])
    wall = np.column_stack([rng.uniform(0, 3, 3000), np.zeros(3000), rng.uniform(0, 2, 3000)])
    box = rng.uniform([1, 1, 0], [1.6, 1.6, 0.6], (2000, 3))
    box[:, 2] = np.where(rng.random(2000) < 0.5, 0.6, box[:, 2])
    points = np.concatenate([floor, wall, box])
    colors = np.repeat([[0.5, 0.4, 0.3], [0.9, 0.9, 0.9], [0.1, 0.2, 0.8]], [4000, 3000, 2000], 0)
    path = tmp_path_factory.mktemp('scan') / 'box room.ply'
    PointScene.from_arrays(points, colors).save(path)
    return path


@pytest.fixture
def unison3d():
    """Run the command in a process of its own, as a user would."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, '-m', 'unison3d', *map(str, arguments)]
        env = {**os.environ, 'PYTHONPATH': str(REPO_ROOT), 'OMP_NUM_THREADS': '1'}
        return subprocess.run(
            command, capture_output=True, text=True, cwd=cwd, env=env, timeout=300
        )

    return run
