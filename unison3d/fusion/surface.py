"""The surface of a volume as triangles with shared vertices."""

from __future__ import annotations

import numpy as np

from unison3d.fusion.blocks import EDGE, VOXELS, axis_of, find, pack
from unison3d.fusion.cells import EDGE_AXIS, EDGE_CORNER, triangle_table
from unison3d.native import kernel

# Vertices keep this share of an edge away from its ends, so that no triangle is without area.
_RIM = 0.01


@kernel
def _neighbours(block_keys, table_keys, table_rows, rows):
    """Rows of the blocks at steps 0 and 1 along every axis, numbered like corners of a cell."""
    for b in range(len(block_keys)):
        x, y, z = axis_of(block_keys[b], 0), axis_of(block_keys[b], 1), axis_of(block_keys[b], 2)
        for n in range(8):
            key = pack(x + (n & 1), y + (n >> 1 & 1), z + (n >> 2))
            rows[b, n] = find(key, table_keys, table_rows)


@kernel
def _corner(neighbours, b, i, corner):
    """Block and voxel of a corner of the cell at voxel ``i`` of block ``b``."""
    x = (i >> 6) + (corner & 1)
    y = ((i >> 3) & 7) + (corner >> 1 & 1)
    z = (i & 7) + (corner >> 2)
    block = neighbours[b, (x >> 3) | (y >> 3) << 1 | (z >> 3) << 2]
    return block, (x & 7) << 6 | (y & 7) << 3 | (z & 7)


@kernel
def _classify(neighbours, distance, weight, min_weight, max_jump, patterns, sizes):
    """Pattern of inside corners of every cell, 0 where a corner was not seen; counts triangles."""
    values = np.zeros(8, np.float32)
    triangles = 0
    for b in range(len(neighbours)):
        for i in range(VOXELS):
            pattern = 0
            for corner in range(8):
                block, voxel = _corner(neighbours, b, i, corner)
                if block < 0 or weight[block, voxel] < min_weight:
                    pattern = -1
                    break
                values[corner] = distance[block, voxel]
                pattern |= (values[corner] < 0) << corner
            if pattern <= 0 or pattern == 255:
                continue
            for axis in range(3):
                for corner in range(8):
                    if not corner >> axis & 1:
                        a, c = values[corner], values[corner | 1 << axis]
                        if (a < 0) != (c < 0) and abs(a - c) > max_jump:
                            pattern = 0
            patterns[b, i] = pattern
            triangles += sizes[pattern]
    return triangles


@kernel
def _connect(neighbours, patterns, table, edge_corner, edge_axis, vertex_of, faces):
    """Number the crossed edges as triangles need them and write the triangles."""
    vertices, triangle = 0, 0
    for b in range(len(patterns)):
        for i in range(VOXELS):
            pattern = patterns[b, i]
            k = 0
            while pattern > 0 and table[pattern, k] >= 0:
                edge = table[pattern, k]
                block, voxel = _corner(neighbours, b, i, edge_corner[edge])
                axis = edge_axis[edge]
                if vertex_of[block, voxel, axis] < 0:
                    vertex_of[block, voxel, axis] = vertices
                    vertices += 1
                faces[triangle, k % 3] = vertex_of[block, voxel, axis]
                k += 1
                if k % 3 == 0:
                    triangle += 1
    return vertices


@kernel
def _place(neighbours, block_keys, distance, tint, vertex_of, voxel_size, points, colors):
    """Positions and colours of the numbered edges, between the two voxels of each."""
    with_color = tint.shape[0] > 0
    for b in range(len(block_keys)):
        for i in range(VOXELS):
            for axis in range(3):
                vertex = vertex_of[b, i, axis]
                if vertex < 0:
                    continue
                block, voxel = _corner(neighbours, b, i, 1 << axis)
                a, c = distance[b, i], distance[block, voxel]
                t = min(1 - _RIM, max(_RIM, a / (a - c)))
                at = (i >> 6, (i >> 3) & 7, i & 7)
                for k in range(3):
                    place = axis_of(block_keys[b], k) * EDGE + at[k] + (t if k == axis else 0.0)
                    points[vertex, k] = place * voxel_size
                if with_color:
                    wa = tint[b, i, 3] * (1 - t)
                    wc = tint[block, voxel, 3] * t
                    for k in range(3):
                        total = wa * tint[b, i, k] + wc * tint[block, voxel, k]
                        if wa + wc > 0:
                            colors[vertex, k] = np.uint8(total / (wa + wc) + 0.5)


@kernel
def _between(points, a, b):
    return points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]


@kernel
def vertex_normals(points, faces, normals):
    """Mean normals of the triangles around every vertex, weighted by area; unit length.

    Args:
        points: float32, (V, 3).
        faces: int32, (F, 3), counter-clockwise seen from outside.
        normals: float32, (V, 3), zeros; filled. (0, 0, 1) where no triangle has an area.
    """
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = _between(points, a, b)
        vx, vy, vz = _between(points, a, c)
        n = (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
        for k in range(3):
            normals[a, k] += n[k]
            normals[b, k] += n[k]
            normals[c, k] += n[k]
    for i in range(len(normals)):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0:
            normals[i, 0], normals[i, 1], normals[i, 2] = x / length, y / length, z / length
        else:
            normals[i, 2] = 1.0


def extract(
    block_keys: np.ndarray,
    table: tuple[np.ndarray, np.ndarray],
    distance: np.ndarray,
    weight: np.ndarray,
    tint: np.ndarray,
    voxel_size: float,
    min_weight: float,
    max_jump: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Triangles where the signed distance is zero.

    Args:
        block_keys: int64, (B,).
        table: keys and rows of the hash table of the blocks.
        distance: float32, (B, 512), positive outside.
        weight: float32, (B, 512).
        tint: float32, (B, 512, 4) mean colours and their weight, or (0, 512, 4).
        voxel_size: metres.
        min_weight: a cell with a corner below it holds no surface.
        max_jump: nor does one with a larger step between two corners across the surface.

    Returns:
        float32 (V, 3), int32 (F, 3), uint8 (V, 3) (zeros without ``tint``), float32 (V, 3).
    """
    triangles = triangle_table()
    sizes = (triangles >= 0).sum(1) // 3
    count = len(block_keys)
    neighbours = np.empty((count, 8), np.int64)
    _neighbours(block_keys, *table, neighbours)
    patterns = np.zeros((count, VOXELS), np.uint8)
    num_faces = _classify(neighbours, distance, weight, min_weight, max_jump, patterns, sizes)
    vertex_of = np.full((count, VOXELS, 3), -1, np.int32)
    faces = np.empty((num_faces, 3), np.int32)
    num_points = _connect(neighbours, patterns, triangles, EDGE_CORNER, EDGE_AXIS, vertex_of, faces)
    points = np.empty((num_points, 3), np.float32)
    colors = np.zeros((num_points, 3), np.uint8)
    _place(neighbours, block_keys, distance, tint, vertex_of, voxel_size, points, colors)
    normals = np.zeros((num_points, 3), np.float32)
    vertex_normals(points, faces, normals)
    return points, faces, colors, normals
