"""nerfstudio and instant-ngp: ``transforms.json``.

Poses are camera to world with OpenGL axes (x right, y up, z backward) and are turned to OpenCV
here. Intrinsics stand once for all frames or in a frame; pixel centres count from 0.5 there, from
0 here. ``depth_file_path`` is millimetres unless ``depth_unit_scale_factor`` says otherwise, and
may be smaller than the colour image. Images that are listed and missing are skipped and counted.

Source: https://docs.nerf.studio/quickstart/data_conventions.html
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.colors import colors_to_float, colors_to_uint8
from unison3d.io.images import StoredImage
from unison3d.io.json_files import read_json
from unison3d.io.ply import read_ply

from .raw_frames import RawFrame, RawFrames, RawLens

__all__ = ['OPENCV_FROM_OPENGL', 'is_nerfstudio', 'read_nerfstudio']

#: Turns the camera about its x axis: y up becomes y down, z backward becomes z forward.
OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_UNSUPPORTED = ('k4', 'k5', 'k6')


def is_nerfstudio(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / 'transforms.json').is_file()


def read_nerfstudio(folder: Path) -> RawFrames:
    """Read the cameras.

    Raises:
        FileFormatError: missing, no JSON, or keys that are missing or of a wrong kind.
    """
    path = folder / 'transforms.json'
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get('frames'), list):
        raise FileFormatError(f'{path}: expected an object with a list "frames".')
    frames, skipped = [], {}
    for number, entry in enumerate(content['frames']):
        where = f'{path}, frame {number}'
        if not isinstance(entry, dict) or not isinstance(entry.get('file_path'), str):
            raise FileFormatError(f'{where}: expected an object with "file_path".')
        pose = _matrix(entry.get('transform_matrix'), where) @ OPENCV_FROM_OPENGL
        name = entry['file_path']
        color = _image(folder, name, where)
        if color is None:
            skipped[name] = 'image is missing'
            continue
        depth = entry.get('depth_file_path')
        frames.append(
            RawFrame(
                name,
                pose,
                path,
                _lens({**content, **entry}, where),
                StoredImage(color),
                _depth(folder, depth, where),
            )
        )
    scale = _number(content, 'depth_unit_scale_factor', path, 0.001)
    points, colors = _points(folder, content, path)
    return RawFrames(
        'nerfstudio',
        folder,
        frames,
        depth_scale=scale,
        depth_resizes=True,
        skipped=skipped,
        points=points,
        colors=colors,
    )


def _inside(folder: Path, name: str, where: object) -> Path:
    path = folder / name
    # No file has a zero in its name, and asking for one is an error of another kind.
    if '\0' in name or not path.resolve().is_relative_to(folder.resolve()):
        raise FileFormatError(f'{where}: "{name[:80]}" lies outside {folder}.')
    return path


def _image(folder: Path, name: str, where: str) -> Path | None:
    # instant-ngp leaves the ending out in synthetic scenes.
    for ending in ('', '.png', '.jpg'):
        path = _inside(folder, name + ending, where)
        if path.is_file():
            return path
    return None


def _depth(folder: Path, name: Any, where: str) -> StoredImage | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise FileFormatError(f'{where}: depth_file_path is {name!r}, expected a file name.')
    path = _inside(folder, name, where)
    return StoredImage(path) if path.is_file() else None


def _matrix(rows: Any, where: str) -> np.ndarray:
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FileFormatError(f'{where}: transform_matrix is no matrix ({error}).') from error
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, [0, 0, 0, 1]])
    if matrix.shape != (4, 4):
        raise FileFormatError(
            f'{where}: transform_matrix has shape {matrix.shape}, expected (4, 4).'
        )
    return matrix


def _number(values: dict, key: str, where: object, default: float | None = None) -> float:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FileFormatError(f'{where}: {key} is {value!r}, expected a number.')
    try:
        return float(value)
    except OverflowError as error:
        raise FileFormatError(f'{where}: {key} is too large.') from error


def _lens(values: dict, where: str) -> RawLens:
    model = values.get('camera_model', 'OPENCV')
    if model not in ('OPENCV', 'PINHOLE', 'SIMPLE_PINHOLE') or values.get('is_fisheye'):
        raise FileFormatError(
            f'{where}: camera_model {model!r} is not read, only OPENCV and PINHOLE. Undistort the '
            'images.'
        )
    w, h = _number(values, 'w', where), _number(values, 'h', where)
    if not (1 <= w < 1e6 and 1 <= h < 1e6):
        raise FileFormatError(f'{where}: w and h are {w:g} and {h:g}, expected pixels.')
    if 'fl_x' in values:
        fx = _number(values, 'fl_x', where)
    else:
        angle = _number(values, 'camera_angle_x', where)
        if not 0 < angle < math.pi:
            raise FileFormatError(f'{where}: camera_angle_x is {angle:g}, expected 0 to pi.')
        fx = 0.5 * w / math.tan(0.5 * angle)
    fy = _number(values, 'fl_y', where, fx)
    cx, cy = _number(values, 'cx', where, w / 2), _number(values, 'cy', where, h / 2)
    for key in _UNSUPPORTED:
        if _number(values, key, where, 0.0):
            raise FileFormatError(f'{where}: distortion {key} is not read. Undistort the images.')
    k = tuple(_number(values, key, where, 0.0) for key in ('k1', 'k2', 'p1', 'p2', 'k3'))
    K = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
    return RawLens(K, int(w), int(h), k if any(k) else None)


def _points(folder: Path, content: dict, path: Path) -> tuple[np.ndarray | None, np.ndarray | None]:
    name = content.get('ply_file_path')
    if name is None:
        return None, None
    if not isinstance(name, str):
        raise FileFormatError(f'{path}: ply_file_path is {name!r}, expected a file name.')
    file = _inside(folder, name, path)
    raw = read_ply(file)
    colors = (
        None
        if raw.colors is None
        else colors_to_uint8(colors_to_float(raw.colors, where=str(file)))
    )
    return np.asarray(raw.points, dtype=np.float64), colors
