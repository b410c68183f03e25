"""Triton kernels of the convolution and of its weight gradient.

Importing this module does not import Triton: the functions are plain until :func:`load_kernels`
turns them into kernels.

All are output-stationary: a program owns a tile of the result, keeps its sum in float32 and writes
it once, so that the same input gives the same bits.

Source:
    Implicit GEMM on rows sorted by the set of their neighbours: the idea of SpConv v2 and of
    TorchSparse++ (arXiv:2311.12862), section 3. Packing channels and cells into one axis for narrow
    inputs is the ordinary im2col.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

# Triton looks these names up in the globals of the module when it compiles.
tl: Any = None
constexpr: Any = None

# Sizes of a scene: making kernels for lucky values of them would only mean more compiling.
_ANY_VALUE = ('num_outputs', 'splits')


@cache
def load_kernels() -> SimpleNamespace:
    """Import Triton and make kernels of the functions below.

    Raises:
        ImportError: Triton is missing or broken.
    """
    global tl, constexpr
    import triton
    import triton.language

    tl, constexpr = triton.language, triton.language.constexpr
    functions = (implicit_gemm, packed_gemm, weight_gradient, packed_weight_gradient)
    return SimpleNamespace(
        **{f.__name__: triton.jit(f, do_not_specialize=_ANY_VALUE) for f in functions}
    )


def implicit_gemm(
    features,
    weight,
    rows_in,
    order,
    cells,
    counts,
    out,
    num_outputs,
    num_cells,
    c_in,
    c_out,
    features_row,
    weight_cell,
    weight_in,
    weight_out,
    TILED: constexpr,
    MIRRORED: constexpr,
    EVEN_IN: constexpr,
    EVEN_OUT: constexpr,
    UPCAST: constexpr,
    PRECISION: constexpr,
    ROWS: constexpr,
    COLUMNS: constexpr,
    DEPTH: constexpr,
):
    """``out[o] = sum over cells k of features[rows_in[o, k]] @ weight[k]``.

    With TILED, ``rows_in`` holds the used cells of every block of sorted rows one after another,
    (blocks, K, ROWS), ``cells`` says which ones, (blocks, K), ``counts`` how many, and ``order``
    where the sorted rows go. Otherwise it is the table, (V_out, K), and the others are not read.
    MIRRORED: the table is that of the opposite cells.
    """
    # Programs that share gathered rows run next to each other and find them in the cache.
    num_columns = tl.cdiv(c_out, COLUMNS)
    block = tl.program_id(0) // num_columns
    column = (tl.program_id(0) % num_columns) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.arange(0, ROWS)
    place = block * ROWS + row
    inside = place < num_outputs
    chunks = tl.cdiv(c_in, DEPTH)
    steps = num_cells * chunks
    if TILED:
        steps = tl.load(counts + block) * chunks
    # 64 bits: rows times cells or channels of a large scene exceed 31.
    first_cell = block.to(tl.int64) * num_cells
    table_row = place.to(tl.int64) * num_cells
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    # One flat loop over cells and channels, because only innermost loops are pipelined.
    for step in range(steps):
        slot = step // chunks
        channel = (step % chunks) * DEPTH + tl.arange(0, DEPTH)
        if TILED:
            cell = tl.load(cells + first_cell + slot)
            source = tl.load(rows_in + (first_cell + slot) * ROWS + row)
        else:
            cell = slot
            source = tl.load(rows_in + table_row + slot, mask=inside, other=-1)
        weight_at = cell
        if MIRRORED:
            weight_at = num_cells - 1 - cell
        here = (source >= 0)[:, None]
        if not EVEN_IN:
            here = here & (channel < c_in)[None, :]
        starts = features + source.to(tl.int64) * features_row
        a = tl.load(starts[:, None] + channel[None, :], mask=here, other=0.0)
        tile = weight + weight_at * weight_cell + channel[:, None] * weight_in
        tile = tile + column[None, :] * weight_out
        if EVEN_IN and EVEN_OUT:
            b = tl.load(tile)
        else:
            there = (channel < c_in)[:, None] & (column < c_out)[None, :]
            b = tl.load(tile, mask=there, other=0.0)
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        total = tl.dot(a, b, total, input_precision=PRECISION)
    target = place.to(tl.int64)
    if TILED:
        target = tl.load(order + place, mask=inside, other=0)
    kept = inside[:, None] & (column < c_out)[None, :]
    tl.store(out + target[:, None] * c_out + column[None, :], total, mask=kept)


def packed_gemm(
    features,
    weight,
    table,
    out,
    num_outputs,
    num_cells,
    c_in,
    c_out,
    features_row,
    weight_cell,
    weight_in,
    weight_out,
    MIRRORED: constexpr,
    UPCAST: constexpr,
    PRECISION: constexpr,
    ROWS: constexpr,
    COLUMNS: constexpr,
    DEPTH: constexpr,
):
    """As :func:`implicit_gemm` with a table, for few input channels.

    Cells and channels form one axis, so that a step of the product is full although a single cell
    has 3 channels: 375 numbers of a 5^3 stem take 12 steps of 32 instead of 125 of 16.
    """
    num_columns = tl.cdiv(c_out, COLUMNS)
    block = tl.program_id(0) // num_columns
    column = (tl.program_id(0) % num_columns) * COLUMNS + tl.arange(0, COLUMNS)
    place = block * ROWS + tl.arange(0, ROWS)
    inside = place < num_outputs
    table_row = place.to(tl.int64) * num_cells
    length = num_cells * c_in
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for first in range(0, length, DEPTH):
        packed = first + tl.arange(0, DEPTH)
        cell = packed // c_in
        channel = packed - cell * c_in
        known = packed < length
        source = tl.load(
            table + table_row[:, None] + cell[None, :],
            mask=inside[:, None] & known[None, :],
            other=-1,
        )
        a = tl.load(
            features + source.to(tl.int64) * features_row + channel[None, :],
            mask=source >= 0,
            other=0.0,
        )
        weight_at = cell
        if MIRRORED:
            weight_at = num_cells - 1 - cell
        tile = weight + (weight_at * weight_cell + channel * weight_in)[:, None]
        b = tl.load(
            tile + column[None, :] * weight_out,
            mask=known[:, None] & (column < c_out)[None, :],
            other=0.0,
        )
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        total = tl.dot(a, b, total, input_precision=PRECISION)
    kept = inside[:, None] & (column < c_out)[None, :]
    target = place.to(tl.int64)[:, None] * c_out + column[None, :]
    tl.store(out + target, total, mask=kept)


def weight_gradient(
    features,
    grad,
    rows_in,
    rows_out,
    starts,
    partial,
    num_cells,
    c_in,
    c_out,
    splits,
    features_row,
    grad_row,
    EVEN_IN: constexpr,
    EVEN_OUT: constexpr,
    UPCAST: constexpr,
    PRECISION: constexpr,
    ROWS: constexpr,
    COLUMNS: constexpr,
    DEPTH: constexpr,
):
    """``partial[s, k] = sum of features[i]^T grad[o]`` over every s-th block of pairs of cell k.

    ROWS and COLUMNS are channels here, DEPTH pairs.
    """
    num_columns = tl.cdiv(c_out, COLUMNS)
    left = (tl.program_id(0) // num_columns) * ROWS + tl.arange(0, ROWS)
    right = (tl.program_id(0) % num_columns) * COLUMNS + tl.arange(0, COLUMNS)
    cell = tl.program_id(1)
    split = tl.program_id(2)
    first = tl.load(starts + cell)
    last = tl.load(starts + cell + 1)
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for begin in range(first + split * DEPTH, last, splits * DEPTH):
        pair = begin + tl.arange(0, DEPTH)
        known = pair < last
        i = tl.load(rows_in + pair, mask=known, other=0).to(tl.int64)
        o = tl.load(rows_out + pair, mask=known, other=0).to(tl.int64)
        here = known[:, None]
        there = known[:, None]
        if not EVEN_IN:
            here = here & (left < c_in)[None, :]
        if not EVEN_OUT:
            there = there & (right < c_out)[None, :]
        a = tl.load(features + (i * features_row)[:, None] + left[None, :], mask=here, other=0.0)
        b = tl.load(grad + (o * grad_row)[:, None] + right[None, :], mask=there, other=0.0)
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        total = tl.dot(tl.trans(a), b, total, input_precision=PRECISION)
    page = (split * num_cells + cell).to(tl.int64) * c_in * c_out
    kept = (left < c_in)[:, None] & (right < c_out)[None, :]
    tl.store(partial + page + left[:, None] * c_out + right[None, :], total, mask=kept)


def packed_weight_gradient(
    features,
    grad,
    table,
    partial,
    num_outputs,
    num_cells,
    c_in,
    c_out,
    splits,
    features_row,
    grad_row,
    UPCAST: constexpr,
    PRECISION: constexpr,
    ROWS: constexpr,
    COLUMNS: constexpr,
    DEPTH: constexpr,
):
    """As :func:`weight_gradient` for few input channels: ROWS run over cells and channels."""
    num_columns = tl.cdiv(c_out, COLUMNS)
    packed = (tl.program_id(0) // num_columns) * ROWS + tl.arange(0, ROWS)
    right = (tl.program_id(0) % num_columns) * COLUMNS + tl.arange(0, COLUMNS)
    split = tl.program_id(1)
    length = num_cells * c_in
    cell = packed // c_in
    channel = packed - cell * c_in
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for begin in range(split * DEPTH, num_outputs, splits * DEPTH):
        place = begin + tl.arange(0, DEPTH)
        inside = place < num_outputs
        row = place.to(tl.int64)
        source = tl.load(
            table + (row * num_cells)[:, None] + cell[None, :],
            mask=inside[:, None] & (packed < length)[None, :],
            other=-1,
        )
        a = tl.load(
            features + source.to(tl.int64) * features_row + channel[None, :],
            mask=source >= 0,
            other=0.0,
        )
        b = tl.load(
            grad + (row * grad_row)[:, None] + right[None, :],
            mask=inside[:, None] & (right < c_out)[None, :],
            other=0.0,
        )
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        total = tl.dot(tl.trans(a), b, total, input_precision=PRECISION)
    page = split.to(tl.int64) * length * c_out
    kept = (packed < length)[:, None] & (right < c_out)[None, :]
    tl.store(partial + page + packed[:, None] * c_out + right[None, :], total, mask=kept)
