"""Superpoints of meshes by the package segmentator, where it is installed."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from unison3d.errors import MissingDependencyError, SceneError
from unison3d.superpoints import segment_mesh
from unison3d.superpoints.mesh_engines import CHOICE


def bumpy(size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A surface without two equal edge weights, whose order nobody promises; vertices, faces."""
    rng = np.random.default_rng(0)
    vertices = np.stack([*np.mgrid[:size, :size] / 50, rng.normal(0, 0.004, (size, size))], -1)
    vertices[size // 2 :, :, 2] += np.arange(size - size // 2)[:, None] / 50
    vertices += rng.normal(0, 0.001, vertices.shape)
    corner = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    one = np.stack([corner, corner + size, corner + 1], 1)
    other = np.stack([corner + 1, corner + size, corner + size + 1], 1)
    return vertices.reshape(-1, 3).astype(np.float32), np.concatenate([one, other]).astype(np.int32)


def numbered(ids: np.ndarray) -> np.ndarray:
    """Numbers in the order in which superpoints first occur."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


@pytest.mark.parametrize('options', [{}, {'k': 0.1, 'min_vertices': 40}], ids=['default', 'coarse'])
def test_segmentator_cuts_equally(options):
    if reason := CHOICE.missing('segmentator'):
        pytest.skip(reason)
    vertices, faces = bumpy()
    # With a face that has no area, and a vertex that has no face.
    faces = np.concatenate([[[0, 0, 1]], faces]).astype(np.int32)
    vertices = np.concatenate([vertices, [[9, 9, 9]]]).astype(np.float32)
    ours = segment_mesh(vertices, faces, **options)
    assert 3 < ours.max() < len(vertices) // 10
    with CHOICE.use('segmentator'):
        theirs = segment_mesh(vertices, faces, **options)
    np.testing.assert_array_equal(numbered(theirs), numbered(ours))


@pytest.fixture
def stand_in(monkeypatch) -> list[tuple]:
    """Believe that segmentator is there; the calls it gets."""
    calls = []
    module = ModuleType('segmentator')

    def segment(vertices, faces, kThresh, segMinVerts):
        calls.append((vertices.dtype, faces.dtype, faces.tolist(), kThresh, segMinVerts))
        return torch.arange(len(vertices)) % 3

    module.segment_mesh = segment
    monkeypatch.setitem(sys.modules, 'segmentator', module)
    return calls


def test_the_engine_that_was_chosen_cuts(stand_in):
    vertices, faces = np.eye(4, 3, dtype=np.float32), np.array([[0, 1, 2], [1, 1, 3]], np.int32)
    ours = segment_mesh(vertices, faces)
    with CHOICE.use('segmentator'):
        ids = segment_mesh(vertices, faces, k=0.5, min_vertices=7)
    assert ids.dtype == np.int64 and ids.tolist() == [0, 1, 2, 0]
    # The face without area is not shown to it.
    assert stand_in == [(torch.float32, torch.int64, [[0, 1, 2]], 0.5, 7)]
    np.testing.assert_array_equal(segment_mesh(vertices, faces), ours)


def test_what_it_would_crash_on_is_kept_from_it(stand_in):
    with CHOICE.use('segmentator'):
        with pytest.raises(SceneError, match='expected 0..2'):
            segment_mesh(np.eye(3), [[0, 1, 3]])
        with pytest.raises(SceneError, match='not finite'):
            segment_mesh(np.full((3, 3), np.nan), [[0, 1, 2]])
        np.testing.assert_array_equal(segment_mesh(np.eye(3), np.zeros((0, 3))), range(3))
    assert not stand_in


@pytest.mark.parametrize(
    ('module', 'said'),
    [(None, 'not installed'), (ModuleType('segmentator'), 'another one: no segment_mesh')],
    ids=['missing', 'another of this name'],
)
def test_a_missing_package_is_named_with_its_installation(module, said, monkeypatch):
    monkeypatch.setitem(sys.modules, 'segmentator', module)
    with pytest.raises(MissingDependencyError, match=f'{said}.*CMake and a C.. compiler'):
        CHOICE.set('segmentator')
    assert CHOICE.wanted == 'auto'
