"""Arrays of a mesh that a dataset brings, checked where the name of the file is still known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unison3d.errors import FileFormatError
from unison3d.io import RawScene, colors_to_float, colors_to_uint8, read_ply


def read_mesh(path: Path) -> RawScene:
    """The ``.ply`` of a release whose meshes all have colours and faces.

    Raises:
        FileFormatError: missing, damaged, or without one of the two.
    """
    mesh = read_ply(path)
    if mesh.colors is None or mesh.faces is None or not len(mesh.faces):
        raise FileFormatError(f'{path}: has no colours or no faces. Take the file of the release.')
    return mesh


def points_of(mesh: RawScene, path: Path) -> np.ndarray:
    """float32, (N, 3), N >= 1, finite.

    Raises:
        FileFormatError: no points, or one that is not finite (or not in 32 bits).
    """
    if not len(mesh):
        raise FileFormatError(f'{path}: holds no points. The file is damaged; download it again.')
    with np.errstate(over='ignore'):
        points = mesh.points.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(points).all(1))
    if len(bad):
        raise FileFormatError(
            f'{path}: {len(bad)} points are not finite, the first is point {bad[0]} '
            f'({mesh.points[bad[0]]}). The file is damaged; download it again.'
        )
    return points


def colors_of(mesh: RawScene, path: Path) -> np.ndarray:
    """uint8, (N, 3); zeros where the mesh has none.

    Raises:
        FileFormatError: a colour that is not finite, or another number of them than of points.
        SceneError: colours in no range that is known.
    """
    if mesh.colors is None:
        return np.zeros((len(mesh), 3), np.uint8)
    colors = colors_to_float(mesh.colors, where=str(path))
    if len(colors) != len(mesh):
        raise FileFormatError(f'{path}: {len(colors)} colours for {len(mesh)} points.')
    bad = np.flatnonzero(~np.isfinite(colors).all(1))
    if len(bad):
        raise FileFormatError(f'{path}: the colour of point {bad[0]} is not finite.')
    return colors_to_uint8(colors)


def faces_of(mesh: RawScene, path: Path) -> np.ndarray | None:
    """int32, (F, 3), F >= 1; None where the mesh has no faces.

    Raises:
        FileFormatError: not triangles, or vertices that do not exist.
    """
    faces = mesh.faces
    if faces is None or not len(faces):
        return None
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in 'iu':
        raise FileFormatError(f'{path}: faces have shape {faces.shape}, expected (F, 3).')
    if faces.min() < 0 or faces.max() >= len(mesh):
        raise FileFormatError(
            f'{path}: faces name vertices {faces.min()} to {faces.max()}, there are {len(mesh)}. '
            'The file is damaged.'
        )
    return faces.astype(np.int32)


def rigid(matrix: np.ndarray, path: Path) -> np.ndarray:
    """The alignment of a scan, float64, (4, 4).

    Raises:
        FileFormatError: it is more than a turn and a shift.
    """
    matrix = np.asarray(matrix, np.float64)
    if not is_rigid(matrix):
        raise FileFormatError(
            f'{path}: the axis alignment {matrix.tolist()} is not a turn and a shift. The file is '
            'damaged; download it again.'
        )
    return matrix


def is_rigid(matrix: np.ndarray) -> bool:
    """Whether a finite matrix is a turn and a shift, (4, 4)."""
    if matrix.shape != (4, 4) or not np.allclose(matrix[3], (0, 0, 0, 1)):
        return False
    turn = matrix[:3, :3]
    if np.abs(turn).max() > 2:  # its square may be more than a float holds
        return False
    return np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) and bool(np.linalg.det(turn) > 0)
