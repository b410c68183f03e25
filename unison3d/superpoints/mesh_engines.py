"""The engines that cut a mesh: ours, and the package segmentator."""

from __future__ import annotations

import importlib

import numpy as np

from unison3d.native.choice import Choice, import_problem


def _segmentator_missing() -> str:
    problem = import_problem('segmentator')
    if not problem and not hasattr(importlib.import_module('segmentator'), 'segment_mesh'):
        problem = 'the package of this name that is installed is another one: no segment_mesh'
    if not problem:
        return ''
    return (
        f'segmentator is not installed or does not load ({problem}); no pip install brings it, it '
        'is built with CMake and a C++ compiler, see https://github.com/Karbo123/segmentator'
    )


#: Which engine cuts meshes; see :mod:`unison3d.operations`.
CHOICE = Choice('superpoints of meshes', {'cpu': None, 'segmentator': _segmentator_missing})


def segmentator_ids(
    vertices: np.ndarray, faces: np.ndarray, k: float, min_vertices: int
) -> np.ndarray:
    """Superpoints by ``segmentator.segment_mesh``.

    Args:
        vertices: float32, (N, 3), finite.
        faces: int32, (F, 3), vertices that exist; faces without area left out, which would give
            it normals that are no numbers.
        k: larger gives larger superpoints.
        min_vertices: superpoints smaller than this join a neighbour.

    Returns:
        int64, (N,), ids in an order of its own.
    """
    import segmentator
    import torch

    ids = segmentator.segment_mesh(
        torch.from_numpy(vertices),
        torch.from_numpy(faces.astype(np.int64)),
        kThresh=k,
        segMinVerts=min_vertices,
    )
    return ids.numpy().astype(np.int64)
