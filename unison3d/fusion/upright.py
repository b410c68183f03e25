"""Which way is up in a capture whose world frame is arbitrary."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from unison3d.errors import ConfigError, SceneError
from unison3d.structures.frame_set import FrameSet

__all__ = ['Up', 'estimate_up', 'turn_to_z', 'up_direction']

Up = Literal['auto', 'x', '-x', 'y', '-y', 'z', '-z']

#: A floor or a ceiling is sought this near to what the cameras suggest.
_SEARCH = np.cos(np.radians(50))
_SAME = np.cos(np.radians(8))
_ACROSS = np.sin(np.radians(8))
_CANDIDATES = 300
_USED_NORMALS = 10_000


def up_direction(up: Up, frames: FrameSet, normals: np.ndarray) -> np.ndarray:
    """float64, (3,), unit: an axis of the world frame, or an estimate.

    Raises:
        ConfigError: an unknown name.
    """
    if up not in get_args(Up):
        raise ConfigError(f'up is {up!r}, expected one of {", ".join(get_args(Up))}.')
    if up == 'auto':
        return estimate_up(frames, normals)
    direction = np.zeros(3)
    direction['xyz'.index(up[-1])] = -1.0 if up[0] == '-' else 1.0
    return direction


def estimate_up(frames: FrameSet, normals: np.ndarray) -> np.ndarray:
    """The direction against gravity, from how cameras are held and from the surfaces.

    People hold cameras with the image upright, so the mean of the images' upward directions points
    up to within some 40 degrees. Near it, the direction is taken that most of the surface is
    parallel to (floor, tables, ceiling) or at right angles with (walls), and refined as the mean
    of the parallel normals. Captures with the camera turned on its side need `up` given by hand.

    Args:
        frames: the cameras.
        normals: float, (V, 3), unit, of the fused mesh.

    Returns:
        float64, (3,), unit.

    Raises:
        SceneError: the cameras point up and down alike, so that nothing can be said.
    """
    held = -np.mean([frame.camera.T_world_camera[:3, 1] for frame in frames], axis=0)
    if np.linalg.norm(held) < 0.2:
        raise SceneError(
            f'{frames.source}: the images are upright in no common direction, so it cannot be '
            'told which way is up. Give it: up="z", "y", "-y", ...'
        )
    held /= np.linalg.norm(held)
    step = max(1, len(normals) // _USED_NORMALS)
    normals = np.asarray(normals[::step], dtype=np.float64)
    # A ceiling says as much as a floor.
    normals = normals * np.where(normals @ held < 0, -1.0, 1.0)[:, None]
    near = normals[normals @ held > _SEARCH]
    candidates = np.vstack([near[:: max(1, len(near) // _CANDIDATES)], held])
    cosines = np.abs(candidates @ normals.T)
    votes = (cosines > _SAME).sum(axis=1) + (cosines < _ACROSS).sum(axis=1)
    best = candidates[votes.argmax()]
    for _ in range(5):
        parallel = near[near @ best > _SAME]
        if not len(parallel):
            break
        best = parallel.mean(axis=0)
        best /= np.linalg.norm(best)
    return best


def turn_to_z(up: np.ndarray) -> np.ndarray:
    """float64, (4, 4): the shortest turn about the origin that brings ``up`` to z."""
    x, y, z = up
    T = np.eye(4)
    if z < -1 + 1e-12:
        T[:3, :3] = np.diag([1.0, -1.0, -1.0])
        return T
    # Rodrigues' formula for the axis up x z.
    a = 1.0 / (1.0 + z)
    T[:3, :3] = [[1 - a * x * x, -a * x * y, -x], [-a * x * y, 1 - a * y * y, -y], [x, y, z]]
    return T
