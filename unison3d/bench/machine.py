"""What a machine is, and what it can do at best."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

RATE_SIZE = 2048
COPY_BYTES = 2**28


@dataclass(frozen=True)
class Machine:
    """What a machine can do: products in FLOP/s, copies in bytes/s (read and written)."""

    products: float
    copies: float

    @classmethod
    def measured(cls, device: str, clock: Callable[[], float] = time.perf_counter) -> Machine:
        """The rates of this machine in this process."""
        source = torch.ones(COPY_BYTES // 4, device=device)
        target = torch.empty_like(source)
        copy = _fastest(lambda: target.copy_(source), device, clock)
        left = torch.ones(RATE_SIZE, RATE_SIZE, device=device)
        product = _fastest(lambda: left @ left, device, clock)
        return cls(2 * RATE_SIZE**3 / product, 2 * COPY_BYTES / copy)

    def seconds(self, flops: float, size: float) -> float:
        """Floor of one operation."""
        return max(flops / self.products, size / self.copies)


def _fastest(run: Callable[[], object], device: str, clock: Callable[[], float]) -> float:
    durations = []
    for _ in range(5):
        synchronize(device)
        start = clock()
        run()
        synchronize(device)
        durations.append(clock() - start)
    return min(durations)


def synchronize(device: str) -> None:
    """Wait for the device, such as ``'cpu'`` or ``'cuda:1'``."""
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def machine_line(device: str) -> str:
    """What the numbers were measured on."""
    threads = f'{torch.get_num_threads()} thread(s)'
    is_gpu = torch.device(device).type == 'cuda'
    name = torch.cuda.get_device_name(device) if is_gpu else _processor()
    return f'{name}, {threads}, torch {torch.__version__}, Python {platform.python_version()}'


def _processor() -> str:
    facts = Path('/proc/cpuinfo')
    if not facts.is_file():
        return platform.processor()
    lines = dict(
        map(str.strip, line.split(':', 1))
        for line in facts.read_text().split('\n\n')[0].splitlines()
        if ':' in line
    )
    kind = f'family {lines.get("cpu family")} model {lines.get("model")}'
    return f'{lines.get("model name", platform.machine())} ({kind})'


def peak_gigabytes() -> float:
    """Largest resident memory of this process so far; NaN where the system does not tell."""
    if platform.system() == 'Windows':
        return float('nan')
    import resource  # Windows has none.

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if platform.system() == 'Darwin' else 2**20)
