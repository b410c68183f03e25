from __future__ import annotations

import numpy as np
import pytest

from unison3d.errors import SceneError
from unison3d.superpoints import dense_ids, edge_weights, segment_graph, stable_order


def test_stable_order_equals_a_stable_sort():
    rng = np.random.default_rng(0)
    weights = rng.choice(rng.normal(size=50).astype(np.float32), 5000)
    weights[::7] = 0.0
    weights[1::7] = -0.0
    np.testing.assert_array_equal(stable_order(weights), np.argsort(weights, kind='stable'))


def test_a_heavy_edge_separates_two_chains():
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    ids = segment_graph(6, edges, [0, 0, 1, 0, 0], k=0.1, min_size=1)
    np.testing.assert_array_equal(ids, [0, 0, 0, 1, 1, 1])


def test_small_segments_join_the_neighbour_met_first():
    edges = [(0, 1), (1, 2), (2, 3), (3, 4)]
    ids = segment_graph(5, edges, [0, 0.9, 0.5, 0], k=0.1, min_size=2)
    # 2 is alone; its lighter edge leads to 3.
    np.testing.assert_array_equal(ids, [0, 0, 1, 1, 1])


def test_unconnected_nodes_stay_alone():
    np.testing.assert_array_equal(segment_graph(3, np.zeros((0, 2)), []), [0, 1, 2])
    assert segment_graph(0, np.zeros((0, 2)), []).shape == (0,)


def test_edges_outside_the_nodes_are_refused():
    with pytest.raises(SceneError, match='expected 0..2'):
        segment_graph(3, [(0, 3)], [0.0])


def test_convex_bends_are_lighter_than_concave_ones():
    normals = np.array([[-0.6, 0, 0.8], [0.6, 0, 0.8]], np.float32)
    roof = edge_weights(np.array([[-1, 0, 0], [1, 0, 0]]), normals, [(0, 1)])
    valley = edge_weights(np.array([[1, 0, 0], [-1, 0, 0]]), normals, [(0, 1)])
    np.testing.assert_allclose(valley, [0.72], rtol=1e-6)
    np.testing.assert_allclose(roof, [0.72**2], rtol=1e-6)


def test_equal_positions_have_no_direction():
    weight = edge_weights(np.zeros((2, 3)), np.array([[0, 0, 1], [0, 1, 0]]), [(0, 1)])
    assert weight == 1


@pytest.mark.parametrize('ids', [[], [5], [3, 9, 3, 0], [10**12, 7, 10**12]])
def test_dense_ids(ids):
    wanted = np.unique(ids, return_inverse=True)[1]
    np.testing.assert_array_equal(dense_ids(np.array(ids, np.int64)), wanted)
