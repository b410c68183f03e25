"""A look over a pickle before it is read: what its numbers would make the reader allocate.

The reader of the standard library believes the numbers in the file: a memo index of four thousand
million makes it allocate 32 GB before it notices that the file holds 20 bytes. Here every opcode is
stepped over once, and numbers that do not fit the size of the file are refused.
"""

from __future__ import annotations

import pickletools

import numpy as np

from unison3d.native import kernel

__all__ = ['END_OF_PICKLE', 'walk_pickle']

#: Answers of :func:`walk_pickle` that are no position.
_TRUNCATED, _UNKNOWN, _BAD_MEMO = -1, -2, -3
END_OF_PICKLE = {
    _TRUNCATED: 'it is truncated, or a length in it is larger than the file',
    _UNKNOWN: 'it holds a byte that is no pickle opcode',
    _BAD_MEMO: 'it numbers more objects than it holds',
}

_LINES = 100  # plus the number of lines
_COUNTED = 200  # plus the number of bytes of the length


def _argument_sizes() -> np.ndarray:
    """Length of the argument of each opcode: bytes, or a code above; -1 where there is none."""
    sizes = np.full(256, -1, np.int16)
    lines = {'INST': 2, 'GLOBAL': 2}
    counted = {-2: 1, -3: 4, -4: 4, -5: 8}
    for opcode in pickletools.opcodes:
        size = 0 if opcode.arg is None else opcode.arg.n
        if size == -1:
            size = _LINES + lines.get(opcode.name, 1)
        elif size < -1:
            size = _COUNTED + counted[size]
        sizes[ord(opcode.code)] = size
    return sizes


_SIZES = _argument_sizes()
_STOP, _PUT, _BINPUT, _LONG_BINPUT = 46, 112, 113, 114


@kernel
def _walk(data, start, sizes):
    place, steps = start, 0
    while place < len(data):
        opcode = data[place]
        size = sizes[opcode]
        place += 1
        steps += 1
        if size < 0:
            return _UNKNOWN
        begin = place
        if size >= _COUNTED:
            width = size - _COUNTED
            if place + width > len(data):
                return _TRUNCATED
            length = np.uint64(0)
            for i in range(width):
                length |= np.uint64(data[place + i]) << np.uint64(8 * i)
            place += width
            if length > np.uint64(len(data) - place):
                return _TRUNCATED
            place += np.int64(length)
        elif size >= _LINES:
            for _ in range(size - _LINES):
                while place < len(data) and data[place] != 10:
                    place += 1
                place += 1
        else:
            place += size
        if place > len(data):
            return _TRUNCATED
        index = np.uint64(0)
        if opcode == _PUT:  # decimal digits and a line feed
            if place - begin > 11:
                return _BAD_MEMO
            for i in range(begin, place - 1):
                index = index * np.uint64(10) + np.uint64(max(np.int64(data[i]) - 48, 0))
        elif opcode == _BINPUT or opcode == _LONG_BINPUT:
            for i in range(place - begin):
                index |= np.uint64(data[begin + i]) << np.uint64(8 * i)
        # BINPUT may leave gaps below 256; nothing to fear from those.
        if index > np.uint64(steps + 256):
            return _BAD_MEMO
        if opcode == _STOP:
            return place
    return _TRUNCATED


def walk_pickle(data: bytes, start: int = 0) -> int:
    """Step over one pickle.

    Args:
        data: the file.
        start: where the pickle begins.

    Returns:
        The place behind its last byte, or a key of :data:`END_OF_PICKLE` that says what is wrong.
    """
    return int(_walk(np.frombuffer(data, np.uint8), start, _SIZES))
