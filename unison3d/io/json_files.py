"""JSON in and out."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.atomic import atomic_write
from unison3d.io.files import read_bytes

__all__ = ['read_json', 'to_plain', 'write_json']


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file.

    Raises:
        FileFormatError: missing or not JSON.
    """
    data = read_bytes(path)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f'{path}: not valid JSON ({error}), {len(data):,} bytes. It is truncated or damaged.'
        ) from error


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Write JSON that any parser reads, atomically.

    NumPy numbers and arrays, paths and tuples become plain ones; numbers that are not finite
    become null, because JSON has no word for them.
    """
    path = Path(path)
    text = json.dumps(to_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(path, 'w') as file:
        file.write(text + '\n')
    return path


def to_plain(value: Any) -> Any:
    """``value`` in terms of dict, list, str, int, float, bool and None."""
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, os.PathLike):
        return Path(value).as_posix()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
