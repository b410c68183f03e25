"""Superpoints against recorded segmentations of the public mesh segmentation program."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from conftest import data_root, fixture_files

from unison3d.evaluation.functional import adjusted_rand_index
from unison3d.superpoints import (
    edge_weights,
    mesh_edges,
    segment_graph,
    segment_mesh,
    vertex_normals,
)

SETTING = re.compile(r'k(?P<k>[\d.]+)_m(?P<m>\d+)/')


def _settings(arrays) -> list[tuple[str, float, int]]:
    found = {name.split('/')[0]: SETTING.match(name) for name in arrays.files}
    return [(s, float(m['k']), int(m['m'])) for s, m in sorted(found.items()) if m]


def _same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = np.unique(np.stack([first, second]), axis=1).shape[1]
    return pairs == len(np.unique(first)) == len(np.unique(second))


def _check_mesh(arrays, vertices: np.ndarray, faces: np.ndarray) -> None:
    results = json.loads(str(arrays['params_json']))['results']
    settings = _settings(arrays)
    assert settings
    for setting, k, min_vertices in settings:
        ids = segment_mesh(vertices, faces, k=k, min_vertices=min_vertices)
        assert _same_partition(ids, arrays[f'{setting}/root_ids_stable_sort']), setting
        # Equal weights make the recorded order differ from ours; without them nothing may differ.
        assert adjusted_rand_index(ids, arrays[f'{setting}/root_ids']) >= 0.99
        if results[setting]['stable_sort_variant']['identical_partition']:
            assert _same_partition(ids, arrays[f'{setting}/root_ids']), setting


@pytest.mark.parametrize('path', fixture_files('superpoints', 'mesh_*.npz'))
def test_mesh(path):
    arrays = np.load(path)
    _check_mesh(arrays, arrays['vertices'], arrays['faces'])


@pytest.mark.parametrize('path', fixture_files('superpoints', 'mesh_*.npz'))
def test_mesh_with_the_recorded_edge_order(path):
    arrays = np.load(path)
    if 'edge_order' not in arrays.files:
        pytest.skip('no edge order in this file')
    vertices, faces = arrays['vertices'], arrays['faces']
    edges = mesh_edges(faces)
    weights = edge_weights(vertices, vertex_normals(vertices, faces)[0], edges)
    np.testing.assert_allclose(weights, arrays['edge_weights'], rtol=0, atol=1e-6)
    for setting, k, min_size in _settings(arrays):
        ids = segment_graph(
            len(vertices), edges, weights, k=k, min_size=min_size, order=arrays['edge_order']
        )
        assert _same_partition(ids, arrays[f'{setting}/root_ids']), setting


@pytest.mark.parametrize('path', fixture_files('superpoints', 'points_*.npz'))
def test_points_with_given_normals_and_edges(path):
    arrays = np.load(path)
    edges = arrays['edges']
    weights = edge_weights(arrays['points'], arrays['normals'], edges)
    for setting, k, min_size in _settings(arrays):
        ids = segment_graph(len(arrays['points']), edges, weights, k=k, min_size=min_size)
        assert _same_partition(ids, arrays[f'{setting}/contiguous_ids']), setting


@pytest.mark.parametrize('path', fixture_files('superpoints', 'real_*.npz'))
def test_real_mesh(path):
    from unison3d.io import read_ply

    arrays = np.load(path)
    mesh_path = data_root() / json.loads(str(arrays['params_json']))['file']
    if not mesh_path.exists():
        pytest.skip(f'{mesh_path.name} is not among the sample data')
    mesh = read_ply(mesh_path)
    _check_mesh(arrays, mesh.points.astype(np.float32), mesh.faces)


def test_the_segmentation_that_the_data_set_distributes():
    from unison3d.io import read_ply

    folder = data_root() / 'scannet_scene0000_00'
    segments = folder / 'scene0000_00_vh_clean_2.0.010000.segs.json'
    if not segments.exists():
        pytest.skip('the sample scan is not here')
    mesh = read_ply(folder / 'scene0000_00_vh_clean_2.ply')
    stored = json.loads(segments.read_text())['segIndices']
    ids = segment_mesh(mesh.points.astype(np.float32), mesh.faces)
    assert adjusted_rand_index(ids, np.array(stored)) >= 0.99
