"""One scanned room as the files of a ScanNet scan.

==========================================  ======================================================
file in ``scans/<scan>/``                   content
==========================================  ======================================================
``<scan>_vh_clean_2.ply``                   mesh with colours
``<scan>_vh_clean_2.0.010000.segs.json``    superpoint of every vertex
``<scan>.aggregation.json``                 objects, their labels and segments
``<scan>.txt``                              ``axisAlignment``, which undoes the turn of the scan
``<scan>_exact_labels.ply``                 semantic, instance and part id of every vertex, as seen
``<scan>.parts.json``                       ``objectId`` and name of every part id
``<scan>.sentences.json``                   sentences with any number of targets
``color/ depth/ pose/ intrinsic/``          images, if asked for: jpg, 16-bit png in millimetres,
                                            camera to world as 4 x 4 text
``instance/ part/``                         16-bit png: ``objectId`` + 1 and part id + 1, 0 is none
==========================================  ======================================================

As in ScanNet, an object consists of whole segments. A segment goes to the object that most of its
vertices show, or to none, so the labels of a segment that spans two objects are wrong in part;
``<scan>_exact_labels.ply`` has them as they were seen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from unison3d.io.atomic import atomic_path, atomic_write
from unison3d.io.json_files import write_json
from unison3d.io.ply import write_ply
from unison3d.superpoints import segment_mesh

from .catalog import ALL_FURNITURE, FURNITURE
from .facts import Facts
from .label_table import label_ids, raw_name
from .materials import COLOR_NAMES
from .rooms import Room
from .scanned import ScannedScene
from .sentences import Sentence, write_sentences

MIN_VERTICES = 40  # fewer do not make an object to talk about


def turned_frame(rng: np.random.Generator) -> np.ndarray:
    """A scan's own frame: turned about the vertical and moved; float64 (4, 4), room to scan."""
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    frame = np.eye(4)
    frame[:2, :2] = [[c, -s], [s, c]]
    frame[:3, 3] = *rng.uniform(1, 6, 2), rng.uniform(-0.1, 0.1)
    return frame


