"""Common keys of two sorted lists, for many shifts at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unison3d.native import ParallelTask, array_at, kernel, next_item, read_argument

# Keys of the target that one thread walks through at a time.
_CHUNK = 8192


def match_keys(
    source: Tensor, target: Tensor, shifts: Sequence[int]
) -> tuple[Tensor, Tensor, list[int]]:
    """Places ``(i, o)`` with ``source[i] == target[o] + shift``, shift after shift.

    Both lists are walked side by side, once to count and once to write: linear in their lengths,
    and no table of all cells of all voxels is ever stored.

    Args:
        source: int64, (V,), strictly increasing, on the CPU.
        target: int64, (W,), strictly increasing, on the CPU.
        shifts: what is added to ``target``.

    Returns:
        Places in ``source``, int32 (P,), places in ``target``, int32 (P,), and the number of pairs
        of every shift. Within a shift both run upwards.
    """
    source, target = source.contiguous(), target.contiguous()
    steps = np.array(shifts, dtype=np.int64)
    num_chunks = -(-len(target) // _CHUNK)
    counts = np.zeros((len(steps), num_chunks), dtype=np.int64)
    lists = (source.data_ptr(), len(source), target.data_ptr(), len(target))
    _COUNT.run(counts.size, *lists, steps.ctypes.data, num_chunks, counts.ctypes.data)
    ends = counts.reshape(-1).cumsum()
    total = int(ends[-1]) if len(ends) else 0
    starts = ends.reshape(counts.shape) - counts
    inputs = torch.empty(total, dtype=torch.int32)
    outputs = torch.empty(total, dtype=torch.int32)
    _WRITE.run(
        counts.size,
        *lists,
        steps.ctypes.data,
        num_chunks,
        starts.ctypes.data,
        inputs.data_ptr(),
        outputs.data_ptr(),
        total,
    )
    return inputs, outputs, counts.sum(axis=1).tolist()


@kernel
def _walk(source, target, shift, first, last, inputs, outputs, at, writes):
    """Count the pairs of one stretch of the target, and write them from ``at`` on if asked to."""
    i = np.searchsorted(source, target[first] + shift)
    found = 0
    for o in range(first, last):
        wanted = target[o] + shift
        while i < len(source) and source[i] < wanted:
            i += 1
        if i == len(source):
            break
        if source[i] == wanted:
            if writes:
                inputs[at + found] = i
                outputs[at + found] = o
            found += 1
    return found


@kernel
def _match(context, writes):
    source = array_at(read_argument(context, 0), (read_argument(context, 1),), np.int64)
    target = array_at(read_argument(context, 2), (read_argument(context, 3),), np.int64)
    num_chunks = read_argument(context, 5)
    # Counts of every stretch when counting, its first place in the result when writing.
    stretches = read_argument(context, 6)
    total = read_argument(context, 9) if writes else 0
    inputs = array_at(read_argument(context, 7) if writes else stretches, (total,), np.int32)
    outputs = array_at(read_argument(context, 8) if writes else stretches, (total,), np.int32)
    while True:
        item = next_item(context)
        if item < 0:
            return
        shift = array_at(read_argument(context, 4), (item // num_chunks + 1,), np.int64)[-1]
        first = item % num_chunks * _CHUNK
        last = min(first + _CHUNK, len(target))
        place = array_at(stretches, (item + 1,), np.int64)
        found = _walk(source, target, shift, first, last, inputs, outputs, place[item], writes)
        if not writes:
            place[item] = found


def _count(context):
    _match(context, False)


def _write(context):
    _match(context, True)


_COUNT = ParallelTask(_count)
_WRITE = ParallelTask(_write)
