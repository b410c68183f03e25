"""Rooms as a depth camera brings them home: fused to a mesh with holes, and labelled.

Slower and closer to real scans than :func:`unison3d.synth.scan.scan_room`, which training streams
use: here images are drawn, measured with the errors of a sensor, and averaged in a volume.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from unison3d.errors import ConfigError, SceneError
from unison3d.fusion import TsdfVolume

from .depth_camera import DepthCamera, Frame
from .mesh_finish import SLOTS, cast_votes, count_votes, large_components, smooth
from .rooms import Room
from .trajectory import draw_walk, tracked

# Metres. Edges of the meshes that ScanNet distributes are 4.9 cm long in the middle.
VOXEL_SIZES = (0.022, 0.046)
_CRUMB = 100  # vertices
_SEEN_AREA = 0.45  # share of the surface of a room that a scan usually shows


@dataclass
class ScannedScene:
    """A fused scan in the frame of the room (metres, z up).

    Attributes:
        vertices: float32 (V, 3).
        faces: int32 (F, 3), counter-clockwise seen from the cameras.
        colors: uint8 (V, 3), averaged over the images.
        normals: float32 (V, 3), unit, towards the cameras.
        objects: int32 (V,), index into ``room.objects``, -1 where no image told.
        parts: int32 (V,), part id within the object, -1 likewise.
        color_names: int8 (V,), index into ``materials.COLOR_NAMES`` of the paint, -1 likewise.
        voxel_size: metres.
        K: float64 (3, 3), intrinsics of all images.
        poses: float64 (F, 4, 4), camera to room as tracked: with small errors.
        frames: the images, if they were asked for.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    normals: np.ndarray
    objects: np.ndarray
    parts: np.ndarray
    color_names: np.ndarray
    voxel_size: float
    K: np.ndarray
    poses: np.ndarray
    frames: list[Frame] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.vertices)


def scan_scene(
    room: Room,
    rng: np.random.Generator,
    *,
    voxel_size: float | None = None,
    target_vertices: int | None = None,
    image_size: tuple[int, int] = (160, 120),
    max_frames: int | None = None,
    keep_frames: bool = False,
) -> ScannedScene:
    """Walk through a room with a depth camera and fuse what it measures.

    Args:
        room: what to scan.
        rng: source of randomness; same state, same scan.
        voxel_size: metres, 0.01 to 0.2; drawn from ``VOXEL_SIZES`` if None.
        target_vertices: about how many vertices to aim at where ``voxel_size`` is None; 20,000 to
            70,000 if None. The range of voxel sizes goes first.
        image_size: width and height in pixels.
        max_frames: upper limit of images; 90 to 200, growing with the floor, if None.
        keep_frames: hand the images back too.

    Raises:
        ConfigError: a number out of range.
        SceneError: the camera saw nothing.
    """
    if voxel_size is not None and not 0.01 <= voxel_size <= 0.2:
        raise ConfigError(f'scan_scene: voxel_size={voxel_size}, expected 0.01 to 0.2 metres.')
    if max_frames is None:
        floor = float(np.prod(np.ptp(room.walk, axis=0)))
        max_frames = int(np.clip(60 + 2.5 * floor, 90, 200))
    if min(image_size) < 16 or max_frames < 1:
        raise ConfigError(
            f'scan_scene: image_size={image_size}, max_frames={max_frames}; expected at least 16 '
            'pixels and 1 frame.'
        )
    walk_rng, camera_rng, noise_rng, pose_rng, rng = rng.spawn(5)
    without = () if rng.random() < 0.25 else ('ceiling',)
    camera = DepthCamera(
        room, camera_rng, width=image_size[0], height=image_size[1], without=without
    )
    true_poses = draw_walk(room, walk_rng, max_frames=max_frames)
    poses = tracked(true_poses, pose_rng)
    if voxel_size is None:
        target = target_vertices or float(np.exp(rng.uniform(np.log(20_000), np.log(70_000))))
        area = _area(room, camera.triangles.corners)
        voxel_size = float(np.clip(np.sqrt(1.4 * _SEEN_AREA * area / target), *VOXEL_SIZES))
    volume = TsdfVolume(voxel_size, (2.5 if voxel_size > 0.03 else 3.0) * voxel_size)
    frames = []
    for pose, guess in zip(true_poses, poses, strict=True):
        frame = camera.shoot(pose, noise_rng)
        volume.integrate(frame.depth, camera.K, guess, frame.color)
        frames.append(frame)
    mesh = volume.extract_mesh(min_weight=rng.uniform(0.1, 0.5))
    keep = large_components(mesh.faces, len(mesh.vertices), _CRUMB)
    if not keep.any():
        raise SceneError(
            f'The scan of this {room.kind} shows nothing ({len(frames)} images). Give more frames '
            'or larger images.'
        )
    vertices = smooth(mesh.vertices, mesh.faces, rng.uniform(0.0, 0.35))
    labels, group_of = _labels(camera)
    winners = _vote(vertices, camera, poses, frames, labels, group_of)[keep]
    triples = np.vstack([labels[0], np.full(3, -1)])  # -1, nobody voted, picks the last row
    number = np.cumsum(keep) - 1
    return ScannedScene(
        vertices[keep],
        number[mesh.faces[keep[mesh.faces[:, 0]]]].astype(np.int32),
        mesh.colors[keep],
        mesh.normals[keep],
        triples[winners, 0].astype(np.int32),
        triples[winners, 1].astype(np.int32),
        triples[winners, 2].astype(np.int8),
        voxel_size,
        camera.K,
        poses,
        frames if keep_frames else [],
    )


def _area(room: Room, corners: np.ndarray) -> float:
    """Square metres of triangles float32 (T, 3, 3) where the camera goes."""
    middle = corners[:, :, :2].mean(1)
    near = (middle > room.walk.min(0) - 0.3).all(1) & (middle < room.walk.max(0) + 0.3).all(1)
    a, b, c = corners[near, 0], corners[near, 1], corners[near, 2]
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _labels(camera: DepthCamera) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """What vertices vote for.

    Returns:
        The different (object, part, colour name) rows with the row of every primitive, and the
        object of every row.
    """
    t = camera.triangles
    table = np.stack([t.object, t.part, t.color_name], 1).astype(np.int64)
    rows, of_primitive = np.unique(table, axis=0, return_inverse=True)
    return (rows, of_primitive.reshape(-1).astype(np.int32)), rows[:, 0].astype(np.int32)


def _vote(
    vertices: np.ndarray,
    camera: DepthCamera,
    poses: np.ndarray,
    frames: list[Frame],
    labels: tuple[np.ndarray, np.ndarray],
    group_of: np.ndarray,
) -> np.ndarray:
    slot_labels = np.full((len(vertices), SLOTS), -1, np.int32)
    slot_votes = np.zeros((len(vertices), SLOTS), np.float32)
    of_primitive = np.append(labels[1], np.int32(-1))
    for pose, frame in zip(poses, frames, strict=True):
        view = np.linalg.inv(pose)[:3]
        image = of_primitive[frame.primitive]
        cast_votes(vertices, view, camera.K, frame.depth, image, slot_labels, slot_votes)
    winners = np.empty(len(vertices), np.int32)
    count_votes(slot_labels, slot_votes, group_of, winners)
    return winners
