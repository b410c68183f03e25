"""Superpoints of a scan in tiles: every tile is cut with its margin, then joined along the seams.

All tiles use the voxels of the whole scan, so away from the borders of their margins two tiles cut
alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from unison3d.apis.tiles.store import TileStore
from unison3d.io.atomic import atomic_path
from unison3d.io.npy import read_npz_arrays, write_npz
from unison3d.superpoints import segment_points

#: Superpoints of two tiles are one if they share more than this of their points that both tiles
#: see (IoU). Above one half no superpoint can have two partners in a tile.
SAME_OVERLAP = 0.5


@dataclass(eq=False)
class SuperpointFacts:
    """Facts about all S superpoints of a scan.

    Attributes:
        sizes: int64, (S,). Points.
        centers: float32, (S, 3). Mean of the points, metres.
        low, high: float32, (S, 3). Corners.
    """

    sizes: np.ndarray
    centers: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)


def cut_tile(store: TileStore, tile: int) -> None:
    """Superpoints of a tile and its margin, into a file, unless it is there."""
    path = store.folder / f'cut_{tile:07d}.npy'
    if path.is_file():
        return
    view = store.view(tile)
    origin = store.found.low.astype(np.float64)
    ids = segment_points(view.points, view.colors, origin=origin)
    with atomic_path(path) as temporary, temporary.open('wb') as file:
        np.save(file, np.stack([view.places.astype(np.uint32), ids.astype(np.uint32)]))


def join_tiles(store: TileStore) -> SuperpointFacts:
    """Give every point of the store the superpoint of its tile, joined along the seams."""
    path = store.folder / 'superpoints.npz'
    if not path.is_file():
        write_npz(path, vars(_join(store)))
    return SuperpointFacts(**read_npz_arrays(path))


def _join(store: TileStore) -> SuperpointFacts:
    counts = np.zeros(len(store.grid) + 1, np.int64)
    for tile in store.tiles:
        counts[tile + 1] = int(_cut(store, tile)[1].max()) + 1
    firsts = np.cumsum(counts)
    pairs = [np.zeros((0, 2), np.int64)]
    for tile in store.tiles:
        here = _cut(store, tile)
        for other in store.grid.overlapping(tile):
            if counts[other + 1]:
                same = same_superpoints(*here, *_cut(store, other))
                pairs.append(same + [firsts[tile], firsts[other]])
    joined = np.concatenate(pairs)
    total = int(firsts[-1])
    links = coo_matrix((np.ones(len(joined), np.int8), joined.T), shape=(total, total))
    component = connected_components(links, directed=False)[1]
    used = np.zeros(total, bool)
    for tile in store.tiles:
        used[component[firsts[tile] + _core_ids(store, tile)]] = True
    number = np.cumsum(used) - 1
    store.write_superpoints(_numbered(store, number[component], firsts))
    return _measure(store, int(used.sum()))


def same_superpoints(
    places_a: np.ndarray, ids_a: np.ndarray, places_b: np.ndarray, ids_b: np.ndarray
) -> np.ndarray:
    """Pairs of superpoints of two tiles that are one.

    Args:
        places_a: (n,), ascending. Points of the first tile and its margin.
        ids_a: (n,). Their superpoints in this tile.
        places_b: (m,), ascending. Likewise of the second.
        ids_b: (m,).

    Returns:
        int64, (P, 2), each superpoint at most once.
    """
    at = np.searchsorted(places_b, places_a)
    at[at == len(places_b)] = 0
    shared = places_b[at] == places_a
    a, b = ids_a[shared].astype(np.int64), ids_b[at[shared]].astype(np.int64)
    if not len(a):
        return np.zeros((0, 2), np.int64)
    width = int(b.max()) + 1
    keys, common = np.unique(a * width + b, return_counts=True)
    left, right = keys // width, keys % width
    union = np.bincount(a)[left] + np.bincount(b)[right] - common
    return np.stack([left, right], axis=1)[common > SAME_OVERLAP * union]


def _cut(store: TileStore, tile: int) -> np.ndarray:
    return np.load(store.folder / f'cut_{tile:07d}.npy', allow_pickle=False)


def _core_ids(store: TileStore, tile: int) -> np.ndarray:
    places, ids = _cut(store, tile)
    first, last = np.searchsorted(places, store.starts[tile : tile + 2])
    return ids[first:last].astype(np.int64)


def _numbered(store: TileStore, number: np.ndarray, firsts: np.ndarray) -> Iterator[np.ndarray]:
    for tile in store.tiles:
        yield number[firsts[tile] + _core_ids(store, tile)]


def _measure(store: TileStore, count: int) -> SuperpointFacts:
    sizes, sums = np.zeros(count, np.int64), np.zeros((count, 3))
    low = np.full((count, 3), np.inf, np.float32)
    high = np.full((count, 3), -np.inf, np.float32)
    for tile in store.tiles:
        ids, points = store.read_tile('superpoints', tile), store.read_tile('points', tile)
        order = np.argsort(ids, kind='stable')
        here, starts = np.unique(ids[order], return_index=True)
        points = points[order]
        sizes[here] += np.diff(np.append(starts, len(ids)))
        sums[here] += np.add.reduceat(points.astype(np.float64), starts, axis=0)
        low[here] = np.minimum(low[here], np.minimum.reduceat(points, starts, axis=0))
        high[here] = np.maximum(high[here], np.maximum.reduceat(points, starts, axis=0))
    return SuperpointFacts(sizes, (sums / sizes[:, None]).astype(np.float32), low, high)
