"""RGB-D frames to one coloured mesh.

>>> scene = fuse_frames(read_frames('my_capture/'))
>>> scene.save('my_capture.ply')
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from unison3d.errors import ConfigError, SceneError
from unison3d.fusion.registration import color_at_depth, pinhole_depth
from unison3d.fusion.tsdf import TsdfVolume
from unison3d.fusion.upright import Up, turn_to_z, up_direction
from unison3d.io.frames import detect_layout
from unison3d.structures import PointScene
from unison3d.structures.frame_set import FrameSet, read_frames

__all__ = ['fuse_capture', 'fuse_frames', 'is_capture']

#: A world frame whose z is this near to the estimate is left as it is: its own calibration is as
#: good, and the results stay in the coordinates of the poses.
ALREADY_UPRIGHT_DEG = 10.0
#: A walk through a room at a step of 10 degrees or 10 cm has fewer.
ENOUGH_FRAMES = 300


def is_capture(path: str | os.PathLike[str]) -> bool:
    """Whether this is a folder of posed images, or a recording, and no finished scan."""
    path = Path(path)
    if path.is_dir() and next(path.glob('*_vh_clean*.ply'), None) is not None:
        return False
    return detect_layout(path) is not None


def fuse_capture(
    path: str | os.PathLike[str],
    *,
    layout: str = 'auto',
    depth_scale: float | None = None,
    every: int | None = None,
    **fusion: Any,
) -> PointScene:
    """Read a capture and fuse it.

    Args:
        path: folder, or ``.sens`` file.
        layout: see :func:`~unison3d.structures.frame_set.read_frames`.
        depth_scale: likewise.
        every: use every n-th frame; None takes as many as leave about 300 frames, since at 30
            frames per second neighbours show the same.
        fusion: options of :func:`fuse_frames`.

    Raises:
        Unison3DError: see :func:`~unison3d.structures.frame_set.read_frames`, :func:`fuse_frames`.
    """
    frames = read_frames(path, layout, depth_scale)
    usable = frames.with_depth()
    if not len(usable):
        raise SceneError(_without_depth(frames))
    if every is None:
        every = max(1, -(-len(usable) // ENOUGH_FRAMES))
        if every > 1:
            _log(path, f'{len(usable)} frames with depth, every {every}th is used')
    scene = fuse_frames(usable.every(every), **fusion)
    # Images that were not fused show the scene as well.
    return scene.replace(frames=frames.moved(scene.frames.T_world_capture))


def fuse_frames(
    frames: FrameSet,
    *,
    voxel_size: float = 0.02,
    truncation: float | None = None,
    min_depth: float = 0.1,
    max_depth: float = 5.0,
    min_weight: float = 0.1,
    min_piece: int = 30,
    up: Up = 'auto',
) -> PointScene:
    """Fuse all frames with depth.

    Args:
        frames: at least one with depth. Frames without are left out and counted in the log.
        voxel_size: metres.
        truncation: metres, see :class:`~unison3d.fusion.tsdf.TsdfVolume`.
        min_depth: metres; nearer measurements are left out.
        max_depth: metres; farther ones too, as their error grows with the square of the distance.
        min_weight: see :meth:`~unison3d.fusion.tsdf.TsdfVolume.extract_mesh`.
        min_piece: vertices. Smaller connected pieces float in the air as a rule and are left out.
        up: which direction of the world of the poses is up; it becomes z. ``'auto'`` estimates
            it, see :func:`~unison3d.fusion.upright.estimate_up`, and leaves a world alone whose z
            is within 10 degrees of the estimate. The turn is reported in the log.

    Returns:
        A mesh with normals, and with colours where the frames have them; z up. Its ``frames`` are
        those given, turned with it.

    Raises:
        ConfigError: a range or a voxel size that makes no sense.
        SceneError: no depth, no surface, or images that do not fit their cameras.
        FileFormatError: a damaged image.
    """
    if not 0 <= min_depth < max_depth:
        raise ConfigError(
            f'depth from {min_depth} to {max_depth} m, expected 0 <= min_depth < max_depth.'
        )
    usable = frames.with_depth()
    where = frames.source or frames.name
    if not len(usable):
        raise SceneError(_without_depth(frames))
    if len(usable) < len(frames):
        _log(where, f'{len(frames) - len(usable)} of {len(frames)} frames have no depth')
    volume = TsdfVolume(voxel_size, truncation)
    # Half coloured surfaces would be half black.
    with_color = all(frame.color is not None for frame in usable)
    if not with_color:
        _log(where, 'some frames have no colour image, so the mesh has no colours')
    for frame in usable:
        depth = pinhole_depth(frame.depth_camera, frame.read_depth())
        depth[(depth < min_depth) | (depth > max_depth)] = 0
        color = None
        if with_color:
            color, seen = color_at_depth(frame, depth)
            # Black from outside the colour image would darken what other frames saw in colour.
            depth[~seen] = 0
        camera = frame.depth_camera
        volume.integrate(depth, camera.K, camera.T_world_camera, color)
    vertices, faces, colors, normals = volume.extract_mesh(min_weight=min_weight)
    scene = PointScene.from_arrays(
        vertices, colors, normals=normals, faces=faces, name=frames.name, source=frames.source
    )
    scene = scene.select(_large_pieces(faces, len(vertices), min_piece))
    if not len(scene):
        raise SceneError(
            f'{where}: {len(usable)} frames gave no surface. Check the depth scale (metres per '
            f'unit, now {usable[0].depth_scale:g}), the range {min_depth} to {max_depth} m and '
            f'the voxel size {voxel_size} m.'
        )
    _log(where, f'{len(usable)} frames fused to {len(scene)} vertices, {len(scene.faces)} faces')
    turn = _turn(scene, usable, up)
    R = turn[:3, :3]
    # Only the direction: a translation far from zero was moved into the origin of the scene.
    return scene.replace(
        points=(scene.points @ R.T).astype(np.float32),
        normals=(scene.normals @ R.T).astype(np.float32),
        origin=R @ scene.origin,
        frames=frames.moved(turn),
    )


def _turn(scene: PointScene, frames: FrameSet, up: Up) -> np.ndarray:
    """float64, (4, 4), T_world_capture: the turn about zero that makes z point up."""
    direction = up_direction(up, frames, scene.normals)
    tilt = float(np.degrees(np.arccos(np.clip(direction[2], -1, 1))))
    if tilt <= (ALREADY_UPRIGHT_DEG if up == 'auto' else 0.0):
        _log(frames.source, f'z is up ({up}: {tilt:.1f} degrees off), left as it is')
        return np.eye(4)
    turn = turn_to_z(direction)
    _log(
        frames.source,
        f'up is {direction.round(3).tolist()} in the world of the poses ({up}); turned by '
        f'{tilt:.1f} degrees, so that z is up: {turn[:3, :3].round(6).tolist()}',
    )
    return turn


def _large_pieces(faces: np.ndarray, num_vertices: int, smallest: int) -> np.ndarray:
    """bool, (V,): vertices in connected pieces of at least so many."""
    if not num_vertices:
        return np.zeros(0, dtype=bool)
    ends = np.concatenate([faces[:, :2], faces[:, 1:]])
    links = coo_matrix((np.ones(len(ends), bool), ends.T), shape=(num_vertices, num_vertices))
    piece = connected_components(links, directed=False)[1]
    return np.bincount(piece)[piece] >= smallest


def _log(where: object, message: str) -> None:
    print_log(f'{where}: {message}', logger='current')


def _without_depth(frames: FrameSet) -> str:
    where = frames.source or frames.name
    message = (
        f'{where}: none of {len(frames)} frames has a depth image (layout {frames.layout}), so '
        'there is no surface to fuse.'
    )
    if frames.points is not None:
        message += (
            f' The {len(frames.points):,} sparse points that came with the cameras have no '
            'metric scale; make a dense, scaled cloud and give that.'
        )
    return message
