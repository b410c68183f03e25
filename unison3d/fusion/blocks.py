"""Blocks of 8 x 8 x 8 voxels found by their place, so that memory follows the surface.

A place is packed into one integer, 20 bits per axis. The table is an open-addressing hash table
whose length is a power of two; -1 marks an empty slot.
"""

from __future__ import annotations

import numpy as np

from unison3d.native import kernel

EDGE = 8
VOXELS = EDGE**3
AXIS_BITS = 20
AXIS_LIMIT = 1 << (AXIS_BITS - 1)


@kernel
def pack(x, y, z):
    """Key of a block, for axes within -AXIS_LIMIT to AXIS_LIMIT - 1."""
    return (
        ((np.int64(x) + AXIS_LIMIT) << (2 * AXIS_BITS))
        | ((np.int64(y) + AXIS_LIMIT) << AXIS_BITS)
        | (np.int64(z) + AXIS_LIMIT)
    )


@kernel
def axis_of(key, axis):
    """Place of a block along an axis, the inverse of ``pack``."""
    return ((key >> ((2 - axis) * AXIS_BITS)) & ((1 << AXIS_BITS) - 1)) - AXIS_LIMIT


@kernel
def slot_of(key, length):
    """Where the search for a key starts."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(length - 1))


@kernel
def find(key, table_keys, table_rows):
    """Row of a block, or -1."""
    length = len(table_keys)
    slot = slot_of(key, length)
    while table_keys[slot] != -1:
        if table_keys[slot] == key:
            return np.int64(table_rows[slot])
        slot = (slot + 1) & (length - 1)
    return np.int64(-1)


@kernel
def find_all(keys, table_keys, table_rows, rows):
    """Rows of many blocks, -1 for those that are not there."""
    for i in range(len(keys)):
        rows[i] = find(keys[i], table_keys, table_rows)


@kernel
def insert_all(keys, first_row, table_keys, table_rows):
    """Put new keys into a table that has room for them; rows count up from ``first_row``."""
    length = len(table_keys)
    for i in range(len(keys)):
        slot = slot_of(keys[i], length)
        while table_keys[slot] != -1:
            slot = (slot + 1) & (length - 1)
        table_keys[slot] = keys[i]
        table_rows[slot] = first_row + i
