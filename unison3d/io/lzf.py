"""LZF, the compression of binary PCD files.

The stream is a row of commands. A byte below 32 is followed by that many plus one plain bytes. Any
other byte holds a length in its upper three bits (7: one more byte is added to it) and, with the
byte after it, how far back to copy from; length plus two bytes are copied, and the copy may overlap
what it writes.

Source: the format description of liblzf, which PCL uses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from unison3d.errors import FileFormatError

__all__ = ['LZF_MAX_RATIO', 'lzf_decompress']

#: Three bytes copy 264 at best, so a larger claim is a lie.
LZF_MAX_RATIO = 88


def _decompress(source, target):
    """Bytes written to ``target``, or -1 where the stream makes no sense."""
    at, done = 0, 0
    while at < source.size:
        command = np.int64(source[at])
        at += 1
        if command < 32:
            count = command + 1
            if at + count > source.size or done + count > target.size:
                return -1
            target[done : done + count] = source[at : at + count]
            at += count
            done += count
            continue
        length = command >> 5
        if length == 7:
            if at >= source.size:
                return -1
            length += np.int64(source[at])
            at += 1
        if at >= source.size:
            return -1
        start = done - ((command & 31) << 8) - np.int64(source[at]) - 1
        at += 1
        if start < 0 or done + length + 2 > target.size:
            return -1
        for step in range(length + 2):
            target[done + step] = target[start + step]
        done += length + 2
    return done


@cache
def _compiled() -> Callable:
    # Imported late: it brings torch along, which readers of other formats do without.
    from unison3d.native import kernel

    return kernel(_decompress)


def lzf_decompress(data: bytes, size: int, where: str) -> np.ndarray:
    """uint8, (size,): the plain bytes.

    Args:
        data: the compressed bytes.
        size: how many there have to be afterwards.
        where: begins the error messages.

    Raises:
        FileFormatError: more is promised than the compression can do, or the stream is damaged.
    """
    if size > LZF_MAX_RATIO * len(data):
        raise FileFormatError(
            f'{where}: claims {size:,} bytes out of {len(data):,} compressed ones, more than LZF '
            'can do. The file is truncated or damaged.'
        )
    target = np.empty(size, np.uint8)
    written = _compiled()(np.frombuffer(data, np.uint8), target)
    if written != size:
        seen = 'cannot be decompressed' if written < 0 else f'gives {written:,} bytes'
        raise FileFormatError(
            f'{where}: the compressed part {seen}, expected {size:,} bytes. The file is damaged; '
            'copy or export it again.'
        )
    return target
