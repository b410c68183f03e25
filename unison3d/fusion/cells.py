"""Which triangles a grid cell holds, for each of the 256 patterns of inside and outside corners.

Marching cubes (Lorensen and Cline 1987), with the table worked out rather than typed: the surface
cuts every face of a cell along lines between crossed edges, the lines close into loops, and every
loop is cut into triangles. Where two opposite corners of a face are inside, each is cut off on its
own. That depends on the four corners of the face alone, so two cells agree on their shared face
and the surface has no cracks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Corner i lies at x = i & 1, y = i >> 1 & 1, z = i >> 2. Edges go from the lower corner along an
# axis: four along x, four along y, four along z.
EDGES = tuple(
    (corner, corner | 1 << axis)
    for axis in range(3)
    for corner in range(8)
    if not corner >> axis & 1
)
EDGE_CORNER = np.array([a for a, _ in EDGES], dtype=np.int64)
EDGE_AXIS = np.array([axis for axis in range(3) for _ in range(4)], dtype=np.int64)


def _faces() -> list[tuple[int, ...]]:
    """Corners of the six faces, counter-clockwise seen from outside."""
    faces = []
    for axis in range(3):
        b, c = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        ring = (0, b, b | c, c)
        faces.append(tuple(k | 1 << axis for k in ring))
        faces.append(ring[::-1])
    return faces


def _loops(inside: tuple[bool, ...]) -> list[list[int]]:
    """Closed rings of crossed edges, counter-clockwise seen from the outside corners."""
    number = {frozenset(edge): i for i, edge in enumerate(EDGES)}
    following = {}
    for face in _faces():
        for k in range(4):
            before, corner = face[k], face[(k + 1) % 4]
            if inside[before] or not inside[corner]:
                continue
            # Entering the inside along the face; its run of inside corners ends further on.
            end = (k + 1) % 4
            while inside[face[(end + 1) % 4]]:
                end = (end + 1) % 4
            entry = number[frozenset((before, corner))]
            leave = number[frozenset((face[end], face[(end + 1) % 4]))]
            following[entry] = leave
    loops = []
    while following:
        ring = [min(following)]
        while following[ring[-1]] != ring[0]:
            ring.append(following.pop(ring[-1]))
        following.pop(ring[-1])
        loops.append(ring)
    return loops


@lru_cache(maxsize=1)
def triangle_table() -> np.ndarray:
    """Crossed edges of the triangles of every pattern.

    Returns:
        int8, (256, 16). Bit i of the row number says that corner i is inside. Three edges per
        triangle, counter-clockwise seen from outside, then -1.
    """
    rows = []
    for pattern in range(256):
        edges: list[int] = []
        for ring in _loops(tuple(bool(pattern >> i & 1) for i in range(8))):
            for k in range(1, len(ring) - 1):
                edges += [ring[0], ring[k], ring[k + 1]]
        rows.append(edges)
    table = np.full((256, max(map(len, rows)) + 1), -1, dtype=np.int8)
    for row, edges in zip(table, rows, strict=True):
        row[: len(edges)] = edges
    return table
