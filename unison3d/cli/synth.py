"""``unison3d synth``: write procedural scenes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

# Rooms 0-99 are the test set, 1,000,000 and on are those that training makes for itself.
FIRST_SEED = 2_000_000


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'synth',
        help='write procedural scenes',
        description='Write procedural scenes: labelled scans and sentences about them.',
    )
    worlds = parser.add_subparsers(title='worlds', dest='world', metavar='WORLD', required=True)
    rooms = worlds.add_parser(
        'rooms',
        parents=[common],
        help='furnished rooms',
        description='Write furnished rooms as room_<seed>.ply with labels, and sentences in '
        'room_<seed>.sentences.json. Rooms that are there already are left alone, so an '
        'interrupted job goes on where it stopped.',
    )
    rooms.add_argument('--num', type=int, required=True, help='number of rooms')
    rooms.add_argument('--out', type=Path, required=True, help='folder for the rooms')
    rooms.add_argument(
        '--seed',
        type=int,
        default=FIRST_SEED,
        help=f'seed of the first room. 0 to 99 are reserved for the test. Default: {FIRST_SEED}',
    )
    rooms.add_argument('--workers', type=int, default=1, help='processes. Default: 1')
    rooms.add_argument('--format', choices=('ply', 'npz'), default='ply', help='default: ply')
    rooms.add_argument('--overwrite', action='store_true', help='make existing rooms again')
    rooms.set_defaults(run=run_rooms)
    _add_scans(worlds, common)


def _add_scans(worlds: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    scans = worlds.add_parser(
        'scans',
        parents=[common],
        help='rooms scanned with a simulated depth camera, in the layout of ScanNet',
        description='Walk through furnished rooms with a simulated depth camera, fuse what it '
        'measures to a mesh with holes, and write meshes, superpoints, objects and sentences in '
        'the raw layout of ScanNet. Scans that are there already are left alone, so an '
        'interrupted job goes on where it stopped.',
    )
    scans.add_argument('--num', type=int, required=True, help='number of scans')
    scans.add_argument('--out', type=Path, required=True, help='folder for the scans')
    scans.add_argument(
        '--seed',
        type=int,
        default=FIRST_SEED,
        help=f'seed of the first room. 0 to 99 are reserved for the test. Default: {FIRST_SEED}',
    )
    scans.add_argument(
        '--profile',
        default='rooms',
        help='the world: rooms (one to four rooms), rooms-v1 (single rooms), shifted (made by '
        'another generator, for tests only). Default: rooms',
    )
    scans.add_argument(
        '--grammar',
        default='training',
        help='of the sentences: training or held-out (for tests only). Default: training',
    )
    scans.add_argument('-j', '--workers', type=int, default=1, help='processes. Default: 1')
    scans.add_argument(
        '--frames',
        action='store_true',
        help='write color, depth, pose, instance and part images too',
    )
    scans.add_argument(
        '--image-width',
        type=int,
        default=160,
        help='pixels; more shows thinner things and takes longer. Default: 160',
    )
    scans.add_argument('--overwrite', action='store_true', help='make existing scans again')
    scans.set_defaults(run=run_scans)


def run_rooms(args: argparse.Namespace) -> int:
    """Write rooms and report each."""
    from unison3d.datasets.rooms import write_rooms

    start, made = time.perf_counter(), 0
    rooms = write_rooms(
        args.out,
        args.num,
        seed=args.seed,
        workers=args.workers,
        suffix=f'.{args.format}',
        overwrite=args.overwrite,
    )
    for number, room in enumerate(rooms, start=1):
        made += room.is_new
        what = f'{room.num_points:,} points' if room.is_new else 'already there'
        print(f'[{number}/{args.num}] {room.path}: {what}', flush=True)
    print(f'{made} rooms in {time.perf_counter() - start:.1f} s. Next:')
    print(f'  unison3d infer {args.out}/room_{args.seed:07d}.{args.format} --out out/')
    return 0


def run_scans(args: argparse.Namespace) -> int:
    """Write scans and report each."""
    from unison3d.synth.scan_job import write_scans

    start, made = time.perf_counter(), 0
    scans = write_scans(
        args.out,
        args.num,
        seed=args.seed,
        profile=args.profile,
        grammar=args.grammar,
        workers=args.workers,
        frames=args.frames,
        image_width=args.image_width,
        overwrite=args.overwrite,
    )
    for number, scan in enumerate(scans, start=1):
        made += scan.is_new
        what = 'already there'
        if scan.is_new:
            what = f'{scan.num_points:,} points, {scan.num_objects} objects'
        print(f'[{number}/{args.num}] {scan.path}: {what}', flush=True)
    print(f'{made} scans in {time.perf_counter() - start:.1f} s. Next:')
    print(f'  unison3d prepare scannet --root {args.out} --out processed/')
    return 0
