"""A capture of a procedural room: photos, depth and poses. What every pixel shows is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from unison3d.lifting import View, visible_points
from unison3d.structures import PointScene
from unison3d.synth.depth_camera import DepthCamera
from unison3d.synth.sample import make_room
from unison3d.synth.trajectory import draw_walk

#: The world of the files stands on its side: y points down, and zero is far from the room.
TILTED = np.array([[1.0, 0, 0, 3], [0, 0, -1, -2], [0, 1, 0, 40], [0, 0, 0, 1]])


@dataclass(frozen=True)
class RoomCapture:
    """What was written.

    Attributes:
        folder: of the images, in the layout ``frame_files``.
        names: name of every object, '' for walls, floors and the like.
        objects: int32, (F, H, W), object of every pixel, -1 for nothing.
        depths: float32, (F, H, W), metres as measured, 0 is nothing.
    """

    folder: Path
    names: list[str]
    objects: np.ndarray
    depths: np.ndarray


def write_room(
    folder: Path, *, seed: int = 5, num: int = 40, width: int = 160, T: np.ndarray = TILTED
) -> RoomCapture:
    """Walk through a room; ``T`` brings its frame to the world of the files."""
    rng = np.random.default_rng(seed)
    room = make_room('rooms', rng)
    camera = DepthCamera(room, rng, width=width, height=width * 3 // 4, without=('ceiling',))
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / 'camera-intrinsics.txt', camera.K)
    frames = []
    for number, pose in enumerate(draw_walk(room, rng, max_frames=num)):
        frame = camera.shoot(pose, rng)
        stem = folder / f'frame-{number:06d}'
        np.savetxt(f'{stem}.pose.txt', T @ pose)
        Image.fromarray(frame.color).save(f'{stem}.color.png')
        Image.fromarray(np.rint(frame.depth * 1000).astype(np.uint16)).save(f'{stem}.depth.png')
        frames.append(frame)
    return RoomCapture(
        folder,
        [item.name for item in room.objects],
        np.stack([frame.object for frame in frames]),
        np.stack([frame.depth for frame in frames]),
    )


def objects_of_points(scene: PointScene, capture: RoomCapture) -> np.ndarray:
    """int64, (N,): the object that most images show at each point of the fused scene, or -1."""
    votes = np.zeros((len(scene), len(capture.names) + 1), np.int64)  # the last is nothing
    for frame, objects in zip(scene.frames, capture.objects, strict=True):
        shown, pixels = visible_points(scene.world_points, View.from_frame(frame))
        column, row = np.rint(pixels[shown]).astype(np.int64).T
        votes[np.flatnonzero(shown), objects[row, column]] += 1
    return np.where(votes.any(axis=1), votes[:, :-1].argmax(axis=1), -1)
