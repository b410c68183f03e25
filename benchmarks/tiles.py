"""Scans in tiles: memory and time on a large procedural building, agreement on a crop of it.

    python benchmarks/tiles.py make building.ply --points 20e6 --passes 4
    python benchmarks/tiles.py run building.ply --out work_dirs/tiles
    python benchmarks/tiles.py agree --points 1e6 --out work_dirs/agreement

``make`` writes a storey of furnished rooms side by side, room after room, so that no more than one
is in memory. ``--rooms`` different rooms are scanned, and come again turned by quarters and
mirrored; ``--passes`` walks of the scanner over a room give so many times the points, each with
noise of its own (3 mm). ``run`` segments a file in tiles in a process of its own, and prints time
by step and the peak of its memory. ``agree`` makes a crop with its ground truth and compares:

``untiled``          one pass over the whole crop, as ``unison3d infer`` does
``untiled windows``  superpoints and network over the whole crop, decoded in windows of 8 m
``tiled``            tiles of 8 m, decoded in windows of 8 m, the default of ``--tile 8m``
``tiled, all``       tiles of 8 m, decoded at once (``--decode-window all``)

The agreement of A with B is the share of the objects of B (panoptic map) of which A has an object
with an IoU over points of at least 0.9. Against the ground truth an object counts at 0.5, and its
class plays no part.

What was learned: see docs/large_scenes.md.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unison3d.io.npy import read_npz_arrays, write_npz
from unison3d.io.pieces import write_ply_pieces
from unison3d.io.ply import write_ply

SPACING = 0.016
PASS_NOISE = 0.003
WALL = 0.15
#: Points that a pass over a room gives, for a first guess of the width of the building.
PER_SQUARE_METRE = 3000


def scanned_rooms(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Different rooms with their corner at zero: points, colours, classes, objects."""
    from unison3d.synth.sample import make_room
    from unison3d.synth.scan import scan_room

    rooms = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        room = make_room('rooms-v1', rng)
        scan = scan_room(room, rng, spacing=SPACING, max_points=120_000)
        named = np.array([thing.name != '' for thing in room.objects])[scan.objects]
        points = scan.points.copy()
        low = room.polygon.min(axis=0)
        points[:, :2] -= low
        rooms.append(
            {
                'points': points,
                'colors': scan.colors,
                'semantic': np.array([thing.semantic for thing in room.objects])[scan.objects],
                'instances': np.where(named, scan.objects, -1),
                'size': room.polygon.max(axis=0) - low,
            }
        )
    return rooms


