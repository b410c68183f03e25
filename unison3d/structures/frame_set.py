"""`FrameSet`: the posed images of one scene, read when they are asked for.

>>> frames = read_frames('my_capture/')
>>> for frame in frames.every(10):
...     points = frame.depth_camera.unproject(frame.read_depth())
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from numpy.typing import ArrayLike

from unison3d.errors import ConfigError, FileFormatError, SceneError
from unison3d.io.frames import RawFrame, RawFrames, RawLens, read_raw_frames
from unison3d.io.images import StoredImage, image_size, read_color_image, read_depth_image
from unison3d.structures.camera import Camera, rigid_matrix

__all__ = ['Frame', 'FrameSet', 'read_frames']


@dataclass(frozen=True, eq=False)
class Frame:
    """One image with its camera; the pixels stay on disk.

    Args:
        name: unique in the set.
        camera: of the colour image.
        color: where the colour image is, or None.
        depth: where the depth image is, or None.
        depth_camera: of the depth image; the same as ``camera`` where depth is registered.
        depth_scale: metres per unit of the depth image.
        no_depth: a number of the depth image that means none, besides 0; or None.
    """

    name: str
    camera: Camera
    color: StoredImage | None = None
    depth: StoredImage | None = None
    depth_camera: Camera | None = None
    depth_scale: float = 0.001
    no_depth: int | None = None

    def __post_init__(self) -> None:
        if self.depth_camera is None:
            object.__setattr__(self, 'depth_camera', self.camera)

    def moved(self, T: ArrayLike) -> Frame:
        """The same images in another world frame, see :meth:`Camera.moved`."""
        camera = self.camera.moved(T)
        # Registered depth is known by sharing the camera of the colour image.
        shared = self.depth_camera is self.camera
        depth_camera = camera if shared else self.depth_camera.moved(T)
        return dataclasses.replace(self, camera=camera, depth_camera=depth_camera)

    def read_color(self) -> np.ndarray:
        """uint8, (H, W, 3).

        Raises:
            SceneError: no colour image, or another size than the camera.
            FileFormatError: the file is missing or damaged.
        """
        if self.color is None:
            raise SceneError(f'frame "{self.name}" has no colour image.')
        image = read_color_image(self.color)
        self._check_size(image, self.camera, self.color)
        return image

    def read_depth(self) -> np.ndarray:
        """float32, (H, W), metres along the optical axis; 0 is none.

        Raises:
            SceneError: no depth image, or another size than its camera.
            FileFormatError: the file is missing or damaged.
        """
        if self.depth is None:
            raise SceneError(f'frame "{self.name}" has no depth image.')
        stored = read_depth_image(self.depth)
        self._check_size(stored, self.depth_camera, self.depth)
        with np.errstate(over='ignore', invalid='ignore'):
            metres = stored.astype(np.float32) * np.float32(self.depth_scale)
            usable = np.isfinite(metres) & (metres > 0)
        if self.no_depth is not None:
            usable &= stored != self.no_depth
        return np.where(usable, metres, np.float32(0))

    def _check_size(self, image: np.ndarray, camera: Camera, source: StoredImage) -> None:
        height, width = image.shape[:2]
        if (height, width) != (camera.height, camera.width):
            raise SceneError(
                f'{source}: {width} x {height} pixels, the camera of frame "{self.name}" has '
                f'{camera.width} x {camera.height}. The intrinsics belong to another size: correct '
                'them, or resize the images.'
            )


@dataclass(frozen=True, eq=False)
class FrameSet:
    """Frames of one scene, in one world frame.

    Args:
        frames: in the order of the capture.
        skipped: name of every frame that cannot be used, and why.
        name: short name of the scene.
        source: folder or file.
        layout: name of the layout.
        points: float64, (P, 3), sparse points that came with the cameras, or None.
        colors: uint8, (P, 3), their colours, or None.
        T_world_capture: float64, (4, 4), rigid, by which :meth:`moved` has brought everything here
            from the world of the files; the identity if it has not.
    """

    frames: tuple[Frame, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    name: str = 'frames'
    source: Path | None = None
    layout: str = ''
    points: np.ndarray | None = None
    colors: np.ndarray | None = None
    T_world_capture: np.ndarray = field(default_factory=lambda: np.eye(4))

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def __getitem__(self, index: int) -> Frame:
        return self.frames[index]

    def every(self, n: int) -> FrameSet:
        """Every n-th frame, beginning with the first."""
        if n < 1:
            raise ConfigError(f'every {n}-th frame was asked for, expected at least 1.')
        return dataclasses.replace(self, frames=self.frames[::n])

    def with_depth(self) -> FrameSet:
        """The frames that have a depth image."""
        kept = tuple(frame for frame in self.frames if frame.depth is not None)
        return dataclasses.replace(self, frames=kept)

    def moved(self, T: ArrayLike) -> FrameSet:
        """The same images in another world frame; ``T`` is rigid, (4, 4), old world to new world.

        Raises:
            SceneError: ``T`` is no rigid motion.
        """
        T = rigid_matrix(T, 'T', f'frames "{self.name}"')
        return dataclasses.replace(
            self,
            frames=tuple(frame.moved(T) for frame in self.frames),
            points=None if self.points is None else self.points @ T[:3, :3].T + T[:3, 3],
            T_world_capture=T @ self.T_world_capture,
        )

    def summary(self) -> str:
        """One line: how many frames there are and why others are not among them."""
        depth = sum(frame.depth is not None for frame in self.frames)
        text = f'{len(self)} frames ({depth} with depth), layout {self.layout}'
        reasons = Counter(self.skipped.values())
        if reasons:
            listed = ', '.join(f'{count} {reason}' for reason, count in reasons.most_common(3))
            more = ', ...' if len(reasons) > 3 else ''
            text += f'; {len(self.skipped)} skipped: {listed}{more}'
        return text


def read_frames(
    path: str | os.PathLike[str], layout: str = 'auto', depth_scale: float | None = None
) -> FrameSet:
    """Read the cameras of a capture; images are read when asked for.

    Frames without a pose (numbers that are not finite, or all zero) are skipped and counted.

    Args:
        path: folder, or ``.sens`` file. See ``docs/cameras.md`` for the layouts.
        layout: name of the layout, or ``'auto'``.
        depth_scale: metres per unit of the depth images; None takes that of the layout.

    Raises:
        ConfigError: an unknown layout, or a scale that is not positive.
        FileFormatError: missing or damaged files.
        SceneError: a pose that is finite and not rigid, intrinsics that do not fit, or no frame.
    """
    if depth_scale is not None and not (np.isfinite(depth_scale) and depth_scale > 0):
        raise ConfigError(f'depth_scale is {depth_scale}, expected metres per unit above 0.')
    raw = read_raw_frames(path, layout)
    if depth_scale is None:
        depth_scale = raw.depth_scale
    if not (np.isfinite(depth_scale) and depth_scale > 0):
        raise FileFormatError(f'{raw.source}: depth scale {depth_scale}, expected above 0.')
    skipped = dict(raw.skipped)
    frames, sizes = [], {}
    for entry in raw.frames:
        reason = _pose_problem(entry.pose)
        if reason:
            skipped[entry.name] = reason
            continue
        camera, depth_camera = _cameras(entry, raw, sizes)
        frames.append(
            Frame(
                entry.name,
                camera,
                entry.color,
                entry.depth,
                depth_camera,
                depth_scale,
                raw.no_depth,
            )
        )
    source = Path(path)
    result = FrameSet(
        tuple(frames), skipped, source.resolve().stem, source, raw.layout, raw.points, raw.colors
    )
    print_log(f'{path}: {result.summary()}', logger='current')
    if not frames:
        raise SceneError(f'{path}: no usable frame. {result.summary()}.')
    return result


def _pose_problem(pose: np.ndarray) -> str | None:
    if not np.isfinite(pose).all():
        return 'pose is not finite'
    return None if pose[:3, :3].any() else 'pose is zero'


def _cameras(entry: RawFrame, raw: RawFrames, sizes: dict) -> tuple[Camera, Camera]:
    color, depth = entry.color, entry.depth
    camera = _camera(entry.lens, color or depth, entry, sizes, 'colour')
    if entry.depth_lens is not None:
        lens_camera = _camera(entry.depth_lens, depth or color, entry, sizes, 'depth')
        return (lens_camera if color is None else camera), lens_camera
    if raw.depth_resizes and depth is not None:
        width, height = image_size(depth)
        return camera, camera.resized(width, height)
    return camera, camera


def _camera(lens: RawLens, image: StoredImage, entry: RawFrame, sizes: dict, kind: str) -> Camera:
    """The camera; where the files name no size it is that of the first image."""
    if lens.width is None:
        # Headers of thousands of images cost seconds; each is compared when it is read.
        if kind not in sizes:
            sizes[kind] = image_size(image)
            width, height = sizes[kind]
            inside = -0.5 < lens.K[0, 2] < width and -0.5 < lens.K[1, 2] < height
            if not inside:
                raise SceneError(
                    f'{image}: {width} x {height} pixels, and the intrinsics put the optical axis '
                    f'at {lens.K[0, 2]:g}, {lens.K[1, 2]:g}, outside. They belong to another size.'
                )
        width, height = sizes[kind]
    else:
        width, height = lens.width, lens.height
    try:
        return Camera(width, height, lens.K, entry.pose, lens.distortion)
    except SceneError as error:
        raise SceneError(f'{entry.pose_source}, frame "{entry.name}": {error}') from error
