"""Procedural rooms: time, points and memory; of the depth camera's also what segments cost.

    python benchmarks/scanned_rooms.py --num 50                          # raw scans of the camera
    python benchmarks/scanned_rooms.py --num 100 --scene samples         # fast scenes
    python benchmarks/scanned_rooms.py --num 1000 --scene samples        # is memory flat?

Time is processor time of one process after a first room, which loads compiled code. Other
processes on the same cores make it longer, up to twice, so compare two versions in turn.

What took the time of a fast scene, and what was done about it without changing a bit of it:

- Numpy's reductions and look-ups of rows (N, 3) were a third of it: columns one by one are three to
  twenty times as fast (``synth/rows.py``).
- Two thirds of the samples are never seen. They get a place and a normal, and no more.
- A view skips half-metre cells that are not before it, and finds the samples of the others side by
  side in memory.
- Furniture is tried at thousands of places; those tests are compiled.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from unison3d.superpoints import segment_mesh
from unison3d.synth import make_scene
from unison3d.synth.scan_job import make_scan
from unison3d.synth.scannet_layout import objects_of_segments


def resident() -> float:
    """Memory in use, MiB; NaN where the system does not tell."""
    status = Path('/proc/self/statm')
    return int(status.read_text().split()[1]) / 256 if status.is_file() else float('nan')


def measure_scenes(args: argparse.Namespace) -> None:
    """Time and memory of ``make_scene``, sentences included, every 100 scenes."""
    options = {'profile': args.profile, 'scanner': args.scene}
    make_scene(args.seed + args.num, **options)
    seconds, points, memory = [], [], []
    for index in range(args.num):
        start = time.process_time()
        scene = make_scene(args.seed + index, **options)
        seconds.append(time.process_time() - start)
        points.append(len(scene.points))
        memory.append(resident())
        if (index + 1) % 100 == 0 or index + 1 == args.num:
            done = slice(max(0, index - 99), index + 1)
            print(
                f'  {index + 1:5d} scenes: {1 / np.mean(seconds[done]):.2f} per second, '
                f'{np.mean(points[done]):,.0f} points, {memory[-1]:,.0f} MiB '
                f'({np.max(memory):,.0f} MiB at most so far)',
                flush=True,
            )
    middle = np.flatnonzero((np.array(points) >= 30_000) & (np.array(points) <= 35_000))
    print(f'{args.num} scenes of {args.profile}, scanner {args.scene}')
    print(f'  seconds per scene       {np.mean(seconds):.2f} (slowest {np.max(seconds):.2f})')
    print(f'  scenes per second       {1 / np.mean(seconds):.2f}')
    if len(middle):
        print(
            f'  30k to 35k points       {1 / np.mean(np.array(seconds)[middle]):.2f} scenes per '
            f'second ({len(middle)} scenes)'
        )
    print(f'  points                  {np.mean(points):,.0f} (median {np.median(points):,.0f})')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--num', type=int, default=50, help='rooms')
    parser.add_argument('--seed', type=int, default=3_000_000)
    parser.add_argument('--profile', default='rooms')
    parser.add_argument('--image-width', type=int, default=160)
    parser.add_argument(
        '--scene',
        choices=('samples', 'camera'),
        help='measure make_scene with this scanner instead of raw scans',
    )
    args = parser.parse_args()
    if args.scene:
        measure_scenes(args)
        return
    options = {'profile': args.profile, 'image_width': args.image_width}
    make_scan(args.seed + args.num, **options)
    seconds, vertices, wrong, lost, unknown, memory = [], [], [], [], [], []
    for seed in range(args.seed, args.seed + args.num):
        start = time.process_time()
        _, scan, _ = make_scan(seed, **options)
        seconds.append(time.process_time() - start)
        vertices.append(len(scan))
        segments = segment_mesh(scan.vertices, scan.faces)
        owner = objects_of_segments(segments, scan.objects)
        known = scan.objects >= 0
        wrong.append(np.mean(owner[segments][known] != scan.objects[known]))
        things, counts = np.unique(scan.objects[known], return_counts=True)
        things = things[counts >= 40]
        lost.append(np.mean(~np.isin(things, owner)))
        unknown.append(1 - known.mean())
        memory.append(resident())
    order = np.argsort(vertices)
    small = order[: len(order) // 2]
    print(f'{args.num} scenes of {args.profile}, images {args.image_width} pixels wide')
    print(f'  seconds per room        {np.mean(seconds):.2f} (slowest {np.max(seconds):.2f})')
    print(f'  rooms per second        {1 / np.mean(seconds):.2f}')
    print(f'  vertices                {np.mean(vertices):,.0f} (median {np.median(vertices):,.0f})')
    print(
        f'  smaller half            {np.mean(np.array(vertices)[small]):,.0f} vertices, '
        f'{1 / np.mean(np.array(seconds)[small]):.2f} rooms per second'
    )
    print(f'  unknown vertices        {100 * np.mean(unknown):.1f} %')
    print(f'  changed by segments     {100 * np.mean(wrong):.1f} % of the known vertices')
    print(f'  objects without segment {100 * np.mean(lost):.1f} % of those of 40 vertices or more')
    tenth = max(1, args.num // 10)
    print(
        f'  memory                  {np.mean(memory[:tenth]):,.0f} MiB at first, '
        f'{np.mean(memory[-tenth:]):,.0f} MiB at last, {np.max(memory):,.0f} MiB at most'
    )


if __name__ == '__main__':
    main()
