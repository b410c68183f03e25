"""The decisions behind `PointScene`: what is bad, where the origin goes, which unit it is."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from unison3d.errors import SceneError, SceneWarning

#: metres. Single precision resolves 1 mm up to here; farther away the scene gets an origin.
FAR_FROM_ZERO = 1e4
#: metres. A point this far from the middle of the others is an accident of the file.
ABSURD_DISTANCE = 1e6
#: metres. A larger scene is more likely one in millimetres.
LARGE_EXTENT = 200.0
#: A larger scan that is one superpoint was not cut into superpoints.
MOST_POINTS_OF_ONE_SUPERPOINT = 1000


def check_bad_policy(on_bad: str) -> None:
    """Refuse anything but the two policies."""
    if on_bad not in ('raise', 'drop'):
        raise SceneError(f'on_bad is {on_bad!r}, expected "raise" or "drop".')


def as_array(values: ArrayLike, field: str, where: str) -> np.ndarray:
    """``values`` as an array.

    Raises:
        SceneError: rows of different length, or something else that is no table.
    """
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise SceneError(
            f'{where}: {field} cannot be made an array ({error}). Give rows of equal length.'
        ) from error


def fixed_matrix(values: ArrayLike, shape: tuple[int, ...], field: str, where: str) -> np.ndarray:
    """float64 of this shape, finite."""
    array = as_array(values, field, where)
    if array.shape != shape or array.dtype.kind not in 'iuf' or not np.isfinite(array).all():
        raise SceneError(
            f'{where}: {field} has shape {array.shape} and type {array.dtype}, expected {shape} '
            f'finite numbers. Correct {field} or leave it out.'
        )
    return array.astype(np.float64)


def float_rows(values: ArrayLike, count: int, field: str, where: str) -> np.ndarray:
    """float32, (N, 3), of one row per point."""
    array = as_array(values, field, where)
    if array.shape != (count, 3) or array.dtype.kind not in 'iuf':
        raise SceneError(
            f'{where}: {field} has shape {array.shape} and type {array.dtype}, expected numbers of '
            f'shape {(count, 3)}. Give one row per point, or leave {field} out.'
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def point_matrix(points: ArrayLike, where: str) -> np.ndarray:
    """Real numbers, (N, 3), of anything like it; an empty list gives (0, 3)."""
    array = as_array(points, 'points', where)
    if array.size == 0 and array.ndim <= 2 and array.shape[-1] in (0, 3):
        array = array.reshape(0, 3)
    if array.ndim != 2 or array.shape[1] != 3:
        raise SceneError(
            f'{where}: points have shape {array.shape}, expected (N, 3). Give x, y, z per point '
            'and pass colours separately.'
        )
    if array.dtype.kind not in 'iuf':
        raise SceneError(f'{where}: points have type {array.dtype}, expected real numbers.')
    return array


def clean_normals(normals: ArrayLike | None, where: str) -> np.ndarray | None:
    """float32, (N, 3), unit length; rows that are not finite or have no length become zero.

    A missing normal is ordinary (exporters write NaN for isolated points), so it costs the
    direction and not the point.
    """
    if normals is None:
        return None
    array = as_array(normals, 'normals', where)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in 'iuf':
        raise SceneError(
            f'{where}: normals have shape {array.shape} and type {array.dtype}, expected (N, 3) '
            'real numbers.'
        )
    array = array.astype(np.float64)
    array[~np.isfinite(array).all(axis=1)] = 0.0
    # Scaled before squaring, so that neither tiny nor huge components leave the range.
    largest = np.abs(array).max(axis=1, keepdims=True, initial=0.0)
    array /= np.where(largest > 0, largest, 1.0)
    length = np.linalg.norm(array, axis=1, keepdims=True)
    return (array / np.where(length > 0, length, 1.0)).astype(np.float32)


def optional_ids(ids: ArrayLike | None, field: str, count: int, where: str) -> np.ndarray | None:
    """int64, (N,), of integer-valued input; negative instance ids become -1."""
    if ids is None:
        return None
    array = as_array(ids, field, where)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.size == 0:
        array = array.reshape(-1).astype(np.int64)
    if array.shape != (count,):
        raise SceneError(
            f'{where}: {field} has shape {array.shape}, expected ({count},). '
            f'Give one id per point, or leave {field} out.'
        )
    # Beyond 64 bits (and for infinities) the conversion would wrap around without a word.
    if array.dtype.kind in 'uf' and (array >= 2.0**63).any() | (array < -(2.0**63)).any():
        raise SceneError(
            f'{where}: {field} holds values from {array.min()} to {array.max()}, expected whole '
            f'numbers of 64 bits. Correct them, or leave {field} out.'
        )
    if array.dtype.kind == 'f' and np.array_equal(array, np.rint(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in 'iub':
        raise SceneError(f'{where}: {field} has type {array.dtype}, expected whole numbers.')
    array = np.ascontiguousarray(array, dtype=np.int64)
    if field == 'superpoints' and count and array.min() < 0:
        raise SceneError(
            f'{where}: superpoint id {array.min()} is negative. Every point needs a superpoint; '
            'leave superpoints out to have them computed.'
        )
    if field == 'instance_ids' and count and array.min() < -1:
        array = np.maximum(array, -1)
    return array


def usable_superpoints(ids: np.ndarray | None, where: str) -> np.ndarray | None:
    """The superpoints of a file, or None with a warning where they cannot be superpoints.

    Predictions are made per superpoint, so a column of zeros would make the scene one object.
    """
    if ids is None or not ids.size:
        return ids
    low, high = ids.min(), ids.max()
    reason = f'the smallest id is {low}' if low < 0 else f'all {ids.size:,} points have id {low}'
    if low >= 0 and (low < high or ids.size <= MOST_POINTS_OF_ONE_SUPERPOINT):
        return ids
    warnings.warn(
        f'{where}: its superpoints are not used, because {reason}. They are computed instead; '
        'remove the column, or write one id of 0 or more per small smooth patch.',
        SceneWarning,
        stacklevel=4,
    )
    return None


def dense_ids(ids: np.ndarray) -> np.ndarray:
    """Close gaps in ids, order kept; dense ids come back unchanged."""
    values, dense = np.unique(ids, return_inverse=True)
    if len(values) == 0 or values[-1] == len(values) - 1:
        return ids
    return dense.reshape(-1).astype(np.int64)


def kept_faces(faces: ArrayLike, count: int, where: str) -> tuple[np.ndarray, int]:
    """int32, (F', 3), the faces inside ``0 .. count-1``, and how many were not."""
    array = as_array(faces, 'faces', where)
    if array.size == 0:
        array = np.zeros((0, 3), dtype=np.int32)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in 'iu':
        raise SceneError(
            f'{where}: faces have shape {array.shape} and type {array.dtype}, expected (F, 3) '
            'vertex indices. Split polygons into triangles.'
        )
    inside = ((array >= 0) & (array < count)).all(axis=1)
    if inside.all():
        return np.ascontiguousarray(array, dtype=np.int32), 0
    return array[inside].astype(np.int32), int(len(array) - inside.sum())


def unusable_rows(world: np.ndarray, colors: np.ndarray | None) -> np.ndarray:
    """bool, (N,): coordinates not finite or absurdly far from the others, or colours not finite."""
    bad = ~np.isfinite(world).all(axis=1)
    if colors is not None:
        bad |= ~np.isfinite(colors).all(axis=1)
    if bad.all():
        return bad
    middle = np.median(world[~bad], axis=0)
    # Compared rather than subtracted where infinities stand, to stay free of warnings.
    finite = np.where(np.isfinite(world), world, middle)
    return bad | (np.abs(finite - middle) > ABSURD_DISTANCE).any(axis=1)


def find_origin(world: np.ndarray, given: np.dtype, scale: float, where: str) -> np.ndarray:
    """float64, (3,): whole metres to take off scenes far from zero; zeros for all others."""
    if not len(world):
        return np.zeros(3)
    reach = float(np.abs(world).max())
    if reach <= FAR_FROM_ZERO:
        return np.zeros(3)
    if given == np.float32:
        step = float(np.spacing(np.float32(reach / scale))) * scale
        if step > 2e-3:
            warnings.warn(
                f'{where}: coordinates reach {reach:.0f} m in single precision, so they are '
                f'rounded to {step:.3g} m. Export the scan in double precision, or nearer zero.',
                SceneWarning,
                stacklevel=4,
            )
    return np.floor(np.median(world, axis=0))


def warn_about_units(world: np.ndarray, where: str) -> None:
    """Warn when the bulk of the points spans more than a building."""
    if len(world) < 2:
        return
    # The outer hundredth is left out: single stray points say nothing about the unit.
    low, high = np.percentile(world, [1.0, 99.0], axis=0)
    extent = float((high - low).max())
    if extent > LARGE_EXTENT:
        warnings.warn(
            f'{where}: the scene spans {extent:.0f} m. Expected metres; if the file is in '
            'millimetres pass scale=0.001 (--scale 0.001). A large outdoor scan is fine as it is.',
            SceneWarning,
            stacklevel=4,
        )


def follow_faces(faces: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """int32, (F', 3): triangles whose corners are all in ``index``, renumbered to places in it."""
    place = np.full(count, -1, dtype=np.int32)
    # Written backwards: of a point that was asked for twice, the first copy keeps the faces.
    place[index[::-1]] = np.arange(len(index) - 1, -1, -1, dtype=np.int32)
    moved = place[faces]
    return moved[(moved >= 0).all(axis=1)]


def bad_points_message(where: str, bad: np.ndarray, count: int) -> str:
    """The message for rows that :func:`unusable_rows` found."""
    return (
        f'{where}: {int(bad.sum())} of {count} points are not finite or absurdly far away '
        f'(first at row {int(bad.argmax())}). Pass on_bad="drop" to leave them out, '
        'or repair the file.'
    )
