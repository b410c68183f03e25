"""One training scene: a scanned procedural room with labels and sentences."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .catalog import UNLABELLED
from .facts import Facts
from .materials import COLOR_NAMES
from .rooms import generate_room
from .scan import MAX_POINTS, scan_room
from .sentences import Sentence, write_sentences

MIN_INSTANCE_POINTS = 40


@dataclass
class SynthScene:
    """A labelled scan.

    Attributes:
        points: float32 (N, 3) metres, z up.
        colors: float32 (N, 3) in [0, 1].
        normals: float32 (N, 3) unit, towards the camera.
        semantic: int64 (N,), 0 to 19, 20 ignore.
        instances: int64 (N,), dense ids 0 to M - 1, -1 for the shell and for objects with too few
            points.
        parts: int64 (N,), ids unique in the scene, -1 where ``instances`` is -1.
        instance_names: (M,) spoken names.
        instance_semantic: int64 (M,), 0 to 20.
        instance_colors: (M,) colour name of an object, '' if it has no clear colour.
        sentences: referring sentences with their targets.
        name: 'room_<seed>'.
        room_kind: type of the room.
        spacing: metres between points.
    """

    points: np.ndarray
    colors: np.ndarray
    normals: np.ndarray
    semantic: np.ndarray
    instances: np.ndarray
    parts: np.ndarray
    instance_names: list[str]
    instance_semantic: np.ndarray
    instance_colors: list[str]
    sentences: list[Sentence] = field(default_factory=list)
    name: str = ''
    room_kind: str = ''
    spacing: float = 0.03


def _main_colors(instances: np.ndarray, names: np.ndarray, count: int) -> list[str]:
    """The paint that covers at least 60 % of the visible points of each instance."""
    rows = instances >= 0
    table = np.bincount(
        instances[rows] * len(COLOR_NAMES) + names[rows], minlength=count * len(COLOR_NAMES)
    )
    table = table.reshape(count, len(COLOR_NAMES))
    top = table.argmax(1) if count else np.zeros(0, int)
    clear = table.max(1) >= 0.6 * np.maximum(table.sum(1), 1) if count else np.zeros(0, bool)
    return [COLOR_NAMES[c] if ok else '' for c, ok in zip(top, clear, strict=True)]


def make_scene(
    seed: int,
    *,
    kind: str | None = None,
    clutter: float | None = None,
    spacing: float | None = None,
    max_points: int = MAX_POINTS,
    include_withheld: bool = False,
    num_sentences: int = 16,
) -> SynthScene:
    """Build, scan and describe one room.

    Args:
        seed: same seed and options, same arrays, whatever was made before.
        kind: room type, a key of ``recipes.RECIPES``; drawn if None.
        clutter: about 0.3 (tidy) to 1.5 (messy); drawn if None.
        spacing: metres between points; drawn from [0.015, 0.042] if None.
        max_points: upper limit of N.
        include_withheld: let sentences mention withheld kinds.
        num_sentences: upper limit of the number of sentences.

    Returns:
        The scene in a randomly turned and moved frame.
    """
    room_seed, scan_seed, frame_seed, text_seed = np.random.SeedSequence(seed).spawn(4)
    room = generate_room(np.random.default_rng(room_seed), kind=kind, clutter=clutter)
    scan = scan_room(room, np.random.default_rng(scan_seed), spacing=spacing, max_points=max_points)
    rng = np.random.default_rng(frame_seed)

    counts = np.bincount(scan.objects, minlength=len(room.objects))
    named = np.array([o.name != '' for o in room.objects])
    kept = np.flatnonzero(named & (counts >= MIN_INSTANCE_POINTS))
    to_instance = np.full(len(room.objects), -1, np.int64)
    to_instance[kept] = np.arange(len(kept))
    label = np.array([o.semantic for o in room.objects], np.int64)
    label[named & (counts < MIN_INSTANCE_POINTS)] = UNLABELLED
    instances = to_instance[scan.objects]
    parts = np.full(len(instances), -1, np.int64)
    rows = np.flatnonzero(instances >= 0)
    if len(rows):
        key = instances[rows] * (scan.parts.max() + 1) + scan.parts[rows]
        parts[rows] = np.unique(key, return_inverse=True)[1]

    angle, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.004, 2)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, tilt[0]], [s, c, tilt[1]], [-tilt[0], -tilt[1], 1]])
    turn = np.linalg.qr(turn)[0]
    turn *= np.sign(np.diag(turn.T @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])))
    offset = np.array([*rng.uniform(-4, 4, 2), rng.uniform(-0.15, 0.15)])
    points = (scan.points @ turn.T + offset).astype(np.float32)
    normals = (scan.normals @ turn.T).astype(np.float32)

    names = [room.objects[k].name for k in kept]
    tints = _main_colors(instances, scan.color_names.astype(np.int64), len(kept))
    rank = {int(k): i for i, k in enumerate(kept)}
    hidden = frozenset(
        o.name
        for o, c in zip(room.objects, counts, strict=True)
        if o.name and c < MIN_INSTANCE_POINTS
    )
    facts = Facts.measure(
        points,
        instances,
        names,
        tints,
        [rank.get(room.objects[k].parent, -1) for k in kept],
        hidden,
    )
    sentences = write_sentences(
        facts,
        np.random.default_rng(text_seed),
        limit=num_sentences,
        include_withheld=include_withheld,
    )
    return SynthScene(
        points,
        scan.colors,
        normals,
        label[scan.objects],
        instances,
        parts,
        names,
        label[kept],
        tints,
        sentences,
        f'room_{seed:07d}',
        room.kind,
        scan.spacing,
    )
