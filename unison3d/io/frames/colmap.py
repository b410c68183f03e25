"""COLMAP models, text and binary: ``cameras``, ``images`` and ``points3D``.

The model is looked for in the folder, in ``sparse/0`` and in ``sparse``; images in ``images`` or
beside the model. COLMAP counts pixel centres from 0.5, ours from 0. Camera models without a form in
OpenCV's five coefficients are refused: undistort the images first.

Source: https://colmap.github.io/format.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import named_file, read_bytes
from unison3d.io.images import StoredImage

from .raw_frames import RawFrame, RawFrames, RawLens
from .tum import quaternion_pose

__all__ = ['find_model', 'is_colmap', 'read_colmap']

#: Name and number of parameters of the model ids of the binary form.
_MODELS = {
    0: ('SIMPLE_PINHOLE', 3),
    1: ('PINHOLE', 4),
    2: ('SIMPLE_RADIAL', 4),
    3: ('RADIAL', 5),
    4: ('OPENCV', 8),
}
_SIZES = dict(_MODELS.values())


class _Image(NamedTuple):
    name: str
    wxyz: np.ndarray
    translation: np.ndarray
    camera: int


def find_model(folder: Path) -> Path | None:
    """The folder with ``cameras`` and ``images``, or None."""
    for place in (folder, folder / 'sparse' / '0', folder / 'sparse'):
        for ending in ('.bin', '.txt'):
            if (place / f'cameras{ending}').is_file() and (place / f'images{ending}').is_file():
                return place
    return None


def is_colmap(folder: Path) -> bool:
    """Whether there is a model in the folder."""
    return find_model(folder) is not None


def read_colmap(folder: Path) -> RawFrames:
    """Read a model; binary files go before text.

    Raises:
        FileFormatError: no model, damaged or truncated files, or a camera model that is not read.
    """
    place = find_model(folder)
    if place is None:
        raise FileFormatError(
            f'{folder}: no COLMAP model, expected cameras and images as .bin or .txt here, in '
            'sparse/0 or in sparse.'
        )
    binary = (place / 'cameras.bin').is_file() and (place / 'images.bin').is_file()
    ending = '.bin' if binary else '.txt'
    cameras_path, images_path = place / f'cameras{ending}', place / f'images{ending}'
    lenses = dict((_binary_cameras if binary else _text_cameras)(cameras_path))
    root = next((p for p in (folder / 'images', place.parent / 'images') if p.is_dir()), folder)
    frames, skipped = [], {}
    for image in (_binary_images if binary else _text_images)(images_path):
        if image.camera not in lenses:
            raise FileFormatError(
                f'{images_path}: image {image.name} has camera {image.camera}, which is not in '
                f'{cameras_path.name}.'
            )
        path = named_file(root, image.name, images_path)
        if not path.is_file():
            skipped[image.name] = f'image is missing in {root}'
            continue
        pose = _camera_to_world(image)
        color = StoredImage(path)
        frames.append(RawFrame(image.name, pose, images_path, lenses[image.camera], color))
    frames.sort(key=lambda frame: frame.name)
    points, colors = _points(place, binary)
    return RawFrames('colmap', folder, frames, skipped=skipped, points=points, colors=colors)


def _camera_to_world(image: _Image) -> np.ndarray:
    turn = quaternion_pose(image.wxyz[[1, 2, 3, 0]], np.zeros(3))
    pose = turn.T.copy()
    pose[:3, 3] = -turn[:3, :3].T @ image.translation
    return pose


def _lens(name: str, width: int, height: int, values: np.ndarray, path: Path) -> RawLens:
    if name.startswith(('SIMPLE', 'RADIAL')):
        fx, cx, cy, *rest = values
        fy = fx
    else:
        fx, fy, cx, cy, *rest = values
    if width < 1 or height < 1 or not np.isfinite(values).all():
        raise FileFormatError(f'{path}: camera {name} {width} x {height} {values.tolist()}.')
    distortion = tuple((*rest, 0.0, 0.0, 0.0)[:4]) if rest else None
    K = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
    return RawLens(K, width, height, distortion)


def _refuse_model(path: Path, model: object) -> FileFormatError:
    return FileFormatError(
        f'{path}: camera model {model} is not read, only {", ".join(_SIZES)}. Undistort the images '
        'with "colmap image_undistorter".'
    )


# ------------------------------------------------------------------ text


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    text = read_bytes(path).decode('utf-8', errors='replace')
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith('#'):
            yield number, line.strip()


def _bad_line(path: Path, number: int, line: str, expected: str) -> FileFormatError:
    return FileFormatError(f'{path}: line {number} is "{line[:60]}", expected {expected}.')


def _text_cameras(path: Path) -> Iterator[tuple[int, RawLens]]:
    for number, line in _lines(path):
        if not line:
            continue
        words = line.split()
        if len(words) > 1 and words[1] not in _SIZES:
            raise _refuse_model(path, words[1])
        try:
            identifier, width, height = int(words[0]), int(words[2]), int(words[3])
            values = np.array(words[4:], dtype=np.float64)
            right = len(values) == _SIZES[words[1]]
        except (ValueError, IndexError):
            right = False
        if not right:
            raise _bad_line(path, number, line, 'CAMERA_ID MODEL WIDTH HEIGHT PARAMS...')
        yield identifier, _lens(words[1], width, height, values, path)


def _text_images(path: Path) -> Iterator[_Image]:
    # Every second line lists the points of an image and may be empty.
    for place, (number, line) in enumerate(_lines(path)):
        if place % 2:
            continue
        if not line:
            break
        words = line.split(maxsplit=9)
        try:
            values = np.array(words[1:8], dtype=np.float64)
            yield _Image(words[9], values[:4], values[4:], int(words[8]))
        except (ValueError, IndexError) as error:
            expected = 'IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME'
            raise _bad_line(path, number, line, expected) from error


def _points(place: Path, binary: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    path = place / ('points3D.bin' if binary else 'points3D.txt')
    if not path.is_file():
        return None, None
    rows = list((_binary_points if binary else _text_points)(path))
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    if not np.isfinite(table).all() or table[:, 3:].min(initial=0) < 0:
        raise FileFormatError(f'{path}: points or colours that are not usable numbers.')
    if table[:, 3:].max(initial=0) > 255:
        raise FileFormatError(f'{path}: colours above 255.')
    return table[:, :3], table[:, 3:].astype(np.uint8)


def _text_points(path: Path) -> Iterator[tuple[float, ...]]:
    for number, line in _lines(path):
        if not line:
            continue
        try:
            x, y, z, r, g, b = map(float, line.split(maxsplit=7)[1:7])
        except ValueError as error:
            raise _bad_line(path, number, line, 'POINT3D_ID X Y Z R G B ...') from error
        yield x, y, z, r, g, b


# ------------------------------------------------------------------ binary


class _Bytes:
    """Walks through a binary file and never past its end."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, read_bytes(path), 0

    def take(self, form: str) -> tuple:
        size = struct.calcsize(form)
        self.need(size)
        values = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return values

    def need(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise FileFormatError(
                f'{self.path}: ends at byte {len(self.data):,}, where at least '
                f'{size - (len(self.data) - self.at):,} more are promised. It is truncated or its '
                'counts are wrong.'
            )

    def skip(self, size: int) -> None:
        self.need(size)
        self.at += size

    def count(self, smallest: int) -> int:
        (count,) = self.take('<Q')
        self.need(count * smallest)
        return count

    def text(self) -> str:
        end = self.data.find(b'\0', self.at)
        if end < 0:
            raise FileFormatError(f'{self.path}: a name does not end. The file is truncated.')
        name = self.data[self.at : end].decode('utf-8', errors='replace')
        self.at = end + 1
        return name


def _binary_cameras(path: Path) -> Iterator[tuple[int, RawLens]]:
    data = _Bytes(path)
    for _ in range(data.count(24)):
        identifier, model, width, height = data.take('<IiQQ')
        if model not in _MODELS:
            raise _refuse_model(path, f'number {model}')
        name, size = _MODELS[model]
        values = np.array(data.take(f'<{size}d'))
        yield identifier, _lens(name, width, height, values, path)


def _binary_images(path: Path) -> Iterator[_Image]:
    data = _Bytes(path)
    for _ in range(data.count(73)):
        _, *pose, camera = data.take('<I7dI')
        name = data.text()
        yield _Image(name, np.array(pose[:4]), np.array(pose[4:]), camera)
        data.skip(24 * data.count(24))


def _binary_points(path: Path) -> Iterator[tuple[float, ...]]:
    data = _Bytes(path)
    for _ in range(data.count(51)):
        _, x, y, z, r, g, b, _ = data.take('<Q3d3Bd')
        yield x, y, z, r, g, b
        data.skip(8 * data.count(8))
