"""TUM RGB-D: ``rgb.txt``, ``depth.txt`` and ``groundtruth.txt``, joined by time stamp.

Each depth image goes with the nearest colour image and pose, at most 20 ms away. Depth is 5000
units per metre. Poses are ``tx ty tz qx qy qz qw``, camera to world. The lens is read from one of
the files of `INTRINSICS_NAMES`; the recordings themselves (folder names with ``freiburg``) ship
none, and their page recommends the values of the ROS driver, which are used for them.

Source: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io.files import named_file, read_bytes
from unison3d.io.images import StoredImage

from .frame_files import INTRINSICS_NAMES, find_lens
from .raw_frames import RawFrame, RawFrames, RawLens

__all__ = ['is_tum', 'nearest', 'quaternion_pose', 'read_tum']

#: seconds.
MAX_TIME_GAP = 0.02
_ROS_LENS = RawLens(np.array([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]]), 640, 480)


def is_tum(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / 'groundtruth.txt').is_file() and (folder / 'depth.txt').is_file()


def read_tum(folder: Path) -> RawFrames:
    """Join the three lists.

    Raises:
        FileFormatError: a missing list, a damaged line, or no intrinsics.
    """
    lens = find_lens(folder)
    if lens is None and 'freiburg' in folder.resolve().name:
        lens = _ROS_LENS
    if lens is None:
        raise FileFormatError(
            f'{folder}: no intrinsics, expected one of {", ".join(INTRINSICS_NAMES)} with the '
            'matrix fx 0 cx / 0 fy cy / 0 0 1.'
        )
    depth_times, depths = _times(folder / 'depth.txt', 1)
    truth = folder / 'groundtruth.txt'
    pose_times, poses = _times(truth, 7)
    color_times, colors = (
        _times(folder / 'rgb.txt', 1) if (folder / 'rgb.txt').is_file() else (np.zeros(0), [])
    )
    quaternions = _numbers(poses, truth)
    frames, skipped = [], {}
    for time, (file,) in zip(depth_times, depths, strict=True):
        name = Path(file).stem
        at = nearest(pose_times, time, MAX_TIME_GAP)
        if at is None:
            skipped[name] = f'no pose within {MAX_TIME_GAP} s'
        elif not (depth := named_file(folder, file, folder / 'depth.txt')).is_file():
            skipped[name] = f'depth image {file} is missing'
        else:
            row = nearest(color_times, time, MAX_TIME_GAP)
            color = None
            if row is not None:
                color = named_file(folder, colors[row][0], folder / 'rgb.txt')
            frames.append(
                RawFrame(
                    name,
                    quaternion_pose(quaternions[at, 3:], quaternions[at, :3]),
                    truth,
                    lens,
                    StoredImage(color) if color is not None and color.is_file() else None,
                    StoredImage(depth),
                )
            )
    return RawFrames('tum', folder, frames, depth_scale=1 / 5000, skipped=skipped)


def quaternion_pose(xyzw: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """float64, (4, 4) of a quaternion x y z w of any length and a translation.

    All zero where the quaternion has no length, which no pose has.
    """
    pose = np.zeros((4, 4))
    length = np.linalg.norm(xyzw)
    if not length > 0:
        return pose
    x, y, z, w = np.asarray(xyzw, dtype=np.float64) / length
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = translation
    pose[3, 3] = 1
    return pose


def _times(path: Path, columns: int) -> tuple[np.ndarray, list[list[str]]]:
    """Time stamps, ascending, and the words after them."""
    rows = []
    for number, line in enumerate(read_bytes(path).decode('utf-8', 'replace').splitlines(), 1):
        words = line.replace(',', ' ').split()
        if not words or words[0].startswith('#'):
            continue
        try:
            time = float(words[0])
        except ValueError:
            time = np.nan
        if len(words) < columns + 1 or not np.isfinite(time):
            raise FileFormatError(
                f'{path}: line {number} is "{line[:60]}", expected a time stamp and {columns} '
                'more words.'
            )
        rows.append((time, words[1 : columns + 1]))
    rows.sort(key=lambda row: row[0])
    return np.array([row[0] for row in rows]), [row[1] for row in rows]


def _numbers(rows: list[list[str]], path: Path) -> np.ndarray:
    try:
        return np.array(rows, dtype=np.float64).reshape(-1, 7)
    except ValueError as error:
        raise FileFormatError(f'{path}: a pose is not numbers ({error}).') from error


def nearest(times: np.ndarray, time: float, most: float) -> int | None:
    """Row of the time stamp, of ascending ones, nearest to ``time`` and at most ``most`` away."""
    at = int(np.searchsorted(times, time))
    near = [i for i in (at - 1, at) if 0 <= i < len(times) and abs(times[i] - time) <= most]
    return min(near, key=lambda i: abs(times[i] - time)) if near else None