def pose(room: dict[str, np.ndarray], number: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and size of a room turned by quarters and mirrored, in one of eight ways."""
    points, size = room['points'].copy(), room['size'].copy()
    if number & 1:
        points[:, 0] = size[0] - points[:, 0]
    if number & 2:
        points[:, 1] = size[1] - points[:, 1]
    if number & 4:
        points[:, :2], size = points[:, 1::-1].copy(), size[::-1].copy()
    return points, size


def building(
    num_points: int, seed: int, num_rooms: int, passes: int
) -> Iterator[dict[str, np.ndarray]]:
    """Rooms in rows, one after the other, exactly ``num_points`` in all."""
    rooms = scanned_rooms(num_rooms, seed)
    width = np.sqrt(num_points / passes / PER_SQUARE_METRE)
    x = y = deep = 0.0
    left, number, objects = num_points, 0, 0
    while left:
        room, rng = rooms[number % num_rooms], np.random.default_rng([seed, 1, number])
        points, size = pose(room, number // num_rooms % 8)
        if x > 0 and x + size[0] > width:
            x, y, deep = 0.0, y + deep + WALL, 0.0
        points[:, :2] += [x, y]
        x, deep = x + size[0] + WALL, max(deep, size[1])
        for _ in range(passes):
            moved = points + rng.normal(0, PASS_NOISE, points.shape) * (passes > 1)
            taken = slice(min(left, len(points)))
            ids = room['instances'][taken]
            yield {
                'points': moved.astype(np.float32)[taken],
                'colors': room['colors'][taken],
                'semantic': room['semantic'][taken],
                'instances': np.where(ids >= 0, ids + objects, -1),
            }
            left -= len(ids)
            if not left:
                return
        objects += int(room['instances'].max()) + 1
        number += 1


def make(args: argparse.Namespace) -> None:
    """Write a building."""
    count = int(args.points)
    pieces = building(count, args.seed, args.rooms, args.passes)
    named = ({'points': p['points'], 'colors': p['colors']} for p in pieces)
    print(f'written: {write_ply_pieces(args.scan, count, named)}')


def run(args: argparse.Namespace) -> None:
    """Segment in tiles, in a fresh process, and print what it took."""
    start = time.perf_counter()
    command = [sys.executable, '-m', 'unison3d', 'infer', str(args.scan), '--out', str(args.out)]
    subprocess.run([*command, '--tile', args.tile], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f'peak memory {peak:.2f} GiB, {time.perf_counter() - start:.0f} s')


def agree(args: argparse.Namespace) -> None:
    """Compare on a crop."""
    from unison3d.apis import Segmenter
    from unison3d.apis.tiles import TileOptions, segment_tiles

    args.out.mkdir(parents=True, exist_ok=True)
    truth_file, scan = args.out / 'truth.npz', args.out / 'crop.ply'
    if not truth_file.is_file():
        pieces = list(building(int(args.points), args.seed, args.rooms, 1))
        joined = {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}
        write_ply(scan, joined.pop('points'), colors=joined.pop('colors'))
        write_npz(truth_file, joined)
    truth = read_npz_arrays(truth_file)
    segmenter = Segmenter.from_pretrained(args.weights, device=args.device)
    options = {
        'untiled windows': TileOptions(1000.0, 1.5, 8.0),
        'tiled': TileOptions(8.0, 1.5),
        'tiled, all': TileOptions(8.0, 1.5, np.inf),
    }
    found = {'untiled': _untiled(segmenter, scan, args.out / 'untiled')}
    for name, how in options.items():
        folder = args.out / ('untiled_tiles' if how.tile > 100 else 'tiled')
        if args.only is None or name in args.only:
            tasks = ['semantic', 'panoptic']
            segment_tiles(segmenter, scan, folder, how, tasks=tasks, overwrite=True, keep_work=True)
            found[name] = _objects(read_npz_arrays(folder / 'result.npz'))
    for name, (objects, semantic) in found.items():
        recall, quality = against_truth(objects, truth['instances'])
        right = (semantic == truth['semantic'])[truth['semantic'] < 20].mean()
        print(
            f'{name:16s} {len(np.unique(objects)) - 1:5d} objects; ground truth: recall '
            f'{recall:.3f}, PQ {quality:.3f}, points of the right class {right:.3f}'
        )
    for first, second in (
        ('tiled, all', 'untiled'),
        ('tiled', 'untiled windows'),
        ('tiled', 'untiled'),
        ('untiled windows', 'untiled'),
    ):
        if first in found and second in found:
            best = best_overlaps(found[second][0], found[first][0])
            print(
                f'{first} has {np.mean(best >= 0.9):.3f} of the objects of {second} at IoU 0.9, '
                f'{np.mean(best >= 0.5):.3f} at 0.5 ({len(best)} objects)'
            )


def _untiled(segmenter, scan: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    file = folder / 'untiled.npz'
    if not file.is_file():
        segmenter.set_scene(scan)
        write_npz(file, segmenter.predict(['semantic', 'panoptic']).arrays())
    return _objects(read_npz_arrays(file))


def _objects(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Object of every point, -1 for none, and its class."""
    things = arrays['panoptic_semantic'] > 1
    return np.where(things, arrays['panoptic_instance'], -1), arrays['semantic']


def best_overlaps(reference: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Best IoU that ``other`` has for each object of ``reference``."""
    names, a = np.unique(reference, return_inverse=True)
    others, b = np.unique(other, return_inverse=True)
    table = np.zeros((len(names), len(others)))
    np.add.at(table, (a, b), 1)
    iou = table / (table.sum(1)[:, None] + table.sum(0)[None] - table)
    return iou[names >= 0][:, others >= 0].max(axis=1, initial=0)


def against_truth(objects: np.ndarray, truth: np.ndarray, least: int = 100) -> tuple[float, float]:
    """Recall at IoU 0.5 and panoptic quality, whatever the class."""
    ids, counts = np.unique(truth, return_counts=True)
    truth = np.where(np.isin(truth, ids[counts >= least]), truth, -1)
    best = best_overlaps(truth, objects)
    hits, found = best[best > 0.5], len(np.unique(objects)) - 1
    return len(hits) / len(best), hits.sum() / (0.5 * len(best) + 0.5 * found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest='part', required=True)
    for name, function in (('make', make), ('run', run), ('agree', agree)):
        part = parts.add_parser(name)
        part.set_defaults(function=function)
        if name != 'agree':
            part.add_argument('scan', type=Path)
        if name != 'make':
            part.add_argument('--out', type=Path, required=True)
        if name != 'run':
            part.add_argument('--points', type=float, default=1e6)
            part.add_argument('--seed', type=int, default=0)
            part.add_argument('--rooms', type=int, default=12, help='different ones')
        if name == 'make':
            part.add_argument('--passes', type=int, default=1)
        if name == 'run':
            part.add_argument('--tile', default='8m')
        if name == 'agree':
            part.add_argument('--weights', type=Path)
            part.add_argument('--device', default='cpu')
            part.add_argument('--only', nargs='+', help='of the ways in tiles')
    args = parser.parse_args()
    args.function(args)


if __name__ == '__main__':
    main()
