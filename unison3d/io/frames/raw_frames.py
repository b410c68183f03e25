"""What a reader of cameras hands back, before anything is decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.images import StoredImage
from unison3d.io.numbers import parse_numbers

__all__ = ['RawFrame', 'RawFrames', 'RawLens', 'find_image', 'read_matrix']

_IMAGE_ENDINGS = ('.jpg', '.png', '.jpeg', '.JPG', '.PNG', '.JPEG')


@dataclass(frozen=True)
class RawLens:
    """Intrinsics as the files have them.

    Args:
        K: float64, (3, 3), pixel (0, 0) is the centre of the top left pixel.
        width: pixels, or None where the size is that of the images.
        height: likewise.
        distortion: k1, k2, p1, p2 and maybe k3, or None.
    """

    K: np.ndarray
    width: int | None = None
    height: int | None = None
    distortion: tuple[float, ...] | None = None


@dataclass(frozen=True)
class RawFrame:
    """One image with its camera.

    Args:
        name: unique in the set.
        pose: float64, (4, 4), camera to world in OpenCV axes. May hold anything.
        pose_source: file, for messages.
        lens: of the colour image, and of the depth image too unless ``depth_lens`` is given.
        color: where the colour image is, or None.
        depth: where the depth image is, or None.
        depth_lens: where depth has another size than colour; same pose.
    """

    name: str
    pose: np.ndarray
    pose_source: Path
    lens: RawLens
    color: StoredImage | None = None
    depth: StoredImage | None = None
    depth_lens: RawLens | None = None


@dataclass
class RawFrames:
    """All frames of a folder.

    Args:
        layout: name of the layout.
        source: folder or file.
        frames: in the order of the files.
        depth_scale: metres per unit of the depth images.
        no_depth: a number that means no measurement, besides 0; or None.
        depth_resizes: the layout has depth of another size than colour through the same lens.
        skipped: names that have no frame, and why.
        points: float, (N, 3), sparse points that came with the cameras, or None.
        colors: uint8, (N, 3), their colours, or None.
    """

    layout: str
    source: Path
    frames: list[RawFrame]
    depth_scale: float = 0.001
    no_depth: int | None = None
    depth_resizes: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    points: np.ndarray | None = None
    colors: np.ndarray | None = None


def read_matrix(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """float64 of a text file of blank-separated numbers; ``inf`` and ``nan`` are numbers.

    A (4, 4) file is accepted where (3, 3) is asked for, as intrinsics are written both ways.

    Raises:
        FileFormatError: missing, no numbers, or another count of them.
    """
    # A matrix has at most a few hundred bytes; commas come from spreadsheets.
    values = parse_numbers(read_bytes(path).replace(b',', b' '), path)
    if len(values) == 16 and shape == (3, 3):
        return values.reshape(4, 4)[:3, :3].copy()
    if len(values) != shape[0] * shape[1]:
        raise FileFormatError(
            f'{path}: holds {len(values)} numbers, expected {shape[0] * shape[1]} for a matrix of '
            f'{shape[0]} x {shape[1]}. It is truncated or another file.'
        )
    return values.reshape(shape)


def find_image(folder: Path, stem: str) -> StoredImage | None:
    """The image with this name and any usual ending, or None."""
    for ending in _IMAGE_ENDINGS:
        path = folder / f'{stem}{ending}'
        if path.is_file():
            return StoredImage(path)
    return None
