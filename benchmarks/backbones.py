"""Whole backbones: time with and without gradients, memory, growth, and what bfloat16 costs.

    python benchmarks/backbones.py --scan SCAN.ply [--threads 2] [--voxel-size 0.02]

Every run starts from coordinates: levels and kernel maps of the scene are built anew and counted.
``maps`` is that part alone. ``bf16 error`` is the largest difference of an output to float32 over
the largest output, with random weights. The second table has the unified U-Net on growing numbers
of voxels (procedural rooms) and the exponent of time over voxels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measure import (
    VoxelSet,
    add_common_arguments,
    device_or_none,
    exponent,
    milliseconds,
    peak_extra_megabytes,
    product_rate,
    room_voxels,
    scan_voxels,
)
from torch import Tensor, nn

from unison3d.bench.machine import machine_line
from unison3d.models.backbones import MinkUNet, Res16UNet, SparseUNet
from unison3d.sparse import ENGINES, Kernel, SparseTensor, use_engine

CLASSES = 20
NETWORKS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    'unified U-Net 32-160': (6, SparseUNet),
    'MinkUNet18A': (3, lambda: MinkUNet(arch='18A', final_channels=CLASSES)),
    'MinkUNet34C': (3, lambda: MinkUNet(arch='34C', final_channels=CLASSES)),
    'Res16UNet34C': (3, lambda: Res16UNet(arch='34C')),
}
SIZES = (30_000, 100_000, 300_000, 1_000_000)


def run(
    network: nn.Module,
    voxels: VoxelSet,
    channels: int,
    device: str,
    *,
    gradients: bool = False,
    low_precision: bool = False,
) -> Tensor:
    """One pass from coordinates to features, or to the gradients of all weights."""
    x = voxels.tensor(channels, device)
    with (
        torch.set_grad_enabled(gradients),
        torch.autocast(device, dtype=torch.bfloat16, enabled=low_precision),
    ):
        out = network(x).features
    if gradients:
        out.backward(torch.ones_like(out))
        network.zero_grad()
    return out


def build_maps(x: SparseTensor, kernel_sizes: tuple[int, ...] = (3,)) -> None:
    """All levels and kernel maps of a U-Net of five levels."""
    for size in kernel_sizes:
        x.kernel_map(Kernel.centered(size))
    key = x.key
    for level in range(5):
        x.cache.kernel_map(key, key, Kernel.centered(3))
        if level < 4:
            coarse = x.cache.grid_level(key, Kernel(2, 0), 2)
            x.cache.kernel_map(key, coarse, Kernel(2, 0))
            key = coarse


def network_row(name: str, voxels: VoxelSet, args: argparse.Namespace) -> str:
    """One line of the first table."""
    channels, make = NETWORKS[name]
    torch.manual_seed(0)
    network = make().to(args.device).eval()
    device, repeats = args.device, args.repeats

    def once(**options: bool) -> Callable[[], Tensor]:
        return lambda: run(network, voxels, channels, device, **options)

    forward = milliseconds(once(), device, repeats)
    extra = peak_extra_megabytes(once(), device)
    low = milliseconds(once(low_precision=True), device, repeats)
    exact, rounded = once()(), once(low_precision=True)()
    error = float((rounded.float() - exact).abs().max() / exact.abs().max())
    network.train()
    both = milliseconds(once(gradients=True), device, max(repeats // 2, 1))
    return (
        f'| {name} | {forward:.0f} | {low:.0f} | {error:.1e} | {both:.0f} | {both / forward:.1f} | '
        f'{extra:.0f} |'
    )


def print_networks(voxels: VoxelSet, args: argparse.Namespace) -> None:
    """The first table, once per engine."""
    for engine in args.engines:
        with use_engine(engine):
            print(f'\n{voxels.name}, {len(voxels.coordinates)} voxels, engine {engine}\n')
            print('| network | forward ms | bf16 ms | bf16 error | fwd+bwd ms | ratio | extra MB |')
            print('| --- | ---: | ---: | ---: | ---: | ---: | ---: |')
            for name in args.networks:
                print(network_row(name, voxels, args), flush=True)
    maps = milliseconds(lambda: build_maps(voxels.tensor(1, args.device)), args.device)
    print(f'\nmaps: levels and kernel maps of five levels {maps:.0f} ms')


def print_growth(args: argparse.Namespace) -> None:
    """The second table."""
    channels, make = NETWORKS['unified U-Net 32-160']
    network = make().to(args.device).eval()
    print('\n| voxels | forward ms | us per voxel |\n| ---: | ---: | ---: |')
    times = []
    for count in args.sizes:
        voxels = room_voxels(count)
        repeats = 3 if count < 300_000 else 1
        times.append(
            milliseconds(
                lambda v=voxels: run(network, v, channels, args.device), args.device, repeats
            )
        )
        print(f'| {count} | {times[-1]:.0f} | {times[-1] / count * 1e3:.2f} |', flush=True)
    print(f'\ntime grows with voxels to the power of {exponent(list(args.sizes), times):.2f}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_common_arguments(parser)
    parser.add_argument('--voxel-size', type=float, default=0.02, help='metres')
    parser.add_argument('--networks', nargs='+', choices=[*NETWORKS], default=[*NETWORKS])
    parser.add_argument('--engines', nargs='+', choices=['auto', *ENGINES], default=['auto'])
    parser.add_argument('--sizes', type=int, nargs='*', default=SIZES, help='of the growth table')
    args = parser.parse_args()
    if device_or_none(args) is None:
        return
    print(machine_line(args.device))
    print(f'dense product: {product_rate(torch.float32, args.device):.0f} GFLOP/s in float32')
    voxels = scan_voxels(args.scan, args.voxel_size) if args.scan else room_voxels(args.voxels)
    print_networks(voxels, args)
    if args.sizes:
        print_growth(args)


if __name__ == '__main__':
    main()
