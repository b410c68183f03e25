"""Single sparse convolutions: time, rate, and memory of every engine.

    python benchmarks/sparse_conv.py --scan SCAN.ply [--threads 2] [--engines cpu torch spconv]

Forward, and forward with both gradients, of the layers of real networks, on voxels of a real scan
at 2, 4 and 5 cm and of procedural rooms. ``share`` is the rate over that of one large dense product
in the same run and type (of float32 where the processor has no products of bfloat16); ``extra`` is
the memory of one forward pass on top of its input and the kernel map. Engines that refuse are
listed with their reason. Without ``--scan`` only rooms are measured.

What was learned, each on two cores of a Zen 3:

- Gather, dense product and scatter as three steps leave two thirds of the time in memory. Doing the
  three in one register tile reaches 55 to 76 % of the dense rate at 32 channels, 73 to 95 % above.
- Zeros are the waste of im2col: 3 to 15 of 27 neighbours of a surface voxel are active.
- Blocks of 512 outputs, all cells inside a block: the sums stay in the second-level cache. Clearing
  a block just before it is used and ReLU in place together took a sixth off a whole network.
- The weight gradient is the same tile once gathered rows are packed. Walking cell by cell it read
  both sides 27 times from memory; stretches of 4096 outputs, with sums of their own, brought it to
  1.0 (160 channels) to 1.2 times (64 channels) the forward pass. At 32 channels packing was a third
  of it: there a tile that reads both sides through the row numbers wins (1.5 to 1.3 times). Wider
  rows fall on few sets of the first-level cache when their stride is a power of two, and packing
  wins again. Prefetching the next rows and packing only one side gained nothing.
- A thread pool of our own fights torch's spinning OpenMP threads for the cores; a parallel region
  of the same runtime does not.
- bfloat16 without the processor's help: torch's product is a hundred times slower than float32, so
  it is widened to float32: slower in single layers (1.0 to 1.7 times), level in whole networks.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from measure import (
    VoxelSet,
    add_common_arguments,
    device_or_none,
    has_fast_products,
    milliseconds,
    peak_extra_megabytes,
    product_rate,
    room_voxels,
    scan_voxels,
)

from unison3d.bench.machine import machine_line
from unison3d.errors import ConfigError, MissingDependencyError
from unison3d.sparse import ENGINES, Kernel, KernelMap, sparse_conv, use_engine
from unison3d.sparse.engines import select_engine

VOXEL_SIZES = (0.02, 0.04, 0.05)


@dataclass(frozen=True)
class Layer:
    """One layer shape; ``kind`` is how its kernel map is made."""

    kind: str
    in_channels: int
    out_channels: int


LAYERS = (
    Layer('subm k3', 32, 32),
    Layer('subm k3', 64, 64),
    Layer('subm k3', 96, 96),
    Layer('subm k3', 160, 160),
    Layer('subm k3', 256, 256),
    Layer('down k2', 32, 64),
    Layer('up k2', 64, 32),
    Layer('stem k5', 3, 32),
)


def kernel_map_of(kind: str, voxels: VoxelSet, device: str) -> KernelMap:
    """Build the map of a kind of layer."""
    x = voxels.tensor(1, device)
    if kind == 'subm k3':
        return x.kernel_map(Kernel.centered(3))
    if kind == 'stem k5':
        return x.kernel_map(Kernel.centered(5, x_fastest=True))
    kernel = Kernel(2, 0)
    down = x.kernel_map(kernel, x.cache.grid_level(x.key, kernel, 2))
    return down if kind == 'down k2' else down.transposed()


def measure(
    layer: Layer, kernel_map: KernelMap, dtype: torch.dtype, args: argparse.Namespace
) -> tuple[float, float, float]:
    """Milliseconds forward, forward and backward (NaN if refused), megabytes of a forward pass."""
    generator = torch.Generator().manual_seed(0)
    shape = (kernel_map.num_inputs, layer.in_channels)
    features = torch.randn(shape, generator=generator).to(args.device, dtype)
    weight = torch.randn(
        (kernel_map.num_cells, layer.in_channels, layer.out_channels), generator=generator
    ).to(args.device, dtype)
    cotangent = torch.randn((kernel_map.num_outputs, layer.out_channels), generator=generator).to(
        args.device, dtype
    )

    def forward() -> None:
        with torch.no_grad():
            sparse_conv(features, weight, kernel_map)

    def both() -> None:
        leaves = features.detach().requires_grad_(), weight.detach().requires_grad_()
        sparse_conv(*leaves, kernel_map).backward(cotangent)

    alone = milliseconds(forward, args.device, args.repeats)
    extra = peak_extra_megabytes(forward, args.device)
    try:
        together = milliseconds(both, args.device, args.repeats)
    except (ConfigError, RuntimeError, AssertionError):
        together = float('nan')  # The peer has no backward pass here.
    return alone, together, extra


def print_table(voxels: VoxelSet, dtype: torch.dtype, args: argparse.Namespace) -> None:
    """All layers and engines on one set of voxels."""
    rate = product_rate(dtype, args.device)
    if not has_fast_products(dtype, args.device):
        rate = product_rate(torch.float32, args.device)
    name = str(dtype).removeprefix('torch.')
    print(
        f'\n{voxels.name}, {len(voxels.coordinates)} voxels, {name}, product {rate:.0f} GFLOP/s\n'
    )
    print('| layer | neighbours | engine | forward ms | GFLOP/s | share | fwd+bwd ms | extra MB |')
    print('| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |')
    for layer in LAYERS:
        kernel_map = kernel_map_of(layer.kind, voxels, args.device)
        pairs = kernel_map.pairs.starts[-1]
        work = 2 * pairs * layer.in_channels * layer.out_channels / 1e6
        shape = f'{layer.kind} {layer.in_channels}-{layer.out_channels}'
        neighbours = f'{pairs / kernel_map.num_outputs:.1f}'
        for engine in args.engines or ENGINES:
            if engine == 'torch' and not has_fast_products(dtype, args.device):
                continue
            probe = torch.zeros(0, dtype=dtype, device=args.device)
            try:
                with use_engine(engine):
                    select_engine(probe, probe, kernel_map)
            except (ConfigError, MissingDependencyError) as error:
                args.refused.add(str(error))
                continue
            with use_engine(engine):
                forward, both, extra = measure(layer, kernel_map, dtype, args)
            print(
                f'| {shape} | {neighbours} | {engine} | {forward:.1f} | {work / forward:.0f} | '
                f'{work / forward / rate:.0%} | {both:.1f} | {extra:.0f} |'
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_common_arguments(parser)
    parser.add_argument('--engines', nargs='+', choices=[*ENGINES], help='default: all that run')
    parser.add_argument(
        '--dtypes', nargs='+', default=['float32', 'bfloat16'], help='of the features and weights'
    )
    args = parser.parse_args()
    args.refused = set()
    if device_or_none(args) is None:
        return
    print(machine_line(args.device))
    sets = [scan_voxels(args.scan, size) for size in VOXEL_SIZES] if args.scan else []
    for voxels in (*sets, room_voxels(args.voxels)):
        for dtype in args.dtypes:
            print_table(voxels, getattr(torch, dtype), args)
    for reason in sorted(args.refused):
        print(f'\nnot measured: {reason}')


if __name__ == '__main__':
    main()
