"""Recorded numbers that know which of them a test has looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


class Recorded(dict):
    """A dictionary that remembers which of its values were read, nested ones as well."""

    def __init__(self, content: dict) -> None:
        super().__init__({k: Recorded(v) if isinstance(v, dict) else v for k, v in content.items()})
        self.seen: set = set()

    def __getitem__(self, key: Any) -> Any:
        self.seen.add(key)
        return super().__getitem__(key)

    def items(self) -> Iterator:
        return ((key, self[key]) for key in self)

    def unread(self) -> list[str]:
        """Names of values nobody looked at, nested ones joined by ``/``."""
        found = []
        for key in self:
            value = super().__getitem__(key)
            if isinstance(value, Recorded):
                found += [f'{key}/{name}' for name in value.unread()]
            elif key not in self.seen:
                found.append(str(key))
        return found


class RecordedArrays(Recorded):
    """The arrays of an NPZ file."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            super().__init__(dict(arrays))

    @property
    def files(self) -> list[str]:
        return list(self)
