"""One training scene: a scanned procedural room with labels and sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from unison3d.errors import ConfigError

from .apartments import generate_apartment
from .catalog import ALL_FURNITURE, FURNITURE, UNLABELLED
from .facts import Facts
from .materials import COLOR_NAMES
from .rooms import Room, generate_room
from .scan import MAX_POINTS, Scan, scan_room
from .sentences import Sentence, write_sentences

MIN_INSTANCE_POINTS = 40
PROFILES = ('rooms-v1', 'rooms', 'shifted')
DEFAULT_PROFILE = 'rooms-v1'


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
        part_names: (P,) name of every id in ``parts``: 'seat', 'leg', 'drawer', ...
        profile: the world it is from.
        faces: int32 (F, 3) of a scan that was fused to a mesh, else None.
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
    part_names: list[str] = field(default_factory=list)
    profile: str = DEFAULT_PROFILE
    faces: np.ndarray | None = None


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


def make_room(
    profile: str,
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    clutter: float | None = None,
) -> Room:
    """Build the rooms of one scene in the world ``profile``, one of ``PROFILES``.

    Raises:
        ConfigError: an unknown world.
    """
    if profile == 'rooms-v1':
        return generate_room(rng, kind=kind, clutter=clutter)
    if profile == 'rooms':
        return generate_apartment(rng, kind=kind, clutter=clutter)
    if profile == 'shifted':
        # Imported late: nothing that trains needs it.
        from .shifted import generate_shifted

        return generate_shifted(rng, kind=kind, clutter=clutter)
    raise ConfigError(f'make_scene: profile is {profile!r}, expected one of {PROFILES}.')


def _camera_scan(
    room: Room, rng: np.random.Generator, voxel_size: float | None
) -> tuple[Scan, np.ndarray]:
    """Vertices as a :class:`Scan`, and the faces; vertices that no image explains are left out."""
    # Imported late: streams of the fast scan need neither renderer nor volume.
    from .scanned import scan_scene

    mesh = scan_scene(room, rng, voxel_size=voxel_size)
    known = mesh.objects >= 0
    number = np.cumsum(known, dtype=np.int32) - 1
    scan = Scan(
        mesh.vertices[known],
        (mesh.colors[known] / np.float32(255)).astype(np.float32),
        mesh.normals[known],
        mesh.objects[known].astype(np.int64),
        mesh.parts[known].astype(np.int64),
        mesh.color_names[known],
        mesh.voxel_size,
    )
    return scan, number[mesh.faces[known[mesh.faces].all(1)]]


def make_scene(
    seed: int,
    *,
    profile: str = DEFAULT_PROFILE,
    grammar: str = 'training',
    kind: str | None = None,
    clutter: float | None = None,
    spacing: float | None = None,
    max_points: int = MAX_POINTS,
    include_withheld: bool = False,
    num_sentences: int = 16,
    scanner: Literal['samples', 'camera'] = 'samples',
) -> SynthScene:
    """Build, scan and describe one room.

    Args:
        seed: same seed and options, same arrays, whatever was made before.
        profile: 'rooms-v1' the first world, single rooms; 'rooms' the second, one to four rooms;
            'shifted' another generator, for tests only: never train on it.
        grammar: 'training', or 'held-out' for sentences of other forms, for tests only.
        kind: room type, a key of ``recipes.RECIPES`` or, in the world of that name,
            ``furnish.RECIPES`` or ``shifted.KINDS``; drawn if None.
        clutter: about 0.3 (tidy) to 1.5 (messy); drawn if None.
        spacing: metres between points; drawn from [0.015, 0.042] if None.
        max_points: upper limit of N.
        include_withheld: let sentences mention withheld kinds.
        num_sentences: upper limit of the number of sentences.
        scanner: 'samples' scans points of the surfaces (``scan.py``); 'camera' fuses depth images
            to a mesh (``scanned.py``), which takes four to five times as long and knows no
            ``max_points``; ``spacing`` is its voxel size.

    Returns:
        The scene in a randomly turned and moved frame.

    Raises:
        ConfigError: an unknown profile or scanner.
    """
    room_seed, scan_seed, frame_seed, text_seed = np.random.SeedSequence(seed).spawn(4)
    room = make_room(profile, np.random.default_rng(room_seed), kind=kind, clutter=clutter)
    scan_rng = np.random.default_rng(scan_seed)
    faces = None
    if scanner == 'samples':
        scan = scan_room(room, scan_rng, spacing=spacing, max_points=max_points)
    elif scanner == 'camera':
        scan, faces = _camera_scan(room, scan_rng, spacing)
    else:
        raise ConfigError(f'make_scene: scanner is {scanner!r}, expected "samples" or "camera".')
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
    part_names: list[str] = []
    if len(rows):
        span = int(scan.parts.max()) + 1
        keys, parts[rows] = np.unique(
            instances[rows] * span + scan.parts[rows], return_inverse=True
        )
        part_names = [room.objects[kept[k // span]].shape.part_names[k % span] for k in keys]

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
        grammar=grammar,
        kinds=FURNITURE if profile == 'rooms-v1' else ALL_FURNITURE,
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
        part_names,
        profile,
        faces,
    )
