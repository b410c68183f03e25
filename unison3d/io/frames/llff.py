"""LLFF: ``poses_bounds.npy`` and ``images/``.

A row holds a 3 x 5 matrix and two depth bounds. Columns of the matrix: the directions down, right
and backward of the camera, its position, and height, width, focal length of the image the pose was
computed for. Rows belong to the images in the order of their names. The images may be smaller than
that (``images_4``); the lens follows their size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.images import StoredImage, image_size
from unison3d.io.npy import read_npy_array

from .raw_frames import RawFrame, RawFrames, RawLens

__all__ = ['is_llff', 'read_llff']

_ENDINGS = ('.jpg', '.jpeg', '.png')


def is_llff(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / 'poses_bounds.npy').is_file()


def read_llff(folder: Path) -> RawFrames:
    """Read the cameras.

    Raises:
        FileFormatError: a damaged array, or another number of images than of poses.
    """
    path = folder / 'poses_bounds.npy'
    table = read_npy_array(path)
    if table.ndim != 2 or table.shape[1] != 17 or table.dtype.kind not in 'iuf':
        raise FileFormatError(
            f'{path}: shape {table.shape} and type {table.dtype}, expected (N, 17) numbers.'
        )
    images = _images(folder)
    if len(images) != len(table):
        raise FileFormatError(
            f'{path}: {len(table)} poses for {len(images)} images; every image needs its pose.'
        )
    frames = []
    for row, image in zip(table.astype(np.float64), images, strict=True):
        down, right, back, position, (height, width, focal) = row[:15].reshape(3, 5).T
        pose = np.eye(4)
        pose[:3] = np.stack([right, down, -back, position], axis=1)
        source = StoredImage(image)
        lens = _lens(width, height, focal, image_size(source), path)
        frames.append(RawFrame(image.stem, pose, path, lens, source))
    return RawFrames('llff', folder, frames)


def _images(folder: Path) -> list[Path]:
    places = [folder / 'images', *sorted(folder.glob('images_*'))]
    place = next((place for place in places if place.is_dir()), None)
    if place is None:
        raise FileFormatError(f'{folder}: no folder images, expected one image per pose.')
    return sorted(path for path in place.iterdir() if path.suffix.lower() in _ENDINGS)


def _lens(width: float, height: float, focal: float, size: tuple[int, int], path: Path) -> RawLens:
    if not (0 < width < 1e6 and 0 < height < 1e6 and 0 < focal < 1e9):
        raise FileFormatError(
            f'{path}: height {height:g}, width {width:g}, focal length {focal:g}, expected pixels.'
        )
    w, h = size
    K = np.array(
        [[focal * w / width, 0, (w - 1) / 2], [0, focal * h / height, (h - 1) / 2], [0, 0, 1]]
    )
    return RawLens(K, w, h)
