"""A folder of scanned rooms in the layout of ScanNet, written scan by scan.

Beside ``scans/`` lie ``scannetv2-labels.combined.tsv``, the lists ``scannetv2_train.txt`` and
``scannetv2_val.txt`` (every tenth seed), and ``sentences.json``: the sentences with one target, as
ScanRefer has them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from unison3d.errors import ConfigError
from unison3d.io.atomic import atomic_write
from unison3d.io.json_files import read_json, write_json

from .label_table import write_label_table
from .rooms import Room
from .sample import PROFILES, make_room
from .scanned import ScannedScene, scan_scene
from .scannet_layout import write_scan

GRAMMARS = ('training', 'held-out')
_PREFIX = 'synth'


@dataclass(frozen=True)
class WrittenScan:
    """What became of one scan.

    Args:
        path: its folder.
        num_points: vertices; 0 where the scan was there already.
        num_objects: annotated objects; 0 likewise.
        is_new: False where the scan was there already.
    """

    path: Path
    num_points: int
    num_objects: int
    is_new: bool


def write_scans(
    out: str | Path,
    num_scans: int,
    *,
    seed: int = 0,
    profile: str = 'rooms',
    grammar: str = 'training',
    workers: int = 1,
    frames: bool = False,
    image_width: int = 160,
    overwrite: bool = False,
) -> Iterator[WrittenScan]:
    """Scan rooms ``seed .. seed + num_scans - 1`` and write each as soon as it is ready.

    A scan gets its name when it is complete, so a job that was stopped goes on where it was.

    Args:
        out: folder, made if missing.
        num_scans: number of rooms.
        seed: of the first room. The same seed, world, grammar and width give the same files.
        profile: the world, see :func:`unison3d.synth.make_scene`.
        grammar: of the sentences, 'training' or 'held-out'.
        workers: processes.
        frames: write the images too.
        image_width: pixels, a multiple of 4, at least 64; the height is three quarters of it.
            More shows thinner things and takes longer.
        overwrite: scan again what is there already.

    Yields:
        Each scan, in order.

    Raises:
        ConfigError: a number out of range.
    """
    if num_scans < 0 or workers < 1 or seed < 0:
        raise ConfigError(
            f'write_scans: num_scans={num_scans}, workers={workers}, seed={seed}; expected '
            'num_scans >= 0, workers >= 1 and seed >= 0.'
        )
    if profile not in PROFILES or grammar not in GRAMMARS:
        raise ConfigError(
            f'write_scans: profile={profile!r}, grammar={grammar!r}; expected one of {PROFILES} '
            f'and one of {GRAMMARS}.'
        )
    if image_width < 64 or image_width % 4:
        raise ConfigError(
            f'write_scans: image_width={image_width}, expected a multiple of 4 from 64 on.'
        )
    out = Path(out)
    (out / 'scans').mkdir(parents=True, exist_ok=True)
    write_label_table(out / 'scannetv2-labels.combined.tsv')
    write = partial(_write_one, out / 'scans', profile, grammar, frames, image_width, overwrite)
    seeds = range(seed, seed + num_scans)
    with contextlib.ExitStack() as stack:
        run = map
        if workers > 1:
            # spawn: forking a process that has run numba or torch threads can hang.
            context = multiprocessing.get_context('spawn')
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            run = pool.map
        yield from run(write, seeds)
    _write_lists(out)


def make_scan(
    seed: int, *, profile: str = 'rooms', image_width: int = 160, keep_frames: bool = False
) -> tuple[Room, ScannedScene, np.random.Generator]:
    """Room and scan of a seed, and a generator for whatever is drawn about them afterwards."""
    room_seed, scan_seed, text_seed = np.random.SeedSequence([seed, 1]).spawn(3)
    room = make_room(profile, np.random.default_rng(room_seed))
    scan = scan_scene(
        room,
        np.random.default_rng(scan_seed),
        image_size=(image_width, image_width * 3 // 4),
        keep_frames=keep_frames,
    )
    return room, scan, np.random.default_rng(text_seed)


def _write_one(
    scans: Path,
    profile: str,
    grammar: str,
    frames: bool,
    image_width: int,
    overwrite: bool,
    seed: int,
) -> WrittenScan:
    name = f'{_PREFIX}{seed:07d}_00'
    folder = scans / name
    complete = folder.exists() and ((folder / 'color').is_dir() or not frames)
    if complete and not overwrite:
        return WrittenScan(folder, 0, 0, is_new=False)
    # What a killed job left behind.
    for rest in scans.glob(f'.{name}.*'):
        shutil.rmtree(rest)
    room, scan, rng = make_scan(seed, profile=profile, image_width=image_width, keep_frames=frames)
    unfinished = scans / f'.{name}.{os.getpid()}'
    try:
        count = write_scan(unfinished, name, room, scan, rng, grammar=grammar)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return WrittenScan(folder, len(scan), count, is_new=True)


def _write_lists(out: Path) -> None:
    """The files about all scans that are there."""
    names = sorted(path.name for path in (out / 'scans').glob(f'{_PREFIX}*_00'))
    lists = {'train': [], 'val': []}
    rows = []
    for name in names:
        number = int(name.removeprefix(_PREFIX).removesuffix('_00'))
        lists['val' if number % 10 == 9 else 'train'].append(name)
        rows += read_json(out / 'scans' / name / f'{name}.sentences.json')
    for split, members in lists.items():
        with atomic_write(out / f'scannetv2_{split}.txt', 'w') as file:
            file.writelines(f'{name}\n' for name in members)
    write_json(out / 'sentences.json', [row for row in rows if 'object_id' in row])
