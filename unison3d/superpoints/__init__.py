"""Over-segmentation of a scene into superpoints, from a mesh or from bare points."""

from unison3d.superpoints.graph import dense_ids, edge_weights, segment_graph, stable_order
from unison3d.superpoints.mesh import mesh_edges, segment_mesh, vertex_normals
from unison3d.superpoints.normals import estimate_normals
from unison3d.superpoints.points import compute_superpoints, segment_points

__all__ = [
    'compute_superpoints',
    'dense_ids',
    'edge_weights',
    'estimate_normals',
    'mesh_edges',
    'segment_graph',
    'segment_mesh',
    'segment_points',
    'stable_order',
    'vertex_normals',
]
