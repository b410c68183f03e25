"""The path of a hand-held camera: somebody walks through the free floor and looks around."""

from __future__ import annotations

import numpy as np

from .floorplan import inside
from .rooms import Room

_STRIDE = 0.4  # metres between frames
_TURN = np.radians(32)  # between frames


def _blocked(room: Room, spots: np.ndarray, height: float, margin: float) -> np.ndarray:
    """bool (N,): spots inside furniture that reaches the height of the camera."""
    out = np.zeros(len(spots), bool)
    for x, y, half_w, half_d, yaw, low, high in room.boxes:
        if low > height or high < height - 0.5 or half_w < 0.1:
            continue
        d = spots - (x, y)
        c, s = np.cos(yaw), np.sin(yaw)
        out |= (np.abs(c * d[:, 0] + s * d[:, 1]) < half_w + margin) & (
            np.abs(c * d[:, 1] - s * d[:, 0]) < half_d + margin
        )
    return out


def free_spots(room: Room, rng: np.random.Generator, count: int = 240) -> np.ndarray:
    """Places to stand, float64 (M, 2), at least one; a hand's breadth from walls and furniture."""
    low, high = room.walk.min(0), room.walk.max(0)
    spots = rng.uniform(low, high, (count, 2))
    for margin in (0.25, 0.1, 0.0):
        ring = margin * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        keep = ~_blocked(room, spots, 1.5, margin)
        for step in ring:
            keep &= inside(room.walk, spots + step)
        if keep.sum() >= 4:
            return spots[keep]
    return room.walk.mean(0, keepdims=True)


def _stops(room: Room, spots: np.ndarray, care: float, rng: np.random.Generator) -> np.ndarray:
    """Places where the walker stops, far apart, in an order that saves steps."""
    area = float(np.prod(np.ptp(room.walk, axis=0)))
    count = int(np.clip(round(care * (2.5 + area / 6)), 3, 12))
    chosen = [int(rng.integers(len(spots)))]
    for _ in range(min(count, len(spots)) - 1):
        d = np.linalg.norm(spots[:, None] - spots[chosen][None], axis=2).min(1)
        chosen.append(int(np.argmax(d * rng.uniform(0.5, 1.0, len(spots)))))
    route = [chosen.pop(0)]
    while chosen:
        d = np.linalg.norm(spots[chosen] - spots[route[-1]], axis=1)
        route.append(chosen.pop(int(np.argmin(d))))
    return spots[route]


def _key_views(room: Room, care: float, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """Views (x, y, z, yaw, pitch) that the walk passes through."""
    spots = free_spots(room, rng)
    middle = room.walk.mean(0)
    height = rng.uniform(1.3, 1.7)
    things = [o for o in room.objects if o.name]
    reached = inside(room.walk, np.array([o.pose[:2] for o in things]).reshape(-1, 2))
    things = [o for o, ok in zip(things, reached, strict=True) if ok]
    views = []
    for spot in _stops(room, spots, care, rng):
        z = min(height + rng.normal(0, 0.08), room.height - 0.2)
        ahead = np.arctan2(*(middle - spot)[::-1]) + rng.normal(0, 0.3)
        half = rng.uniform(0.5, 1.0) * min(1.0, 0.55 + 0.3 * care) * np.pi
        side = rng.choice([-1, 1])
        # Most people look slightly down, then at the floor and what stands on it, rarely up.
        for chance, low, high in ((1.0, -0.5, -0.1), (0.85, -1.1, -0.6), (0.2, 0.0, 0.5)):
            if rng.random() < chance:
                pitch = rng.uniform(low, high)
                turns = (-side * half, 0.0, side * half)
                views += [(*spot, z, ahead + turn, pitch) for turn in turns]
                side = -side
        for _ in range(int(rng.poisson(0.9 * care))):
            if not things:
                break
            pose = things[int(rng.integers(len(things)))].pose
            d = np.linalg.norm(spots - (pose.x, pose.y), axis=1)
            near = spots[int(np.argmin(np.abs(d - rng.uniform(0.8, 1.8))))]
            to = np.array([pose.x - near[0], pose.y - near[1], pose.z + 0.35 - z])
            pitch = np.arctan2(to[2], np.hypot(to[0], to[1]))
            views.append((*near, z, np.arctan2(to[1], to[0]), float(np.clip(pitch, -1.2, 0.5))))
    return views


def draw_walk(room: Room, rng: np.random.Generator, *, max_frames: int = 100) -> np.ndarray:
    """Draw the camera poses of a scan.

    Args:
        room: where to walk.
        rng: source of randomness. Some people scan with care and some do not.
        max_frames: a longer walk is thinned out evenly.

    Returns:
        float64, (F, 4, 4), camera to room; x right, y down, z forward. At least one.
    """
    views = _key_views(room, rng.uniform(0.6, 1.4), rng)
    path = [np.array(views[0])]
    for view in views[1:]:
        here, goal = path[-1], np.array(view)
        step = goal - here
        step[3] = (step[3] + np.pi) % (2 * np.pi) - np.pi
        count = max(1, int(np.ceil(max(np.hypot(*step[:2]) / _STRIDE, abs(step[3]) / _TURN))))
        path += [here + step * k / count for k in range(1, count + 1)]
    steps = np.array(path)
    within = inside(room.walk, steps[:, :2]) & ~_blocked(room, steps[:, :2], 1.5, 0.02)
    if within.any():
        steps = steps[within]
    if len(steps) > max_frames:
        steps = steps[np.linspace(0, len(steps) - 1, max_frames).round().astype(int)]
    steps = steps + rng.normal(0, (0.03, 0.03, 0.04, 0.05, 0.05), steps.shape)
    roll = rng.normal(0, 0.05, len(steps))
    return np.stack([_pose(*row, r) for row, r in zip(steps, roll, strict=True)])


def _pose(x: float, y: float, z: float, yaw: float, pitch: float, roll: float) -> np.ndarray:
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    level = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    below = np.cross(forward, level)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(roll) * level + np.sin(roll) * below
    pose[:3, 1] = np.cos(roll) * below - np.sin(roll) * level
    pose[:3, 2] = forward
    pose[:3, 3] = x, y, z
    return pose


def tracked(poses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a tracker makes of the true poses: small errors per frame and a slow drift.

    Args:
        poses: float64, (F, 4, 4).
        rng: source of randomness.

    Returns:
        float64, (F, 4, 4). Errors of about 2 mm and 0.1 degrees per frame, and a random walk that
        adds up to about 15 mm and 0.3 degrees over a scan.
    """
    count = len(poses)
    slow = rng.standard_normal((count, 6)).cumsum(0) / np.sqrt(count)
    slow -= slow.mean(0)
    fast = rng.standard_normal((count, 6))
    shift = 0.015 * slow[:, :3] + 0.002 * fast[:, :3]
    turn = np.radians(0.3) * slow[:, 3:] + np.radians(0.1) * fast[:, 3:]
    out = poses.copy()
    for k in range(count):
        x, y, z = turn[k]
        small = np.array([[1, -z, y], [z, 1, -x], [-y, x, 1]])
        left, _, right = np.linalg.svd(small)
        out[k, :3, :3] = left @ right @ poses[k, :3, :3]
        out[k, :3, 3] += shift[k]
    return out
