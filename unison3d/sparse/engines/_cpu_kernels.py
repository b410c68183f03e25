"""The compiled loops of the CPU engine: a register tile, and the blocks it is run over.

Everything here is one matrix product with gathered rows: ``C[rows_c[p]] += A[rows_a[p]] @ B``.
The tile keeps ``TILE_ROWS`` rows times two vectors of sums in registers, reads B from a packed
panel that stays in the first-level cache, and touches C once per kernel cell.

bfloat16 works on pairs of neighbouring channels, as the AVX512-BF16 instruction does, with sums in
float32. Where the CPU lacks the instruction the pair is widened in registers: no faster than
float32, but exact to the same bits of input.
"""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from unison3d.native import ParallelTask, array_at, kernel, next_item, read_argument

_FEATURES = llvm.get_host_cpu_features()
_HAS_AVX512 = bool(_FEATURES.get('avx512f'))
HAS_BF16_DOT = bool(_FEATURES.get('avx512bf16'))
if HAS_BF16_DOT:
    # For the one instruction that is written as assembly.
    llvm.initialize_native_asmparser()
# Half a cache line of sums per row: 2 vectors. 16 registers hold 12 sums, 2 of B and 1 of A,
# 32 registers hold 24.
VECTOR_BYTES = 64 if _HAS_AVX512 else 32 if _FEATURES.get('avx') else 16
TILE_ROWS = 12 if _HAS_AVX512 else 6
# Pairs of one step of a weight gradient, packed or gathered: both sides stay in the caches.
PACKED_PAIRS = 128
GATHERED_PAIRS = 48

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_CONTRACT = ('contract',)


