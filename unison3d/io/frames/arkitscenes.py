"""Frames of an ARKitScenes scan, as the 3DOD and the raw download have them.

===========================================  =====================================================
in ``<scan>/<scan>_frames/``, or in          used for
``<scan>/`` itself (raw)
===========================================  =====================================================
``lowres_depth/<scan>_<time>.png``           depth, 16 bit, millimetres
``lowres_wide/<scan>_<time>.png``            colour, of the same size and through the same lens
``lowres_wide_intrinsics/*.pincam``          per frame: width, height, fx, fy, cx, cy
``lowres_wide.traj``                         ten poses per second: time, axis times angle
                                             (radians), translation (metres); world to camera
===========================================  =====================================================

Times are seconds; those in the names of files are rounded to milliseconds. A frame takes the pose
that is nearest in time. The world is that of the mesh and the annotation: z up.

Source: https://github.com/apple/ARKitScenes/blob/main/DATA.md
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import read_bytes
from unison3d.io.images import StoredImage
from unison3d.io.numbers import parse_numbers

from .raw_frames import RawFrame, RawFrames, RawLens
from .tum import nearest

__all__ = ['is_arkitscenes', 'read_arkitscenes']

TRAJECTORY, LENSES = 'lowres_wide.traj', 'lowres_wide_intrinsics'
COLOR, DEPTH = 'lowres_wide', 'lowres_depth'
#: seconds; the distance of two poses.
MAX_TIME_GAP = 0.1
_NAME = re.compile(r'([^.]+)_(\d{1,9})\.(\d{3})')


def is_arkitscenes(folder: Path) -> bool:
    """Whether the folder is such a scan, or the folder of its frames."""
    return _frames_folder(folder) is not None


def _frames_folder(folder: Path) -> Path | None:
    below = sorted(folder.glob('*_frames'))
    for place in (folder, *(below if len(below) == 1 else ())):
        # What lacks one of the two has to fail with the name of it.
        if (place / TRAJECTORY).is_file() or (place / LENSES).is_dir():
            return place
    return None


def read_arkitscenes(folder: Path) -> RawFrames:
    """Join images, lenses and poses by time.

    Raises:
        FileFormatError: no trajectory, no image, or a damaged text file.
    """
    place = _frames_folder(folder)
    if place is None:
        raise FileFormatError(
            f'{folder}: no {TRAJECTORY} here or in <scan>_frames. Give the folder of one scan.'
        )
    times, poses = _trajectory(place / TRAJECTORY)
    colors, depths = (
        {path.stem: StoredImage(path) for path in (place / kind).glob('*.png')}
        for kind in (COLOR, DEPTH)
    )
    if not colors and not depths:
        raise FileFormatError(
            f'{place}: no image in {COLOR} or {DEPTH}. Download these two assets as well.'
        )
    frames, skipped = [], {}
    for stem in colors.keys() | depths.keys():
        match = _NAME.fullmatch(stem)
        if match is None:
            skipped[stem] = 'name is not <scan>_<seconds>.<milliseconds>'
            continue
        milliseconds = int(match[2] + match[3])
        at = nearest(times, milliseconds / 1000, MAX_TIME_GAP)
        lens_path = _lens_path(place / LENSES, match[1], milliseconds)
        if at is None:
            skipped[stem] = f'no pose within {MAX_TIME_GAP} s'
        elif lens_path is None:
            skipped[stem] = f'no .pincam in {LENSES}'
        else:
            frame = RawFrame(
                stem,
                poses[at],
                place / TRAJECTORY,
                _lens(lens_path),
                colors.get(stem),
                depths.get(stem),
            )
            frames.append((milliseconds, stem, frame))
    ordered = [frame for *_, frame in sorted(frames, key=lambda entry: entry[:2])]
    return RawFrames('arkitscenes', folder, ordered, skipped=dict(sorted(skipped.items())))


def _trajectory(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times, float64 (P,), ascending, and poses, float64 (P, 4, 4), camera to world."""
    # Importing it takes longer than reading a scan, and every reader is imported for one.
    from scipy.spatial.transform import Rotation

    rows = []
    for number, line in enumerate(read_bytes(path).decode('utf-8', 'replace').splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            row = []
        if len(row) != 7 or not np.isfinite(row[0]):
            raise FileFormatError(
                f'{path}: line {number} is "{line[:60]}", expected 7 numbers: time, axis times '
                'angle, translation. It is truncated or another file.'
            )
        rows.append(row)
    table = np.array(rows, np.float64).reshape(-1, 7)
    table = table[np.argsort(table[:, 0], kind='stable')]
    # What is not finite stays so: it is counted as a lost pose later on.
    poses = np.full((len(table), 4, 4), np.nan)
    whole = np.isfinite(table).all(axis=1)
    turn = Rotation.from_rotvec(table[whole, 1:4]).as_matrix().transpose(0, 2, 1)
    poses[whole, :3, :3] = turn
    poses[whole, :3, 3] = -np.einsum('pij,pj->pi', turn, table[whole, 4:])
    poses[whole, 3] = [0, 0, 0, 1]
    return table[:, 0], poses


def _lens_path(folder: Path, scan: str, milliseconds: int) -> Path | None:
    # Image and lens were named apart from each other, and may be rounded apart.
    for shift in (0, -1, 1):
        seconds, rest = divmod(milliseconds + shift, 1000)
        path = folder / f'{scan}_{seconds}.{rest:03d}.pincam'
        if path.is_file():
            return path
    return None


def _lens(path: Path) -> RawLens:
    values = parse_numbers(read_bytes(path), path)
    right = len(values) == 6 and np.isfinite(values).all()
    right = right and (values[:4] > 0).all() and (values[:2] == np.rint(values[:2])).all()
    if not right or values[:2].max() > 1e6:
        raise FileFormatError(
            f'{path}: holds {values[:8].tolist()}, expected width, height, fx, fy, cx, cy in '
            'pixels. It is damaged; download it again.'
        )
    width, height, fx, fy, cx, cy = values
    return RawLens(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), int(width), int(height))
