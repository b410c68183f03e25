"""What the benchmarks share: voxels to work on, times, memory, the rate of a matrix product."""

from __future__ import annotations

import argparse
import ctypes
import gc
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unison3d.bench.machine import RATE_SIZE, synchronize
from unison3d.sparse import SparseTensor, voxelize
from unison3d.structures import PointScene
from unison3d.synth import make_scene

_RESET_PEAK = Path('/proc/self/clear_refs')


@dataclass(frozen=True)
class VoxelSet:
    """Voxels of a scan or of procedural rooms.

    Attributes:
        name: for the table.
        coordinates: int32, (V, 4), sorted.
        batch_size: scenes.
    """

    name: str
    coordinates: Tensor
    batch_size: int = 1

    def tensor(self, channels: int, device: str, *, multiple: int = 16) -> SparseTensor:
        """Random features at the voxels, with a fresh cache."""
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(len(self.coordinates), channels, generator=generator)
        extent = self.coordinates[:, 1:].amax(0) + 1
        shape = tuple(-(-int(n) // multiple) * multiple for n in extent)
        coordinates = self.coordinates.to(device)
        return SparseTensor(features.to(device), coordinates, shape, self.batch_size)


def scan_voxels(path: Path, voxel_size: float) -> VoxelSet:
    """Voxels of a scan file."""
    points = torch.from_numpy(PointScene.from_file(path).points)
    indices = ((points - points.amin(0)) / voxel_size).floor().to(torch.int64)
    return VoxelSet(f'{path.stem} {voxel_size * 100:.0f} cm', voxelize(indices).coordinates)


def room_voxels(count: int, voxel_size: float = 0.02, first_seed: int = 0) -> VoxelSet:
    """The first ``count`` voxels of as many procedural rooms as that takes, one scene each."""
    found: list[Tensor] = []
    total = 0
    while total < count:
        scene = make_scene(first_seed + len(found), spacing=voxel_size, max_points=1 << 20)
        points = torch.from_numpy(scene.points)
        indices = ((points - points.amin(0)) / voxel_size).floor().to(torch.int64)
        batch = torch.full((len(indices),), len(found))
        found.append(voxelize(indices, batch).coordinates)
        total += len(found[-1])
    coordinates = torch.cat(found)[:count]
    return VoxelSet(f'{len(found)} rooms {voxel_size * 100:.0f} cm', coordinates, len(found))


def milliseconds(run: Callable[[], object], device: str = 'cpu', repeats: int = 5) -> float:
    """The best of some runs: what disturbs a run on a shared machine only ever adds time."""
    run()
    best = float('inf')
    for _ in range(repeats):
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def product_rate(dtype: torch.dtype, device: str = 'cpu') -> float:
    """GFLOP/s of one large dense product in this run."""
    left = torch.randn(RATE_SIZE, RATE_SIZE, device=device).to(dtype)
    repeats = 5 if has_fast_products(dtype, device) else 1
    duration = milliseconds(lambda: left @ left, device, repeats)
    return 2 * RATE_SIZE**3 / duration / 1e6


def has_fast_products(dtype: torch.dtype, device: str = 'cpu') -> bool:
    """Whether the processor multiplies the type itself; else torch takes a hundred times longer."""
    if dtype != torch.bfloat16 or device != 'cpu':
        return True
    return bool(torch.cpu.get_capabilities().get('avx512_bf16', False))


def peak_extra_megabytes(run: Callable[[], object], device: str = 'cpu') -> float:
    """Memory that a run takes on top of what is held before it; NaN where that cannot be told."""
    if device != 'cpu':
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    if platform.system() != 'Linux':
        return float('nan')
    run()
    gc.collect()
    # Memory that was freed but kept would hide what the run needs.
    ctypes.CDLL(None).malloc_trim(0)
    _RESET_PEAK.write_text('5')
    before = _status_megabytes('VmRSS')
    run()
    return max(_status_megabytes('VmHWM') - before, 0.0)


def _status_megabytes(field: str) -> float:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def exponent(counts: list[int], times: list[float]) -> float:
    """Slope of log time over log count."""
    return float(np.polyfit(np.log(counts), np.log(times), 1)[0])


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every benchmark of the sparse convolution."""
    parser.add_argument('--scan', type=Path, help='a real scan, such as *_vh_clean_2.ply')
    parser.add_argument('--voxels', type=int, default=80_000, help='of procedural rooms')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda'")
    parser.add_argument('--repeats', type=int, default=5, help='the best of these counts')


def device_or_none(args: argparse.Namespace) -> str | None:
    """The device asked for; None, after saying so, where it does not exist."""
    torch.set_num_threads(args.threads)
    if args.device != 'cpu' and not _has_gpu(torch.device(args.device)):
        print(f'{args.device}: not measured, no such device here')
        return None
    return args.device


def _has_gpu(device: torch.device) -> bool:
    return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
