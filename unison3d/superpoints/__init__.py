"""Over-segmentation of a scene into superpoints, from a mesh or from bare points."""

from unison3d.superpoints.edges import edge_weights, mesh_edges
from unison3d.superpoints.graph import segment_graph
from unison3d.superpoints.hierarchy import SuperpointTree, superpoint_hierarchy
from unison3d.superpoints.mesh import segment_mesh, vertex_normals
from unison3d.superpoints.normals import estimate_normals
from unison3d.superpoints.ordering import dense_ids, stable_order
from unison3d.superpoints.points import compute_superpoints, segment_points

__all__ = [
    'SuperpointTree',
    'compute_superpoints',
    'dense_ids',
    'edge_weights',
    'estimate_normals',
    'mesh_edges',
    'segment_graph',
    'segment_mesh',
    'segment_points',
    'stable_order',
    'superpoint_hierarchy',
    'vertex_normals',
]
