"""Which input voxel meets which output voxel under which kernel cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from unison3d.errors import ConfigError
from unison3d.sparse.coordinates import SortedKeys
from unison3d.sparse.keys import MARGIN, key_offset
from unison3d.sparse.matching import match_keys


@dataclass(frozen=True)
class Kernel:
    """The cells of a cubic kernel: ``input = stride * output + dilation * t + start``.

    Attributes:
        size: cells per axis, K = size ** 3.
        start: input steps from ``stride * output`` to the first cell.
        dilation: input steps between two cells.
        x_fastest: order of the cells. False: z runs fastest (spconv), True: x does (Minkowski).
    """

    size: int
    start: int
    dilation: int = 1
    x_fastest: bool = False

    def __post_init__(self) -> None:
        reach = max(abs(self.start), abs(self.start + self.dilation * (self.size - 1)))
        if self.size < 1 or self.dilation < 1 or reach > MARGIN:
            raise ConfigError(
                f'kernel of size {self.size}, dilation {self.dilation}, starting at {self.start}: '
                f'size and dilation are 1 or more, and no cell is over {MARGIN} voxels away'
            )

    @classmethod
    def centered(cls, size: int, dilation: int = 1, *, x_fastest: bool = False) -> Kernel:
        """An odd kernel around its voxel."""
        return cls(size, -dilation * (size // 2), dilation, x_fastest)

    @property
    def is_symmetric(self) -> bool:
        """Whether the cell opposite to cell k is cell K-1-k."""
        return 2 * self.start + self.dilation * (self.size - 1) == 0

    def offsets(self) -> list[tuple[int, int, int]]:
        """Steps (dx, dy, dz) from ``stride * output`` to the input of every cell."""
        steps = [self.start + self.dilation * t for t in range(self.size)]
        cells = list(product(steps, repeat=3))
        return [cell[::-1] for cell in cells] if self.x_fastest else cells


@dataclass(frozen=True)
class Pairs:
    """All pairs of a kernel map, cell after cell.

    Inside one cell every input row and every output row occurs at most once, and both run in the
    order of their sorted coordinates.

    Attributes:
        inputs: int32, (P,). Row of the input.
        outputs: int32, (P,). Row of the output.
        starts: K + 1 integers; cell k owns the pairs from ``starts[k]`` to ``starts[k + 1]``.
    """

    inputs: Tensor
    outputs: Tensor
    starts: tuple[int, ...]

    def cell(self, index: int) -> tuple[Tensor, Tensor]:
        """Input and output rows of one cell."""
        span = slice(self.starts[index], self.starts[index + 1])
        return self.inputs[span], self.outputs[span]


@dataclass(frozen=True)
class Geometry:
    """What a kernel map was built from, for engines that build their own.

    Attributes:
        fine: voxels that the kernel steps over.
        coarse: voxels that it is anchored at, ``fine = stride * coarse + offset``.
        kernel: the cells.
        stride: fine steps per coarse step.
        is_transposed: whether the map leads from the coarse voxels to the fine ones.
    """

    fine: SortedKeys
    coarse: SortedKeys
    kernel: Kernel
    stride: int
    is_transposed: bool = False


class KernelMap:
    """Pairs of rows grouped by kernel cell, as a list of pairs or as a table.

    CPU engines read :attr:`pairs`, the ones on a GPU :attr:`table`; each form is made from the
    other when it is asked for first, and kept.

    Args:
        num_inputs: rows of the input.
        num_outputs: rows of the output.
        num_cells: K.
        pairs: the pairs, or None if the table is given.
        table: int32, (num_outputs, K). Input row under each cell, -1 where there is none.
        input_ranks: int32, (num_inputs,). Place of every input row among the sorted input
            coordinates; None where rows are sorted.
        output_ranks: the same for outputs.
        is_symmetric: cell K-1-k is cell k with inputs and outputs exchanged.
        geometry: what the map was built from; None for one made by hand.
    """

    # The map this one is the transposed of.
    origin: KernelMap | None = None

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        num_cells: int,
        pairs: Pairs | None = None,
        table: Tensor | None = None,
        input_ranks: Tensor | None = None,
        output_ranks: Tensor | None = None,
        is_symmetric: bool = False,
        geometry: Geometry | None = None,
    ) -> None:
        if pairs is None and table is None:
            raise ValueError('a kernel map needs its pairs or its table')
        self.num_inputs = num_inputs
        self.num_outputs = num_outputs
        self.num_cells = num_cells
        self.input_ranks = input_ranks
        self.output_ranks = output_ranks
        self.is_symmetric = is_symmetric
        self.geometry = geometry
        self._pairs = pairs
        self._table = table
        self._transposed_table: Tensor | None = None
        # What engines derive from the map (blocks, tiles), by name, and from its transposed one.
        self.derived: dict[str, object] = {}
        self.derived_transposed: dict[str, object] = {}

    @property
    def device(self) -> torch.device:
        """Where the rows are stored."""
        return (self._table if self._pairs is None else self._pairs.inputs).device

    @property
    def pairs(self) -> Pairs:
        """The pairs, cell after cell. Made from a table on a GPU this waits for the device."""
        if self._pairs is None:
            cells, outputs = (self._table.t() >= 0).nonzero().unbind(1)
            if self.output_ranks is not None:
                order = torch.argsort(cells * self.num_outputs + self.output_ranks[outputs])
                cells, outputs = cells[order], outputs[order]
            inputs = self._table[outputs, cells]
            counts = torch.bincount(cells, minlength=self.num_cells)
            starts = (0, *counts.cumsum(0).tolist())
            self._pairs = Pairs(inputs, outputs.to(torch.int32), starts)
        return self._pairs

    @property
    def table(self) -> Tensor:
        """int32, (num_outputs, K). Input row under each cell of each output, -1 for none."""
        if self._table is None:
            pairs = self._pairs
            table = pairs.inputs.new_full((self.num_outputs, self.num_cells), -1)
            counts = torch.tensor(pairs.starts, device=table.device).diff()
            cells = torch.arange(self.num_cells, device=table.device).repeat_interleave(counts)
            table[pairs.outputs.long(), cells] = pairs.inputs
            self._table = table
        return self._table

    @property
    def transposed_table(self) -> Tensor:
        """int32, (num_inputs, K). Output row under each cell of each input, -1 for none."""
        if self._transposed_table is None:
            self._transposed_table = self._transpose_table()
        return self._transposed_table

    def _transpose_table(self) -> Tensor:
        table = self.table
        if self.is_symmetric:
            return table.flip(1)
        if runs_triton(table.device):
            from unison3d.sparse.engines import triton_maps

            return triton_maps.transpose_table(table, self.num_inputs)
        # Absent pairs write into one row too many, which keeps the device from being waited for.
        rows = torch.where(table < 0, self.num_inputs, table).long()
        out = table.new_full((self.num_inputs + 1, self.num_cells), -1)
        values = torch.arange(self.num_outputs, dtype=table.dtype, device=table.device)
        out.scatter_(0, rows, values[:, None].expand_as(table))
        return out[:-1]

    def transposed(self) -> KernelMap:
        """The map of the convolution that runs backwards: inputs and outputs exchanged."""
        return TransposedMap(self)


class TransposedMap(KernelMap):
    """A kernel map with inputs and outputs exchanged.

    It keeps nothing itself. What it needs is made by the map it came from and stays there, so that
    this one does not have to be held: in a cycle both would stay on a GPU until Python looks for
    cycles.

    Attributes:
        origin: the map it came from.
    """

    def __init__(self, origin: KernelMap) -> None:
        self.origin = origin
        self.num_inputs = origin.num_outputs
        self.num_outputs = origin.num_inputs
        self.num_cells = origin.num_cells
        self.input_ranks = origin.output_ranks
        self.output_ranks = origin.input_ranks
        self.is_symmetric = origin.is_symmetric
        self.geometry = origin.geometry and replace(origin.geometry, is_transposed=True)
        self.derived = origin.derived_transposed

    @property
    def device(self) -> torch.device:
        return self.origin.device

    @property
    def pairs(self) -> Pairs:
        pairs = self.origin.pairs
        return Pairs(pairs.outputs, pairs.inputs, pairs.starts)

    @property
    def table(self) -> Tensor:
        return self.origin.transposed_table

    def transposed(self) -> KernelMap:
        return self.origin


def runs_triton(device: torch.device) -> bool:
    """Whether maps are made by the kernels of the Triton engine."""
    if device.type != 'cuda':
        return False
    # Late, since the engines stand on this module.
    from unison3d.sparse.engines.triton_support import why_not

    return not why_not(device)


def build_kernel_map(
    source: SortedKeys, target: SortedKeys, kernel: Kernel, stride: int = 1
) -> KernelMap:
    """Find the input voxel under every cell of every output voxel.

    Args:
        source: the input voxels.
        target: the output voxels; the same object as ``source`` for a convolution that keeps them.
        kernel: the cells.
        stride: input steps per output step.

    Raises:
        ConfigError: the stride is larger than the margin of the keys.
    """
    if stride > MARGIN:
        raise ConfigError(f'stride is {stride}, at most {MARGIN} can be handled')
    shifts = [key_offset(*offset) for offset in kernel.offsets()]
    # p + d is active for p exactly if p' - d is active for p' = p + d: the second half of a
    # symmetric kernel repeats the first with input and output exchanged.
    mirrored = kernel.size % 2 == 1 and kernel.is_symmetric and source is target and stride == 1
    searched = shifts[: len(shifts) // 2] if mirrored else shifts
    facts = dict(
        num_inputs=len(source),
        num_outputs=len(target),
        num_cells=len(shifts),
        input_ranks=source.ranks,
        output_ranks=target.ranks,
        is_symmetric=mirrored,
        geometry=Geometry(source, target, kernel, stride),
    )
    if runs_triton(source.keys.device):
        from unison3d.sparse.engines import triton_maps

        return KernelMap(table=triton_maps.build_table(source, target, kernel, stride), **facts)
    if source.keys.device.type != 'cpu':
        return KernelMap(table=_build_table(source, target, shifts, stride), **facts)
    inputs, outputs, counts = match_keys(source.keys, target.scaled_keys(stride), searched)
    inputs, outputs = source.rows(inputs), target.rows(outputs)
    if mirrored:
        inputs, outputs, counts = _with_mirror(inputs, outputs, counts, target)
    starts = (0, *torch.tensor(counts).cumsum(0).tolist())
    return KernelMap(pairs=Pairs(inputs, outputs, starts), **facts)


def _with_mirror(
    inputs: Tensor, outputs: Tensor, counts: list[int], target: SortedKeys
) -> tuple[Tensor, Tensor, list[int]]:
    """Add the middle cell and the second half of a symmetric kernel."""
    middle = target.all_rows()
    all_inputs = [inputs, middle, *reversed(outputs.split(counts))]
    all_outputs = [outputs, middle, *reversed(inputs.split(counts))]
    return (
        torch.cat(all_inputs),
        torch.cat(all_outputs),
        [*counts, len(target), *reversed(counts)],
    )


def _build_table(source: SortedKeys, target: SortedKeys, shifts: list[int], stride: int) -> Tensor:
    """By binary search, without waiting for the device."""
    table = torch.full((len(target), len(shifts)), -1, dtype=torch.int32, device=source.keys.device)
    if len(source) == 0 or len(target) == 0:
        return table
    scaled = target.scaled_keys(stride)
    rows = target.all_rows().long()
    for cell, shift in enumerate(shifts):
        wanted = scaled + shift
        place = torch.searchsorted(source.keys, wanted).clamp_(max=len(source) - 1)
        found = source.rows(place).to(torch.int32)
        table[rows, cell] = torch.where(source.keys[place] == wanted, found, -1)
    return table
