"""Triton kernels that find neighbours and put them into the order the convolutions read.

As in :mod:`unison3d.sparse.engines._triton_kernels`, importing this module does not import Triton.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

# Triton looks these names up in the globals of the module when it compiles.
tl: Any = None
constexpr: Any = None

# Sizes of a scene: making kernels for lucky values of them would only mean more compiling.
_ANY_VALUE = ('num_rows', 'num_source', 'num_target', 'num_entries', 'search_steps')


@cache
def load_map_kernels() -> SimpleNamespace:
    """Import Triton and make kernels of the functions below.

    Raises:
        ImportError: Triton is missing or broken.
    """
    global tl, constexpr
    import triton
    import triton.language

    tl, constexpr = triton.language, triton.language.constexpr
    functions = (find_cells, transpose_table, mask_rows, arrange_tiles, list_pairs)
    return SimpleNamespace(
        **{f.__name__: triton.jit(f, do_not_specialize=_ANY_VALUE) for f in functions}
    )


def find_cells(
    source,
    source_order,
    target,
    target_order,
    table,
    num_source,
    num_target,
    num_cells,
    start,
    dilation,
    stride,
    search_steps,
    HAS_SOURCE_ORDER: constexpr,
    HAS_TARGET_ORDER: constexpr,
    X_FASTEST: constexpr,
    SIZE: constexpr,
    BITS: constexpr,
    ROWS: constexpr,
):
    """Row of the input under every cell of every output, -1 if there is none, (V_out, K).

    One search per output and column of cells along z: keys of a column follow each other.
    """
    place = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column_x = tl.program_id(1) // SIZE
    column_y = tl.program_id(1) % SIZE
    inside = place < num_target
    key = tl.load(target + place, mask=inside, other=0)
    # All three axes times the stride. Fields hold the coordinate plus a half, and the batch stays;
    # products may pass 64 bits, their difference is right all the same.
    half: constexpr = 1 << (BITS - 1)
    centre: constexpr = (half << (2 * BITS)) + (half << BITS) + half
    batch = key >> (3 * BITS)
    key = key * stride - (centre + batch * (1 << (3 * BITS))) * (stride - 1)
    step_x = (start + dilation * column_x).to(tl.int64)
    step_y = (start + dilation * column_y).to(tl.int64)
    wanted = key + step_x * (1 << (2 * BITS)) + step_y * (1 << BITS) + start
    beyond: constexpr = (1 << 63) - 1

    low = tl.zeros((ROWS,), dtype=tl.int32)
    high = low + num_source
    for _ in range(search_steps):
        middle = (low + high) // 2
        below = tl.load(source + middle, mask=middle < num_source, other=beyond) < wanted
        low = tl.where(below, middle + 1, low)
        high = tl.where(below, high, middle)

    row = place.to(tl.int64)
    if HAS_TARGET_ORDER:
        row = tl.load(target_order + place, mask=inside, other=0).to(tl.int64)
    for t in tl.static_range(SIZE):
        for _ in range(dilation):
            value = tl.load(source + low, mask=low < num_source, other=beyond)
            low += (value < wanted).to(tl.int32)
        value = tl.load(source + low, mask=low < num_source, other=beyond)
        found = value == wanted
        entry = low
        if HAS_SOURCE_ORDER:
            entry = tl.load(source_order + low, mask=found, other=0)
        cell = (column_x * SIZE + column_y) * SIZE + t
        if X_FASTEST:
            cell = (t * SIZE + column_y) * SIZE + column_x
        tl.store(table + row * num_cells + cell, tl.where(found, entry, -1), mask=inside)
        wanted += dilation


def transpose_table(table, out, num_entries, num_cells, ENTRIES: constexpr):
    """``out[i, k] = o`` where ``table[o, k] = i``; the rest of ``out`` is left as it is."""
    entry = tl.program_id(0).to(tl.int64) * ENTRIES + tl.arange(0, ENTRIES)
    source = tl.load(table + entry, mask=entry < num_entries, other=-1)
    row = entry // num_cells
    cell = entry - row * num_cells
    tl.store(out + source.to(tl.int64) * num_cells + cell, row.to(tl.int32), mask=source >= 0)


def mask_rows(table, masks, num_rows, num_cells, GROUP: constexpr, ROWS: constexpr):
    """One bit per GROUP cells of a row: whether there is a neighbour, (V,)."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = row < num_rows
    entries = table + row.to(tl.int64) * num_cells
    mask = tl.zeros((ROWS,), dtype=tl.int32)
    for cell in range(num_cells):
        filled = tl.load(entries + cell, mask=inside, other=-1) >= 0
        mask = mask | (filled.to(tl.int32) << (cell // GROUP))
    tl.store(masks + row, mask, mask=inside)


def arrange_tiles(
    table,
    order,
    rows_in,
    cells,
    counts,
    num_rows,
    num_cells,
    ROWS: constexpr,
    PART: constexpr,
    CELLS: constexpr,
):
    """For a block of sorted rows: the cells in use, how many, and the neighbours under each.

    Args:
        table: (V, K).
        order: (V,). Row at every place of the sorted order.
        rows_in: out, (blocks, K, ROWS). Only the first ``counts`` cells of a block are written.
        cells: out, (blocks, K), increasing; the same.
        counts: out, (blocks,).
        num_rows: V.
        num_cells: K.
        ROWS: rows of a block.
        PART: rows looked at together, to stay within the registers.
        CELLS: K or the next power of two.
    """
    block = tl.program_id(0)
    cell = tl.arange(0, CELLS)
    part = tl.arange(0, PART)
    known = (cell < num_cells)[:, None]
    used = tl.zeros((CELLS,), dtype=tl.int32)
    for first in range(0, ROWS, PART):
        place = block * ROWS + first + part
        inside = place < num_rows
        row = tl.load(order + place, mask=inside, other=0).to(tl.int64)
        entries = table + row[None, :] * num_cells + cell[:, None]
        source = tl.load(entries, mask=known & inside[None, :], other=-1)
        used = tl.maximum(used, tl.max((source >= 0).to(tl.int32), axis=1))
    slot = tl.cumsum(used, axis=0) - 1
    start = block.to(tl.int64) * num_cells
    tl.store(cells + start + slot, cell, mask=used > 0)
    tl.store(counts + block, tl.sum(used, axis=0))
    for first in range(0, ROWS, PART):
        place = block * ROWS + first + part
        inside = place < num_rows
        row = tl.load(order + place, mask=inside, other=0).to(tl.int64)
        entries = table + row[None, :] * num_cells + cell[:, None]
        source = tl.load(entries, mask=known & inside[None, :], other=-1)
        target = (start + slot)[:, None] * ROWS + (first + part)[None, :]
        # Rows beyond the last one are written too, as absent.
        tl.store(rows_in + target, source, mask=(used > 0)[:, None])


def list_pairs(
    table, ranks, inputs, outputs, num_rows, num_cells, ROWS: constexpr, CELLS: constexpr
):
    """Write every pair of the table to its place; ``ranks`` counts them cell by cell, (K, V)."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    cell = tl.program_id(1) * CELLS + tl.arange(0, CELLS)
    known = (cell < num_cells)[:, None] & (row < num_rows)[None, :]
    entries = table + row.to(tl.int64)[None, :] * num_cells + cell[:, None]
    source = tl.load(entries, mask=known, other=-1)
    rank = cell.to(tl.int64)[:, None] * num_rows + row[None, :]
    place = tl.load(ranks + rank, mask=known, other=1) - 1
    tl.store(inputs + place, source, mask=source >= 0)
    tl.store(outputs + place, row[None, :] + tl.zeros_like(place), mask=source >= 0)
