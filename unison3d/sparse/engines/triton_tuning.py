"""Which tile sizes a Triton kernel runs with: measured once per kind of layer, kept on disk."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import astuple, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log

from unison3d.errors import FileFormatError
from unison3d.io.json_files import read_json, write_json

# Set to 0 to take the first candidate always, for instance to get the same bits on every machine.
SWITCH = 'UNISON3D_TRITON_TUNE'
_FORMAT = 1


@dataclass(frozen=True)
class Tile:
    """How a kernel cuts its work.

    Attributes:
        rows: rows of the result of a program.
        columns: columns of the result of a program.
        depth: what one step of the sum takes in.
        warps: groups of 32 threads of a program.
        stages: steps in flight. The pipeline shares them between rows and features, so that 5 and 7
            mean 2 and 3 steps of features ahead.
    """

    rows: int
    columns: int
    depth: int
    warps: int = 4
    stages: int = 5


def convolve_tiles(num_outputs: int, c_in: int, c_out: int, is_wide: bool) -> list[Tile]:
    """Candidates of ``implicit_gemm``, the default first; ``is_wide`` means four bytes a number."""
    # A small level has to be cut finer to give every processor of the device something to do.
    heights = (64, 128) if num_outputs >= 16384 else (32, 64)
    most = _power(c_out, 128 if is_wide else 256)
    widths = {min(most, 64), most // 2 if most >= 128 else most, most}
    if c_out > 64 and 0 < c_out % 64 <= 32:
        widths.add(32)  # 96 and 160 leave a quarter of the wider ones empty.
    deepest = _power(c_in, 32 if is_wide else 64)
    depths = [d for d in (32, 64) if d <= deepest and c_in % d == 0] or [min(deepest, 32)]
    tiles = [Tile(heights[num_outputs >= 32768], min(most, 64), depths[0])]
    for rows, columns, depth in product(heights, sorted(widths), depths):
        warps = 8 if rows * columns >= 128 * 128 else 4
        tiles.append(Tile(rows, columns, depth, warps))
        if depth <= 32:
            tiles.append(Tile(rows, columns, depth, warps, 7))
    return _different(tiles)


def gradient_tiles(c_in: int, c_out: int, is_wide: bool) -> list[Tile]:
    """Candidates of ``weight_gradient``, the default first."""
    tiles = []
    for limit in (64, 128):
        rows, columns = _power(c_in, limit), _power(c_out, limit)
        warps = 8 if rows * columns >= 128 * 128 else 4
        tiles += [Tile(rows, columns, 32, warps), Tile(rows, columns, 32, warps, 7)]
        if not is_wide:
            tiles.append(Tile(rows, columns, 64, warps))
    return _different(tiles)


def packed_tiles(width: int) -> list[Tile]:
    """Candidates of the two packed kernels, the default first."""
    columns = _power(width, 64)
    # More rows or a greater depth run out of registers: what is gathered is not copied ahead.
    return [Tile(64, columns, 32, 4, 3), Tile(32, columns, 32, 4, 3), Tile(128, columns, 16, 4, 3)]


def _power(channels: int, most: int) -> int:
    """The power of two at or above; at least 16, the smallest product of the tensor cores."""
    return min(max(16, 1 << (channels - 1).bit_length()), most)


def _different(tiles: list[Tile]) -> list[Tile]:
    return list(dict.fromkeys(tiles))


class Tuner:
    """Measures candidates at the first use of a key and remembers the fastest.

    It never measures on a CPU, while a CUDA graph is captured, when PyTorch is asked for
    deterministic algorithms, or when the environment says ``UNISON3D_TRITON_TUNE=0``; the first
    candidate is taken then and not remembered.

    Args:
        version: that of Triton; another one makes other code.
        folder: where results are kept, one file per device and version.
        measure: milliseconds of a call, infinite if it cannot run here.
        can_measure: whether a device may be waited for now.
    """

    def __init__(
        self,
        version: str,
        folder: Path | None = None,
        measure: Callable[[Callable[[], object]], float] | None = None,
        can_measure: Callable[[torch.device], bool] | None = None,
    ) -> None:
        self.version = version
        self.folder = cache_folder() if folder is None else folder
        self._measure = measure or _milliseconds
        self._can_measure = can_measure or _can_measure
        self._known: dict[Hashable, Tile] = {}
        self._unmeasured: dict[Hashable, Tile] = {}
        self._files: dict[torch.device, dict[str, Any]] = {}

    def pick(
        self,
        device: torch.device,
        key: tuple[Hashable, ...],
        candidates: Callable[[], Sequence[Tile]],
        run: Callable[[Tile], object],
    ) -> Tile:
        """The candidate to run with.

        Args:
            device: where it runs.
            key: what the choice depends on; its parts are written to the file as text.
            candidates: makes the list when it is needed, the default first.
            run: launches the kernel once.
        """
        place = (device, key)
        tile = self._known.get(place)
        if tile is not None:
            return tile
        if not self._can_measure(device):
            if place not in self._unmeasured:
                self._unmeasured[place] = candidates()[0]
            return self._unmeasured[place]
        tiles = candidates()
        name = '/'.join(map(str, key))
        kept = self._kept(device).get(name)
        # A file is written by whatever version was there: what is not a candidate is measured anew.
        tile = next((t for t in tiles if list(astuple(t)) == kept), None)
        if tile is None:
            times = [self._measure(lambda tile=tile: run(tile)) for tile in tiles]
            tile = tiles[times.index(min(times))]
            if min(times) < math.inf:
                self._keep(device, name, tile)
        self._known[place] = tile
        return tile

    def path(self, device: torch.device) -> Path | None:
        """File of the results of a device; None if there is no place for one."""
        if self.folder is None:
            return None
        name = torch.cuda.get_device_name(device) if device.type == 'cuda' else device.type
        return self.folder / (re.sub(r'[^\w.-]+', '_', f'{name}-{self.version}') + '.json')

    def _kept(self, device: torch.device) -> dict[str, Any]:
        if device not in self._files:
            self._files[device] = _read(self.path(device))
        return self._files[device]

    def _keep(self, device: torch.device, name: str, tile: Tile) -> None:
        # Read again, because another process may have written meanwhile.
        path = self.path(device)
        self._files[device] = {**self._kept(device), **_read(path), name: list(astuple(tile))}
        if path is None:
            return
        try:
            write_json(path, {'format': _FORMAT, 'tiles': self._files[device]})
        except OSError as error:
            self.folder = None
            print_log(
                f'{path}: tuning results cannot be kept ({error}); every start measures anew. '
                'Point XDG_CACHE_HOME at a folder that can be written.',
                logger='current',
            )


def cache_folder() -> Path | None:
    """``$XDG_CACHE_HOME/unison3d/triton`` or the same below ``~/.cache``."""
    root = os.environ.get('XDG_CACHE_HOME')
    if root and os.path.isabs(root):
        return Path(root) / 'unison3d' / 'triton'
    try:
        return Path.home() / '.cache' / 'unison3d' / 'triton'
    except RuntimeError:
        return None


def _read(path: Path | None) -> dict[str, Any]:
    """What a file holds; nothing if it is missing, damaged or of another format."""
    if path is None or not path.is_file():
        return {}
    try:
        content = read_json(path)
    except (FileFormatError, OSError):
        return {}
    if not isinstance(content, dict) or content.get('format') != _FORMAT:
        return {}
    tiles = content.get('tiles')
    return tiles if isinstance(tiles, dict) else {}


def _can_measure(device: torch.device) -> bool:
    return (
        device.type == 'cuda'
        and os.environ.get(SWITCH, '1') != '0'
        and not torch.are_deterministic_algorithms_enabled()
        and not torch.cuda.is_current_stream_capturing()
    )


def _milliseconds(run: Callable[[], object]) -> float:
    import triton.runtime.errors
    import triton.testing

    # Too much shared memory, too many registers, or too little memory to measure in.
    errors = triton.runtime.errors
    refused = (errors.OutOfResources, getattr(errors, 'PTXASError', errors.OutOfResources))
    try:
        return triton.testing.do_bench(run, warmup=2, rep=8, return_mode='median')
    except (*refused, torch.cuda.OutOfMemoryError):
        return math.inf
