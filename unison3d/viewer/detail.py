"""Level of detail: an order of points whose every beginning covers the scene evenly.

>>> order = detail_order(scene.points)
>>> for block in make_blocks(scene.points, order, max_points=1_000_000):
...     show(block.points, at=block.origin, colors=colors[block.rows])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unison3d.errors import ConfigError

__all__ = ['Block', 'detail_order', 'make_blocks']

#: Bits per axis of the finest cells; a building is then cut into fractions of a millimetre.
_BITS = 20


@dataclass(frozen=True, eq=False)
class Block:
    """Points of one region, small enough for one node of a page.

    Attributes:
        origin: float64, (3,). Middle of the block, in the frame of the points.
        rows: int64, (M,). The points, those first that matter most when few are drawn.
        points: float32, (M, 3). Positions relative to ``origin``, so that single precision in a
            graphics card holds them.
    """

    origin: np.ndarray
    rows: np.ndarray
    points: np.ndarray


def detail_order(points: np.ndarray) -> np.ndarray:
    """An order of the points such that every first part is an even subsample.

    Cells of an octree take turns: first one point of every large cell, then one of every cell of
    half the size that has none yet, and so on. Within a round cells are taken so that any part of
    it is spread over the whole scene.

    Args:
        points: float, (N, 3), finite.

    Returns:
        int64, (N,), a permutation; the same for the same points.
    """
    points = np.asarray(points)
    if len(points) < 2:
        return np.arange(len(points))
    codes, along, depth = _along_curve(points)
    # Where two neighbours along the curve part ways tells the largest cell that the second one
    # opens: it is the first point there.
    levels = np.zeros(len(codes), np.uint8)
    levels[1:] = _depth_of_parting(codes[1:] ^ codes[:-1], depth)
    # Along the curve within a level, in the order of bit-reversed ranks: every first part of these
    # numbers is spread evenly.
    by_level = np.argsort(levels, kind='stable')
    counts = np.bincount(levels)
    starts = np.cumsum(counts) - counts
    ranks = np.arange(len(codes)) - np.repeat(starts, counts)
    # Levels are apart already, and there ranks differ, so the sort has no ties.
    keys = np.repeat(np.arange(len(counts), dtype=np.uint64), counts) << np.uint64(32)
    return along[by_level[np.argsort(keys | _reversed_bits(ranks.astype(np.uint32)))]]


def make_blocks(
    points: np.ndarray,
    order: np.ndarray,
    *,
    max_points: int = 2_000_000,
    block_points: int = 250_000,
) -> list[Block]:
    """Cut the first points of an order into blocks of space.

    Args:
        points: float, (N, 3).
        order: int, (N,), of :func:`detail_order`; a part of it shows a part of the points.
        max_points: points in all blocks together.
        block_points: points in one block at most.

    Raises:
        ConfigError: a number of points below 1.
    """
    if max_points < 1 or block_points < 1:
        raise ConfigError(
            f'max_points is {max_points} and block_points {block_points}, expected 1 or more.'
        )
    rows = np.asarray(order[:max_points], np.int64)
    here = np.asarray(points)[rows]
    if not len(rows):
        return []
    # Pieces of the curve are compact, and all of one size.
    _, along, _ = _along_curve(here)
    number = np.empty(len(rows), np.uint32)
    number[along] = np.arange(len(rows)) // block_points
    # Stable, so that rows stay in their order inside a block.
    by_block = np.argsort(number.astype(np.uint16), kind='stable')
    if number.max() >= 2**16:
        raise ConfigError(f'block_points is {block_points}, which makes over 65,536 blocks.')
    blocks = []
    for part in np.split(by_block, np.cumsum(np.bincount(number))[:-1]):
        inside = here[part].astype(np.float64)
        origin = (inside.min(axis=0) + inside.max(axis=0)) / 2
        blocks.append(Block(origin, rows[part], (inside - origin).astype(np.float32)))
    return blocks


def _along_curve(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Sort points along a Z-shaped curve through cubic cells.

    Returns:
        uint64, (N,), places on the curve, ascending; int64, (N,), the points in this order, ties
        by number; and the bits per axis.
    """
    index_bits = max(len(points) - 1, 1).bit_length()
    # Place and number share 64 bits: sorting numbers is several times faster than their order.
    depth = min(_BITS, (64 - index_bits) // 3)
    low = points.min(axis=0)
    extent = float((points.max(axis=0) - low).max())
    scale = (2**depth - 1) / extent if extent > 0 else 0.0
    keys = np.zeros(len(points), np.uint64)
    for axis in range(3):
        cells = ((points[:, axis] - low[axis]) * scale).astype(np.uint64)
        keys |= _spread(cells) << np.uint64(axis)
    keys <<= np.uint64(index_bits)
    keys |= np.arange(len(points), dtype=np.uint64)
    keys.sort()
    along = (keys & np.uint64(2**index_bits - 1)).astype(np.int64)
    return keys >> np.uint64(index_bits), along, depth


def _spread(x: np.ndarray) -> np.ndarray:
    """Two zero bits after each of 21 bits."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        x = (x | (x << np.uint64(shift))) & np.uint64(mask)
    return x


def _depth_of_parting(difference: np.ndarray, depth: int) -> np.ndarray:
    """Halvings of the scene until codes with these differing bits lie in two cells."""
    # The exponent of the number as a float is its highest bit, once no rounding can carry over.
    top = difference & ~(difference >> np.uint64(1))
    _, exponent = np.frexp(top.astype(np.float64))
    # 1 for the lowest bit, and 0 for equal codes, which never part.
    return np.where(exponent > 0, depth - (exponent - 1) // 3, depth + 1).astype(np.uint8)


def _reversed_bits(x: np.ndarray) -> np.ndarray:
    """uint64: 32-bit numbers with their bits in reverse order."""
    for shift, mask in (
        (1, 0x55555555),
        (2, 0x33333333),
        (4, 0x0F0F0F0F),
        (8, 0x00FF00FF),
    ):
        mask = np.uint32(mask)
        x = ((x >> np.uint32(shift)) & mask) | ((x & mask) << np.uint32(shift))
    return ((x >> np.uint32(16)) | (x << np.uint32(16))).astype(np.uint64)