def objects_of_segments(segments: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Object that most vertices of a segment show; int64 (S,), -1 where most show none.

    Args:
        segments: int64, (V,), ids 0..S-1.
        objects: int32, (V,), -1 is none.
    """
    if len(segments) == 0:
        return np.zeros(0, np.int64)
    width = int(objects.max()) + 2
    pairs, counts = np.unique(segments * width + objects + 1, return_counts=True)
    # Of the pairs of a segment the most frequent comes last; of equal ones the lower id.
    order = np.lexsort((-pairs, counts, pairs // width))
    last = np.flatnonzero(np.diff(pairs[order] // width, append=-1))
    return pairs[order][last] % width - 1


def write_scan(
    folder: Path,
    name: str,
    room: Room,
    scan: ScannedScene,
    rng: np.random.Generator,
    *,
    grammar: str = 'training',
) -> int:
    """Write the files of one scan into a folder.

    Args:
        folder: made if missing.
        name: of the scan.
        room: what was scanned.
        scan: the result; its images are written if it kept them.
        rng: draws the frame of the scan and the sentences.
        grammar: of the sentences, see :func:`unison3d.synth.sentences.write_sentences`.

    Returns:
        Number of objects.
    """
    frame_rng, text_rng = rng.spawn(2)
    frame = turned_frame(frame_rng)
    points = (scan.vertices @ frame[:3, :3].T + frame[:3, 3]).astype(np.float32)
    segments = segment_mesh(points, scan.faces)
    owner = objects_of_segments(segments, scan.objects)
    kept = np.unique(owner[owner >= 0])
    write_ply(folder / f'{name}_vh_clean_2.ply', points, colors=scan.colors, faces=scan.faces)
    write_json(
        folder / f'{name}_vh_clean_2.0.010000.segs.json',
        {'sceneId': name, 'segIndices': segments},
    )
    groups = [
        {
            'id': number,
            'objectId': number,
            'segments': np.flatnonzero(owner == thing),
            'label': raw_name(room.objects[thing]),
        }
        for number, thing in enumerate(kept)
    ]
    write_json(
        folder / f'{name}.aggregation.json',
        {'sceneId': name, 'appId': 'unison3d synth', 'segGroups': groups},
    )
    with atomic_write(folder / f'{name}.txt', 'w') as file:
        inverse = ' '.join(f'{x:.9g}' for x in np.linalg.inv(frame).ravel())
        file.write(f'axisAlignment = {inverse}\nsceneType = {room.kind}\n')

    number_of = np.full(len(room.objects) + 1, -1, np.int64)  # the last stands for none
    number_of[kept] = np.arange(len(kept))
    part_of = _part_numbers(scan, number_of)
    write_ply(
        folder / f'{name}_exact_labels.ply',
        points,
        semantic_ids=_nyu40(room, number_of)[scan.objects],
        instance_ids=number_of[scan.objects],
        part_ids=part_of[scan.objects, scan.parts],
    )
    write_json(folder / f'{name}.parts.json', _part_rows(room, number_of, part_of))
    seen = number_of[owner[segments]]
    sentences = _sentences(points, seen, room, scan, kept, text_rng, grammar)
    write_json(folder / f'{name}.sentences.json', sentence_rows(name, sentences, groups))
    if scan.frames:
        _write_frames(folder, scan, frame, number_of, part_of)
    return len(kept)


def _nyu40(room: Room, number_of: np.ndarray) -> np.ndarray:
    """NYU40 id of every object of the room, 0 for those that are not annotated and for none."""
    table = label_ids()
    ids = [table.get(raw_name(thing), table['object'])[1] for thing in room.objects]
    return np.where(number_of >= 0, [*ids, 0], 0)


def _part_numbers(scan: ScannedScene, number_of: np.ndarray) -> np.ndarray:
    """Scene-wide part id by object and part, -1 where there is none; the last rows are none."""
    width = max([int(scan.parts.max(initial=0)), *(int(f.part.max()) for f in scan.frames)]) + 2
    pairs = [np.stack([scan.objects, scan.parts])]
    pairs += [np.stack([f.object.ravel(), f.part.ravel()]) for f in scan.frames]
    keys = np.unique(np.concatenate([np.unique(p[0] * width + p[1]) for p in pairs if p.size]))
    keys = keys[keys >= 0]
    keys = keys[number_of[keys // width] >= 0]
    out = np.full((len(number_of), width), -1, np.int64)
    out[keys // width, keys % width] = np.arange(len(keys))
    return out


def _part_rows(room: Room, number_of: np.ndarray, part_of: np.ndarray) -> list[dict]:
    things, parts = np.nonzero(part_of >= 0)
    return [
        {
            'partId': part_of[k, p],
            'objectId': number_of[k],
            'name': room.objects[k].shape.part_names[p],
        }
        for k, p in zip(things, parts, strict=True)
    ]


def _sentences(
    points: np.ndarray,
    seen: np.ndarray,
    room: Room,
    scan: ScannedScene,
    kept: np.ndarray,
    rng: np.random.Generator,
    grammar: str,
) -> list[Sentence]:
    """Sentences whose targets are objectIds."""
    counts = np.bincount(seen[seen >= 0], minlength=len(kept))
    named = np.array([room.objects[k].name != '' for k in kept], bool)
    talk = np.flatnonzero(named & (counts >= MIN_VERTICES))
    rank = np.full(len(kept) + 1, -1, np.int64)
    rank[talk] = np.arange(len(talk))
    instances = rank[seen]
    things = [room.objects[k] for k in kept[talk]]
    place = {int(k): i for i, k in enumerate(kept[talk])}
    facts = Facts.measure(
        points,
        instances,
        [o.name for o in things],
        _main_colors(instances, scan.color_names, len(talk)),
        [place.get(o.parent, -1) for o in things],
        frozenset(o.name for k, o in enumerate(room.objects) if o.name and k not in place),
    )
    kinds = FURNITURE if room.profile == 'rooms-v1' else ALL_FURNITURE
    return [
        Sentence(s.text, tuple(int(talk[t]) for t in s.targets), s.kind)
        for s in write_sentences(facts, rng, grammar=grammar, kinds=kinds)
    ]


def _main_colors(instances: np.ndarray, names: np.ndarray, count: int) -> list[str]:
    """The paint on at least 60 % of the vertices of each instance, '' where there is none."""
    table = np.zeros((count, len(COLOR_NAMES)), np.int64)
    rows = (instances >= 0) & (names >= 0)
    np.add.at(table, (instances[rows], names[rows]), 1)
    total = np.bincount(instances[instances >= 0], minlength=count)
    return [
        COLOR_NAMES[int(row.argmax())] if row.max() >= 0.6 * max(n, 1) else ''
        for row, n in zip(table, total, strict=True)
    ]


def sentence_rows(name: str, sentences: list[Sentence], groups: list[dict]) -> list[dict]:
    """Sentences as JSON rows in the words of ScanRefer, with all their targets.

    ``object_id`` is there where a sentence has one target, and ``ann_id`` counts the sentences
    of a scan.
    """
    rows = []
    for number, sentence in enumerate(sentences):
        row = {
            'scene_id': name,
            'ann_id': str(number),
            'description': sentence.text,
            'token': sentence.text.split(),
            'object_ids': list(sentence.targets),
            'kind': sentence.kind,
        }
        if len(sentence.targets) == 1:
            target = sentence.targets[0]
            row['object_id'] = str(target)
            row['object_name'] = groups[target]['label'].replace(' ', '_')
        rows.append(row)
    return rows


def _write_frames(
    folder: Path, scan: ScannedScene, frame: np.ndarray, number_of: np.ndarray, part_of: np.ndarray
) -> None:
    intrinsics, still = np.eye(4), np.eye(4)
    intrinsics[:3, :3] = scan.K
    for kind in ('color', 'depth'):
        _write_matrix(folder / 'intrinsic' / f'intrinsic_{kind}.txt', intrinsics)
        _write_matrix(folder / 'intrinsic' / f'extrinsic_{kind}.txt', still)
    for i, (image, pose) in enumerate(zip(scan.frames, scan.poses, strict=True)):
        _write_matrix(folder / 'pose' / f'{i}.txt', frame @ pose)
        with atomic_path(folder / 'color' / f'{i}.jpg') as path:
            Image.fromarray(image.color).save(path, quality=92)
        millimetres = np.rint(image.depth * 1000)
        _write_png(folder / 'depth' / f'{i}.png', millimetres)
        _write_png(folder / 'instance' / f'{i}.png', number_of[image.object] + 1)
        _write_png(folder / 'part' / f'{i}.png', part_of[image.object, image.part] + 1)


def _write_matrix(path: Path, matrix: np.ndarray) -> None:
    with atomic_write(path, 'w') as file:
        file.write('\n'.join(' '.join(f'{x:.9g}' for x in row) for row in matrix) + '\n')


def _write_png(path: Path, values: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(values.astype(np.uint16)).save(temporary)
