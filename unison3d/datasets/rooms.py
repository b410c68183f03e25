"""Procedural rooms as files: one room per unit, so that the job can stop and go on at any time."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from unison3d.errors import ConfigError
from unison3d.io.json_files import write_json


@dataclass(frozen=True)
class WrittenRoom:
    """What became of one room.

    Args:
        path: the scan.
        num_points: points in it; 0 where the room was there already.
        is_new: False where the room was there already.
    """

    path: Path
    num_points: int
    is_new: bool


def write_rooms(
    out: str | Path,
    num_rooms: int,
    *,
    seed: int = 0,
    workers: int = 1,
    suffix: Literal['.ply', '.npz'] = '.ply',
    overwrite: bool = False,
) -> Iterator[WrittenRoom]:
    """Make rooms ``seed .. seed + num_rooms - 1`` and write each as soon as it is ready.

    A room is ``room_<seed>.ply`` with colours, normals, semantic, instance and part ids, and
    ``room_<seed>.sentences.json`` beside it. The scan is written last, so that a room with a scan
    is complete. Rooms that are complete already are left alone.

    Args:
        out: folder, made if missing.
        num_rooms: number of rooms.
        seed: of the first room. The same seed gives the same file.
        workers: processes.
        suffix: format of the scan.
        overwrite: make rooms again that are there already.

    Yields:
        Each room, in order.

    Raises:
        ConfigError: a number out of range.
    """
    if num_rooms < 0 or workers < 1 or seed < 0:
        raise ConfigError(
            f'write_rooms: num_rooms={num_rooms}, workers={workers}, seed={seed}; expected '
            'num_rooms >= 0, workers >= 1 and seed >= 0.'
        )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write = partial(_write_room, out, suffix, overwrite)
    seeds = range(seed, seed + num_rooms)
    if workers == 1:
        yield from map(write, seeds)
        return
    # spawn: forking a process that has run numba or torch threads can hang.
    context = multiprocessing.get_context('spawn')
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        yield from pool.map(write, seeds)


def _write_room(out: Path, suffix: str, overwrite: bool, seed: int) -> WrittenRoom:
    from unison3d.structures import PointScene
    from unison3d.synth import make_scene

    path = out / f'room_{seed:07d}{suffix}'
    if path.exists() and not overwrite:
        return WrittenRoom(path, 0, is_new=False)
    room = make_scene(seed)
    sentences = [
        {'text': s.text, 'targets': [int(t) for t in s.targets], 'kind': s.kind}
        for s in room.sentences
    ]
    write_json(out / f'{path.stem}.sentences.json', sentences)
    scene = PointScene.from_arrays(
        room.points,
        room.colors,
        normals=room.normals,
        semantic_ids=room.semantic,
        instance_ids=room.instances,
        part_ids=room.parts,
        instance_names=tuple(room.instance_names),
        name=path.stem,
    )
    scene.save(path)
    return WrittenRoom(path, len(scene), is_new=True)
