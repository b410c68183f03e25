"""Lines of a journal: what is written, and what can be read of a file that was torn or damaged."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unison3d.errors import FileFormatError
from unison3d.io import check_file

__all__ = ['MAX_LINE', 'JournalLines', 'make_line', 'read_lines']

#: Bytes. A longer line is damage: no edit of a scan that fits the memory makes one.
MAX_LINE = 1 << 28
_HEAD, _MIDDLE = b'{"crc":"', b'","body":'


@dataclass
class JournalLines:
    """The readable part of a file.

    Attributes:
        bodies: of the readable lines, in order, with their line numbers from 1.
        end: bytes from the start to the end of the last readable line, if nothing before it is
            damaged.
        torn: bytes at the end that a crash left behind.
        damaged: numbers of unreadable lines before the last readable one.
    """

    bodies: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    end: int = 0
    torn: bytes = b''
    damaged: list[int] = field(default_factory=list)


def make_line(body: dict[str, Any]) -> bytes:
    """One line: a JSON object of the body and the CRC-32 of its text."""
    text = json.dumps(body, ensure_ascii=True, separators=(',', ':'), allow_nan=False).encode()
    return _HEAD + b'%08x' % zlib.crc32(text) + _MIDDLE + text + b'}\n'


def read_line(line: bytes) -> dict[str, Any] | None:
    """The body of a line, None where it is damaged."""
    start = len(_HEAD) + 8 + len(_MIDDLE)
    text = line[start:-2]
    if line != _HEAD + b'%08x' % zlib.crc32(text) + _MIDDLE + text + b'}\n':
        return None
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def read_lines(path: Path) -> JournalLines:
    """Read what can be read.

    Raises:
        FileFormatError: the file is missing or no file.
    """
    check_file(path)
    found = JournalLines()
    bad: list[int] = []
    last_bad = b''
    position = number = 0
    with open(path, 'rb') as file:
        while line := file.readline(MAX_LINE):
            number += 1
            position += len(line)
            body = read_line(line)
            if number == 1 and body is None and not _may_be_ours(line):
                raise FileFormatError(
                    f'{path}: not a journal of labels (it starts with {line[:40]!r}). Give '
                    'another path; this file is left as it is.'
                )
            if body is None:
                bad.append(number)
                last_bad = line
                continue
            found.bodies.append((number, body))
            found.damaged += bad
            found.end = position
            bad.clear()
    # A crash leaves one line without its end, or, where the disk wrote the end first, with gaps of
    # zeros. Anything else at the end was whole once.
    if len(bad) == 1 and (not last_bad.endswith(b'\n') or b'\0' in last_bad):
        found.torn = last_bad
    else:
        found.damaged += bad
    return found


def _may_be_ours(line: bytes) -> bool:
    start = line[: len(_HEAD)]
    return _HEAD.startswith(start) or b'\0' in start or b'unison3d_labels' in line[:200]