class _TileBuilder:
    """Writes the instructions of a tile.

    Args:
        builder: of the function to write into.
        dtype: numba type of the elements: float32, float64, or uint16 for the bits of bfloat16.
        num_vectors: vectors of sums per row.
    """

    def __init__(self, builder: ir.IRBuilder, dtype: types.Type, num_vectors: int) -> None:
        self.builder = builder
        self.num_vectors = num_vectors
        self.is_pair = dtype == types.uint16
        scalar = ir.DoubleType() if dtype == types.float64 else ir.FloatType()
        self.size = 8 if dtype == types.float64 else 4
        self.lanes = VECTOR_BYTES // self.size
        self.sums = ir.VectorType(scalar, self.lanes)
        # What is loaded: numbers, or pairs of bfloat16 as one integer.
        self.element = _I32 if self.is_pair else scalar
        self.loaded = ir.VectorType(self.element, self.lanes)

    def address(self, base: ir.Value, *terms: tuple[ir.Value, int | ir.Value]) -> ir.Value:
        """``base + sum of a * b`` over the terms."""
        for value, factor in terms:
            if isinstance(factor, int):
                factor = ir.Constant(_I64, factor)
            base = self.builder.add(base, self.builder.mul(value, factor))
        return base

    def load(self, address: ir.Value, kind: ir.Type, align: int) -> ir.Value:
        return self.builder.load(self.builder.inttoptr(address, kind.as_pointer()), align=align)

    def broadcast(self, value: ir.Value) -> ir.Value:
        undefined = ir.Constant(self.loaded, ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(_I32, 0))
        lanes = ir.Constant(ir.VectorType(_I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, lanes)

    def multiply_add(self, total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        """``total + a * b``, for pairs of bfloat16 the sum of both products."""
        if not self.is_pair:
            return self._fma(total, a, b)
        if HAS_BF16_DOT:
            kind = ir.FunctionType(self.sums, (self.sums, self.loaded, self.loaded))
            code = ir.InlineAsm(kind, 'vdpbf16ps $3, $2, $0', '=v,0,v,v', side_effect=False)
            return self.builder.call(code, (total, a, b))
        total = self._fma(total, self._upper(a), self._upper(b))
        return self._fma(total, self._lower(a), self._lower(b))

    def _fma(self, total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        product = self.builder.fmul(a, b, flags=_CONTRACT)
        return self.builder.fadd(product, total, flags=_CONTRACT)

    def _upper(self, pairs: ir.Value) -> ir.Value:
        mask = ir.Constant(self.loaded, [-65536] * self.lanes)
        return self.builder.bitcast(self.builder.and_(pairs, mask), self.sums)

    def _lower(self, pairs: ir.Value) -> ir.Value:
        bits = ir.Constant(self.loaded, [16] * self.lanes)
        return self.builder.bitcast(self.builder.shl(pairs, bits), self.sums)

    def row_addresses(
        self, rows: ir.Value, first: ir.Value, count: ir.Value, base: ir.Value, row_bytes: ir.Value
    ) -> list[ir.Value]:
        """Addresses of the rows of a tile; those from ``count`` on repeat the last one."""
        last = self.builder.sub(count, ir.Constant(_I64, 1))
        addresses = []
        for r in range(TILE_ROWS):
            row = ir.Constant(_I64, r)
            is_inside = self.builder.icmp_signed('<', row, last)
            place = self.builder.add(first, self.builder.select(is_inside, row, last))
            addresses.append(self.row_address(rows, place, base, row_bytes))
        return addresses

    def row_address(
        self, rows: ir.Value, place: ir.Value, base: ir.Value, row_bytes: ir.Value
    ) -> ir.Value:
        """Address of the row that stands at a place of ``rows``."""
        index = self.load(self.address(rows, (place, 4)), _I32, 4)
        return self.address(base, (self.builder.sext(index, _I64), row_bytes))

    def products(
        self,
        num_rows: int,
        num_steps: ir.Value,
        addresses: Callable[[ir.Value], tuple[list[ir.Value], ir.Value]],
    ) -> list[list[ir.Value]]:
        """Sums over all steps, one list of vectors per row.

        ``addresses`` gives those of a step: one of A for each row, and that of the vectors of B.
        """
        builder = self.builder
        before = builder.block
        loop, after = builder.append_basic_block('steps'), builder.append_basic_block('sums')
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(_I64)
        step.add_incoming(ir.Constant(_I64, 0), before)
        zero = ir.Constant(self.sums, [0.0] * self.lanes)
        totals = [
            [builder.phi(self.sums) for _ in range(self.num_vectors)] for _ in range(num_rows)
        ]
        elements, panel = addresses(step)
        vectors = [
            self.load(self.address(panel, (ir.Constant(_I64, v), VECTOR_BYTES)), self.loaded, 4)
            for v in range(self.num_vectors)
        ]
        sums = []
        for element, row_totals in zip(elements, totals):
            a = self.broadcast(self.load(element, self.element, 2))
            sums.append([self.multiply_add(t, a, b) for t, b in zip(row_totals, vectors)])
        following = builder.add(step, ir.Constant(_I64, 1))
        step.add_incoming(following, loop)
        for row_totals, row_sums in zip(totals, sums):
            for total, new in zip(row_totals, row_sums):
                total.add_incoming(zero, before)
                total.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed('<', following, num_steps), loop, after)
        builder.position_at_end(after)
        return sums

    def add_to(
        self, rows: list[ir.Value], sums: list[list[ir.Value]], first: ir.Value, last: ir.Value
    ) -> None:
        """Add the sums of the rows from ``first`` to before ``last`` to memory."""
        for r, (row, row_sums) in enumerate(zip(rows, sums)):
            place = ir.Constant(_I64, r)
            is_inside = self.builder.and_(
                self.builder.icmp_signed('>=', place, first),
                self.builder.icmp_signed('<', place, last),
            )
            with self.builder.if_then(is_inside, likely=True):
                for v, total in enumerate(row_sums):
                    address = self.address(row, (ir.Constant(_I64, v), VECTOR_BYTES))
                    pointer = self.builder.inttoptr(address, self.sums.as_pointer())
                    old = self.builder.load(pointer, align=4)
                    self.builder.store(self.builder.fadd(old, total), pointer, align=4)


def _make_tile(num_vectors: int):
    """A tile of ``TILE_ROWS`` rows and ``num_vectors`` vectors of columns."""

    @intrinsic
    def multiply_tile(
        typing, dtype, rows_a, rows_c, first, count, a, a_row, a_step, b, num_steps, c, c_row
    ):
        """``C[rows_c[p]] += A[rows_a[p]] @ B`` for ``count`` places p from ``first`` on.

        All but ``dtype`` are int64. ``rows_a``, ``rows_c``: addresses of int32 rows. ``a``, ``c``:
        addresses of row 0, ``a_row``, ``c_row`` bytes per row, ``a_step`` bytes per step; ``b``:
        address of the panel, ``num_steps`` rows of ``num_vectors`` vectors.
        """

        def codegen(context, builder, signature, arguments):
            _, rows_a, rows_c, first, count, a, a_row, a_step, b, num_steps, c, c_row = arguments
            tile = _TileBuilder(builder, signature.args[0].instance_type, num_vectors)
            inputs = tile.row_addresses(rows_a, first, count, a, a_row)

            def addresses(step):
                panel = tile.address(b, (step, num_vectors * VECTOR_BYTES))
                return [tile.address(row, (step, a_step)) for row in inputs], panel

            sums = tile.products(TILE_ROWS, num_steps, addresses)
            outputs = tile.row_addresses(rows_c, first, count, c, c_row)
            tile.add_to(outputs, sums, ir.Constant(_I64, 0), count)
            return context.get_dummy_value()

        return types.void(dtype, *[types.int64] * 11), codegen

    return multiply_tile


_multiply_wide = _make_tile(2)
_multiply_narrow = _make_tile(1)


def _make_outer_tile(num_vectors: int):
    """A tile of a sum of outer products of gathered rows."""

    @intrinsic
    def add_outer_tile(typing, dtype, rows_a, rows_b, first, last, a, a_row, b, b_row, c, skipped):
        """``C[r] += sum over p of A[rows_a[p], r] * B[rows_b[p]]``, r ``TILE_ROWS`` columns of A.

        All but ``dtype`` are int64. p runs from ``first`` to before ``last``, at least once. ``a``,
        ``b``, ``c``: addresses of the tile's first column in row 0, ``a_row`` and ``b_row`` bytes
        per row; C has rows as long as those of B and its first ``skipped`` ones are left alone.
        """

        def codegen(context, builder, signature, arguments):
            _, rows_a, rows_b, first, last, a, a_row, b, b_row, c, skipped = arguments
            tile = _TileBuilder(builder, signature.args[0].instance_type, num_vectors)
            places = [ir.Constant(_I64, r) for r in range(TILE_ROWS)]

            def addresses(step):
                place = builder.add(first, step)
                row = tile.row_address(rows_a, place, a, a_row)
                elements = [tile.address(row, (r, tile.size)) for r in places]
                return elements, tile.row_address(rows_b, place, b, b_row)

            sums = tile.products(TILE_ROWS, builder.sub(last, first), addresses)
            outputs = [tile.address(c, (r, b_row)) for r in places]
            tile.add_to(outputs, sums, skipped, ir.Constant(_I64, TILE_ROWS))
            return context.get_dummy_value()

        return types.void(dtype, *[types.int64] * 10), codegen

    return add_outer_tile


_outer_wide = _make_outer_tile(2)
_outer_narrow = _make_outer_tile(1)


@kernel
def _multiply(
    dtype, size, rows_a, rows_c, first, last, a, a_row, a_step, b, num_steps, c, c_row, columns
):
    """``C[rows_c[p]] += A[rows_a[p]] @ B`` for the places from ``first`` to ``last``.

    ``size`` is the bytes of a sum. ``columns`` of C are a multiple of one vector; B holds one panel
    of two vectors after the other, and one of a single vector if their number is odd.
    """
    lanes = VECTOR_BYTES // size
    column = 0
    while column < columns:
        panel = b + column * num_steps * size
        target = c + column * size
        is_wide = columns - column >= 2 * lanes
        for p in range(first, last, TILE_ROWS):
            n = min(TILE_ROWS, last - p)
            if is_wide:
                _multiply_wide(
                    dtype, rows_a, rows_c, p, n, a, a_row, a_step, panel, num_steps, target, c_row
                )
            else:
                _multiply_narrow(
                    dtype, rows_a, rows_c, p, n, a, a_row, a_step, panel, num_steps, target, c_row
                )
        column += 2 * lanes if is_wide else lanes


@kernel
def _convolve(dtype, size, context):
    """Blocks of outputs; the sums of a block stay in the cache while all cells add to them.

    With ``block_rows`` 0 the outputs hold zeros already.
    """
    num_cells = read_argument(context, 1)
    num_blocks = read_argument(context, 2)
    starts = array_at(read_argument(context, 0), (num_blocks + 1, num_cells), np.int64)
    rows_in, rows_out = read_argument(context, 3), read_argument(context, 4)
    features, row_bytes = read_argument(context, 5), read_argument(context, 6)
    weight, num_steps = read_argument(context, 7), read_argument(context, 8)
    out, columns = read_argument(context, 9), read_argument(context, 10)
    num_outputs, block_rows = read_argument(context, 11), read_argument(context, 12)
    sums = array_at(out, (num_outputs * columns * size,), np.uint8)
    while True:
        block = next_item(context)
        if block < 0:
            return
        # Clearing a block just before it is added to saves one way through memory.
        row = block * block_rows
        sums[row * columns * size : min(row + block_rows, num_outputs) * columns * size] = 0
        for cell in range(num_cells):
            first, last = starts[block, cell], starts[block + 1, cell]
            panels = weight + cell * num_steps * columns * size
            _multiply(
                dtype, size, rows_in, rows_out, first, last,
                features, row_bytes, size, panels, num_steps, out, columns * size, columns,
            )  # fmt: skip


@intrinsic
def _pack_step(typing_context, dtype, out, first, second, num_vectors):
    """Copy one row, or for bfloat16 two rows interleaved number by number, to ``out``.

    ``out``, ``first``, ``second`` are addresses, the last is read for bfloat16 only;
    ``num_vectors`` vectors are written.
    """

    def codegen(context, builder, signature, arguments):
        _, out, first, second, num_vectors = arguments
        tile = _TileBuilder(builder, signature.args[0].instance_type, 1)
        with cgutils.for_range(builder, num_vectors) as loop:
            if tile.is_pair:
                half = ir.VectorType(ir.IntType(16), tile.lanes)
                step = (loop.index, VECTOR_BYTES // 2)
                low = builder.zext(tile.load(tile.address(first, step), half, 2), tile.loaded)
                high = builder.zext(tile.load(tile.address(second, step), half, 2), tile.loaded)
                bits = ir.Constant(tile.loaded, [16] * tile.lanes)
                value = builder.or_(low, builder.shl(high, bits))
            else:
                step = (loop.index, VECTOR_BYTES)
                value = tile.load(tile.address(first, step), tile.loaded, 4)
            target = tile.address(out, (loop.index, VECTOR_BYTES))
            pointer = builder.inttoptr(target, tile.loaded.as_pointer())
            builder.store(value, pointer, align=4)
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 4), codegen


@kernel
def _pack_rows(dtype, size, per_step, rows, first, last, values, row_bytes, columns, width, out):
    """Gather rows as ``out[panel, step, column]``, ``per_step`` rows in a step.

    ``rows`` are those of ``values``, the address of a matrix of ``columns`` columns; a panel has
    ``width`` of them, the last one what remains. With two rows per step the row before the first
    one of ``values`` holds zeros, for the end of an odd number of rows.
    """
    zeros = values - row_bytes
    element = size // per_step
    lanes = VECTOR_BYTES // size
    for column in range(0, columns, width):
        panel = min(width, columns - column)
        shift = column * element
        for p in range(first, last, per_step):
            source = values + rows[p] * row_bytes + shift
            if per_step == 2:
                other = values + rows[p + 1] * row_bytes if p + 1 < last else zeros
                _pack_step(dtype, out, source, other + shift, panel // lanes)
            elif panel == 2 * lanes:
                # A known number of vectors needs no loop; this is most of the packing of B.
                _pack_step(dtype, out, source, source, 2)
            else:
                _pack_step(dtype, out, source, source, panel // lanes)
            out += panel * size


@kernel
def _add_packed(
    dtype, size, per_step, rows_in, rows_out, first, last,
    features, channels, gradient, columns, width, out, scratch,
):  # fmt: skip
    """Add the weight gradient of some pairs, their rows packed one after the other first."""
    element = size // per_step
    identity = np.arange(channels).astype(np.int32)
    a, b = scratch, scratch + PACKED_PAIRS * channels * element
    _pack_rows(
        dtype, size, per_step, rows_in, first, last,
        features, channels * element, channels, channels, a,
    )  # fmt: skip
    _pack_rows(
        dtype, size, per_step, rows_out, first, last,
        gradient, columns * element, width, 2 * VECTOR_BYTES // size, b,
    )  # fmt: skip
    num_steps = (last - first + per_step - 1) // per_step
    _multiply(
        dtype, size, identity.ctypes.data, identity.ctypes.data, 0, channels,
        a, size, channels * size, b, num_steps, out, columns * size, width,
    )  # fmt: skip


@kernel
def _add_gathered(
    dtype, size, rows_in, rows_out, first, last, features, channels, gradient, columns, width, out
):
    """Add the weight gradient of some pairs, their rows read where they are."""
    lanes = VECTOR_BYTES // size
    a_row, b_row = channels * size, columns * size
    column = 0
    while column < width:
        b = gradient + column * size
        is_wide = width - column >= 2 * lanes
        for channel in range(0, channels, TILE_ROWS):
            # The last tile ends with the last channel and leaves out what the one before it did.
            start = min(channel, channels - TILE_ROWS)
            a = features + start * size
            c = out + (start * columns + column) * size
            if is_wide:
                _outer_wide(
                    dtype, rows_in.ctypes.data, rows_out.ctypes.data, first, last,
                    a, a_row, b, b_row, c, channel - start,
                )  # fmt: skip
            else:
                _outer_narrow(
                    dtype, rows_in.ctypes.data, rows_out.ctypes.data, first, last,
                    a, a_row, b, b_row, c, channel - start,
                )  # fmt: skip
        column += 2 * lanes if is_wide else lanes


@kernel
def _weight_gradient(dtype, size, per_step, context):
    """One stretch of the outputs, one cell and a range of channels after the other.

    The rows of a stretch stay in the cache while all cells read them. Each stretch has sums of its
    own, so that no two items add to the same number.
    """
    num_cells, num_stretches = read_argument(context, 1), read_argument(context, 2)
    starts = array_at(read_argument(context, 0), (num_stretches + 1, num_cells), np.int64)
    num_pairs = starts[num_stretches, num_cells - 1]
    rows_in = array_at(read_argument(context, 3), (num_pairs,), np.int32)
    rows_out = array_at(read_argument(context, 4), (num_pairs,), np.int32)
    features, channels = read_argument(context, 5), read_argument(context, 6)
    gradient, columns = read_argument(context, 7), read_argument(context, 8)
    out = read_argument(context, 9)
    group, num_groups = read_argument(context, 10), read_argument(context, 11)
    is_gathered = read_argument(context, 12)
    element = size // per_step
    pairs = GATHERED_PAIRS if is_gathered else PACKED_PAIRS
    scratch = np.empty(PACKED_PAIRS * (channels + group) * element, np.uint8)
    while True:
        item = next_item(context)
        if item < 0:
            return
        column = (item % num_groups) * group
        cell = item // num_groups % num_cells
        stretch = item // num_groups // num_cells
        width = min(group, columns - column)
        target = out + ((stretch * num_cells + cell) * channels * columns + column) * size
        block = gradient + column * element
        end = starts[stretch + 1, cell]
        for first in range(starts[stretch, cell], end, pairs):
            last = min(first + pairs, end)
            if is_gathered:
                _add_gathered(
                    dtype, size, rows_in, rows_out, first, last,
                    features, channels, block, columns, width, target,
                )  # fmt: skip
            else:
                _add_packed(
                    dtype, size, per_step, rows_in, rows_out, first, last,
                    features, channels, block, columns, width, target, scratch.ctypes.data,
                )  # fmt: skip


def _convolve_float32(context):
    _convolve(np.float32, 4, context)


def _convolve_float64(context):
    _convolve(np.float64, 8, context)


def _convolve_bfloat16(context):
    _convolve(np.uint16, 4, context)


def _gradient_float32(context):
    _weight_gradient(np.float32, 4, 1, context)


def _gradient_float64(context):
    _weight_gradient(np.float64, 8, 1, context)


def _gradient_bfloat16(context):
    _weight_gradient(np.uint16, 4, 2, context)


CONVOLVE = {
    torch.float32: ParallelTask(_convolve_float32),
    torch.float64: ParallelTask(_convolve_float64),
    torch.bfloat16: ParallelTask(_convolve_bfloat16),
}
WEIGHT_GRADIENT = {
    torch.float32: ParallelTask(_gradient_float32),
    torch.float64: ParallelTask(_gradient_float64),
    torch.bfloat16: ParallelTask(_gradient_bfloat16),
}
