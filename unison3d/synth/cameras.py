"""The walk of the person who scans a room."""

from __future__ import annotations

import numpy as np

from .floorplan import inside
from .rooms import Room


def _view(
    eye: np.ndarray, yaw: float, pitch: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    return eye + rng.normal(0, 0.15, 3) * (1, 1, 0.5), np.stack(
        [right, np.cross(right, forward), forward]
    )


def draw_cameras(room: Room, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """A walk through the room: positions (3,) and camera axes (3, 3) with rows right, up,
    forward."""
    low, high = room.walk.min(0), room.walk.max(0)
    spots = rng.uniform(low + 0.25, high - 0.25, (160, 2))
    spots = spots[inside(room.walk, spots)]
    solid = room.boxes[
        (room.boxes[:, 5] < 1.2) & (room.boxes[:, 6] > 0.9) & (room.boxes[:, 2] > 0.1)
    ]
    for box in solid:
        d = spots - box[:2]
        c, s = np.cos(box[4]), np.sin(box[4])
        within = (np.abs(c * d[:, 0] + s * d[:, 1]) < box[2] + 0.15) & (
            np.abs(c * d[:, 1] - s * d[:, 0]) < box[3] + 0.15
        )
        if (~within).sum() >= 4:
            spots = spots[~within]
    area = float(np.prod(high - low))
    care = rng.uniform(0.6, 1.5)  # some people scan thoroughly, some do not
    stops = int(np.clip(round(care * (2.5 + area / 7)), 3, 10))
    if len(spots) == 0:
        spots = room.walk.mean(0, keepdims=True)
    # Farthest-first choice: a person walks around the room rather than standing still.
    chosen = [int(rng.integers(len(spots)))]
    for _ in range(stops - 1):
        d = np.linalg.norm(spots[:, None] - spots[chosen][None], axis=2).min(1)
        chosen.append(int(np.argmax(d * rng.uniform(0.5, 1.0, len(spots)))))
    out = []
    for k in chosen:
        turn = rng.uniform(0, 2 * np.pi)
        centre = np.arctan2(*(room.walk.mean(0) - spots[k])[::-1])
        views = int(rng.integers(2, 5))
        for v in range(views):
            yaw = (
                turn + 2 * np.pi * v / views + rng.normal(0, 0.3)
                if rng.random() < 0.7
                else centre + rng.normal(0, 0.7)
            )
            pitch = rng.uniform(-0.8, -0.08) if rng.random() < 0.9 else rng.uniform(-1.2, 0.3)
            out.append(_view(np.array([*spots[k], rng.uniform(1.3, 1.75)]), yaw, pitch, rng))
    # Then the things in the room get a closer look.
    things = [o for o in room.objects if o.name]
    if room.walk is not room.polygon:
        reached = inside(room.walk, np.array([o.pose[:2] for o in things]).reshape(-1, 2))
        things = [o for o, ok in zip(things, reached, strict=True) if ok]
    for _ in range(min(len(things), int(care * rng.uniform(2, 9)))):
        pose = things[int(rng.integers(len(things)))].pose
        d = np.linalg.norm(spots - pose[:2], axis=1)
        eye = np.array(
            [*spots[int(np.argmin(np.abs(d - rng.uniform(0.8, 2.0))))], rng.uniform(1.2, 1.75)]
        )
        to = np.array([pose.x, pose.y, pose.z + 0.4]) - eye
        out.append(
            _view(eye, np.arctan2(to[1], to[0]), np.arctan2(to[2], np.hypot(to[0], to[1])), rng)
        )
    return out
