"""A truncated signed distance volume (Curless and Levoy 1996) in sparse blocks.

>>> volume = TsdfVolume(voxel_size=0.02)
>>> for depth, color, T_world_camera in frames:
...     volume.integrate(depth, K, T_world_camera, color)
>>> vertices, faces, colors, normals = volume.extract_mesh(min_weight=2)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unison3d.errors import ConfigError, SceneError
from unison3d.fusion.blocks import EDGE, VOXELS, find_all, insert_all
from unison3d.fusion.integrate import blocks_near_surface, samples_per_ray, update_blocks
from unison3d.fusion.surface import extract

_BYTES_PER_BLOCK = VOXELS * 4 * 2
_BYTES_OF_COLOR = VOXELS * 4 * 4


class FusedMesh(NamedTuple):
    """A triangle mesh. Holes are where nothing was seen.

    Args:
        vertices: float32, (V, 3), metres, world frame.
        faces: int32, (F, 3), counter-clockwise seen from the cameras.
        colors: uint8, (V, 3), or None where no frame had colours.
        normals: float32, (V, 3), unit, towards the cameras.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None
    normals: np.ndarray


class TsdfVolume:
    """Averages depth images into signed distances to the surface.

    Memory follows the surface: 4 KiB per block of 8 voxels cubed, 12 KiB with colours. The same
    frames in the same order give the same mesh.

    Args:
        voxel_size: metres.
        truncation: metres behind and in front of the surface that a measurement counts for; at
            least two voxels. Four voxels if None.
        max_bytes: limit of memory for the voxels.

    Raises:
        ConfigError: a number out of range.
    """

    def __init__(
        self, voxel_size: float, truncation: float | None = None, *, max_bytes: int = 4 << 30
    ) -> None:
        truncation = 4 * voxel_size if truncation is None else truncation
        if not 0 < voxel_size < np.inf:
            raise ConfigError(f'voxel_size is {voxel_size}, expected metres above 0.')
        if not 2 * voxel_size <= truncation <= 64 * voxel_size:
            raise ConfigError(
                f'truncation is {truncation} m, expected 2 to 64 voxels of {voxel_size} m.'
            )
        self.voxel_size = float(voxel_size)
        self.truncation = float(truncation)
        self._max_bytes = max_bytes
        self._count = 0
        self._keys = np.empty(0, np.int64)
        self._table = (np.full(2, -1, np.int64), np.zeros(2, np.int32))
        self._distance = np.empty((0, VOXELS), np.float32)
        self._weight = np.empty((0, VOXELS), np.float32)
        self._tint = np.empty((0, VOXELS, 4), np.float32)
        self._has_color = False

    @property
    def num_blocks(self) -> int:
        """Blocks in use."""
        return self._count

    def integrate(
        self,
        depth: np.ndarray,
        K: np.ndarray,
        T_world_camera: np.ndarray,
        color: np.ndarray | None = None,
    ) -> None:
        """Add one frame.

        Args:
            depth: float32, (H, W), metres along the optical axis; 0 is no measurement, and so is
                what is not finite.
            K: float64, (3, 3), pinhole intrinsics, pixel centres at whole numbers.
            T_world_camera: float64, (4, 4), camera to world, rigid; x right, y down, z forward.
            color: uint8, (H, W, 3), registered to the depth, or None.

        Raises:
            SceneError: arrays that do not fit, or a surface too large for the voxel size.
        """
        depth, K, pose = _checked_frame(depth, K, T_world_camera, color)
        samples = depth.size * int(samples_per_ray(self.voxel_size, self.truncation))
        keys = np.empty(samples, np.int64)
        found = blocks_near_surface(depth, K, pose, self.voxel_size, self.truncation, keys)
        if found < 0:
            raise SceneError(
                f'The depth image reaches beyond {(1 << 19) * EDGE * self.voxel_size:.0f} m from '
                f'the origin, the range of voxels of {self.voxel_size} m. Check the unit of the '
                'depth and of the poses, or take larger voxels.'
            )
        if found == 0:
            return
        if color is not None and not self._has_color:
            self._has_color = True
            self._reserve(self._count)
        rows = self._rows(np.unique(keys[:found]))
        no_color = np.empty((0, 0, 3), np.uint8)
        update_blocks(
            rows,
            self._keys,
            depth,
            no_color if color is None else np.ascontiguousarray(color),
            K,
            pose,
            self.voxel_size,
            self.truncation,
            self._distance,
            self._weight,
            self._tint,
        )

    def extract_mesh(self, min_weight: float = 0.1) -> FusedMesh:
        """Triangles where the averaged distance is zero.

        Args:
            min_weight: what every corner of a cell must have for the cell to hold surface. A
                frame adds the squared cosine between ray and normal, 1 where it looks straight at
                the surface. More leaves less noise and more holes.
        """
        n = self._count
        # From well in front to well behind within one voxel: the rim of a thing, not a surface.
        max_jump = float(np.clip(4 * self.voxel_size / self.truncation, 1.0, 1.8))
        vertices, faces, colors, normals = extract(
            self._keys[:n],
            self._table,
            self._distance[:n],
            self._weight[:n],
            self._tint[:n],
            self.voxel_size,
            max(float(min_weight), 1e-6),
            max_jump,
        )
        return FusedMesh(vertices, faces, colors if self._has_color else None, normals)

    def _rows(self, keys: np.ndarray) -> np.ndarray:
        """Rows of blocks; those that are not there yet are made."""
        rows = np.empty(len(keys), np.int64)
        find_all(keys, *self._table, rows)
        new = np.flatnonzero(rows < 0)
        if len(new):
            first = self._count
            self._reserve(first + len(new))
            self._keys[first : first + len(new)] = keys[new]
            insert_all(keys[new], first, *self._table)
            rows[new] = np.arange(first, first + len(new))
            self._count += len(new)
        return rows

    def _reserve(self, count: int) -> None:
        each = _BYTES_PER_BLOCK + (_BYTES_OF_COLOR if self._has_color else 0)
        if count * each > self._max_bytes:
            raise SceneError(
                f'The volume needs {count:,} blocks, {count * each / 2**30:.1f} GiB; the limit is '
                f'{self._max_bytes / 2**30:.1f} GiB. Take larger voxels than {self.voxel_size} m '
                'or a higher max_bytes.'
            )
        room = len(self._keys)
        if count > room:
            room = min(max(count, 2 * room, 64), self._max_bytes // each)
            self._keys = _longer(self._keys, room)
            self._distance = _longer(self._distance, room)
            self._weight = _longer(self._weight, room)
        if self._has_color and len(self._tint) < room:
            self._tint = _longer(self._tint, room)
        if len(self._table[0]) < 2 * room:
            length = 1 << int(2 * room - 1).bit_length()
            self._table = (np.full(length, -1, np.int64), np.zeros(length, np.int32))
            insert_all(self._keys[: self._count], 0, *self._table)


def _longer(array: np.ndarray, length: int) -> np.ndarray:
    out = np.zeros((length, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def _checked_frame(
    depth: np.ndarray, K: np.ndarray, pose: np.ndarray, color: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    depth = np.ascontiguousarray(depth, dtype=np.float32)
    K = np.ascontiguousarray(K, dtype=np.float64)
    pose = np.ascontiguousarray(pose, dtype=np.float64)
    if depth.ndim != 2:
        raise SceneError(f'depth has shape {depth.shape}, expected (H, W).')
    if K.shape != (3, 3) or not np.isfinite(K).all() or K[0, 0] == 0 or K[1, 1] == 0:
        raise SceneError(f'K is {K.tolist()}, expected finite (3, 3) with focal lengths.')
    turn = pose[:3, :3]
    rigid = pose.shape == (4, 4) and np.isfinite(pose).all()
    if not (rigid and np.allclose(turn @ turn.T, np.eye(3), atol=1e-2) and np.linalg.det(turn) > 0):
        raise SceneError(
            f'T_world_camera is {pose.tolist()}, expected a rigid (4, 4). Leave out frames '
            'whose pose is not known.'
        )
    if color is not None and (color.dtype != np.uint8 or color.shape != (*depth.shape, 3)):
        raise SceneError(
            f'color is {color.dtype} {color.shape}, expected uint8 {(*depth.shape, 3)} like the '
            'depth. Resize one of them.'
        )
    return depth, K, pose
