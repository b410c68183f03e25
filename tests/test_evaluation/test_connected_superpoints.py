"""The baseline of the real-scan benchmark on a room that can be checked by eye."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

PATH = Path(__file__).resolve().parents[2] / 'benchmarks' / 'connected_superpoints.py'


def _module():
    spec = importlib.util.spec_from_file_location('connected_superpoints', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _sheet(origin, u, v, step=0.03) -> np.ndarray:
    """Points on the parallelogram ``origin + s u + t v``."""
    s = np.arange(0, 1, step / np.linalg.norm(u))[:, None, None]
    t = np.arange(0, 1, step / np.linalg.norm(v))[None, :, None]
    return (np.array(origin) + s * np.array(u) + t * np.array(v)).reshape(-1, 3)


def _room() -> tuple[np.ndarray, np.ndarray]:
    sheets = [
        _sheet((0, 0, 0), (3, 0, 0), (0, 3, 0)),  # 0 floor
        _sheet((0, 0, 0), (3, 0, 0), (0, 0, 2.4)),  # 1 wall
        _sheet((1, 1, 0.5), (0.5, 0, 0), (0, 0.5, 0)),  # 2 top of a box
        _sheet((1, 1, 0.02), (0.5, 0, 0), (0, 0, 0.5)),  # 3 its side, touching the top
        _sheet((2.2, 2.2, 0.4), (0.5, 0, 0), (0, 0.5, 0)),  # 4 another box
    ]
    points = np.concatenate(sheets).astype(np.float32)
    return points, np.repeat(np.arange(len(sheets)), [len(sheet) for sheet in sheets])


def test_floor_and_wall_are_set_aside_and_touching_parts_join():
    module = _module()
    points, superpoints = _room()
    structural = module.structural_superpoints(points, superpoints)
    assert structural.tolist() == [True, True, False, False, False]
    found = module.connect(points, superpoints)
    assert found.owner.tolist() == [-1, -1, 0, 0, 1]
    assert found.objects.tolist() == [
        [False, False, True, True, False],
        [False, False, False, False, True],
    ]


def test_no_points():
    found = _module().connect(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    assert found.objects.shape == (0, 0)
    assert found.owner.shape == (0,)
